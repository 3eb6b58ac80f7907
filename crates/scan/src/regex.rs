//! Regular expressions, searched in a window that no match of interest can leave.

use regex_automata::Input;
use regex_automata::meta;
use regex_syntax::hir::Hir;

use crate::gate::Clue;
use crate::lane::{Full, Sweep};
use crate::pattern::Fault;
use crate::reach::Reach;

/// Largest compiled expression, in bytes.
const SIZE_LIMIT: usize = 10 << 20;
/// Room for the lazily built automaton of one expression and thread, in bytes.
const CACHE: usize = 8 << 20;

pub(crate) struct Expression {
    regex: meta::Regex,
    reach: Reach,
    clue: Option<Clue>,
}

impl Expression {
    /// `gated`: it is searched only where its clue is, if it has one.
    pub(crate) fn new(hir: &Hir, gated: bool) -> Result<Self, Fault> {
        let config = meta::Regex::config()
            .utf8_empty(false)
            .nfa_size_limit(Some(SIZE_LIMIT))
            // It serves anchored searches only, and takes long to build.
            .onepass(false)
            .hybrid_cache_capacity(CACHE);
        let regex =
            meta::Regex::builder().configure(config).build_from_hir(hir).map_err(|error| {
                match error.size_limit() {
                    Some(limit) => Fault::new(format!("the compiled expression exceeds {} MiB", limit >> 20)),
                    None => Fault::new(error.to_string()),
                }
            })?;
        let reach = Reach::of(hir);
        if gated && reach.is_endless() {
            return Err(Fault::new(
                "a repetition of any byte has no upper bound: a match could be as long as the memory",
            ));
        }
        Ok(Self { regex, reach, clue: gated.then(|| Clue::of(hir)).flatten() })
    }

    /// Where the expression is searched; `None` for everywhere.
    pub(crate) fn clue(&self) -> Option<&Clue> {
        self.clue.as_ref()
    }

    /// The first match that is not empty in `from..window`; look-around sees all of `bytes`.
    pub(crate) fn find(&self, bytes: &[u8], from: usize, window: usize) -> Option<(usize, usize)> {
        let mut from = from;
        loop {
            if from >= window {
                return None;
            }
            let found = self.regex.search(&Input::new(bytes).span(from..window))?;
            if !found.is_empty() {
                return Some((found.start(), found.end()));
            }
            from = found.end() + 1;
        }
    }

    /// Adds the hits that start before `border`, if the window for them ends within `limit` bytes of it.
    /// Otherwise `sweep.next` stays below the border.
    pub(crate) fn sweep(
        &self,
        lane: usize,
        bytes: &[u8],
        border: usize,
        limit: usize,
        sweep: &mut Sweep,
    ) -> Result<(), Full> {
        let mut next = sweep.next_of(lane);
        if next >= border {
            return Ok(());
        }
        let Some(window) = self.reach.window(bytes, border, limit) else { return Ok(()) };
        while next < border {
            match self.find(bytes, next, window) {
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
        proceed: &dyn Fn() -> bool,
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
            match expression.find(bytes, self.clear, window) {
                Some((start, end)) if start < next => {
                    self.clear = start;
                    self.found = Some((start, end));
                }
                _ => self.clear = next,
            }
        }
    }
}
