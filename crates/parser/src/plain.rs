//! Characters that act on a terminal or mislead the eye, in what people look at.

/// Whether a character changes the direction of text, or hides.
pub fn is_misleading(character: char) -> bool {
    matches!(character,
        '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' | '\u{00ad}')
}

/// Whether a character must not stand in JSON that may go to a terminal. What is below a space JSON escapes anyway.
pub fn needs_json_escape(character: char) -> bool {
    matches!(character, '\x7f' | '\u{80}'..='\u{9f}') || is_misleading(character)
}

/// JSON with such characters escaped: they can only stand in its strings.
pub fn json(text: &str) -> String {
    escape(text, |character, plain| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            plain.push_str(&format!("\\u{unit:04x}"));
        }
    })
}

/// A string for YAML, in quotes, with such characters escaped. YAML knows no surrogates.
pub fn yaml_string(text: &str) -> String {
    escape(&serde_json::Value::from(text).to_string(), |character, plain| {
        plain.push_str(&format!("\\U{:08x}", u32::from(character)));
    })
}

fn escape(text: &str, write: impl Fn(char, &mut String)) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if needs_json_escape(character) { write(character, &mut plain) } else { plain.push(character) }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_escaped_and_means_the_same() {
        let text = "a\u{202e}b\u{9b}31m\u{7f}\u{e0041}\u{200b}grün \u{1f980}\n\"";
        let json = json(&serde_json::Value::from(text).to_string());
        assert_eq!(json, "\"a\\u202eb\\u009b31m\\u007f\\udb40\\udc41\\u200bgrün \u{1f980}\\n\\\"\"");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        assert_eq!(yaml_string("a\u{e0041}"), "\"a\\U000e0041\"");
    }
}
