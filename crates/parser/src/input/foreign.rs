//! What is no evidence that can be read here, named as what it is.

/// What bytes that begin so are, and what to do.
pub(super) fn name(bytes: &[u8]) -> Option<&'static str> {
    const ENCRYPTED: [&[u8]; 5] = [
        b"age-encryption.org/",
        b"-----BEGIN AGE ENCRYPTED FILE-----",
        b"-----BEGIN PGP MESSAGE-----",
        b"LUKS\xba\xbe",
        b"Salted__",
    ];
    // A session key that is encrypted, in the old and the new form of packets.
    let is_openpgp =
        matches!(bytes, [0x84 | 0xc1, _, 3, ..] | [0x85, _, _, 3, ..] | [0x8c | 0xc3, _, 4 | 5, ..]);
    if is_openpgp || ENCRYPTED.iter().any(|start| bytes.starts_with(start)) {
        return Some("it is encrypted (age, OpenPGP, LUKS or openssl enc); decrypt it first");
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return Some("it is a zip archive; unpack it, and give what is in it");
    }
    if bytes.starts_with(b"gVisorSF") {
        return Some(
            "it is a checkpoint of gVisor, whose kernel writes a form of its own and no CRIU images; restore it with \
             runsc",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use crate::input::{Input, OpenOptions, open};

    #[test]
    fn what_is_not_read_is_named_as_what_it_is() {
        for (bytes, what) in [
            (b"age-encryption.org/v1\n-> X25519".as_slice(), "encrypted"),
            (b"Salted__12345678", "encrypted"),
            (b"LUKS\xba\xbe\0\x02", "encrypted"),
            (b"\x85\x02\x0c\x03abcdefgh", "encrypted"),
            (b"PK\x03\x04\x14\0", "zip archive"),
            (b"gVisorSF\0\0", "gVisor"),
            (b"anything else", "neither a tar"),
        ] {
            let error = open(&Input::Bytes(Bytes::copy_from_slice(bytes)), &OpenOptions::default());
            let said = error.unwrap_err().to_string();
            assert!(said.contains(what), "{said}");
        }
    }
}
