//! Lists of known indicators: plain text, STIX 2.1 bundles, MISP events.

use regex_automata::meta::Regex;
use serde_json::Value;
use thiserror::Error;

use super::Kind;

/// One indicator of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// What it is.
    pub kind: Kind,
    /// What is looked for.
    pub value: String,
    /// Which list it is from.
    pub list: String,
    /// What the list calls it: a line number, or an identifier of its own.
    pub id: String,
}

/// Why a list cannot be used.
#[derive(Debug, Error)]
pub enum ListError {
    /// It is neither text nor JSON in a known form.
    #[error("{0} is neither a plain list nor a STIX bundle nor a MISP event")]
    Form(String),
    /// There is nothing in it to look for.
    #[error("{0} has no indicator that can be looked for")]
    Empty(String),
}

/// Reads a list; `name` is what it is called in the result. Patterns of STIX are taken for what they compare with: of
/// several comparisons each is an indicator of its own.
///
/// # Errors
/// When the list has an unknown form, or nothing in it.
pub fn read(name: &str, bytes: &[u8]) -> Result<Vec<Term>, ListError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ListError::Form(name.to_owned()))?;
    let text = text.trim_start_matches('\u{feff}');
    let mut terms = Vec::new();
    let mut add = |kind: Option<Kind>, value: &str, id: String| {
        let value = refang(value.trim());
        if !value.is_empty() {
            terms.push(Term {
                kind: kind.unwrap_or_else(|| Kind::of(&value)),
                value,
                list: name.to_owned(),
                id,
            });
        }
    };
    if text.trim_start().starts_with(['{', '[']) {
        let json: Value = serde_json::from_str(text).map_err(|_| ListError::Form(name.to_owned()))?;
        if json.get("type").and_then(Value::as_str) == Some("bundle") {
            stix(&json, &mut add).ok_or_else(|| ListError::Form(name.to_owned()))?;
        } else if !misp(&json, &mut add, 0) {
            return Err(ListError::Form(name.to_owned()));
        }
    } else {
        for (number, line) in text.lines().enumerate() {
            // What follows the indicator is a remark.
            let value = line.split([',', ';', '\t', ' ']).next().unwrap_or_default().trim_matches('"');
            if !line.trim_start().starts_with('#') {
                add(None, value, format!("line {}", number.saturating_add(1)));
            }
        }
    }
    if terms.is_empty() {
        return Err(ListError::Empty(name.to_owned()));
    }
    Ok(terms)
}

/// Undoes what makes indicators harmless in mails.
fn refang(value: &str) -> String {
    let value = value.replace("[.]", ".").replace("(.)", ".").replace("[:]", ":").replace("[@]", "@");
    match value.strip_prefix("hxxp") {
        Some(rest) => format!("http{rest}"),
        None => value,
    }
}

type Add<'a> = dyn FnMut(Option<Kind>, &str, String) + 'a;

fn stix(bundle: &Value, add: &mut Add<'_>) -> Option<()> {
    let comparison = Regex::new(r"([a-z0-9-]+):([A-Za-z0-9_.'-]+)\s*=\s*'((?:[^'\\]|\\.)*)'").ok()?;
    for object in bundle.get("objects")?.as_array()? {
        let field = |name: &str| object.get(name).and_then(Value::as_str);
        let id = field("id").unwrap_or_default();
        let Some(pattern) = field("pattern").filter(|_| field("pattern_type").is_none_or(|it| it == "stix"))
        else {
            continue;
        };
        let mut captures = comparison.create_captures();
        let mut from = 0;
        loop {
            comparison.search_captures(
                &regex_automata::Input::new(pattern).span(from..pattern.len()),
                &mut captures,
            );
            let part = |group| captures.get_group(group).and_then(|span| pattern.get(span.range()));
            let Some(((what, path), value)) = part(1).zip(part(2)).zip(part(3)) else { break };
            let kind = match (what, path) {
                ("ipv4-addr", _) => Some(Kind::Ipv4),
                ("ipv6-addr", _) => Some(Kind::Ipv6),
                ("domain-name", _) => Some(Kind::Domain),
                ("url", _) => Some(Kind::Url),
                ("email-addr", _) => Some(Kind::Email),
                ("file", path) if path.starts_with("name") => Some(Kind::File),
                _ => None,
            };
            let value = value.replace("\\'", "'").replace("\\\\", "\\");
            add(
                kind,
                value.split('/').next().filter(|_| matches!(kind, Some(Kind::Ipv4))).unwrap_or(&value),
                id.to_owned(),
            );
            from = captures.get_match().map_or(pattern.len(), |found| found.end());
        }
    }
    Some(())
}

/// Attributes of an event, of its objects, or of a list of events; false when there are none at all.
fn misp(value: &Value, add: &mut Add<'_>, depth: usize) -> bool {
    const NESTED: [&str; 5] = ["Event", "Attribute", "Object", "response", "events"];
    if depth > 8 {
        return false;
    }
    match value {
        Value::Array(items) => {
            let mut any = false;
            for item in items {
                any |= misp(item, add, depth + 1);
            }
            any
        }
        Value::Object(map) => {
            let field = |name: &str| map.get(name).and_then(Value::as_str);
            let attribute = field("value").zip(field("type"));
            if let Some((text, kind)) = attribute {
                let id = field("uuid").or_else(|| field("id")).unwrap_or_default();
                // `filename|sha256` and the like have two values.
                for (part, kind) in text.split('|').zip(kind.split('|')) {
                    let kind = match kind {
                        "ip-src" | "ip-dst" | "domain" | "hostname" | "url" | "md5" | "sha1" | "sha256"
                        | "email" | "email-src" | "email-dst" | "btc" | "xmr" => None,
                        // A port alone would match everything.
                        "port" | "size-in-bytes" => continue,
                        "filename" => Some(Kind::File),
                        _ => Some(Kind::Text),
                    };
                    add(kind, part, id.to_owned());
                }
            }
            let mut any = attribute.is_some();
            for item in NESTED.iter().filter_map(|name| map.get(*name)) {
                any |= misp(item, add, depth + 1);
            }
            any
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(Kind, String, String)> {
        let terms = read("list", text.as_bytes()).unwrap();
        terms.into_iter().map(|term| (term.kind, term.value, term.id)).collect()
    }

    fn term(kind: Kind, value: &str, id: &str) -> (Kind, String, String) {
        (kind, value.to_owned(), id.to_owned())
    }

    #[test]
    fn plain_lists() {
        let text = "# remark\nevil[.]example, c2\n\n10.0.0.7\nhxxp://evil.sh/a\n";
        let expected = [
            term(Kind::Domain, "evil.example", "line 2"),
            term(Kind::Ipv4, "10.0.0.7", "line 4"),
            term(Kind::Url, "http://evil.sh/a", "line 5"),
        ];
        assert_eq!(values(text), expected);
        assert!(read("list", b"# nothing").is_err());
        assert!(read("list", b"{\"a\": 1}").is_err());
        assert!(read("list", b"\xff").is_err());
    }

    #[test]
    fn stix_bundles() {
        let text = r#"{"type": "bundle", "objects": [{"type": "malware"}, {"type": "indicator", "id": "indicator--1",
            "pattern_type": "stix",
            "pattern": "[domain-name:value = 'evil.example' OR file:hashes.'SHA-256' = 'aa'] AND [ipv4-addr:value='10.0.0.7/32']"}]}"#;
        let expected = [
            term(Kind::Domain, "evil.example", "indicator--1"),
            term(Kind::Text, "aa", "indicator--1"),
            term(Kind::Ipv4, "10.0.0.7", "indicator--1"),
        ];
        assert_eq!(values(text), expected);
    }

    #[test]
    fn misp_events() {
        let text = r#"{"Event": {"info": "x", "Attribute": [
            {"type": "ip-dst|port", "value": "10.0.0.7|4444", "uuid": "u1"},
            {"type": "domain", "value": "evil.example", "uuid": "u2"}],
            "Object": [{"Attribute": [{"type": "filename", "value": "kworkerd", "uuid": "u3"}]}]}}"#;
        let expected = [
            term(Kind::Ipv4, "10.0.0.7", "u1"),
            term(Kind::Domain, "evil.example", "u2"),
            term(Kind::File, "kworkerd", "u3"),
        ];
        assert_eq!(values(text), expected);
    }
}
