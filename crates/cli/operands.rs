//! Operands in the order that people give them, and lists in messages.

use std::path::Path;

/// Most names in a message.
pub const MOST_NAMES: usize = 5;

/// Names in a message: the first five, and how many more there are.
pub fn list<S: AsRef<str>>(names: &[S]) -> String {
    let shown: Vec<&str> = names.iter().take(MOST_NAMES).map(AsRef::as_ref).collect();
    let more = names.len().saturating_sub(MOST_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// Whether the archive was given first and what belongs before it second: only what is first is there.
pub fn are_swapped(first: &Path, second: &Path) -> bool {
    let is_there = |path: &Path| path == Path::new("-") || path.exists();
    is_there(first) && !is_there(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_end_after_five() {
        assert_eq!(list(&["a", "b"]), "a, b");
        assert_eq!(list(&["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }

    #[test]
    fn operands_are_swapped_only_when_nothing_else_can_be_meant() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let nowhere = Path::new("/nonexistent/file");
        assert!(are_swapped(here, nowhere));
        assert!(!are_swapped(nowhere, here) && !are_swapped(here, here) && !are_swapped(nowhere, nowhere));
    }
}
