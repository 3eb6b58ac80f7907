//! What is shown of a secret that is not to be shown.

use std::ops::Range;

/// Secrets of at least this length show where they begin and end.
const LONG: usize = 24;
/// Bytes shown of the beginning and of the end.
const HEAD: usize = 4;
const TAIL: usize = 2;
/// Bytes of the match shown around the secret.
const AROUND: usize = 80;
/// What stands for the rest.
const ELLIPSIS: &[u8] = "…".as_bytes();

/// The match with its secret masked. `whole`: the secret is one that people choose, and nothing of it is shown.
pub fn redact(bytes: &[u8], matched: &Range<usize>, secret: &Range<usize>, whole: bool) -> Vec<u8> {
    let part = |range: Range<usize>| bytes.get(range).unwrap_or_default();
    let mut text = Vec::new();
    let before = part(matched.start.min(secret.start)..secret.start);
    text.extend_from_slice(before.get(before.len().saturating_sub(AROUND)..).unwrap_or_default());
    text.extend(mask(part(secret.clone()), whole));
    let after = part(secret.end..matched.end.max(secret.end));
    text.extend_from_slice(after.get(..AROUND).unwrap_or(after));
    text
}

fn mask(secret: &[u8], whole: bool) -> Vec<u8> {
    let readable = secret.iter().all(u8::is_ascii_graphic);
    match (secret.get(..HEAD), secret.len().checked_sub(TAIL).and_then(|at| secret.get(at..))) {
        (Some(head), Some(tail)) if !whole && readable && secret.len() >= LONG => {
            [head, ELLIPSIS, tail].concat()
        }
        _ => ELLIPSIS.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, secret: Range<usize>, whole: bool) -> String {
        String::from_utf8(redact(text.as_bytes(), &(0..text.len()), &secret, whole)).unwrap()
    }

    #[test]
    fn short_and_chosen_secrets_are_not_shown_at_all() {
        assert_eq!(shown("PASSWORD=hunter2;", 9..16, true), "PASSWORD=…;");
        assert_eq!(shown("0123456789012345678", 0..19, false), "…");
        assert_eq!(shown("ghp_0123456789012345678901234567890123456789", 0..44, false), "ghp_…89");
        assert_eq!(shown("ghp_0123456789012345678901234567890123456789", 0..44, true), "…");
        assert_eq!(shown("-----BEGIN KEY-----\nAAAA\n-----END KEY-----", 0..42, false), "…");
    }
}
