//! Patterns of literal text with `{name}` in the place of what varies.

/// Longest text that is taken for one name, in bytes.
const MAX_CAPTURE: usize = 4 << 10;

/// What stood in the place of each name.
#[derive(Debug, Default)]
pub struct Captures<'a>(Vec<(&'static str, &'a [u8])>);

impl Captures<'_> {
    /// Puts the captured text into a sentence. Bytes that are not UTF-8 are replaced: the exact ones are in
    /// the line that is quoted beside it.
    pub fn fill(&self, sentence: &'static str) -> String {
        let mut filled = String::with_capacity(sentence.len());
        for piece in pieces(sentence) {
            match piece {
                Piece::Literal(literal) => filled.push_str(literal),
                Piece::Name(name) => match self.0.iter().find(|(known, _)| *known == name) {
                    Some((_, value)) => filled.push_str(&String::from_utf8_lossy(value)),
                    None => filled.extend(["{", name, "}"]),
                },
            }
        }
        filled
    }
}

/// A piece of a pattern.
enum Piece {
    Literal(&'static str),
    Name(&'static str),
}

/// Splits a pattern at its names.
fn pieces(pattern: &'static str) -> impl Iterator<Item = Piece> {
    pattern.split_inclusive('}').flat_map(|part| {
        let split = part.strip_suffix('}').and_then(|part| part.rsplit_once('{'));
        let (literal, name) = split.map_or((part, None), |(literal, name)| (literal, Some(name)));
        let literal = (!literal.is_empty()).then_some(Piece::Literal(literal));
        literal.into_iter().chain(name.map(Piece::Name))
    })
}

/// Matches a pattern anywhere in a line: its literal pieces in order, each name as short as can be. A name at
/// the end takes the rest of the line.
pub fn find<'a>(pattern: &'static str, line: &'a [u8]) -> Option<Captures<'a>> {
    let mut captures = Vec::new();
    let mut rest = line;
    let mut open: Option<&'static str> = None;
    for piece in pieces(pattern) {
        match piece {
            Piece::Name(name) => open = Some(name),
            Piece::Literal(literal) => {
                let at = position(rest, literal.as_bytes())?;
                let (before, found) = rest.split_at_checked(at)?;
                if let Some(name) = open.take() {
                    captures.push((name, before.get(..before.len().min(MAX_CAPTURE))?));
                }
                rest = found.get(literal.len()..)?;
            }
        }
    }
    if let Some(name) = open {
        let rest = rest.get(..rest.len().min(MAX_CAPTURE))?.trim_ascii_end();
        // The kubelet puts what it passes on in brackets.
        let inner = rest.strip_suffix(b")").filter(|inner| !inner.contains(&b'('));
        captures.push((name, inner.unwrap_or(rest)));
    }
    Some(Captures(captures))
}

/// Where a text first stands in a line. Looking for its first byte alone is several times quicker than comparing each
/// window, and a log may be long.
fn position(line: &[u8], text: &[u8]) -> Option<usize> {
    let (first, others) = text.split_first()?;
    let mut from = 0;
    loop {
        let rest = line.get(from..)?;
        let at = rest.iter().position(|byte| byte == first)?;
        let (found, next) = (from.saturating_add(at), at.saturating_add(1));
        if rest.get(next..)?.starts_with(others) {
            return Some(found);
        }
        from = found.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_take_what_lies_between_literals() {
        let captures =
            find("ghost file {path} of {size} size", b"Can't dump ghost file /a b of 12 size, x").unwrap();
        assert_eq!(captures.fill("{path} has {size}"), "/a b has 12");
        assert!(find("ghost file {path} of {size} size", b"ghost file /a of 12").is_none());
    }

    #[test]
    fn a_name_at_the_end_takes_the_rest() {
        assert_eq!(find("user {user}", b"for user eve \n").unwrap().fill("{user}!"), "eve!");
        assert_eq!(find("is {n}", b"failed (it is 7)").unwrap().fill("{n}."), "7.");
        assert_eq!(find("is {n}", b"it is f(7)").unwrap().fill("{n}."), "f(7).");
        assert_eq!(find("plain", b"a plain line").unwrap().fill("{user}."), "{user}.");
    }

    #[test]
    fn what_was_captured_is_not_a_pattern_again() {
        // A path may look like a name of the sentence; filled in once, in order, it stays what it is.
        let captures = find("file {path} of {size} size", b"file {size} of 1 size").unwrap();
        assert_eq!(captures.fill("{path}: {size}"), "{size}: 1");
    }
}
