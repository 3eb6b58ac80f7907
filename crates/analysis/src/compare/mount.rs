//! Mounts, by where they are mounted.

use super::{Input, Item, Key, Side, Wish, item::Builder};
use crate::container::mount;

pub(super) fn items(input: &mut Input<'_, '_>, side: &Side<'_>, _: &Wish) -> Vec<Item> {
    let same_container = side.pairs.same_container;
    let mounts = mount::mounts(input.case, &|_| true);
    mounts
        .into_iter()
        .map(|mount| {
            let name = mount.mountpoint.clone().unwrap_or_else(|| "?".into());
            let mut facts = Builder::default()
                .known("fstype", mount.fstype)
                .known("flags", mount.flags)
                .known("super_flags", mount.super_flags)
                .fact("external", mount.external)
                .known("deleted", mount.deleted);
            if same_container {
                // Directories of the node, which each container has its own of.
                facts = facts
                    .known("source", mount.source)
                    .known("root", mount.root)
                    .known("options", mount.options)
                    .known("ext_key", mount.ext_key);
            }
            Item { key: Key::new(None, [name.clone()]), name, facts: facts.finish() }
        })
        .collect()
}
