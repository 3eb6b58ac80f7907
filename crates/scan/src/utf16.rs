//! The UTF-16 form of a pattern.
//!
//! A literal is re-encoded. An expression keeps its meaning, lifted from bytes to characters: an ASCII byte is
//! that character, a class that holds every byte beyond ASCII (`.`, `[^"]`, `\W`) holds every character beyond
//! ASCII, and Unicode classes stay as they are. Each class then becomes the pairs of bytes that encode it.

use regex_syntax::hir::{Capture, Class, ClassBytes, ClassBytesRange, Hir, HirKind, Repetition};

use crate::hit::Encoding;
use crate::pattern::Fault;

/// First code unit of each half of the surrogates, and their last.
const HIGH_FIRST: u16 = 0xd800;
const LOW_FIRST: u16 = 0xdc00;
const LOW_LAST: u16 = 0xdfff;

/// The two bytes of a code unit, in the order they have in memory. `Raw` counts as low byte first.
fn unit_bytes(unit: u16, encoding: Encoding) -> [u8; 2] {
    match encoding {
        Encoding::Utf16Be => unit.to_be_bytes(),
        Encoding::Raw | Encoding::Utf16Le => unit.to_le_bytes(),
    }
}

/// `text` in UTF-16, or `None` when it is not UTF-8.
pub(crate) fn transcode(text: &[u8], encoding: Encoding) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    Some(text.encode_utf16().flat_map(|unit| unit_bytes(unit, encoding)).collect())
}

/// `hir` as an expression over the bytes of UTF-16.
pub(crate) fn rewrite(hir: &Hir, encoding: Encoding) -> Result<Hir, Fault> {
    match hir.kind() {
        HirKind::Empty => Ok(Hir::empty()),
        HirKind::Look(_) => Err(Fault::new(
            "it cannot be searched in UTF-16: anchors, word boundaries and whole-word matching \
             of expressions work on bytes only",
        )),
        HirKind::Literal(literal) => {
            let bytes = transcode(&literal.0, encoding).ok_or_else(|| {
                Fault::new("it cannot be searched in UTF-16: it holds bytes that are not UTF-8 text")
            })?;
            Ok(Hir::literal(bytes))
        }
        HirKind::Class(Class::Unicode(class)) => {
            let ranges = class.ranges().iter().map(|range| (range.start(), range.end()));
            Ok(characters(ranges, encoding))
        }
        HirKind::Class(Class::Bytes(class)) => {
            let mut ranges = Vec::new();
            for range in class.ranges() {
                match (range.start(), range.end()) {
                    (first, last) if last.is_ascii() => ranges.push((char::from(first), char::from(last))),
                    (first, u8::MAX) if first <= 0x80 => ranges.push((char::from(first), char::MAX)),
                    _ => {
                        return Err(Fault::new(
                            "it cannot be searched in UTF-16: a class holds some, but not all, bytes beyond ASCII",
                        ));
                    }
                }
            }
            Ok(characters(ranges.into_iter(), encoding))
        }
        HirKind::Repetition(repetition) => Ok(Hir::repetition(Repetition {
            min: repetition.min,
            max: repetition.max,
            greedy: repetition.greedy,
            sub: Box::new(rewrite(&repetition.sub, encoding)?),
        })),
        HirKind::Capture(capture) => Ok(Hir::capture(Capture {
            index: capture.index,
            name: capture.name.clone(),
            sub: Box::new(rewrite(&capture.sub, encoding)?),
        })),
        HirKind::Concat(parts) => Ok(Hir::concat(all(parts, encoding)?)),
        HirKind::Alternation(parts) => Ok(Hir::alternation(all(parts, encoding)?)),
    }
}

fn all(parts: &[Hir], encoding: Encoding) -> Result<Vec<Hir>, Fault> {
    parts.iter().map(|part| rewrite(part, encoding)).collect()
}

/// Any one character of `ranges`. The alternatives exclude each other, so their order does not matter.
fn characters(ranges: impl Iterator<Item = (char, char)>, encoding: Encoding) -> Hir {
    let mut forms = Vec::new();
    for (first, last) in ranges {
        let (first, last) = (u32::from(first), u32::from(last));
        if let Ok(first) = u16::try_from(first) {
            let last = u16::try_from(last).unwrap_or(u16::MAX);
            if first < HIGH_FIRST {
                units(first, last.min(HIGH_FIRST - 1), encoding, &mut forms);
            }
            if last > LOW_LAST {
                units(first.max(LOW_LAST + 1), last, encoding, &mut forms);
            }
        }
        if last > 0xffff {
            surrogate_pairs(first.max(0x1_0000) - 0x1_0000, last - 0x1_0000, encoding, &mut forms);
        }
    }
    Hir::alternation(forms)
}

/// The pairs for `first..=last`, both counted from U+10000.
fn surrogate_pairs(first: u32, last: u32, encoding: Encoding, forms: &mut Vec<Hir>) {
    let split = |value: u32| {
        let high = u16::try_from(value >> 10).unwrap_or(0x3ff) & 0x3ff;
        let low = u16::try_from(value & 0x3ff).unwrap_or(0x3ff);
        (high, low)
    };
    for (highs, lows) in rectangles(split(first), split(last), 0x3ff) {
        let (mut high, mut low) = (Vec::new(), Vec::new());
        units(HIGH_FIRST + highs.0, HIGH_FIRST + highs.1, encoding, &mut high);
        units(LOW_FIRST + lows.0, LOW_FIRST + lows.1, encoding, &mut low);
        forms.push(Hir::concat(vec![Hir::alternation(high), Hir::alternation(low)]));
    }
}

/// The code units `first..=last`.
fn units(first: u16, last: u16, encoding: Encoding, forms: &mut Vec<Hir>) {
    let split = |unit: u16| {
        let [high, low] = unit.to_be_bytes();
        (u16::from(high), u16::from(low))
    };
    for (highs, lows) in rectangles(split(first), split(last), 0xff) {
        let (high, low) = (bytes(highs), bytes(lows));
        let pair = if encoding == Encoding::Utf16Be { vec![high, low] } else { vec![low, high] };
        forms.push(Hir::concat(pair));
    }
}

fn bytes((first, last): (u16, u16)) -> Hir {
    let [first, last] = [first, last].map(|value| u8::try_from(value).unwrap_or(u8::MAX));
    Hir::class(Class::Bytes(ClassBytes::new([ClassBytesRange::new(first, last)])))
}

type Span = (u16, u16);

/// Splits the two-digit numbers `first..=last` into products of a range of first digits and a range of second
/// digits; a second digit is at most `top`.
fn rectangles(first: (u16, u16), last: (u16, u16), top: u16) -> Vec<(Span, Span)> {
    let mut products = Vec::new();
    let (mut lead, mut end) = (first.0, last.0);
    if first > last {
        return products;
    }
    if lead == end {
        products.push(((lead, lead), (first.1, last.1)));
        return products;
    }
    if first.1 > 0 {
        products.push(((lead, lead), (first.1, top)));
        lead += 1;
    }
    let partial = last.1 < top;
    if partial {
        end -= 1;
    }
    if lead <= end {
        products.push(((lead, end), (0, top)));
    }
    if partial {
        products.push(((last.0, last.0), (0, last.1)));
    }
    products
}

#[cfg(test)]
mod tests {
    use regex_automata::meta::Regex;

    use super::*;

    fn compile(pattern: &str, encoding: Encoding) -> Regex {
        let hir =
            regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).unwrap();
        Regex::builder()
            .configure(Regex::config().utf8_empty(false))
            .build_from_hir(&rewrite(&hir, encoding).unwrap())
            .unwrap()
    }

    #[test]
    fn a_class_matches_exactly_the_units_of_its_characters() {
        for pattern in [
            r"(?u)[\u{41}-\u{2041}]",
            r"(?u)[\u{d7f0}-\u{e010}]",
            r"(?u)[\u{fff0}-\u{10fff}]",
            r"(?u)[\u{10010}-\u{10ffff}]",
            r"[^a]",
            r"(?u)\w",
        ] {
            let plain = Regex::new(pattern).unwrap();
            for encoding in [Encoding::Utf16Le, Encoding::Utf16Be] {
                let wide = compile(&format!("(?:{pattern})"), encoding);
                for value in (0..=0x1_1100).chain(0x10_f000..=0x10_ffff) {
                    let Some(character) = char::from_u32(value) else { continue };
                    let text = character.to_string();
                    let bytes = transcode(text.as_bytes(), encoding).unwrap();
                    let found = wide.find(&bytes).is_some_and(|found| found.range() == (0..bytes.len()));
                    assert_eq!(found, plain.is_match(&text), "{pattern} {value:x} {encoding}");
                }
            }
        }
    }

    #[test]
    fn lone_surrogates_are_no_characters() {
        let any = compile("(?s).", Encoding::Utf16Le);
        assert!(any.find(&[0x00, 0xd8]).is_none());
        assert!(any.find(&[0x00, 0xd8, 0x00, 0xdc]).is_some());
    }

    #[test]
    fn what_has_no_utf16_form_says_so() {
        let parse =
            |text| regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(text).unwrap();
        for text in [r"^a", r"\bfoo", r"a\xff", r"[\x80-\x90]a"] {
            assert!(
                rewrite(&parse(text), Encoding::Utf16Le).unwrap_err().reason.contains("UTF-16"),
                "{text}"
            );
        }
    }
}
