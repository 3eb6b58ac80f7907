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

#[cfg(test)]
pub mod tests {
    use ckptfx_scan::{Options, PatternKind, Plan, Region};

    use super::*;

    /// A certificate for `shop.example`, valid in the year after 2026-11-24T04:45:12Z.
    pub const PEM: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBpzCCAU2gAwIBAgIURolGSoD9dV8l8hLG8tiMXKmnJ0wwCgYIKoZIzj0EAwIw\n\
KTEQMA4GA1UECgwHRXhhbXBsZTEVMBMGA1UEAwwMc2hvcC5leGFtcGxlMB4XDTI2\n\
MTEyNDA0NDUxMloXDTI3MTEyNDA0NDUxMlowKTEQMA4GA1UECgwHRXhhbXBsZTEV\n\
MBMGA1UEAwwMc2hvcC5leGFtcGxlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n\
1hCibvcBLhdTQ6XkKpojKs5a45XA746fPSFIYxfF+i//yoatA1YWuMZiufgEvbYI\n\
qtiHgJf8X80d/rr70DTDM6NTMFEwHQYDVR0OBBYEFN1Q3O8uqCIWfIryw/nmveiT\n\
Xin4MB8GA1UdIwQYMBaAFN1Q3O8uqCIWfIryw/nmveiTXin4MA8GA1UdEwEB/wQF\n\
MAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIgY0TG7hrlWaxxy3v5CILBdo+pBAF58z4r\n\
RlSCLBnwok8CIQDUHY/GCmxYDp0H+o04q51UmuYoiA8+Qwmuam1AZtt0mg==\n\
-----END CERTIFICATE-----\n\
";

    fn der() -> Vec<u8> {
        let body: String = PEM.lines().filter(|line| !line.starts_with('-')).collect();
        LENIENT.decode(body).unwrap()
    }

    /// What is found in a text.
    fn all(bytes: &[u8]) -> Vec<Certificate> {
        let patterns = EXPRESSIONS.map(|text| PatternKind::Regex(text.to_owned()));
        let plan = Plan::builder().patterns(patterns).gated(true).build().unwrap();
        assert_eq!(plan.notes(), []);
        let mut found = Vec::new();
        plan.scan(&[Region::new(0, bytes)], &Options::default(), &mut |hit| {
            found.extend(read(bytes, hit.offset..hit.offset + hit.length));
            std::ops::ControlFlow::Continue(())
        });
        found
    }

    #[test]
    fn one_certificate_however_it_is_kept() {
        let forms = [
            PEM.as_bytes().to_vec(),
            PEM.replace('\n', "\r\n").into_bytes(),
            PEM.replace('\n', "\\n").into_bytes(),
            [b"\0\x30\x82".as_slice(), &der(), b"behind it"].concat(),
        ];
        for form in forms {
            let found = all(&form);
            assert_eq!(found.len(), 1, "{:?}", Text(form));
            assert_eq!(found[0].subject, "O=Example, CN=shop.example".into());
            assert_eq!(found[0].issuer, found[0].subject);
            assert_eq!(found[0].not_before.to_string(), "2026-11-24T04:45:12Z");
            assert_eq!(found[0].not_after.to_string(), "2027-11-24T04:45:12Z");
            assert_eq!(found[0].fingerprint, <[u8; 32]>::from(Sha256::digest(der())));
        }
    }

    #[test]
    fn damage_is_no_certificate() {
        let whole = der();
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]), None);
        }
        assert_eq!(all(&PEM.as_bytes()[..400]), []);
        assert_eq!(all(PEM.replace("MIIB", "MIIC").as_bytes()), []);
        assert_eq!(all(b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), []);
    }
}
