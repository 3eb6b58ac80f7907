//! Text from the evidence on its way to a terminal, a table or a CSV file.

use std::fmt::Write as _;

/// Characters that change the direction of text or hide it.
fn is_misleading(character: char) -> bool {
    matches!(character,
        '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' | '\u{00ad}')
}

/// Makes bytes fit to be shown: control characters and invalid bytes become `\xNN`, characters that
/// mislead the eye `\u{NNNN}`; a backslash that could be mistaken for one of these is doubled.
pub fn show(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid();
        for (index, character) in valid.char_indices() {
            // Writing to a String cannot fail.
            let _ = match character {
                '\\' if valid[index + 1..].starts_with(['x', 'u', '\\']) => write!(text, "\\\\"),
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

/// Whether a character must not stand in JSON that may go to a terminal.
pub fn needs_json_escape(character: char) -> bool {
    matches!(character, '\x7f' | '\u{80}'..='\u{9f}') || is_misleading(character)
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
