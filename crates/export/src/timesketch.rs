//! JSON lines as Timesketch takes them: `message`, `datetime`, `timestamp` in microseconds and `timestamp_desc`, and
//! our own keys beside them.

use std::io::Write;

use ckptfx_analysis::timeline::Event;
use ckptfx_report::json::{to_value, write_compact};
use serde_json::{Map, Value, json};

use crate::{
    dossier::Dossier,
    export::{Export, Result},
};

/// Longest text of a keyword that its database indexes, in bytes; what is longer is cut.
const MAX_KEYWORD: usize = 32_766;
/// Mark of text that was cut.
const CUT: &str = " [cut]";

/// JSON lines for Timesketch.
pub struct Timesketch;

impl Export for Timesketch {
    fn checkpoint(&mut self, dossier: &Dossier<'_>, out: &mut dyn Write) -> Result<()> {
        let head = to_value(dossier.head)?;
        for event in dossier.events {
            write_compact(out, &record(event, &head)?)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

fn record(event: &Event, head: &Value) -> Result<Value> {
    let mut record = Map::new();
    let mut put = |key: &str, value: Option<&Value>| {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            record.insert(key.to_owned(), value.clone());
        }
    };
    let value = to_value(event)?;
    put("message", value.get("message"));
    put("datetime", Some(&json!(event.time)));
    put("timestamp", Some(&json!(event.time.as_microsecond())));
    put("timestamp_desc", Some(&json!(event.kind.description())));
    put("data_type", Some(&json!(format!("ckptfx:{}", event.kind.name()))));
    put("tag", Some(&json!(["ckptfx", event.kind.name(), event.reliability.name()])));
    for key in ["source", "source_b64", "message_b64", "reliability", "meaning"] {
        put(key, value.get(key));
    }
    for (key, fact) in value.get("subject").and_then(Value::as_object).into_iter().flatten() {
        put(key, Some(fact));
    }
    put("evidence", head.pointer("/evidence/name"));
    for key in ["engine", "id", "name", "pod", "namespace", "image"] {
        put(&format!("container_{key}"), head.pointer(&format!("/container/{key}")));
    }
    record.values_mut().for_each(cut);
    Ok(Value::Object(record))
}

fn cut(value: &mut Value) {
    let Value::String(text) = value else { return };
    if text.len() <= MAX_KEYWORD {
        return;
    }
    let mut end = MAX_KEYWORD - CUT.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push_str(CUT);
}
