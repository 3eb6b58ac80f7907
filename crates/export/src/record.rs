//! Nested JSON records that are put together field by field. What is not known is left out, never null; text from the
//! evidence is bounded.

use base64::Engine as _;
use ckptfx_analysis::Text;
use serde_json::{Map, Value};

/// Longest text of one field, in bytes: what Lucene can index as one keyword.
pub const MAX_TEXT: usize = 32766;

/// A record under construction.
#[derive(Debug)]
pub struct Record {
    fields: Value,
    /// Where this form has room for fields of our own: `ckptfx` in ECS, `unmapped` in OCSF.
    own: &'static str,
    clipped: Vec<String>,
}

impl Record {
    /// An empty record; fields of our own go below `own`.
    pub fn new(own: &'static str) -> Self {
        Self { fields: Value::Object(Map::new()), own, clipped: Vec::new() }
    }

    /// Sets a field, given as a dotted path, to a value that is known.
    pub fn set(&mut self, path: &str, value: impl Into<Value>) {
        let mut place = &mut self.fields;
        for key in path.split('.') {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place = &mut place[key];
        }
        *place = value.into();
    }

    /// Sets a field to a value, if it is known.
    pub fn put(&mut self, path: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(path, value);
        }
    }

    /// Sets a field to text, if it is known. Exact bytes and the fact that it was cut go to fields of our own.
    pub fn text(&mut self, path: &str, text: Option<&Text>) {
        let Some(text) = text else { return };
        let value = self.bounded(path, &text.0);
        self.set(path, value);
        if std::str::from_utf8(&text.0).is_err() {
            let exact = exact(&text.0);
            self.set(&format!("{}.exact.{path}", self.own), exact);
        }
    }

    /// Sets a field to a list of texts; an empty list is left out.
    pub fn texts<'t>(&mut self, path: &str, texts: impl IntoIterator<Item = &'t Text>) {
        let texts: Vec<&Text> = texts.into_iter().collect();
        if texts.is_empty() {
            return;
        }
        let values: Vec<Value> = texts.iter().map(|text| self.bounded(path, &text.0).into()).collect();
        self.set(path, values);
        if texts.iter().any(|text| std::str::from_utf8(&text.0).is_err()) {
            let exact: Vec<Value> = texts.iter().map(|text| exact(&text.0).into()).collect();
            self.set(&format!("{}.exact.{path}", self.own), exact);
        }
    }

    /// Sets a field to a list, unless it is empty.
    pub fn list<T: Into<Value>>(&mut self, path: &str, items: impl IntoIterator<Item = T>) {
        let items: Vec<Value> = items.into_iter().map(Into::into).collect();
        if !items.is_empty() {
            self.set(path, items);
        }
    }

    fn bounded(&mut self, path: &str, bytes: &[u8]) -> String {
        let (text, is_clipped) = clip(bytes);
        if is_clipped && !self.clipped.iter().any(|field| field == path) {
            self.clipped.push(path.to_owned());
        }
        text
    }

    /// The record, with the names of fields whose text was too long.
    pub fn finish(mut self) -> Value {
        let clipped = std::mem::take(&mut self.clipped);
        self.list(&format!("{}.clipped", self.own), clipped);
        self.fields
    }
}

fn exact(bytes: &[u8]) -> String {
    // Cut so that base64 stays within bounds, too.
    let end = bytes.len().min(MAX_TEXT / 4 * 3);
    base64::engine::general_purpose::STANDARD.encode(bytes.get(..end).unwrap_or(bytes))
}

/// Text with invalid bytes as `\xNN`, of bounded length; whether it was cut, which the text says as well.
pub fn clip(bytes: &[u8]) -> (String, bool) {
    // An invalid byte takes four; more input than this cannot matter.
    let head = bytes.get(..MAX_TEXT + 4).unwrap_or(bytes);
    let text = Text(head.to_vec()).escaped().into_owned();
    if text.len() <= MAX_TEXT && head.len() == bytes.len() {
        return (text, false);
    }
    let note = format!("… [{} bytes in all]", bytes.len());
    let end = boundary(&text, MAX_TEXT - note.len());
    (format!("{}{note}", text.get(..end).unwrap_or_default()), true)
}

/// As [`clip`], without the answer whether it was cut.
pub fn clipped(bytes: &[u8]) -> String {
    clip(bytes).0
}

/// The last place at or before `index` where text can be cut.
fn boundary(text: &str, index: usize) -> usize {
    (0..=index.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_nested_and_unknown_ones_are_left_out() {
        let mut record = Record::new("own");
        record.set("a.b.c", 1);
        record.put("a.b.d", Some("x"));
        record.put("a.e", None::<u32>);
        record.list("a.f", Vec::<u32>::new());
        record.text("g", None);
        assert_eq!(record.finish(), json!({"a": {"b": {"c": 1, "d": "x"}}}));
    }

    #[test]
    fn bytes_that_are_no_text_stay_at_hand() {
        let mut record = Record::new("own");
        record.text("a.b", Some(&Text(b"x\xff".to_vec())));
        record.texts("c", &[Text(b"ok".to_vec()), Text(b"\xfe".to_vec())]);
        assert_eq!(
            record.finish(),
            json!({
                "a": {"b": "x\\xff"}, "c": ["ok", "\\xfe"],
                "own": {"exact": {"a": {"b": "eP8="}, "c": ["b2s=", "/g=="]}}
            })
        );
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        let mut record = Record::new("own");
        record.text("a", Some(&Text("ä".repeat(1 << 19).into_bytes())));
        let record = record.finish();
        let text = record["a"].as_str().expect("text");
        assert!(text.len() <= MAX_TEXT && text.ends_with("… [1048576 bytes in all]"), "{}", text.len());
        assert_eq!(record["own"]["clipped"], json!(["a"]));
        let (invalid, is_cut) = clip(&[0xff; 20_000]);
        assert!(is_cut && invalid.len() <= MAX_TEXT);
        assert_eq!(clip(&[b'x'; MAX_TEXT]), ("x".repeat(MAX_TEXT), false));
    }
}
