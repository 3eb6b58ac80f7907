//! X.509 certificates in memory and files, in PEM and as libraries hold them.

use std::ops::Range;

use base64::Engine as _;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::{Text, secret::LENIENT};

/// Expressions for where a certificate may begin: PEM, and DER of the versions that have extensions.
pub const EXPRESSIONS: [&str; 2] = [
    "-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----",
    r"\x30\x82[\x00-\xff]{2}\x30\x82[\x00-\xff]{2}\xa0\x03\x02\x01\x02\x02",
];

/// Longest certificate that is read; those of authorities and servers take 1 to 4 KiB.
const LONGEST: usize = 32 << 10;

/// What a certificate says of itself. Its signature is not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Whom it is for, as RFC 4514 writes names.
    pub subject: Text,
    /// Who issued it.
    pub issuer: Text,
    /// From when on it is valid.
    pub not_before: Timestamp,
    /// When it expires.
    pub not_after: Timestamp,
    /// SHA-256 over its DER.
    pub fingerprint: [u8; 32],
}

/// The certificate at `matched`, which one of [`EXPRESSIONS`] found in `bytes`.
pub fn read(bytes: &[u8], matched: Range<usize>) -> Option<Certificate> {
    let text = bytes.get(matched.start..)?;
    let text = text.get(..LONGEST).unwrap_or(text);
    if text.starts_with(b"-----") {
        let body = text.get(matched.len()..)?;
        let end = memchr::memmem::find(body, b"-----END ")?;
        parse(&decode(body.get(..end)?)?)
    } else {
        parse(text)
    }
}

/// Base64 with line ends, which JSON writes as the two characters `\n`.
fn decode(body: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let mut rest = body.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'\\' => {
                rest.next().filter(|next| matches!(next, b'n' | b'r'))?;
            }
            byte if byte.is_ascii_whitespace() => {}
            byte => plain.push(*byte),
        }
    }
    LENIENT.decode(plain).ok()
}

fn parse(der: &[u8]) -> Option<Certificate> {
    let (rest, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    let own = der.get(..der.len().checked_sub(rest.len())?)?;
    let validity = certificate.validity();
    let time = |seconds: i64| Timestamp::from_second(seconds).ok();
    Some(Certificate {
        subject: certificate.subject().to_string().into(),
        issuer: certificate.issuer().to_string().into(),
        not_before: time(validity.not_before.timestamp())?,
        not_after: time(validity.not_after.timestamp())?,
        fingerprint: Sha256::digest(own).into(),
    })
}
