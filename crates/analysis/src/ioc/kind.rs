//! Kinds of indicators: how each looks and what makes it one.

use std::net::{Ipv4Addr, Ipv6Addr};

use bech32::segwit;
use ckptfx_scan::{PatternError, PatternKind, Plan};
use schemars::JsonSchema;
use serde::Serialize;
use sha3::{Digest as _, Keccak256, Sha3_256};

use super::tld::is_domain;
use crate::secret::base58check;

/// Longest URL that is kept.
const LONGEST_URL: usize = 2048;

/// A kind of indicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A URL with scheme and host.
    Url,
    /// A domain name.
    Domain,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// An e-mail address.
    Email,
    /// An onion service of version 3, with the right checksum.
    Onion,
    /// A Bitcoin address, with the right checksum.
    Bitcoin,
    /// An Ethereum address; one in mixed case has the right checksum.
    Ethereum,
    /// A Monero address, with the right checksum.
    Monero,
    /// 32 hexadecimal digits.
    Md5,
    /// 40 hexadecimal digits.
    Sha1,
    /// 64 hexadecimal digits.
    Sha256,
    /// The name or path of a file; from lists only.
    File,
    /// Any other text; from lists only.
    Text,
}

impl Kind {
    /// Those that are recognised.
    pub const FOUND: [Self; 12] = [
        Self::Url,
        Self::Domain,
        Self::Ipv4,
        Self::Ipv6,
        Self::Email,
        Self::Onion,
        Self::Bitcoin,
        Self::Ethereum,
        Self::Monero,
        Self::Md5,
        Self::Sha1,
        Self::Sha256,
    ];

    /// The word in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Domain => "domain",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Email => "email",
            Self::Onion => "onion",
            Self::Bitcoin => "bitcoin",
            Self::Ethereum => "ethereum",
            Self::Monero => "monero",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::File => "file",
            Self::Text => "text",
        }
    }

    /// What a text of a list is.
    pub fn of(text: &str) -> Self {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match text.len() {
            32 if is_hex => return Self::Md5,
            40 if is_hex => return Self::Sha1,
            64 if is_hex => return Self::Sha256,
            _ => {}
        }
        if text.contains("://") {
            Self::Url
        } else if onion(text) {
            Self::Onion
        } else if ethereum(text) && text.len() == 42 && is_hex_after_prefix(text) {
            Self::Ethereum
        } else if text.len() == 95 && monero(text.as_bytes()) {
            Self::Monero
        } else if segwit::decode(text).is_ok() || is_base58_address(text.as_bytes()) {
            Self::Bitcoin
        } else if text.parse::<Ipv4Addr>().is_ok() {
            Self::Ipv4
        } else if text.parse::<Ipv6Addr>().is_ok() {
            Self::Ipv6
        } else if text.split_once('@').is_some_and(|(_, host)| is_domain(host, true)) {
            Self::Email
        } else if is_domain(text, true) {
            Self::Domain
        } else if text.starts_with('/') {
            Self::File
        } else {
            Self::Text
        }
    }
}

/// The expressions, each with what it may be.
const LOOKS: &[(&str, Look)] = &[
    (r#"\b[A-Za-z][A-Za-z0-9+]{1,14}://[!#-&(-;=?-\[\]_a-z~]{3,}"#, Look::Url),
    (r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{4,253}", Look::Email),
    (r"[A-Za-z0-9_-]{1,63}\.[A-Za-z0-9_.-]{2,253}", Look::Domain),
    (r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}", Look::Ipv4),
    (r"[0-9A-Fa-f]{1,4}:[0-9A-Fa-f:]{2,34}", Look::Ipv6),
    (r"[a-z2-7]{56}\.onion", Look::Onion),
    (r"\bbc1[ac-hj-np-z02-9]{11,71}\b", Look::Segwit),
    (r"\b[13][1-9A-HJ-NP-Za-km-z]{25,34}\b", Look::Base58),
    (r"\b0x[0-9A-Fa-f]{40}\b", Look::Ethereum),
    (r"\b[48][0-9AB][1-9A-HJ-NP-Za-km-z]{93}\b", Look::Monero),
    (r"\b[0-9A-Fa-f]{32,64}\b", Look::Hash),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Url,
    Email,
    Domain,
    Ipv4,
    Ipv6,
    Onion,
    Segwit,
    Base58,
    Ethereum,
    Monero,
    Hash,
}

/// The search for all kinds.
///
/// # Errors
/// Never, unless an expression above is malformed.
pub fn plan() -> Result<Plan, PatternError> {
    let patterns = LOOKS.iter().map(|(regex, _)| PatternKind::Regex((*regex).to_owned()));
    Plan::builder().patterns(patterns).gated(true).build()
}

/// What a match of the expression `pattern` is, if it is anything: its kind and how it is written. `ahead` and
/// `after` are bytes around it.
pub fn recognise(pattern: usize, matched: &[u8], ahead: &[u8], after: &[u8]) -> Vec<(Kind, String)> {
    let before = ahead.last().copied();
    let Some((_, look)) = LOOKS.get(pattern) else { return Vec::new() };
    let Ok(text) = std::str::from_utf8(matched) else { return Vec::new() };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let joined = before.is_some_and(is_name);
    match look {
        Look::Url => url(text),
        Look::Email if is_after_user(ahead) => Vec::new(),
        Look::Email => email(text).into_iter().collect(),
        Look::Domain => {
            let text = text.trim_end_matches(['.', '-', '_']);
            let called = after.first() == Some(&b'(') && text.len() == matched.len();
            let part =
                joined || called || before.is_some_and(|byte| matches!(byte, b'/' | b'@' | b'$' | b'%'));
            let is_one = !part && is_domain(text, false) && !text.ends_with(".onion");
            is_one.then(|| (Kind::Domain, text.to_ascii_lowercase())).into_iter().collect()
        }
        Look::Ipv4 => {
            let longer = after.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
                || matches!(after, [b'.', next, ..] if next.is_ascii_digit());
            let address = text.parse::<Ipv4Addr>().ok();
            let address = address.filter(|address| !joined && !longer && address.octets()[0] != 0);
            address.map(|address| (Kind::Ipv4, address.to_string())).into_iter().collect()
        }
        Look::Ipv6 => {
            let longer = after.first().is_some_and(|byte| is_name(*byte));
            let around = joined || before == Some(b':') || longer;
            ipv6(text).filter(|_| !around).map(|text| (Kind::Ipv6, text)).into_iter().collect()
        }
        Look::Onion => onion(text).then(|| (Kind::Onion, text.to_ascii_lowercase())).into_iter().collect(),
        Look::Segwit => {
            segwit::decode(text).is_ok().then(|| (Kind::Bitcoin, text.to_owned())).into_iter().collect()
        }
        Look::Base58 => {
            let payload =
                base58check(matched).filter(|it| it.len() == 21 && matches!(it.first(), Some(0 | 5)));
            payload.map(|_| (Kind::Bitcoin, text.to_owned())).into_iter().collect()
        }
        Look::Ethereum => ethereum(text).then(|| (Kind::Ethereum, text.to_owned())).into_iter().collect(),
        Look::Monero => monero(matched).then(|| (Kind::Monero, text.to_owned())).into_iter().collect(),
        Look::Hash => {
            let kind = match text.len() {
                32 => Kind::Md5,
                40 => Kind::Sha1,
                64 => Kind::Sha256,
                _ => return Vec::new(),
            };
            let mut seen: Vec<u8> = matched.to_ascii_lowercase();
            seen.sort_unstable();
            seen.dedup();
            // Tables of digits and runs of one digit are no hashes, nor are plain numbers.
            let mixed = seen.len() >= 8 && seen.iter().any(u8::is_ascii_alphabetic);
            let ordered = text.to_ascii_lowercase().contains("0123456789abcdef");
            let is_one = mixed && !ordered && seen.iter().any(u8::is_ascii_digit);
            is_one.then(|| (kind, text.to_ascii_lowercase())).into_iter().collect()
        }
    }
}

/// The URL, and its host.
fn url(text: &str) -> Vec<(Kind, String)> {
    let text = text.trim_end_matches(['.', ',', ';', ':', ']', '!', '?', '*']);
    let text = if text.contains('(') { text } else { text.trim_end_matches([')', '.', ',']) };
    let text = text.get(..LONGEST_URL).unwrap_or(text);
    let Some((_, rest)) = text.split_once("://") else { return Vec::new() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let bare = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let found = match host.strip_prefix('[').and_then(|host| host.split(']').next()) {
        Some(host) => host.parse::<Ipv6Addr>().ok().map(|address| (Kind::Ipv6, address.to_string())),
        None if bare.parse::<Ipv4Addr>().is_ok() => Some((Kind::Ipv4, bare.to_owned())),
        None if is_domain(bare, true) => Some((Kind::Domain, bare.to_ascii_lowercase())),
        // A name of the local network.
        None => return Vec::new(),
    };
    // Addresses in URLs are found by themselves, too.
    let host = found.clone().filter(|(kind, _)| *kind == Kind::Domain && !bare.ends_with(".onion"));
    // Passwords are not for a list of indicators.
    let clean = match authority.rsplit_once('@') {
        Some((_, host)) => text.replacen(authority, host, 1),
        None => text.to_owned(),
    };
    found.map(|_| (Kind::Url, clean)).into_iter().chain(host).collect()
}

/// Whether what stands before the `@` is a password and no mailbox: `scheme://user:password@host`, or `user:password@host`.
fn is_after_user(ahead: &[u8]) -> bool {
    const BEFORE_MAILBOXES: [&[u8]; 9] =
        [b"mailto", b"email", b"mail", b"from", b"to", b"cc", b"acct", b"sip", b"xmpp"];
    let is_inside = |byte: &&u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'<' | b'>');
    let length = ahead.iter().rev().take_while(is_inside).count();
    let word = ahead.get(ahead.len().saturating_sub(length)..).unwrap_or_default();
    if let Some(at) = word.windows(3).position(|it| it == b"://") {
        let authority = word.get(at.saturating_add(3)..).unwrap_or_default();
        return !authority.iter().any(|byte| matches!(byte, b'/' | b'?' | b'#'));
    }
    word.iter().rposition(|byte| *byte == b':').is_some_and(|at| {
        let name = word.get(..at).unwrap_or_default().to_ascii_lowercase();
        !BEFORE_MAILBOXES.iter().any(|known| name.ends_with(known))
    })
}

fn email(text: &str) -> Option<(Kind, String)> {
    let (user, host) = text.split_once('@')?;
    let host = host.trim_end_matches(['.', '-']);
    let user = user.trim_start_matches(['.', '-', '+', '%']);
    (!user.is_empty() && is_domain(host, true))
        .then(|| (Kind::Email, format!("{user}@{}", host.to_ascii_lowercase())))
}

/// Names of C++ and times have colons too: an address has three groups that are not empty, one of them of three digits.
fn ipv6(text: &str) -> Option<String> {
    let text = text.trim_end_matches(':');
    let groups: Vec<&str> = text.split(':').filter(|group| !group.is_empty()).collect();
    let telling = groups.len() >= 3 && groups.iter().any(|group| group.len() >= 3);
    let address = text.parse::<Ipv6Addr>().ok().filter(|_| telling)?;
    Some(address.to_string())
}

/// A hash of a key or script with its version byte.
fn is_base58_address(text: &[u8]) -> bool {
    text.len() <= 35
        && base58check(text).is_some_and(|it| it.len() == 21 && matches!(it.first(), Some(0 | 5)))
}

fn is_hex_after_prefix(text: &str) -> bool {
    text.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The last characters of an onion address: a checksum of two bytes and the version.
fn onion(text: &str) -> bool {
    let Some(label) = text.strip_suffix(".onion") else { return false };
    let mut bits = 0_u16;
    let mut count = 0;
    let mut bytes = Vec::new();
    for byte in label.bytes() {
        let digit = match byte {
            b'a'..=b'z' => byte - b'a',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return false,
        };
        bits = (bits << 5 | u16::from(digit)) & 0x0fff;
        count += 5;
        if count >= 8 {
            count -= 8;
            let [_, low] = (bits >> count).to_be_bytes();
            bytes.push(low);
        }
    }
    let Some((key, [first, second, version])) = bytes.split_last_chunk::<3>() else { return false };
    let digest = Sha3_256::new()
        .chain_update(b".onion checksum")
        .chain_update(key)
        .chain_update([*version])
        .finalize();
    *version == 3 && digest.starts_with(&[*first, *second])
}

/// In mixed case the case of each letter is a bit of a checksum.
fn ethereum(text: &str) -> bool {
    let Some(digits) = text.strip_prefix("0x") else { return false };
    let lower = digits.to_ascii_lowercase();
    let mut seen = lower.as_bytes().to_vec();
    seen.sort_unstable();
    seen.dedup();
    if seen.len() < 6 {
        return false;
    }
    if digits == lower || digits == digits.to_ascii_uppercase() {
        return true;
    }
    let digest = Keccak256::digest(lower.as_bytes());
    let nibbles = digest.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits
        .bytes()
        .zip(nibbles)
        .all(|(digit, nibble)| !digit.is_ascii_alphabetic() || digit.is_ascii_uppercase() == (nibble >= 8))
}

/// Monero's Base58 is in blocks of 11 characters for 8 bytes; the last four bytes are a checksum.
fn monero(text: &[u8]) -> bool {
    const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut bytes: Vec<u8> = Vec::new();
    for block in text.chunks(11) {
        let length = match block.len() {
            11 => 8,
            7 => 5,
            _ => return false,
        };
        let mut value = 0_u128;
        for byte in block {
            let Some(digit) = DIGITS.iter().position(|digit| digit == byte) else { return false };
            value = value * 58 + digit as u128;
        }
        if value >> (length * 8) != 0 {
            return false;
        }
        let all = value.to_be_bytes();
        bytes.extend(all.iter().skip(16 - length));
    }
    let Some((payload, sum)) = bytes.split_last_chunk::<4>() else { return false };
    Keccak256::digest(payload).starts_with(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(text: &str) -> Vec<(Kind, String)> {
        let plan = plan().unwrap();
        let bytes = text.as_bytes();
        let mut found = Vec::new();
        let regions = [ckptfx_scan::Region::new(0, bytes)];
        plan.scan(&regions, &ckptfx_scan::Options::default(), &mut |hit| {
            let end = hit.offset + hit.length;
            found.extend(recognise(
                hit.pattern,
                &bytes[hit.offset..end],
                &bytes[..hit.offset],
                &bytes[end..],
            ));
            std::ops::ControlFlow::Continue(())
        });
        found.sort();
        found.dedup();
        found
    }

    fn is(text: &str, expected: &[(Kind, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect();
        assert_eq!(look(text), expected, "{text}");
    }

    #[test]
    fn addresses_of_the_network() {
        is("GET http://evil.sh/a?b=1, ok", &[(Kind::Url, "http://evil.sh/a?b=1"), (Kind::Domain, "evil.sh")]);
        is("http://u:secret@h.example/x", &[(Kind::Url, "http://h.example/x"), (Kind::Domain, "h.example")]);
        is(
            "postgres://app:S3cr3t-Pa55@db.internal/x redis://:p$w@db.internal u:pw@db.internal",
            &[
                (Kind::Url, "postgres://db.internal/x"),
                (Kind::Url, "redis://db.internal"),
                (Kind::Domain, "db.internal"),
            ],
        );
        is("mailto:a@b.example", &[(Kind::Email, "a@b.example")]);
        is("to ann.b@Example.org.", &[(Kind::Email, "ann.b@example.org")]);
        is("connect 10.0.3.17:443", &[(Kind::Ipv4, "10.0.3.17")]);
        is("version 1.2.3.4.5 v1.2.3.4 300.1.1.1 0.1.2.3", &[]);
        is("[2001:db8::7:1]", &[(Kind::Ipv6, "2001:db8::7:1")]);
        is("std::vec::Vec 12:34:56 a::b", &[]);
        is("libc.so.6 os.path.join( module.name", &[]);
    }

    #[test]
    fn checksums_decide() {
        is("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", &[(Kind::Bitcoin, "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2")]);
        is("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3", &[]);
        let segwit = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
        is(segwit, &[(Kind::Bitcoin, segwit)]);
        is("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", &[]);
        let ether = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        is(ether, &[(Kind::Ethereum, ether)]);
        is("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", &[]);
        let monero =
            "44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A";
        is(monero, &[(Kind::Monero, monero)]);
        is(&monero.replace("Xft3", "Xft4"), &[]);
        let onion = "duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion";
        is(onion, &[(Kind::Onion, onion)]);
        is(&onion.replace("42", "43"), &[]);
    }

    #[test]
    fn hashes_by_length() {
        let md5 = "9e107d9d372bb6826bd81d3542a419d6";
        is(md5, &[(Kind::Md5, md5)]);
        is("00000000000000000000000000000000 0123456789abcdef0123456789abcdef", &[]);
        assert_eq!(Kind::of(md5), Kind::Md5);
        assert_eq!(Kind::of("2001:db8::1"), Kind::Ipv6);
        assert_eq!(Kind::of("evil.sh"), Kind::Domain);
        assert_eq!(Kind::of("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"), Kind::Bitcoin);
        assert_eq!(Kind::of("/tmp/.x"), Kind::File);
    }
}
