//! Messages as JSON.

use prost_reflect::{DynamicMessage, Kind as Type, MessageDescriptor, ReflectMessage as _, Value};
use serde_json::{Map, Value as Json, json};

use super::{
    presentation::Show,
    schema::{Field, Schema},
    show::{self, Host},
};
use crate::{
    image::upcoming,
    wire::{self, Fields},
};

/// Turns messages of one image into JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Renderer {
    pub(super) schema: &'static Schema,
    pub(super) host: Host,
}

impl Renderer {
    /// Decodes a message and renders it.
    pub(super) fn decode(
        &self,
        message: &MessageDescriptor,
        bytes: &[u8],
    ) -> Result<Map<String, Json>, String> {
        let decode = |bytes: &[u8]| DynamicMessage::decode(message.clone(), bytes);
        match decode(bytes) {
            Ok(message) => Ok(self.message(&message)),
            Err(error) => {
                let kept = upcoming::without(message.name(), bytes).and_then(|kept| decode(&kept).ok());
                let mut object = self.message(&kept.ok_or_else(|| error.to_string())?);
                object.insert("undecodable".to_owned(), show::base64(bytes));
                Ok(object)
            }
        }
    }

    fn message(&self, message: &DynamicMessage) -> Map<String, Json> {
        let mut object = Map::new();
        let mut missing = Vec::new();
        for field in self.schema.fields(&message.descriptor()) {
            if message.has_field(&field.descriptor) {
                self.field(message, field, &mut object);
            } else if field.required {
                missing.push(Json::from(field.descriptor.name()));
            }
        }
        let unknown: Vec<_> = message.unknown_fields().flat_map(unknown_field).collect();
        if !unknown.is_empty() {
            object.insert("unknown_fields".to_owned(), Json::Array(unknown));
        }
        if !missing.is_empty() {
            object.insert("missing_fields".to_owned(), Json::Array(missing));
        }
        object
    }

    fn field(&self, message: &DynamicMessage, field: &Field, object: &mut Map<String, Json>) {
        let name = field.descriptor.name();
        let value = message.get_field(&field.descriptor);
        let kind = field.descriptor.kind();
        let Value::List(items) = value.as_ref() else {
            let (json, exact) = self.single(&value, &kind, field.show);
            object.insert(name.to_owned(), json);
            if let Some(exact) = exact {
                object.insert(format!("{name}_b64"), exact);
            }
            return;
        };
        let whole = match field.show {
            Show::Capabilities | Show::BuildId | Show::Ip => {
                let numbers: Vec<u64> = items.iter().filter_map(unsigned).collect();
                show::words(field.show, &numbers, self.host, is_ipv4(message))
            }
            _ => None,
        };
        if let Some(whole) = whole {
            object.insert(name.to_owned(), whole);
            return;
        }
        let show = if field.show == Show::Ip { Show::Hex } else { field.show };
        let (shown, exact): (Vec<_>, Vec<_>) =
            items.iter().map(|item| self.single(item, &kind, show)).unzip();
        object.insert(name.to_owned(), Json::Array(shown));
        if exact.iter().any(Option::is_some) {
            object.insert(format!("{name}_b64"), exact.into_iter().collect::<Vec<_>>().into());
        }
    }

    /// One value, and the exact bytes in base64 where text had to be escaped.
    fn single(&self, value: &Value, kind: &Type, show: Show) -> (Json, Option<Json>) {
        let json = match value {
            Value::Bool(value) => Json::from(*value),
            Value::I32(value) => self.signed(i64::from(*value), show),
            Value::I64(value) => self.signed(*value, show),
            Value::U32(value) => show::number(show, u64::from(*value), self.host),
            Value::U64(value) => show::number(show, *value, self.host),
            Value::EnumNumber(number) => {
                let named = kind.as_enum().and_then(|kind| kind.get_value(*number));
                named.map_or_else(|| Json::from(*number), |named| Json::from(named.name()))
            }
            Value::Bytes(bytes) => match show {
                Show::Text => {
                    let (text, escaped) = show::text(bytes);
                    return (Json::String(text), escaped.then(|| show::base64(bytes)));
                }
                Show::Mac => show::mac(bytes),
                _ => show::base64(bytes),
            },
            Value::Message(message) => Json::Object(self.message(message)),
            // CRIU has no fields of other types.
            other => Json::String(other.to_string()),
        };
        (json, None)
    }

    fn signed(&self, value: i64, show: Show) -> Json {
        u64::try_from(value).map_or_else(|_| Json::from(value), |value| show::number(show, value, self.host))
    }
}

fn unsigned(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_u32().map(u64::from))
}

/// Whether a socket says that its addresses are IPv4.
fn is_ipv4(message: &DynamicMessage) -> bool {
    message.get_field_by_name("family").and_then(|family| family.as_u32()) == Some(2)
}

fn unknown_field(field: &prost_reflect::UnknownField) -> Vec<Json> {
    let mut encoded = Vec::new();
    field.encode(&mut encoded);
    Fields::new(&encoded)
        .filter_map(Result::ok)
        .map(|field| {
            let (wire_type, value) = match field.value {
                wire::Value::Varint(value) => ("varint", Json::from(value)),
                wire::Value::Fixed64(value) => ("fixed64", Json::from(value)),
                wire::Value::Fixed32(value) => ("fixed32", Json::from(value)),
                wire::Value::Bytes(bytes) => ("bytes", show::base64(bytes)),
                wire::Value::Group(bytes) => ("group", show::base64(bytes)),
            };
            json!({ "number": field.number, "wire_type": wire_type, "value": value })
        })
        .collect()
}
