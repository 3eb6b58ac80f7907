//! Loops over a tile that the compiler turns into vector code.

/// Replaces the contents of `folded` by `bytes` with ASCII capitals made small.
pub(crate) fn fold_into(bytes: &[u8], folded: &mut Vec<u8>) {
    folded.clear();
    folded.extend(bytes.iter().map(u8::to_ascii_lowercase));
}

/// `[A-Za-z0-9_]`.
pub(crate) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
