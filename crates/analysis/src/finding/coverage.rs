//! What findings do not rest on: a verdict is worth no more than what was looked at.

use schemars::JsonSchema;
use serde::Serialize;

use super::Facts;
use crate::{Case, container::summary};

/// Something that was not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NotExamined {
    /// What it is.
    pub what: String,
    /// Why not, or what would show it.
    pub why: String,
}

/// Lists what was not looked at.
pub fn not_examined(case: &mut Case<'_>, facts: &Facts<'_>) -> Vec<NotExamined> {
    let mut list: Vec<NotExamined> = Vec::new();
    let mut say = |is_so: bool, what: String, why: &str| {
        if is_so {
            list.push(NotExamined { what, why: why.to_owned() });
        }
    };
    for sentence in summary::summarise(case).not_here {
        let (what, why) = sentence.split_once(": ").unwrap_or((&sentence, "the archive does not have it"));
        say(true, what.to_owned(), why);
    }
    say(
        facts.container.namespace.is_some(),
        "the file of the service account's token".to_owned(),
        "mounted from the node; only what processes read of it is captured",
    );
    let pages = facts.mappings.iter().filter(|mapping| mapping.criu_page.is_some()).count();
    say(
        pages > 0,
        format!("the first code page of {pages} process{}", if pages == 1 { "" } else { "es" }),
        "CRIU overwrote and restored this page; compare it with the file to rule out tampering",
    );
    let unread = facts.changes.iter().filter(|change| change.flags.contains(&"cut")).count();
    say(unread > 0, format!("{unread} truncated files"), "the archive ends too early");
    say(true, "the kernel, the host and other containers".to_owned(), "not part of a checkpoint");
    list
}
