//! Searching with an expression that may be slow, so that the search can be stopped at any time.
//!
//! An expression of many states, such as one that counts to ten thousand, can cost as many steps for each byte. Its
//! automaton is stepped by hand here, and every so often it is asked whether to go on. What a byte costs at most is the
//! number of states, however many matches may begin at once.

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{NFA, WhichCaptures};
use regex_automata::util::pool::Pool;
use regex_automata::util::prefilter::Prefilter;
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::Hir;

/// Bytes after which it is asked whether to go on.
const STEP: usize = 512;

type Caches = (Cache, Cache);

/// Why a search gave no answer.
pub(crate) enum Unanswered {
    /// It was told not to go on.
    Stopped,
    /// The automaton cannot tell: the expression looks at words beyond ASCII.
    Unfit,
}

/// Whether to go on.
pub(crate) type Proceed<'a> = &'a dyn Fn() -> bool;

pub(crate) struct Patient {
    forward: DFA,
    backward: DFA,
    prefilter: Option<Prefilter>,
    caches: Pool<Caches, Box<dyn Fn() -> Caches + Send + Sync>>,
}

impl Patient {
    /// `None` when there is no such automaton for the expression.
    pub(crate) fn new(hir: &Hir) -> Option<Self> {
        let prefilter = Prefilter::from_hir_prefix(MatchKind::LeftmostFirst, hir);
        let forward = automaton(hir, false, prefilter.is_some())?;
        let backward = automaton(hir, true, false)?;
        let own = (forward.clone(), backward.clone());
        let create = move || (own.0.create_cache(), own.1.create_cache());
        Some(Self { forward, backward, prefilter, caches: Pool::new(Box::new(create)) })
    }

    /// The first match in a part of the bytes; when `anchored`, only one that starts with the part.
    pub(crate) fn find(
        &self,
        input: &Input<'_>,
        proceed: Proceed<'_>,
    ) -> Result<Option<(usize, usize)>, Unanswered> {
        let mut caches = self.caches.get();
        let (ahead, back) = &mut *caches;
        let Some(end) = self.end(ahead, input, proceed)? else { return Ok(None) };
        if input.get_anchored().is_anchored() {
            return Ok(Some((input.start(), end)));
        }
        let start = self.start(back, &input.clone().range(input.start()..end), proceed)?;
        Ok(start.map(|start| (start, end)))
    }

    /// The end of the first match.
    fn end(
        &self,
        cache: &mut Cache,
        input: &Input<'_>,
        proceed: Proceed<'_>,
    ) -> Result<Option<usize>, Unanswered> {
        let dfa = &self.forward;
        let bytes = input.haystack();
        let prefilter = self.prefilter.as_ref().filter(|_| !input.get_anchored().is_anchored());
        let start = |cache: &mut Cache, at: usize| {
            dfa.start_state_forward(cache, &input.clone().range(at..input.end()))
                .map_err(|_| Unanswered::Unfit)
        };
        let mut at = input.start();
        let mut state = start(cache, at)?;
        let mut found = None;
        while at < input.end() {
            if !proceed() {
                return Err(Unanswered::Stopped);
            }
            if let Some(prefilter) = prefilter
                && state.is_start()
                && found.is_none()
            {
                match prefilter.find(bytes, (at..input.end()).into()) {
                    None => return Ok(None),
                    Some(span) if span.start > at => {
                        at = span.start;
                        state = start(cache, at)?;
                    }
                    Some(_) => {}
                }
            }
            let border = input.end().min(at.saturating_add(STEP));
            for byte in bytes.get(at..border).unwrap_or_default() {
                state = step(dfa, cache, state, *byte)?;
                if state.is_tagged() {
                    if state.is_match() {
                        // A match is told one byte late.
                        found = Some(at);
                    } else if state.is_dead() {
                        return Ok(found);
                    } else if state.is_quit() {
                        return Err(Unanswered::Unfit);
                    } else if prefilter.is_some() {
                        at += 1;
                        break;
                    }
                }
                at += 1;
            }
        }
        let last = match bytes.get(input.end()) {
            Some(byte) => step(dfa, cache, state, *byte)?,
            None => dfa.next_eoi_state(cache, state).map_err(|_| Unanswered::Unfit)?,
        };
        match last {
            last if last.is_match() => Ok(Some(input.end())),
            last if last.is_quit() => Err(Unanswered::Unfit),
            _ => Ok(found),
        }
    }

    /// The start of the match that ends with the input.
    fn start(
        &self,
        cache: &mut Cache,
        input: &Input<'_>,
        proceed: Proceed<'_>,
    ) -> Result<Option<usize>, Unanswered> {
        let dfa = &self.backward;
        let bytes = input.haystack();
        let input = input.clone().anchored(Anchored::Yes);
        let mut state = dfa.start_state_reverse(cache, &input).map_err(|_| Unanswered::Unfit)?;
        let mut found = None;
        let mut at = input.end();
        for byte in bytes.get(input.get_range()).unwrap_or_default().iter().rev() {
            if at % STEP == 0 && !proceed() {
                return Err(Unanswered::Stopped);
            }
            state = step(dfa, cache, state, *byte)?;
            if state.is_tagged() {
                if state.is_match() {
                    found = Some(at);
                } else if state.is_dead() {
                    return Ok(found);
                } else if state.is_quit() {
                    return Err(Unanswered::Unfit);
                }
            }
            at -= 1;
        }
        let last = match input.start().checked_sub(1).and_then(|before| bytes.get(before)) {
            Some(byte) => step(dfa, cache, state, *byte)?,
            None => dfa.next_eoi_state(cache, state).map_err(|_| Unanswered::Unfit)?,
        };
        match last {
            last if last.is_match() => Ok(Some(input.start())),
            last if last.is_quit() => Err(Unanswered::Unfit),
            _ => Ok(found),
        }
    }
}

fn step(dfa: &DFA, cache: &mut Cache, state: LazyStateID, byte: u8) -> Result<LazyStateID, Unanswered> {
    dfa.next_state(cache, state, byte).map_err(|_| Unanswered::Unfit)
}

fn automaton(hir: &Hir, reverse: bool, has_prefilter: bool) -> Option<DFA> {
    let config = NFA::config().reverse(reverse).which_captures(WhichCaptures::None);
    let nfa = NFA::compiler().configure(config).build_from_hir(hir).ok()?;
    let config = DFA::config()
        .match_kind(if reverse { MatchKind::All } else { MatchKind::LeftmostFirst })
        .unicode_word_boundary(true)
        .specialize_start_states(has_prefilter)
        .cache_capacity(CACHE)
        .skip_cache_capacity_check(true);
    DFA::builder().configure(config).build_from_nfa(nfa).ok()
}

/// Room for the lazily built automaton of one expression and thread, in bytes.
pub(crate) const CACHE: usize = 8 << 20;
