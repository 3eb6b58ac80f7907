//! Many regular expressions at the cost of a literal search.
//!
//! Most expressions that are worth searching memory for hold some literal: a prefix such as `ghp_`, an `@`, the object
//! identifier of a key. From each expression a *clue* is taken: a few literals, one of which every match has no more
//! than `before` bytes after its start. All clues are searched together, with capitals made small, while a tile is in
//! the cache; only where one is found does the expression itself run, over the whole region from `before` bytes
//! ahead of the clue. A clue is a necessary condition, so the result is exactly that of the expression alone.
//!
//! Clues that lie close together must not make the expression read the same bytes again and again. Where a match starts
//! with its clue, it is tried there and nowhere else, and ends where it fails. Otherwise each vain search of one stretch
//! is twice as long as the one before, however many clues lie in what it reads.

use std::ops::Range;

use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{
    Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Repetition,
};

use crate::chunk::Piece;
use crate::lane::{Full, Lane, Sweep};
use crate::literal::Group;
use crate::patient::Proceed;
use crate::regex::Expression;
use crate::repeat::{Clued, Repeats};
use crate::tile::fold_into;

/// Most bytes between the start of a match and its clue.
const BEFORE: usize = 256;
/// Most literals of one clue.
const LITERALS: usize = 64;
/// Most literals of one or two bytes.
const FEW: usize = 4;
/// Bytes of a literal that may be looked at, the most first: as many as do not split it into several.
const LENGTHS: [usize; 3] = [LENGTH, 8, 6];
/// Fewer bytes are met more often: only where that leaves a third of the literals or less, as before a digit.
const BRIEF: [usize; 2] = [5, 4];
const LENGTH: usize = 12;
/// Characters of a class that are told apart.
const CLASS: usize = 12;

/// What every match of an expression holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clue {
    /// With capitals made small, in order, none empty.
    literals: Vec<Vec<u8>>,
    /// Most bytes from the start of a match to the first byte of the literal.
    before: usize,
}

impl Clue {
    /// The most telling clue of an expression, if it has any.
    pub(crate) fn of(hir: &Hir) -> Option<Self> {
        let hir = fold(hir);
        let parts: &[Hir] = match hir.kind() {
            HirKind::Concat(parts) => parts,
            _ => std::slice::from_ref(&hir),
        };
        let mut extractor = Extractor::new();
        extractor
            .kind(ExtractKind::Prefix)
            .limit_class(CLASS)
            .limit_literal_len(LENGTH)
            .limit_total(LITERALS);
        let mut best: Option<(usize, Self)> = None;
        let mut before = 0_usize;
        for (at, part) in parts.iter().enumerate() {
            let rest = parts.get(at..).unwrap_or_default();
            if let Some(clue) = Self::extract(&extractor, &Hir::concat(rest.to_vec()), before) {
                let worth = clue.worth();
                if best.as_ref().is_none_or(|(most, _)| worth > *most) {
                    best = Some((worth, clue));
                }
            }
            before = before.saturating_add(part.properties().maximum_len().unwrap_or(usize::MAX));
            if before > BEFORE {
                break;
            }
        }
        best.map(|(_, clue)| clue)
    }

    fn extract(extractor: &Extractor, hir: &Hir, before: usize) -> Option<Self> {
        let sequence = extractor.extract(hir);
        let whole = sequence.literals()?;
        let cut = |length: usize| {
            let mut literals: Vec<Vec<u8>> =
                whole.iter().map(|it| it.as_bytes().iter().copied().take(length).collect()).collect();
            literals.sort();
            literals.dedup();
            literals
        };
        let mut literals = LENGTHS.into_iter().map(cut).min_by_key(Vec::len)?;
        let brief = BRIEF.into_iter().map(cut).find(|brief| brief.len().saturating_mul(3) <= literals.len());
        literals = brief.unwrap_or(literals);
        // Many short literals cost a search each; a sign that they share is as telling.
        if literals.len() > FEW && literals.iter().any(|literal| literal.len() < 3) {
            literals = cut(1);
            let is_sign =
                |literal: &Vec<u8>| literal.first().is_some_and(|byte| !byte.is_ascii_alphanumeric());
            if literals.len() != 1 || !literals.iter().all(is_sign) {
                return None;
            }
        }
        let usable = !literals.is_empty() && literals.iter().all(|literal| !literal.is_empty());
        usable.then_some(Self { literals, before })
    }

    /// How seldom the clue is met where there is no match, and how little it costs to look for it: a byte more of the
    /// shortest literal is worth four literals. With less than three bytes it is met everywhere.
    fn worth(&self) -> usize {
        let shortest = self.literals.iter().map(Vec::len).min().unwrap_or(0).min(6);
        (shortest * 8 + if shortest < 3 { 0 } else { LITERALS * 2 }).saturating_sub(self.literals.len() * 2)
    }
}

/// What the matches of an expression look like with capitals made small and assertions left out.
fn fold(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0.to_ascii_lowercase()),
        HirKind::Class(Class::Bytes(class)) => Hir::class(Class::Bytes(fold_bytes(class))),
        HirKind::Class(Class::Unicode(class)) => Hir::class(Class::Unicode(fold_unicode(class))),
        HirKind::Repetition(it) => {
            let sub = Box::new(fold(&it.sub));
            Hir::repetition(Repetition { min: it.min, max: it.max, greedy: it.greedy, sub })
        }
        HirKind::Capture(capture) => fold(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(fold).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(fold).collect()),
    }
}

fn fold_bytes(class: &ClassBytes) -> ClassBytes {
    let capitals = ClassBytes::new([ClassBytesRange::new(b'A', b'Z')]);
    let mut large = class.clone();
    large.intersect(&capitals);
    let mut folded = class.clone();
    folded.difference(&capitals);
    for range in large.iter() {
        folded
            .push(ClassBytesRange::new(range.start().to_ascii_lowercase(), range.end().to_ascii_lowercase()));
    }
    folded
}

fn fold_unicode(class: &ClassUnicode) -> ClassUnicode {
    let capitals = ClassUnicode::new([ClassUnicodeRange::new('A', 'Z')]);
    let mut large = class.clone();
    large.intersect(&capitals);
    let mut folded = class.clone();
    folded.difference(&capitals);
    for range in large.iter() {
        folded.push(ClassUnicodeRange::new(
            range.start().to_ascii_lowercase(),
            range.end().to_ascii_lowercase(),
        ));
    }
    folded
}

/// The search for the clues of every gated expression of a plan.
pub(crate) struct Gates {
    groups: Vec<Group>,
    /// No clue consists of zeros alone.
    zeros: bool,
    /// The lanes that are gated, in order, and how far before a clue their matches may begin.
    lanes: Vec<(usize, usize)>,
    /// The greatest of these distances.
    before: usize,
}

impl Gates {
    pub(crate) fn new(lanes: &[Lane]) -> Self {
        let mut wanted = Vec::new();
        let mut gated = Vec::new();
        for (at, lane) in lanes.iter().enumerate() {
            if let Some(clue) = lane.expression().and_then(Expression::clue) {
                wanted.extend(clue.literals.iter().map(|literal| (at, literal.clone())));
                gated.push((at, clue.before));
            }
        }
        let before = gated.iter().map(|(_, before)| *before).max().unwrap_or(0);
        wanted.sort();
        wanted.dedup();
        let zeros = wanted.iter().all(|(_, literal)| literal.iter().any(|byte| *byte != 0));
        Self { groups: Group::build(&wanted), zeros, lanes: gated, before }
    }

    /// Whether there is nothing to search for.
    pub(crate) const fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Adds the hits of gated expressions that start before `border`, as [`Expression::sweep`] would.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn sweep(
        &self,
        lanes: &[Lane],
        bytes: &[u8],
        piece: Piece,
        repeats: Option<&Repeats<'_>>,
        limit: usize,
        proceed: Proceed<'_>,
        sweep: &mut Sweep,
    ) -> Result<(), Full> {
        if self.is_empty() {
            return Ok(());
        }
        let Piece { from, border, .. } = piece;
        let mut clues = std::mem::take(&mut sweep.clues);
        self.collect(bytes, piece, repeats, &mut sweep.folded, &mut clues)?;
        let mut rest = clues.as_slice();
        for (lane, before) in &self.lanes {
            let own = rest.partition_point(|(of, _)| of <= lane);
            let (own, others) = rest.split_at_checked(own).unwrap_or((rest, &[]));
            rest = others;
            if let Some(expression) = lanes.get(*lane).and_then(Lane::expression) {
                let (lane, before) = (*lane, *before);
                let stretch = Stretch { expression, lane, before, bytes, from, border, limit, proceed };
                stretch.sweep(own, sweep)?;
            }
        }
        sweep.clues = clues;
        Ok(())
    }

    /// Where which lane has a clue, in order, for all matches that may start in a piece.
    fn collect(
        &self,
        bytes: &[u8],
        Piece { region, from, border }: Piece,
        repeats: Option<&Repeats<'_>>,
        folded: &mut Vec<u8>,
        clues: &mut Vec<Clued>,
    ) -> Result<(), Full> {
        clues.clear();
        let last = border.saturating_add(self.before).min(bytes.len());
        let mut next = from;
        if let Some(repeats) = repeats {
            for stretch in repeats.stretches(region, from..last, self.zeros) {
                // A clue that runs out of the stretch is not known.
                let known = stretch.part.start..stretch.part.end.saturating_sub(LENGTH);
                if repeats.recall(&stretch, &known, clues) {
                    self.search(bytes, next..known.start, folded, clues)?;
                    next = known.end;
                }
            }
        }
        self.search(bytes, next..last, folded, clues)?;
        clues.sort_unstable();
        clues.dedup();
        if let Some(repeats) = repeats {
            repeats.learn(region, from..border, clues);
        }
        Ok(())
    }

    /// Adds the clues that begin in a part of the bytes.
    fn search(
        &self,
        bytes: &[u8],
        part: Range<usize>,
        folded: &mut Vec<u8>,
        clues: &mut Vec<Clued>,
    ) -> Result<(), Full> {
        let end = part.end.saturating_add(LENGTH).min(bytes.len());
        fold_into(bytes.get(part.start..end).unwrap_or_default(), folded);
        for group in &self.groups {
            group.candidates(folded, part.len(), &mut |lane, at| {
                clues.push((lane, part.start.saturating_add(at)));
                Ok(0)
            })?;
        }
        Ok(())
    }
}

/// One expression in one tile.
struct Stretch<'t> {
    expression: &'t Expression,
    lane: usize,
    before: usize,
    bytes: &'t [u8],
    from: usize,
    border: usize,
    limit: usize,
    proceed: Proceed<'t>,
}

impl Stretch<'_> {
    fn sweep(&self, clues: &[(usize, usize)], sweep: &mut Sweep) -> Result<(), Full> {
        let mut next = sweep.next_of(self.lane);
        if next < self.from {
            // A window was too long in the tile before: its clues are gone.
            let Self { expression, lane, bytes, border, limit, proceed, .. } = *self;
            return expression.sweep(lane, bytes, border, limit, proceed, sweep);
        }
        if self.before == 0 {
            return self.starts(clues, sweep);
        }
        // How far it was searched, and how far the next search may go.
        let mut searched = next;
        let mut step = 1_usize;
        for (_, clue) in clues {
            let earliest = clue.saturating_sub(self.before);
            if earliest >= self.border {
                break;
            }
            next = next.max(earliest);
            if next >= searched {
                step = 1;
            }
            while next <= *clue && next < self.border {
                let edge = next.saturating_add(step).max(clue.saturating_add(1)).min(self.border);
                let Some(window) = self.expression.window(self.bytes, edge, self.limit) else {
                    sweep.set_next(self.lane, next);
                    return Ok(());
                };
                match self.expression.find(self.bytes, next, window, self.proceed)? {
                    Some((start, end)) if start < edge => {
                        sweep.add(self.lane, start, end)?;
                        next = end;
                        searched = end;
                        step = 1;
                    }
                    _ => {
                        step = window.saturating_sub(next).saturating_mul(2);
                        next = edge;
                        searched = window;
                    }
                }
            }
        }
        sweep.set_next(self.lane, next.max(self.border));
        Ok(())
    }

    /// Where a match starts with its clue, nothing else than the clues need be tried.
    fn starts(&self, clues: &[(usize, usize)], sweep: &mut Sweep) -> Result<(), Full> {
        let mut next = sweep.next_of(self.lane);
        for (_, clue) in clues.iter().filter(|(_, clue)| *clue < self.border) {
            if *clue < next {
                continue;
            }
            let Some(window) = self.expression.window(self.bytes, clue.saturating_add(1), self.limit) else {
                sweep.set_next(self.lane, *clue);
                return Ok(());
            };
            if let Some(end) = self.expression.end(self.bytes, *clue, window, self.proceed)? {
                sweep.add(self.lane, *clue, end)?;
                next = end;
            }
        }
        sweep.set_next(self.lane, next.max(self.border));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clue(pattern: &str) -> Option<(Vec<String>, usize)> {
        let hir =
            regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).unwrap();
        let clue = Clue::of(&hir)?;
        let text = |literal: &Vec<u8>| String::from_utf8_lossy(literal).into_owned();
        Some((clue.literals.iter().map(text).collect(), clue.before))
    }

    fn is(pattern: &str, literals: &[&str], before: usize) {
        let literals = literals.iter().map(|literal| (*literal).to_owned()).collect();
        assert_eq!(clue(pattern), Some((literals, before)), "{pattern}");
    }

    #[test]
    fn clues_are_prefixes_or_lie_further_in() {
        is(r"\bgh[pousr]_[A-Za-z0-9]{36}", &["gho_", "ghp_", "ghr_", "ghs_", "ghu_"], 0);
        is(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}", &["."], 3);
        is(r"[a-z.]{1,64}@[a-z]+", &["@"], 64);
        is(r"(?i)(?:api_key|apikey)\s*=", &["api_ke", "apikey"], 0);
        is(r"[A-Z0-9_]{0,30}(?:TOKEN|SECRET)=(\S+)", &["secret=", "token="], 30);
        is(r"(?i)(?:amqp|http|imap|ldap|mysql|nats|redis|smtp)s?://[a-z]", &["://"], 6);
        is(r"\bxox[abp]-[0-9]{8}", &["xoxa-", "xoxb-", "xoxp-"], 0);
        is(r"\x30\x82[\x00-\x7f][\x00-\xff]\x02\x01\x00\x30\x0d", &["\u{2}\u{1}\0\x30\r"], 4);
    }

    #[test]
    fn some_expressions_have_none() {
        assert_eq!(clue(r"[a-f0-9]{40}"), None);
        assert_eq!(clue(r"(?:foo)?[a-z]+"), None);
        assert_eq!(clue(r"[48][0-9AB]x?[a-z]+"), None, "too many, too short");
        assert_eq!(clue(r"[a-z]*@"), None, "the literal may be any distance away");
    }
}
