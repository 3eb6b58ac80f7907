//! Text from the evidence on its way to a terminal, a table or a CSV file.

use std::fmt::Write as _;

use ckptfx_parser::plain::is_misleading;
pub use ckptfx_parser::plain::needs_json_escape;

/// Makes bytes fit to be shown: control characters and invalid bytes become `\xNN`, characters that
/// mislead the eye `\u{NNNN}`; a backslash that could be mistaken for one of these is doubled.
pub fn show(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid();
        for (index, character) in valid.char_indices() {
            // Writing to a String cannot fail.
            let _ = match character {
                '\\' if valid.get(index + 1..).is_some_and(|rest| rest.starts_with(['x', 'u', '\\'])) => {
                    write!(text, "\\\\")
                }
                '\0'..='\x1f' | '\x7f' => write!(text, "\\x{:02x}", u32::from(character)),
                '\u{80}'..='\u{9f}' => write!(text, "\\u{{{:04x}}}", u32::from(character)),
                character if is_misleading(character) => write!(text, "\\u{{{:04x}}}", u32::from(character)),
                character => write!(text, "{character}"),
            };
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// As [`show`], added to a buffer; quick for plain text, of which there may be a lot.
pub fn show_into(bytes: &[u8], buffer: &mut Vec<u8>) {
    // Not `all`: without a way out in the middle this is vector code.
    if bytes.iter().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'[' | b']'..=b'~')) {
        buffer.extend_from_slice(bytes);
    } else {
        buffer.extend_from_slice(show(bytes).as_bytes());
    }
}

/// As [`show`], and no longer than `width` characters.
pub fn show_short(bytes: &[u8], width: usize) -> String {
    let text = show(bytes);
    if text.chars().count() <= width {
        return text;
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Whether bytes can go to a terminal as they are: UTF-8 without control characters other than newline and tab, and
/// without what misleads the eye. Gives how many bytes at the end may be the beginning of a character.
pub fn is_plain(bytes: &[u8]) -> Option<usize> {
    let (text, open) = match std::str::from_utf8(bytes) {
        Ok(text) => (text, 0),
        Err(error) if error.error_len().is_none() => {
            let (whole, rest) = bytes.split_at(error.valid_up_to());
            (std::str::from_utf8(whole).ok()?, rest.len())
        }
        Err(_) => return None,
    };
    let is_fit = |character: char| {
        matches!(character, '\n' | '\t') || (!character.is_control() && !is_misleading(character))
    };
    text.chars().all(is_fit).then_some(open)
}

/// A CSV cell that no spreadsheet takes for a formula.
pub fn csv_cell(text: &str) -> String {
    let shown = show(text.as_bytes());
    if shown.starts_with(['=', '+', '-', '@']) { format!("'{shown}") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(show(b"\x1b]0;owned\x07"), "\\x1b]0;owned\\x07");
        assert_eq!(show("\u{9b}31m".as_bytes()), "\\u{009b}31m");
    }

    #[test]
    fn text_direction_cannot_be_turned() {
        assert_eq!(show("a\u{202e}gpj.exe".as_bytes()), "a\\u{202e}gpj.exe");
    }

    #[test]
    fn invalid_bytes_and_newlines_are_visible() {
        assert_eq!(show(b"a\xff\nb"), "a\\xff\\x0ab");
    }

    #[test]
    fn the_quick_way_shows_the_same() {
        for text in ["plain text [1]", "tab\t", "a\\x1b", "grün", "a\u{202e}b", "~ !", "\x7f"] {
            let mut buffer = b"> ".to_vec();
            show_into(text.as_bytes(), &mut buffer);
            assert_eq!(buffer, format!("> {}", show(text.as_bytes())).into_bytes());
        }
    }

    #[test]
    fn only_plain_text_goes_to_a_terminal_as_it_is() {
        for plain in ["", "root:x:0:0\tgrün\n", "日本"] {
            assert_eq!(is_plain(plain.as_bytes()), Some(0), "{plain}");
        }
        assert_eq!(is_plain(&"日本".as_bytes()[..4]), Some(1));
        for raw in
            [&b"\x1b[2J"[..], b"a\0", b"\xff", b"\r\n", b"\x7f", "\u{9b}".as_bytes(), "\u{202e}".as_bytes()]
        {
            assert_eq!(is_plain(raw), None, "{}", raw.escape_ascii());
        }
    }

    #[test]
    fn an_escape_cannot_be_forged() {
        assert_eq!(show(b"\\x1b"), "\\\\x1b");
        assert_eq!(show(b"C:\\dir"), "C:\\dir");
    }

    #[test]
    fn formulas_are_neutralised() {
        assert_eq!(csv_cell("=cmd|'/c calc'!A0"), "'=cmd|'/c calc'!A0");
        assert_eq!(csv_cell("/bin/sh"), "/bin/sh");
    }
}
