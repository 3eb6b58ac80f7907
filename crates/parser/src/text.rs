//! Bytes of the evidence as text for messages and JSON.

use std::{borrow::Cow, fmt::Write as _};

/// The bytes as UTF-8, with each byte that is not part of a valid character as `\xNN`.
pub fn escape_invalid(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_invalid_bytes_are_escaped() {
        assert_eq!(escape_invalid("né".as_bytes()), "né");
        assert_eq!(escape_invalid(b"a\xffb\xc3"), "a\\xffb\\xc3");
    }
}
