//! Whether the images of the checkpoint agree with one another.

use super::{Facts, Hit, Severity, Subject, contradiction::CONTRADICTIONS, next_step::Topic};

/// A finding names so many; the warnings have all.
const SHOWN: usize = 20;

/// Images that contradict one another: somebody may have changed them after the dump.
pub(super) fn contradicting(facts: &Facts<'_>) -> Vec<Hit> {
    let Some(first) = facts.contradictions.first() else { return Vec::new() };
    let is_sure = facts.contradictions.iter().any(|one| CONTRADICTIONS.contains(&one.code));
    let mut hit = Hit::new(
        Subject::default().path(first.subject.as_str()),
        "the images of the checkpoint contradict one another, as CRIU does not write them: the evidence may have been \
         changed to hide something",
    )
    .more(Topic::Overview.all());
    if !is_sure {
        hit = hit.severity(Severity::Medium);
    }
    for one in facts.contradictions.iter().take(SHOWN) {
        hit = hit.fact(one.code, one.subject.clone(), one.message.as_str());
    }
    vec![hit]
}
