//! Streams of netlink messages (`format.md §11.5`, `§11.6`).

use serde_json::{Value as Json, json};

use super::show;
use crate::{
    Diagnostic,
    image::{ByteOrder, registry::Raw},
};

/// First words of the files that iproute2 writes.
const MAGICS: [u32; 3] = [0x4736_1222, 0x4531_1224, 0x7170_6986];
/// Length of the header of a message, in bytes.
const HEADER: usize = 16;
/// Bits of an attribute type that say how its value is encoded.
const TYPE_MASK: u16 = 0x3fff;

/// The messages of a stream. An `Err` is the last item.
#[derive(Debug)]
pub(super) struct Messages<'a> {
    name: &'a str,
    bytes: &'a [u8],
    order: ByteOrder,
    raw: Raw,
    position: usize,
}

impl<'a> Messages<'a> {
    /// Checks the first word, which says the byte order as well, where the form has one.
    pub(super) fn new(
        name: &'a str,
        bytes: &'a [u8],
        order: ByteOrder,
        raw: Raw,
    ) -> Result<Self, Diagnostic> {
        let mut messages = Self { name, bytes, order, raw, position: 0 };
        if raw == Raw::Netlink {
            let known = |order: &ByteOrder| order.word(bytes, 0).is_some_and(|word| MAGICS.contains(&word));
            messages.order = [ByteOrder::Little, ByteOrder::Big]
                .into_iter()
                .find(known)
                .ok_or_else(|| Diagnostic::loss("bad-magic", name, "this is no output of `ip save`").at(0))?;
            messages.position = 4;
        }
        Ok(messages)
    }

    fn message(&mut self) -> Option<Json> {
        let rest = self.bytes.get(self.position..)?;
        let length = usize::try_from(self.order.word(rest, 0)?).ok()?;
        let body = rest.get(HEADER..length)?;
        let kind = self.order.half(rest, 4)?;
        let head = match (self.raw, kind) {
            (Raw::Nfnetlink, _) => 4,
            (_, 20) => 8,
            (_, 24 | 32) => 12,
            _ => 0,
        };
        let (head, attributes) = body.split_at_checked(head).unwrap_or((body, &[]));
        let (attributes, left) = self.attributes(attributes);
        let mut json = json!({
            "len": length,
            "type": kind,
            "type_name": type_name(self.raw, kind),
            "flags": self.order.half(rest, 6)?,
            "seq": self.order.word(rest, 8)?,
            "pid": self.order.word(rest, 12)?,
            "header": show::base64(head),
            "attributes": attributes,
        });
        if let (Some(object), false) = (json.as_object_mut(), left.is_empty()) {
            object.insert("undecoded".to_owned(), show::base64(left));
        }
        let next = self.position.checked_add(length)?;
        // Kernel lengths are multiples of 4; others are padded.
        self.position = next.checked_next_multiple_of(4)?.min(self.bytes.len());
        Some(json)
    }

    fn attributes(&self, mut bytes: &'a [u8]) -> (Vec<Json>, &'a [u8]) {
        let mut found = Vec::new();
        while let Some(length) = self.order.half(bytes, 0).map(usize::from) {
            let (Some(kind), Some(value)) = (self.order.half(bytes, 2), bytes.get(4..length)) else { break };
            found.push(json!({
                "type": kind & TYPE_MASK,
                "nested": kind & 0x8000 != 0,
                "value": show::base64(value),
            }));
            bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        (found, bytes)
    }
}

impl Iterator for Messages<'_> {
    type Item = Result<Json, Diagnostic>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.position >= self.bytes.len() {
            return None;
        }
        let at = self.position;
        Some(self.message().ok_or_else(|| {
            self.position = self.bytes.len();
            Diagnostic::loss("truncated-image", self.name, "a netlink message is cut or its length is wrong")
                .at(at as u64)
        }))
    }
}

fn type_name(raw: Raw, kind: u16) -> Option<&'static str> {
    match (raw, kind) {
        (Raw::Nfnetlink, 0x100) => Some("IPCTNL_MSG_CT_NEW"),
        (Raw::Nfnetlink, 0x200) => Some("IPCTNL_MSG_EXP_NEW"),
        (_, 2) => Some("NLMSG_ERROR"),
        (_, 3) => Some("NLMSG_DONE"),
        (Raw::Netlink, 20) => Some("RTM_NEWADDR"),
        (Raw::Netlink, 24) => Some("RTM_NEWROUTE"),
        (Raw::Netlink, 32) => Some("RTM_NEWRULE"),
        _ => None,
    }
}
