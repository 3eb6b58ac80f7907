//! Values of fields, and how they are compared.

use std::net::IpAddr;

use regex_automata::meta::Regex;
use serde_json::Value;

/// How a value is compared with a field.
#[derive(Debug, Clone)]
pub(super) enum Test {
    /// Literal parts between which anything may stand, in lower case; `?` is kept in them.
    Pattern(Vec<Piece>),
    /// A regular expression.
    Regex(Box<Regex>),
    /// Addresses: network and number of bits that count.
    Network(IpAddr, u8),
    /// The field must not be there.
    Absent,
    /// Whether the field must be there.
    Exists(bool),
}

/// A piece of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// This byte, in any case of letters.
    Byte(u8),
    /// Any one byte.
    Any,
    /// Any bytes.
    Star,
}

/// What is written after a field's name.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Modifiers {
    contains: bool,
    starts: bool,
    ends: bool,
    regex: bool,
    cidr: bool,
    exists: bool,
    ignore_case: bool,
    /// All values must match, not any.
    pub all: bool,
}

impl Modifiers {
    /// Reads `|contains|all`.
    pub fn read<'t>(names: impl Iterator<Item = &'t str>) -> Result<Self, String> {
        let mut modifiers = Self::default();
        for name in names {
            match name {
                "contains" => modifiers.contains = true,
                "startswith" => modifiers.starts = true,
                "endswith" => modifiers.ends = true,
                "all" => modifiers.all = true,
                "re" => modifiers.regex = true,
                "i" if modifiers.regex => modifiers.ignore_case = true,
                "cidr" => modifiers.cidr = true,
                "exists" => modifiers.exists = true,
                other => return Err(format!("the modifier {other} is not supported")),
            }
        }
        Ok(modifiers)
    }

    /// Makes the test of a value.
    pub fn test(self, value: &Value) -> Result<Test, String> {
        let text = match value {
            Value::Null => return Ok(Test::Absent),
            Value::Bool(yes) if self.exists => return Ok(Test::Exists(*yes)),
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(yes) => yes.to_string(),
            _ => return Err("a value is neither text nor number".to_owned()),
        };
        if self.regex {
            let text = if self.ignore_case { format!("(?i){text}") } else { text };
            let regex = Regex::new(&text)
                .map_err(|error| format!("the expression {text} is not supported: {error}"))?;
            return Ok(Test::Regex(Box::new(regex)));
        }
        if self.cidr {
            let network = text
                .split_once('/')
                .and_then(|(address, bits)| Some(Test::Network(address.parse().ok()?, bits.parse().ok()?)));
            return network.ok_or_else(|| format!("{text} is no network"));
        }
        let mut pieces = pieces(text.as_bytes());
        if self.contains || self.ends {
            pieces.insert(0, Piece::Star);
        }
        if self.contains || self.starts {
            pieces.push(Piece::Star);
        }
        Ok(Test::Pattern(pieces))
    }
}

/// `*` and `?` stand for anything, unless a backslash is before them.
fn pieces(text: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        pieces.push(match byte {
            b'\\' => match bytes.next_if(|next| matches!(next, b'*' | b'?' | b'\\')) {
                Some(next) => Piece::Byte(next),
                None => Piece::Byte(b'\\'),
            },
            b'*' => Piece::Star,
            b'?' => Piece::Any,
            byte => Piece::Byte(byte.to_ascii_lowercase()),
        });
    }
    pieces
}

impl Test {
    /// Whether a field's value passes.
    pub fn passes(&self, value: Option<&[u8]>) -> bool {
        match (self, value) {
            (Self::Absent, value) => value.is_none(),
            (Self::Exists(yes), value) => value.is_some() == *yes,
            (_, None) => false,
            (Self::Pattern(pieces), Some(value)) => matches(pieces, value),
            (Self::Regex(regex), Some(value)) => regex.is_match(value),
            (Self::Network(network, bits), Some(value)) => std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse::<IpAddr>().ok())
                .is_some_and(|address| is_in(address, *network, *bits)),
        }
    }
}

/// Matches a pattern with stars, going back to the last one only.
fn matches(pieces: &[Piece], value: &[u8]) -> bool {
    let (mut at, mut place) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        let fits = match (pieces.get(at), value.get(place)) {
            (None, None) => return true,
            (Some(Piece::Star), _) => {
                back = Some((at, place));
                at += 1;
                continue;
            }
            (Some(Piece::Any), Some(_)) => true,
            (Some(Piece::Byte(wanted)), Some(byte)) => byte.eq_ignore_ascii_case(wanted),
            _ => false,
        };
        if fits {
            at += 1;
            place += 1;
            continue;
        }
        match back {
            Some((star, start)) if start < value.len() => {
                back = Some((star, start + 1));
                at = star + 1;
                place = start + 1;
            }
            _ => return false,
        }
    }
}

fn is_in(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let bytes = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let (address, network) = (bytes(address), bytes(network));
    address.len() == network.len()
        && address.iter().zip(&network).enumerate().all(|(index, (one, other))| {
            let left = usize::from(bits).saturating_sub(index * 8).min(8);
            let mask = u8::MAX.checked_shl(u32::try_from(8 - left).unwrap_or(8)).unwrap_or(0);
            one & mask == other & mask
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let test = |pattern: &str, value: &str| matches(&pieces(pattern.as_bytes()), value.as_bytes());
        assert!(test("*/bash", "/usr/bin/BASH"));
        assert!(test("a*b*c", "aXbbXc") && !test("a*b*c", "aXbbX"));
        assert!(test("a?c", "abc") && !test("a?c", "ac"));
        assert!(test(r"a\*c", "a*c") && !test(r"a\*c", "abc"));
        assert!(test("*", "") && test("", "") && !test("", "a"));
        assert!(!test(&"*a".repeat(20), &"b".repeat(5000)));
    }

    #[test]
    fn networks() {
        let test = |address: &str, network: &str, bits| {
            is_in(address.parse().unwrap(), network.parse().unwrap(), bits)
        };
        assert!(test("10.1.2.3", "10.0.0.0", 8) && !test("11.1.2.3", "10.0.0.0", 8));
        assert!(test("192.168.1.130", "192.168.1.128", 25) && !test("192.168.1.1", "192.168.1.128", 25));
        assert!(test("::1", "::", 0) && !test("1.2.3.4", "::", 0));
    }
}
