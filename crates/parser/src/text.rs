//! Bytes of the evidence as text for messages and JSON.

use std::{borrow::Cow, fmt::Write as _};

use base64::Engine as _;
use serde::{
    Serialize,
    ser::{SerializeMap as _, Serializer},
};

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

/// Keys of the object that stands for text which is not UTF-8 until [`unfold`] has seen it.
const ESCAPED: &str = "\0escaped";
const BASE64: &str = "\0base64";

/// Bytes that are text. In JSON valid UTF-8 is a string; anything else becomes, through [`unfold`], an
/// escaped string and a sibling `<name>_b64` with the exact bytes (`output.md`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text(pub Vec<u8>);

impl Text {
    /// The text with invalid bytes escaped as `\xNN`.
    pub fn escaped(&self) -> Cow<'_, str> {
        escape_invalid(&self.0)
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl schemars::JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "Text from the evidence. Bytes that are not UTF-8 are shown as \\xNN; the exact bytes are then \
                            in a sibling key that ends in _b64."
        })
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Ok(text) = std::str::from_utf8(&self.0) {
            return serializer.serialize_str(text);
        }
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry(ESCAPED, &self.escaped())?;
        map.serialize_entry(BASE64, &base64::engine::general_purpose::STANDARD.encode(&self.0))?;
        map.end()
    }
}

/// Replaces what stands for text that is not UTF-8 by the escaped string and its `_b64` sibling. In a
/// list the sibling is a list of the same length with `null` for entries that were UTF-8.
pub fn unfold(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::Object(map) => {
            let keys: Vec<String> = map.keys().cloned().collect();
            for key in keys {
                let Some(field) = map.get_mut(&key) else { continue };
                let sibling = take(field).or_else(|| match field {
                    Value::Array(items) => {
                        let siblings: Vec<Option<Value>> = items.iter_mut().map(take).collect();
                        siblings.iter().any(Option::is_some).then(|| {
                            Value::Array(
                                siblings.into_iter().map(|item| item.unwrap_or(Value::Null)).collect(),
                            )
                        })
                    }
                    _ => None,
                });
                unfold(field);
                if let Some(sibling) = sibling {
                    map.insert(format!("{key}_b64"), sibling);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(unfold),
        _ => {}
    }
}

/// Takes the exact bytes out of a stand-in, leaving the escaped string.
fn take(value: &mut serde_json::Value) -> Option<serde_json::Value> {
    let map = value.as_object_mut()?;
    let base64 = map.remove(BASE64)?;
    let escaped = map.remove(ESCAPED)?;
    *value = escaped;
    Some(base64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_invalid_bytes_are_escaped() {
        assert_eq!(escape_invalid("né".as_bytes()), "né");
        assert_eq!(escape_invalid(b"a\xffb\xc3"), "a\\xffb\\xc3");
    }

    #[test]
    fn invalid_text_gets_a_sibling_with_its_bytes() {
        #[derive(Serialize)]
        struct Record {
            comm: Text,
            cmdline: Vec<Text>,
        }
        let record =
            Record { comm: b"a\xff".as_slice().into(), cmdline: vec!["x".into(), b"\xfe".as_slice().into()] };
        let mut value = serde_json::to_value(record).unwrap();
        unfold(&mut value);
        assert_eq!(
            value,
            json!({"comm": "a\\xff", "comm_b64": "Yf8=", "cmdline": ["x", "\\xfe"], "cmdline_b64": [null, "/g=="]})
        );
    }
}
