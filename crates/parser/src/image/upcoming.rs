//! Fields of CRIU's next release (`proto/upcoming.tsv`). Nothing says yet that they keep their types: one that has
//! another type costs itself, and not the registers or the file beside it.

use crate::wire::{Fields, Value};

/// Messages that form entries, and the numbers that lead to a field.
const FIELDS: [(&str, &[u32]); 8] = [
    ("core_entry", &[5, 17]),
    ("core_entry", &[8, 6]),
    ("file_entry", &[18, 5]),
    ("file_entry", &[18, 6]),
    ("pipe_entry", &[5]),
    ("pipe_entry", &[6]),
    ("sk_packet_entry", &[128]),
    ("userns_entry", &[3]),
];

/// A message without these fields; none where it has none of them, or is no message at all.
pub(crate) fn without(message: &str, body: &[u8]) -> Option<Vec<u8>> {
    let of_message = FIELDS.iter().filter(|(name, _)| *name == message);
    let paths: Vec<&[u32]> = of_message.map(|(_, path)| *path).collect();
    strip(body, &paths).filter(|kept| kept.len() < body.len())
}

fn strip(body: &[u8], paths: &[&[u32]]) -> Option<Vec<u8>> {
    let mut kept = Vec::with_capacity(body.len());
    let mut fields = Fields::new(body);
    loop {
        let before = fields.rest();
        let Some(field) = fields.next() else { return Some(kept) };
        let field = field.ok()?;
        let below =
            paths.iter().filter_map(|path| path.split_first()).filter(|(first, _)| **first == field.number);
        let below: Vec<&[u32]> = below.map(|(_, rest)| rest).collect();
        match field.value {
            _ if below.iter().any(|rest| rest.is_empty()) => {}
            Value::Bytes(bytes) if !below.is_empty() => {
                let inner = strip(bytes, &below)?;
                prost::encoding::bytes::encode(field.number, &inner, &mut kept);
            }
            _ => kept.extend_from_slice(before.get(..before.len().checked_sub(fields.rest().len())?)?),
        }
    }
}
