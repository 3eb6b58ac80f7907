//! What every match of a regular expression holds: a few literals near its start.

use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{
    Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Repetition,
};

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
/// Most bytes of a literal.
pub(crate) const LENGTH: usize = 12;
/// Characters of a class that are told apart.
const CLASS: usize = 12;

/// What every match of an expression holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clue {
    /// With capitals made small, in order, none empty.
    pub(crate) literals: Vec<Vec<u8>>,
    /// Most bytes from the start of a match to the first byte of the literal.
    pub(crate) before: usize,
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
