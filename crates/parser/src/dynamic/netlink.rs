//! Netlink messages as JSON.

use serde_json::{Value as Json, json};

use super::show;
use crate::{
    image::registry::Raw,
    netlink::{Message, NEW_ADDRESS, NEW_CONNECTION, NEW_EXPECTATION, NEW_ROUTE, NEW_RULE},
};

/// One message with its attributes in base64.
pub(super) fn object(message: &Message<'_>, raw: Raw) -> Json {
    let mut attributes = message.attributes;
    let found: Vec<Json> = attributes
        .by_ref()
        .map(|attribute| {
            json!({
                "type": attribute.kind,
                "nested": attribute.nested,
                "value": show::base64(attribute.value),
            })
        })
        .collect();
    let mut json = json!({
        "len": message.length,
        "type": message.kind,
        "type_name": type_name(raw, message.kind),
        "flags": message.flags,
        "seq": message.sequence,
        "pid": message.port,
        "header": show::base64(message.head),
        "attributes": found,
    });
    if let (Some(object), false) = (json.as_object_mut(), attributes.rest().is_empty()) {
        object.insert("undecoded".to_owned(), show::base64(attributes.rest()));
    }
    json
}

fn type_name(raw: Raw, kind: u16) -> Option<&'static str> {
    match (raw, kind) {
        (Raw::Nfnetlink, NEW_CONNECTION) => Some("IPCTNL_MSG_CT_NEW"),
        (Raw::Nfnetlink, NEW_EXPECTATION) => Some("IPCTNL_MSG_EXP_NEW"),
        (_, 2) => Some("NLMSG_ERROR"),
        (_, 3) => Some("NLMSG_DONE"),
        (Raw::Netlink, NEW_ADDRESS) => Some("RTM_NEWADDR"),
        (Raw::Netlink, NEW_ROUTE) => Some("RTM_NEWROUTE"),
        (Raw::Netlink, NEW_RULE) => Some("RTM_NEWRULE"),
        _ => None,
    }
}
