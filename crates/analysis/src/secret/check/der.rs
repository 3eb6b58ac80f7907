//! As much of DER as tells a private key from bytes that look like one.

/// Tags of ASN.1.
pub const INTEGER: u8 = 0x02;
pub const OCTET_STRING: u8 = 0x04;
pub const OBJECT: u8 = 0x06;
pub const SEQUENCE: u8 = 0x30;
/// `[0]`, constructed.
pub const ZERO: u8 = 0xa0;

/// Largest key: RSA of 16384 bits takes 9.3 KiB.
const LONGEST: usize = 16 << 10;

/// The element at the start of `bytes`: tag, content, and what follows. Lengths must be in the shortest form.
pub fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => {
            let (&length, rest) = rest.split_first()?;
            (usize::from(length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let shortest = match first {
        0x81 => length >= 0x80,
        0x82 => length >= 0x100,
        _ => true,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    (shortest && length <= LONGEST).then_some((tag, content, rest))
}

/// The content of the element at the start of `bytes` if it has a tag, and what follows.
pub fn expect(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(bytes)?;
    (found == tag).then_some((content, rest))
}

/// A private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// `RSA`, `EC`, …
    pub algorithm: String,
    /// Size of the modulus, or of the curve's field.
    pub bits: Option<usize>,
    /// Length of the whole encoding.
    pub length: usize,
    /// What it was encoded as.
    pub form: &'static str,
}

/// The private key that begins `bytes`: PKCS #8, PKCS #1, SEC 1, or encrypted PKCS #8.
pub fn private_key(bytes: &[u8]) -> Option<Key> {
    let (content, rest) = expect(bytes, SEQUENCE)?;
    let length = bytes.len().checked_sub(rest.len())?;
    let (tag, first, rest) = element(content)?;
    let (algorithm, bits, form) = match (tag, first, element(rest)?) {
        (INTEGER, [0 | 1], (SEQUENCE, algorithm, rest)) => {
            let (algorithm, bits) = pkcs8(algorithm, expect(rest, OCTET_STRING)?.0)?;
            (algorithm, bits, "PKCS #8")
        }
        (INTEGER, [0], (INTEGER, modulus, rest)) => ("RSA".to_owned(), Some(rsa(modulus, rest)?), "PKCS #1"),
        (INTEGER, [1], (OCTET_STRING, scalar, rest)) => {
            let (parameters, _) = expect(rest, ZERO)?;
            let (curve, bits) = curve(expect(parameters, OBJECT)?.0)?;
            (scalar.len() == bits.div_ceil(8)).then_some(())?;
            (format!("EC {curve}"), Some(bits), "SEC 1")
        }
        (SEQUENCE, scheme, (OCTET_STRING, sealed, _)) => {
            // PBES2, PKCS #12 or PKCS #5 schemes.
            let (scheme, _) = expect(scheme, OBJECT)?;
            let known = scheme.starts_with(b"\x2a\x86\x48\x86\xf7\x0d\x01\x05")
                || scheme.starts_with(b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01");
            (known && sealed.len() >= 32).then_some(())?;
            ("encrypted".to_owned(), None, "PKCS #8, encrypted")
        }
        _ => return None,
    };
    Some(Key { algorithm, bits, length, form })
}

fn pkcs8(algorithm: &[u8], key: &[u8]) -> Option<(String, Option<usize>)> {
    let (object, parameters) = expect(algorithm, OBJECT)?;
    let edwards = |name: &str, length: usize| {
        let (scalar, _) = expect(key, OCTET_STRING)?;
        (scalar.len() == length).then(|| (name.to_owned(), None))
    };
    match object {
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01" | b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a" => {
            let (content, _) = expect(key, SEQUENCE)?;
            let (_, rest) = expect(content, INTEGER)?;
            let (modulus, rest) = expect(rest, INTEGER)?;
            Some(("RSA".to_owned(), Some(rsa(modulus, rest)?)))
        }
        b"\x2a\x86\x48\xce\x3d\x02\x01" => {
            let (curve, bits) = curve(expect(parameters, OBJECT)?.0)?;
            let (content, _) = expect(key, SEQUENCE)?;
            let (_, rest) = expect(content, INTEGER)?;
            let (scalar, _) = expect(rest, OCTET_STRING)?;
            (scalar.len() == bits.div_ceil(8)).then(|| (format!("EC {curve}"), Some(bits)))
        }
        b"\x2b\x65\x6e" => edwards("X25519", 32),
        b"\x2b\x65\x6f" => edwards("X448", 56),
        b"\x2b\x65\x70" => edwards("Ed25519", 32),
        b"\x2b\x65\x71" => edwards("Ed448", 57),
        b"\x2a\x86\x48\xce\x38\x04\x01" => {
            expect(key, INTEGER)?;
            Some(("DSA".to_owned(), None))
        }
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x03\x01" => {
            expect(key, INTEGER)?;
            Some(("DH".to_owned(), None))
        }
        _ => None,
    }
}

/// Bits of the modulus, if the seven numbers that follow it are there.
fn rsa(modulus: &[u8], mut rest: &[u8]) -> Option<usize> {
    for _ in 0..7 {
        let (number, after) = expect(rest, INTEGER)?;
        (!number.is_empty()).then_some(())?;
        rest = after;
    }
    let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    let zeros = usize::try_from(modulus.first()?.leading_zeros()).ok()?;
    let bits = modulus.len().checked_mul(8)?.checked_sub(zeros)?;
    // A modulus is odd, and shorter ones are toys.
    (bits >= 512 && modulus.last()? & 1 == 1).then_some(bits)
}

fn curve(object: &[u8]) -> Option<(&'static str, usize)> {
    Some(match object {
        b"\x2a\x86\x48\xce\x3d\x03\x01\x07" => ("P-256", 256),
        b"\x2b\x81\x04\x00\x22" => ("P-384", 384),
        b"\x2b\x81\x04\x00\x23" => ("P-521", 521),
        b"\x2b\x81\x04\x00\x21" => ("P-224", 224),
        b"\x2b\x81\x04\x00\x0a" => ("secp256k1", 256),
        b"\x2b\x24\x03\x03\x02\x08\x01\x01\x07" => ("brainpoolP256r1", 256),
        b"\x2b\x24\x03\x03\x02\x08\x01\x01\x0b" => ("brainpoolP384r1", 384),
        b"\x2b\x24\x03\x03\x02\x08\x01\x01\x0d" => ("brainpoolP512r1", 512),
        _ => return None,
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// An element with its length in the shortest form.
    pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let head = match length {
            0..=0x7f => vec![tag, u8::try_from(length).unwrap()],
            0x80..=0xff => vec![tag, 0x81, u8::try_from(length).unwrap()],
            _ => [&[tag, 0x82][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
        };
        [&head, content].concat()
    }

    pub fn rsa_key(bytes: usize) -> Vec<u8> {
        let number = |length: usize| tlv(INTEGER, &[&[0][..], &vec![0xd5; length]].concat());
        let half = number(bytes / 2);
        let parts = [
            tlv(INTEGER, &[0]),
            number(bytes),
            tlv(INTEGER, &[1, 0, 1]),
            number(bytes),
            half.clone(),
            half.clone(),
            half.clone(),
            half.clone(),
            half,
        ];
        tlv(SEQUENCE, &parts.concat())
    }

    pub fn ed25519_key() -> Vec<u8> {
        let algorithm = tlv(SEQUENCE, &tlv(OBJECT, b"\x2b\x65\x70"));
        let key = tlv(OCTET_STRING, &tlv(OCTET_STRING, &[9; 32]));
        tlv(SEQUENCE, &[tlv(INTEGER, &[0]), algorithm, key].concat())
    }

    #[test]
    fn keys_are_told_by_structure() {
        let key = private_key(&[rsa_key(256), vec![0; 10]].concat()).unwrap();
        assert_eq!((key.algorithm.as_str(), key.bits, key.form), ("RSA", Some(2048), "PKCS #1"));
        assert_eq!(key.length, rsa_key(256).len());
        let key = private_key(&ed25519_key()).unwrap();
        assert_eq!((key.algorithm.as_str(), key.form), ("Ed25519", "PKCS #8"));

        let curve = tlv(ZERO, &tlv(OBJECT, b"\x2a\x86\x48\xce\x3d\x03\x01\x07"));
        let sec1 = |length| {
            tlv(SEQUENCE, &[tlv(INTEGER, &[1]), tlv(OCTET_STRING, &vec![7; length]), curve.clone()].concat())
        };
        assert_eq!(private_key(&sec1(32)).unwrap().algorithm, "EC P-256");
        assert_eq!(private_key(&sec1(31)), None);
    }

    #[test]
    fn damage_is_no_key() {
        let whole = rsa_key(128);
        for length in 0..whole.len() {
            assert_eq!(private_key(&whole[..length]), None);
        }
        assert_eq!(private_key(&[0x30, 0x80, 0x02, 0x01, 0x00]), None);
        assert_eq!(private_key(&[0x30, 0x82, 0xff, 0xff, 0x02, 0x01, 0x00]), None);
    }
}
