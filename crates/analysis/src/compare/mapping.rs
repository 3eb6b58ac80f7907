//! Mappings: by address where both processes have one layout, by name otherwise.

use ckptfx_parser::memory::{Vma, VmaKind};

use super::{Input, Item, Key, Side, Wish, item::Builder};
use crate::{Text, memory::mapping, search};

pub(super) fn items(input: &mut Input<'_, '_>, side: &Side<'_>, _: &Wish) -> Vec<Item> {
    let mappings = mapping::mappings(input.case, &|task| side.wants_details(task));
    mappings
        .into_iter()
        .map(|mapping| {
            let same_layout = side.pair(mapping.pid).is_some_and(|pair| pair.same_layout);
            let owner = side.owner(mapping.pid);
            let label: Text =
                if mapping.path.0.is_empty() { mapping.kind.into() } else { mapping.path.clone() };
            let size = search_size(&mapping.start, &mapping.end);
            let mut facts = Builder::default();
            let key = if same_layout {
                facts = facts
                    .fact("end", &mapping.end)
                    .fact("perms", &mapping.perms)
                    .fact("offset", mapping.offset)
                    .fact("path", &mapping.path)
                    .fact("kind", mapping.kind);
                Key::new(owner, [Text::from(padded(&mapping.start).into_bytes())])
            } else {
                let offset = format!("{:016x}", mapping.offset);
                facts = facts.fact("size", size);
                by_name(owner, &mapping.path, mapping.kind, &offset, &mapping.perms)
            };
            let facts = facts
                .fact("deleted", mapping.deleted)
                .known("file_size", mapping.file_size)
                .known("build_id", mapping.build_id);
            let name = match same_layout {
                true => Text([mapping.start.as_bytes(), b" ", label.0.as_slice()].concat()),
                false => Text([label.0.as_slice(), b" ", mapping.perms.as_bytes()].concat()),
            };
            Item { key, name, facts: facts.finish() }
        })
        .collect()
}

/// Addresses of one width, so that their order as text is their order.
fn padded(address: &str) -> String {
    let digits = address.strip_prefix("0x").unwrap_or(address);
    format!("{digits:0>16}")
}

fn search_size(start: &str, end: &str) -> Option<u64> {
    let number = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    number(end)?.checked_sub(number(start)?)
}

/// Identity of a mapping whose address means nothing.
fn by_name(owner: Option<usize>, path: &Text, kind: &str, offset: &str, perms: &str) -> Key {
    // The offset of anonymous memory is its address.
    let offset = if path.0.is_empty() || path.0.starts_with(b"[") { "" } else { offset };
    Key::new(owner, [path.clone(), kind.into(), offset.into(), perms.into()])
}

/// As [`by_name`], of a mapping as the reader has it.
pub(super) fn key_by_name(owner: usize, vma: &Vma) -> Key {
    let offset = match vma.kind {
        VmaKind::Anonymous | VmaKind::Heap | VmaKind::Stack => String::new(),
        _ => format!("{:016x}", vma.offset),
    };
    by_name(Some(owner), &Text(vma.name.clone()), search::kind_name(vma.kind), &offset, &vma.permissions())
}
