//! Words for people.

/// A number of things, in words.
pub fn count(what: &str, number: usize) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
