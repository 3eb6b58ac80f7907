//! Tokens that carry a checksum or something else that can be computed.

use bech32::primitives::decode::CheckedHrpstring;
use sha2::{Digest as _, Sha256};

use super::{Candidate, Confidence, Context, Verdict};

/// Bytes of CRC-32 in base 62.
const BASE62_CRC: usize = 6;
/// Hexadecimal digits of CRC-32.
const HEX_CRC: usize = 8;

/// `prefix_`, random characters, and at the end the CRC-32 of these in base 62: tokens of GitHub and npm.
pub fn crc32_base62(candidate: &Candidate<'_>, _: &Context) -> Option<Verdict> {
    let token = candidate.secret();
    let body = token.get(token.iter().position(|byte| *byte == b'_')?.checked_add(1)?..)?;
    let (random, sum) = body.split_at_checked(body.len().checked_sub(BASE62_CRC)?)?;
    Some(checked(base62(crc32fast::hash(random)) == sum))
}

/// The CRC-32 of all before the last underscore, in hexadecimal: tokens of Grafana.
pub fn crc32_hex(candidate: &Candidate<'_>, _: &Context) -> Option<Verdict> {
    let token = candidate.secret();
    let (before, sum) = token.split_at_checked(token.len().checked_sub(HEX_CRC)?)?;
    let body = before.strip_suffix(b"_")?;
    let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
    Some(checked(crc32fast::hash(body) == sum))
}

/// A token of the right form with a wrong checksum is one that was made up or damaged.
fn checked(right: bool) -> Verdict {
    let confidence = if right { Confidence::High } else { Confidence::Low };
    Verdict::default().with(confidence).note("checksum", if right { "right" } else { "wrong" })
}

fn base62(mut value: u32) -> [u8; BASE62_CRC] {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = [b'0'; BASE62_CRC];
    for place in text.iter_mut().rev() {
        let digit = usize::try_from(value % 62).unwrap_or(0);
        *place = DIGITS.get(digit).copied().unwrap_or(b'0');
        value /= 62;
    }
    text
}

/// An AWS access key id has the number of its account in it, since 2019.
pub fn aws_id(candidate: &Candidate<'_>, _: &Context) -> Option<Verdict> {
    let body = candidate.secret().get(4..)?;
    let mut bits = 0_u128;
    for byte in body {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return None,
        };
        bits = bits << 5 | u128::from(digit);
    }
    // 16 characters are 80 bits: the first is not part of the account, which takes the next 40.
    let account = bits >> 39 & ((1 << 40) - 1);
    let kind = if candidate.secret().starts_with(b"ASIA") { "temporary" } else { "long-term" };
    let verdict = Verdict::default().note("lifetime", kind);
    // Older ids have other bits there, which are no account.
    Some(if account < 1_000_000_000_000 {
        verdict.note("account", format!("{account:012}"))
    } else {
        verdict
    })
}

/// A key in Bech32, whose checksum must be right.
pub fn bech32_key(candidate: &Candidate<'_>, _: &Context) -> Option<Verdict> {
    let text = std::str::from_utf8(candidate.secret()).ok()?;
    CheckedHrpstring::new::<bech32::Bech32>(text).ok()?;
    Some(Verdict::default().note("checksum", "right"))
}

/// A key in Base58Check, whose checksum must be right.
pub fn base58_key(candidate: &Candidate<'_>, _: &Context) -> Option<Verdict> {
    base58check(candidate.secret()).map(|_| Verdict::default().note("checksum", "right"))
}

/// The payload of Base58Check text, version byte first, if its checksum is right.
pub(crate) fn base58check(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = bs58::decode(text).into_vec().ok()?;
    let sum = bytes.split_off(bytes.len().checked_sub(4)?);
    let twice = Sha256::digest(Sha256::digest(&bytes));
    (twice.get(..4)? == sum).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{super::ask, *};

    fn token(prefix: &str, random: &str) -> Vec<u8> {
        let sum = base62(crc32fast::hash(random.as_bytes()));
        [prefix.as_bytes(), random.as_bytes(), &sum].concat()
    }

    #[test]
    fn checksums_of_tokens() {
        let mut good = token("ghp_", "abcdefghijklmnopqrstuvwxyzABCD");
        let verdict = ask(crc32_base62, &good, &Context::default()).unwrap();
        assert_eq!(verdict.confidence, Some(Confidence::High));
        good[10] ^= 1;
        let verdict = ask(crc32_base62, &good, &Context::default()).unwrap();
        assert_eq!(verdict.confidence, Some(Confidence::Low));
        assert!(ask(crc32_base62, b"ghp_abc", &Context::default()).is_none());

        let body = "glsa_0123456789abcdefghijABCDEFGHIJ01";
        let text = format!("{body}_{:08x}", crc32fast::hash(body.as_bytes()));
        let verdict = ask(crc32_hex, text.as_bytes(), &Context::default()).unwrap();
        assert_eq!(verdict.confidence, Some(Confidence::High));
    }

    #[test]
    fn accounts_of_aws() {
        let verdict = ask(aws_id, b"ASIAQNZGKIQY56JQ7WML", &Context::default()).unwrap();
        assert_eq!(verdict.details["account"], "029608264753");
        assert_eq!(verdict.details["lifetime"], "temporary");
    }

    #[test]
    fn keys_with_checksums() {
        // From the documents of BIP 32 (test vector 1) and age's own format tests are not needed: one is computed.
        let key = b"xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi";
        assert!(ask(base58_key, key, &Context::default()).is_some());
        let mut wrong = key.to_vec();
        wrong[20] = b'2';
        assert!(ask(base58_key, &wrong, &Context::default()).is_none());

        let hrp = bech32::Hrp::parse("age-secret-key-").unwrap();
        let text = bech32::encode_upper::<bech32::Bech32>(hrp, &[7; 32]).unwrap();
        assert!(ask(bech32_key, text.as_bytes(), &Context::default()).is_some());
        let wrong = text.replace("-1", "-1Q");
        assert!(ask(bech32_key, wrong.as_bytes(), &Context::default()).is_none());
    }
}
