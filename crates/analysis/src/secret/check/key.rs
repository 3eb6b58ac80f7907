//! Private keys as files and libraries keep them.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{Candidate, Confidence, Context, Verdict, der};

/// Longest text of a key that is read.
const LONGEST: usize = 32 << 10;
/// Least base64 characters that make a cut key worth reporting.
const FRAGMENT: usize = 48;

/// Base64 with or without padding, as memory and careless tools have it.
pub const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What stands between the lines of a key's head and foot.
struct Armor<'r> {
    /// As in `-----BEGIN RSA PRIVATE KEY-----`.
    label: &'r str,
    /// From the first dash to the last.
    range: Range<usize>,
    /// The base64 characters without their line ends.
    body: Vec<u8>,
    /// Header lines such as `Proc-Type`.
    encrypted: bool,
    /// Whether the foot is there.
    complete: bool,
}

fn armor<'r>(candidate: &Candidate<'r>) -> Option<Armor<'r>> {
    let text = candidate.onward(LONGEST);
    let head = candidate.matched.len();
    let label = text.get(..head)?.strip_prefix(b"-----BEGIN ")?.strip_suffix(b"-----")?;
    let label = std::str::from_utf8(label).ok()?;
    let foot = format!("-----END {label}-----").into_bytes();
    let rest = text.get(head..)?;
    let end = memchr::memmem::find(rest, &foot);
    let inner = rest.get(..end.unwrap_or(rest.len()))?;
    let mut armor = Armor {
        label,
        range: candidate.matched.start..candidate.matched.end,
        body: Vec::new(),
        encrypted: false,
        complete: end.is_some(),
    };
    let mut used = 0;
    // Line ends may be written as the two characters `\n`, as in JSON.
    for (line, length) in (Lines { rest: inner }) {
        let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        if line.contains(&b':') && armor.body.is_empty() && line.is_ascii() {
            armor.encrypted |= line.ends_with(b"ENCRYPTED");
        } else if line.iter().all(is_base64) {
            // The checksum of PGP's armor.
            if !line.starts_with(b"=") {
                armor.body.extend_from_slice(line);
            }
        } else if armor.complete {
            return None;
        } else {
            let good = line.iter().take_while(|byte| is_base64(byte)).count();
            armor.body.extend_from_slice(line.get(..good)?);
            used += good;
            break;
        }
        used += length;
    }
    let length = match end {
        Some(end) => head + end + foot.len(),
        None => head + used,
    };
    armor.range.end = candidate.matched.start.checked_add(length)?;
    Some(armor)
}

/// Lines that end with a line feed, with `\n` in letters, or where the text ends; each with its length and end.
struct Lines<'r> {
    rest: &'r [u8],
}

impl<'r> Iterator for Lines<'r> {
    type Item = (&'r [u8], usize);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (end, mark) = match memchr::memchr2(b'\n', b'\\', self.rest) {
            None => (self.rest.len(), 0),
            Some(at) if self.rest.get(at) == Some(&b'\n') => (at, 1),
            Some(at) if self.rest.get(at + 1) == Some(&b'n') => (at, 2),
            Some(at) if self.rest.get(at + 1) == Some(&b'r') => (at, 2),
            Some(_) => (self.rest.len(), 0),
        };
        let (line, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.get(mark..)?;
        Some((line.trim_ascii(), end + mark))
    }
}

/// A key between `-----BEGIN` and `-----END`.
pub fn pem(candidate: &Candidate<'_>, _: &Context) -> Option<Verdict> {
    let armor = armor(candidate)?;
    let mut verdict = Verdict { secret: Some(armor.range.clone()), ..Verdict::default() }
        .note("label", armor.label)
        .note("complete", armor.complete);
    if !armor.complete {
        // The words alone are in every program that reads keys.
        if armor.body.len() < FRAGMENT {
            return None;
        }
        return Some(verdict.with(Confidence::Medium));
    }
    let bytes = LENIENT.decode(&armor.body).ok().filter(|bytes| bytes.len() >= 16)?;
    verdict.identity = Some(bytes.clone());
    if armor.encrypted {
        return Some(verdict.note("encrypted", true));
    }
    let facts = match armor.label {
        "OPENSSH PRIVATE KEY" => openssh(&bytes),
        "PGP PRIVATE KEY BLOCK" => pgp(&bytes),
        _ => der::private_key(&bytes).map(facts),
    };
    Some(match facts {
        Some(facts) => facts.into_iter().fold(verdict, |verdict, (key, value)| verdict.note(key, value)),
        None => verdict.with(Confidence::Low).note("structure", "not that of a key"),
    })
}

type Facts = Vec<(&'static str, serde_json::Value)>;

fn facts(key: der::Key) -> Facts {
    let mut facts = vec![("algorithm", key.algorithm.into()), ("form", key.form.into())];
    facts.extend(key.bits.map(|bits| ("bits", bits.into())));
    facts.push(("encrypted", key.form.ends_with("encrypted").into()));
    facts
}

/// `openssh-key-v1`: cipher, derivation, its options, number of keys, public key.
fn openssh(bytes: &[u8]) -> Option<Facts> {
    let rest = bytes.strip_prefix(b"openssh-key-v1\0")?;
    let (cipher, rest) = string(rest)?;
    let (_, rest) = string(rest)?;
    let (_, rest) = string(rest)?;
    let (count, rest) = rest.split_first_chunk::<4>()?;
    let (public, _) = string(rest)?;
    let (kind, _) = string(public)?;
    (u32::from_be_bytes(*count) >= 1).then(|| {
        vec![
            ("algorithm", String::from_utf8_lossy(kind).into_owned().into()),
            ("form", "OpenSSH".into()),
            ("encrypted", (cipher != b"none").into()),
        ]
    })
}

/// A length of four bytes, and as many bytes.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// A packet with the tag of a secret key.
fn pgp(bytes: &[u8]) -> Option<Facts> {
    let first = *bytes.first()?;
    let tag = if first & 0x40 == 0 { first >> 2 & 0xf } else { first & 0x3f };
    (first & 0x80 != 0 && tag == 5).then(|| vec![("form", "OpenPGP".into())])
}

/// A key as libraries hold it in memory.
pub fn der(candidate: &Candidate<'_>, _: &Context) -> Option<Verdict> {
    let bytes = candidate.onward(LONGEST);
    let key = der::private_key(bytes)?;
    let start = candidate.matched.start;
    let verdict = Verdict {
        secret: Some(start..start.checked_add(key.length)?),
        identity: bytes.get(..key.length).map(<[u8]>::to_vec),
        ..Verdict::default()
    };
    Some(facts(key).into_iter().fold(verdict, |verdict, (key, value)| verdict.note(key, value)))
}

/// A key in PEM that is in base64 once more: `client-key-data` of a kubeconfig.
pub fn pem_base64(candidate: &Candidate<'_>, context: &Context) -> Option<Verdict> {
    let text = LENIENT.decode(candidate.secret()).ok()?;
    let head = text.windows(5).skip(5).position(|it| it == b"-----")?.checked_add(10)?;
    let inner = Candidate { bytes: &text, matched: 0..head, secret: 0..head };
    let verdict = pem(&inner, context)?;
    Some(Verdict { secret: None, ..verdict })
}

/// The JSON of a service account, around its `private_key_id`.
pub fn gcp_service_account(candidate: &Candidate<'_>, _: &Context) -> Option<Verdict> {
    const BEFORE: usize = 512;
    let from = candidate.matched.start.saturating_sub(BEFORE);
    let before = candidate.bytes.get(from..candidate.matched.start)?;
    let open = from.checked_add(memchr::memrchr(b'{', before)?)?;
    let text = candidate.bytes.get(open..)?;
    let text = text.get(..LONGEST).unwrap_or(text);
    let mut stream = serde_json::Deserializer::from_slice(text).into_iter::<serde_json::Value>();
    let account = stream.next()?.ok()?;
    let field = |name: &str| account.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
    let key = field("private_key")?;
    let mut verdict = Verdict {
        secret: Some(open..open.checked_add(stream.byte_offset())?),
        identity: Some(key.into_bytes()),
        ..Verdict::default()
    };
    for name in ["client_email", "project_id", "private_key_id"] {
        if let Some(value) = field(name) {
            verdict = verdict.note(name, value);
        }
    }
    Some(verdict)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn armored(label: &str, bytes: &[u8], end: &str) -> String {
        let text = STANDARD.encode(bytes);
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {label}-----{end}{}{end}-----END {label}-----", lines.join(end))
    }

    fn look(text: &[u8]) -> Option<Verdict> {
        let head = text.windows(5).skip(5).position(|it| it == b"-----").unwrap() + 10;
        let candidate = Candidate { bytes: text, matched: 0..head, secret: 0..head };
        pem(&candidate, &Context::default())
    }

    #[test]
    fn one_key_however_its_lines_end_and_in_der() {
        let key = der::tests::rsa_key(256);
        for end in ["\n", "\r\n", "\\n"] {
            let text = armored("RSA PRIVATE KEY", &key, end);
            let verdict = look(format!("{text}\0more").as_bytes()).unwrap();
            assert_eq!(verdict.details["bits"], 2048);
            assert_eq!(verdict.secret, Some(0..text.len()));
            assert_eq!(verdict.identity.as_deref(), Some(key.as_slice()));
            assert_eq!(verdict.confidence, None);
        }
        let raw = [key.as_slice(), b"rest"].concat();
        let candidate = Candidate { bytes: &raw, matched: 0..8, secret: 0..8 };
        let verdict = der(&candidate, &Context::default()).unwrap();
        assert_eq!(verdict.identity.as_deref(), Some(key.as_slice()));
    }

    #[test]
    fn words_are_no_key_and_a_cut_key_is_told() {
        assert!(look(b"-----BEGIN RSA PRIVATE KEY-----\0-----END RSA").is_none());
        assert!(look(b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----").is_none());
        let text = armored("PRIVATE KEY", &der::tests::ed25519_key(), "\n");
        let text = text.strip_suffix("-----END PRIVATE KEY-----").unwrap();
        let verdict = look(format!("{text}\0").as_bytes()).unwrap();
        assert_eq!(verdict.confidence, Some(Confidence::Medium));
        assert_eq!(verdict.details["complete"], false);
        assert_eq!(verdict.secret, Some(0..text.len()));
    }

    #[test]
    fn openssh_and_pgp() {
        let field = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
        let public = field(&[field(b"ssh-ed25519"), field(&[7; 32])].concat());
        let ssh = [
            &b"openssh-key-v1\0"[..],
            &field(b"aes256-ctr"),
            &field(b"bcrypt"),
            &field(b""),
            &[0, 0, 0, 1],
            &public,
        ]
        .concat();
        let verdict = look(armored("OPENSSH PRIVATE KEY", &ssh, "\n").as_bytes()).unwrap();
        assert_eq!(verdict.details["algorithm"], "ssh-ed25519");
        assert_eq!(verdict.details["encrypted"], true);

        let pgp = [&[0x95, 0x01, 0x00][..], &[4; 40]].concat();
        let text = armored("PGP PRIVATE KEY BLOCK", &pgp, "\n");
        let text = text
            .replace("BLOCK-----\n", "BLOCK-----\nVersion: 1\n\n")
            .replace("\n-----END", "\n=abcd\n-----END");
        assert_eq!(look(text.as_bytes()).unwrap().details["form"], "OpenPGP");
    }

    #[test]
    fn service_accounts_and_kubeconfigs() {
        let text = br#"xx{"type": "service_account", "project_id": "p", "private_key_id": "ab", "private_key": "K", "client_email": "a@p.example"}yy"#;
        let at = memchr::memmem::find(text, b"\"private_key_id\"").unwrap();
        let candidate = Candidate { bytes: text, matched: at..at + 22, secret: at..at + 22 };
        let verdict = gcp_service_account(&candidate, &Context::default()).unwrap();
        assert_eq!(verdict.details["client_email"], "a@p.example");
        assert_eq!(verdict.secret, Some(2..text.len() - 2));

        let twice = STANDARD.encode(armored("PRIVATE KEY", &der::tests::ed25519_key(), "\n"));
        let verdict = super::super::ask(pem_base64, twice.as_bytes(), &Context::default()).unwrap();
        assert_eq!(verdict.details["algorithm"], "Ed25519");
    }
}
