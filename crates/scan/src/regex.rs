//! Regular expressions, searched in a window that no match of interest can leave.

use std::sync::OnceLock;

use regex_automata::{Anchored, Input, meta};
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::clue::Clue;
use crate::patient::{CACHE, Patient, Proceed, Unanswered};
use crate::pattern::Fault;
use crate::reach::Reach;
use crate::sweep::{Full, Sweep};

/// Largest compiled expression, in bytes.
const SIZE_LIMIT: usize = 10 << 20;
/// Most bytes that one state of a compiled expression takes, with room to spare.
const STATE: usize = 128;
/// Most states of one range of characters: UTF-8 has up to 4 bytes, in up to some ten ways.
const RANGE: usize = 64;
/// States times bytes beyond which a search may take seconds and must be one that can be stopped.
const HEAVY: usize = 1 << 28;

pub(crate) struct Expression {
    hir: Hir,
    /// Compiled when it is first needed, if that cannot fail.
    regex: OnceLock<Option<meta::Regex>>,
    /// The same for searches that may take long.
    patient: OnceLock<Option<Patient>>,
    /// About as many as the compiled expression has.
    states: usize,
    reach: Reach,
    clue: Option<Clue>,
}

impl Expression {
    /// `gated`: it is searched only where its clue is, if it has one.
    pub(crate) fn new(hir: &Hir, gated: bool) -> Result<Self, Fault> {
        let reach = Reach::of(hir);
        if gated && reach.is_endless() {
            return Err(Fault::new(
                "a repetition of any byte has no upper bound: a match could be as long as the memory",
            ));
        }
        let clue = gated.then(|| Clue::of(hir)).flatten();
        let regex = OnceLock::new();
        // Of many rules most are never met, and compiling takes longer than searching some MiB.
        let states = states(hir);
        if clue.is_none() || states.saturating_mul(STATE) > SIZE_LIMIT {
            let _ = regex.set(Some(compile(hir, Some(SIZE_LIMIT))?));
        }
        Ok(Self { hir: hir.clone(), regex, patient: OnceLock::new(), states, reach, clue })
    }

    /// Where the expression is searched; `None` for everywhere.
    pub(crate) fn clue(&self) -> Option<&Clue> {
        self.clue.as_ref()
    }

    /// The first match that is not empty in `from..window`; look-around sees all of `bytes`.
    pub(crate) fn find(
        &self,
        bytes: &[u8],
        from: usize,
        window: usize,
        proceed: Proceed<'_>,
    ) -> Result<Option<(usize, usize)>, Full> {
        let mut from = from;
        while from < window {
            match self.search(&Input::new(bytes).span(from..window), proceed)? {
                Some((start, end)) if start == end => from = end + 1,
                found => return Ok(found),
            }
        }
        Ok(None)
    }

    /// The end of the match that starts at `from`, if there is one that is not empty.
    pub(crate) fn end(
        &self,
        bytes: &[u8],
        from: usize,
        window: usize,
        proceed: Proceed<'_>,
    ) -> Result<Option<usize>, Full> {
        let input = Input::new(bytes).span(from..window).anchored(Anchored::Yes);
        let found = self.search(&input, proceed)?;
        Ok(found.filter(|(start, end)| start < end).map(|(_, end)| end))
    }

    fn search(&self, input: &Input<'_>, proceed: Proceed<'_>) -> Result<Option<(usize, usize)>, Full> {
        if !proceed() {
            return Err(Full);
        }
        if self.states.saturating_mul(input.end().saturating_sub(input.start())) > HEAVY
            && let Some(patient) = self.patient.get_or_init(|| Patient::new(&self.hir))
        {
            match patient.find(input, proceed) {
                Ok(found) => return Ok(found),
                Err(Unanswered::Stopped) => return Err(Full),
                Err(Unanswered::Unfit) => {}
            }
        }
        // That it is small enough was seen before: a limit here could only lose matches.
        let regex = self.regex.get_or_init(|| compile(&self.hir, None).ok());
        let found = regex.as_ref().and_then(|regex| regex.search(input));
        Ok(found.map(|found| (found.start(), found.end())))
    }

    /// Adds the hits that start before `border`, if the window for them ends within `limit` bytes of it.
    /// Otherwise `sweep.next` stays below the border.
    pub(crate) fn sweep(
        &self,
        lane: usize,
        bytes: &[u8],
        border: usize,
        limit: usize,
        proceed: Proceed<'_>,
        sweep: &mut Sweep,
    ) -> Result<(), Full> {
        let mut next = sweep.next_of(lane);
        if next >= border {
            return Ok(());
        }
        let Some(window) = self.reach.window(bytes, border, limit) else { return Ok(()) };
        while next < border {
            match self.find(bytes, next, window, proceed)? {
                Some((start, end)) if start < border => {
                    sweep.add(lane, start, end)?;
                    next = end;
                }
                _ => next = border,
            }
        }
        sweep.set_next(lane, next);
        Ok(())
    }

    /// See [`Reach::window`].
    pub(crate) fn window(&self, bytes: &[u8], border: usize, limit: usize) -> Option<usize> {
        self.reach.window(bytes, border, limit)
    }
}

fn compile(hir: &Hir, limit: Option<usize>) -> Result<meta::Regex, Fault> {
    let config = meta::Regex::config()
        .utf8_empty(false)
        .nfa_size_limit(limit)
        // It serves anchored searches only, and takes long to build.
        .onepass(false)
        .hybrid_cache_capacity(CACHE);
    meta::Regex::builder().configure(config).build_from_hir(hir).map_err(|error| match error.size_limit() {
        Some(limit) => Fault::new(format!("the compiled expression exceeds {} MiB", limit >> 20)),
        None => Fault::new(error.to_string()),
    })
}

/// About as many states as the compiled expression has, or more.
fn states(hir: &Hir) -> usize {
    let sum = |parts: &[Hir]| parts.iter().map(states).fold(2, usize::saturating_add);
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Bytes(class)) => class.ranges().len().saturating_add(1),
        HirKind::Class(Class::Unicode(class)) => class.ranges().len().saturating_add(1).saturating_mul(RANGE),
        HirKind::Repetition(it) => {
            let times = it.max.unwrap_or(it.min.saturating_add(1)).max(1);
            let times = usize::try_from(times).unwrap_or(usize::MAX);
            states(&it.sub).saturating_add(2).saturating_mul(times).saturating_add(2)
        }
        HirKind::Capture(capture) => states(&capture.sub).saturating_add(2),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => sum(parts).saturating_add(parts.len()),
    }
}

/// What is known of the next match of one expression, when its scan is not bounded by windows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ahead {
    /// Where the search began.
    from: usize,
    /// No match starts in `from..clear`.
    clear: usize,
    /// The match that starts at `clear`.
    found: Option<(usize, usize)>,
}

impl Ahead {
    /// The first match that starts in `from..border`, searched at most `step` bytes at a time where windows allow
    /// it. Every byte is searched about once, however often this is asked with ascending `from`. `None` too when
    /// `proceed` said no.
    pub(crate) fn next(
        &mut self,
        expression: &Expression,
        bytes: &[u8],
        from: usize,
        border: usize,
        step: usize,
        proceed: Proceed<'_>,
    ) -> Option<(usize, usize)> {
        if from < self.from || from > self.clear {
            *self = Self { from, clear: from, found: None };
        }
        loop {
            if let Some(found) = self.found {
                return Some(found).filter(|(start, _)| *start < border);
            }
            if self.clear >= border || !proceed() {
                return None;
            }
            let next = border.max(self.clear.saturating_add(step)).min(bytes.len());
            let (next, window) = match expression.window(bytes, next, step) {
                Some(window) => (next, window),
                None => (bytes.len(), bytes.len()),
            };
            match expression.find(bytes, self.clear, window, proceed).ok()? {
                Some((start, end)) if start < next => {
                    self.clear = start;
                    self.found = Some((start, end));
                }
                _ => self.clear = next,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::{Meaning, PatternKind};

    fn hir(text: &str) -> Hir {
        match Meaning::of(&PatternKind::Regex(text.into()), false).unwrap() {
            Meaning::Expression { hir, .. } => hir,
            Meaning::Literal { bytes, .. } => Hir::literal(bytes),
        }
    }

    #[test]
    fn the_size_of_what_is_not_compiled_yet_is_never_underrated() {
        let texts = [
            "abc[0-9]{40}",
            r"(?u)key\w{20}",
            r"(?u)key=(?:\pL|\d){1,30};",
            "((a|b|cd)*e){3,9}x",
            r"key(?i:[a-z0-9_.-]{0,25}(?:\s|[=>:\x22]){1,5})([0-9a-f]{32,64})",
            "a(?:b(?:c(?:d{1,9}){1,9}){1,9}){1,9}",
            "key[^a]{2,300}",
        ];
        for text in texts {
            let hir = hir(text);
            let nfa = regex_automata::nfa::thompson::NFA::compiler().build_from_hir(&hir).unwrap();
            assert!(nfa.states().len() <= states(&hir) + 8, "{text}");
            assert!(nfa.memory_usage() <= states(&hir) * STATE, "{text}: {}", nfa.memory_usage());
        }
    }

    #[test]
    fn what_may_be_too_large_is_refused_at_once() {
        let large = hir(r"(?u)key\w{5000}");
        assert!(Expression::new(&large, true).is_err());
        let small = Expression::new(&hir("key[0-9]{4}"), true).unwrap();
        assert!(small.regex.get().is_none());
        assert_eq!(small.find(b"a key1234 b", 0, 11, &|| true).ok(), Some(Some((2, 9))));
        assert!(small.find(b"a key1234 b", 0, 11, &|| false).is_err());
    }

    #[test]
    fn both_engines_find_the_same() {
        let alphabet = b"ab\n\xffk ";
        let texts = [
            "k[ab]{0,3}b",
            "[ab]+",
            "(?:a|ab)(?:b|)",
            "a*?b|k",
            r"\bab\b",
            "(?m)^a+$",
            "a*",
            "[^k]{2,4}?k",
            "(?:k[ab\n]{0,9}){1,3}b",
            r"(?u)\bb\b",
            "b{0,3}|a",
        ];
        for text in texts {
            let hir = hir(text);
            let expression = Expression::new(&hir, false).unwrap();
            let patient = Patient::new(&hir).unwrap();
            let mut seed = 7_u64;
            for _ in 0..400 {
                let bytes: Vec<u8> = (0..12)
                    .map(|_| {
                        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        alphabet[(seed >> 40) as usize % alphabet.len()]
                    })
                    .collect();
                for (from, window) in [(0, 12), (3, 12), (2, 9)] {
                    for anchored in [Anchored::No, Anchored::Yes] {
                        let input = Input::new(&bytes).span(from..window).anchored(anchored);
                        let theirs = expression.search(&input, &|| true).ok().unwrap();
                        match patient.find(&input, &|| true) {
                            Ok(ours) => assert_eq!(ours, theirs, "{text} {bytes:?} {input:?}"),
                            Err(Unanswered::Unfit) => assert!(text.contains("(?u)"), "{text}"),
                            Err(Unanswered::Stopped) => panic!("nobody stopped it"),
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_heavy_search_is_stopped_in_its_midst() {
        let expression = Expression::new(&hir("k[ka]{30000}b"), true).unwrap();
        let bytes = b"k".repeat(60_000);
        let asked = std::cell::Cell::new(0);
        let proceed = || {
            asked.set(asked.get() + 1);
            asked.get() < 10
        };
        assert!(expression.find(&bytes, 0, bytes.len(), &proceed).is_err());
        assert_eq!(asked.get(), 10);
    }
}
