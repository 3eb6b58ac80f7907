//! Paths in the changes of the file systems.

use super::{Input, Item, Key, Side, Wish, item::Builder};
use crate::{
    Text,
    files::rootfs::{self, ChangeKind},
};

pub(super) fn items(input: &mut Input<'_, '_>, side: &Side<'_>, wish: &Wish) -> Vec<Item> {
    let same_container = side.pairs.same_container;
    let look = rootfs::Wish { hash: true, diff: false, zeros: wish.zeros, base: None };
    let changes = rootfs::changes(input.case, input.sources, &look, &|_| true, true);
    changes
        .into_iter()
        // containerd lists the directories above a change; they are no change by themselves.
        .filter(|change| !change.flags.contains(&"parent"))
        .map(|change| {
            // Engines write deletions in different places.
            let is_deletion = change.change == ChangeKind::Deleted;
            let origin = if is_deletion { Text::default() } else { change.origin.clone() };
            let state = if is_deletion { "deleted" } else { "there" };
            let key = Key::new(None, [change.path.clone(), origin.clone(), state.into()]);
            let mut facts = Builder::default().fact("state", change.change);
            if !is_deletion {
                let xattrs: Vec<_> = change.xattrs.iter().map(|xattr| (&xattr.name, &xattr.value)).collect();
                facts = facts
                    .fact("kind", change.kind)
                    .fact("size", change.size)
                    .fact("mode", &change.mode)
                    .fact("uid", change.uid)
                    .fact("gid", change.gid)
                    // Another container was started at another time, which touches many files.
                    .known("mtime", change.mtime.filter(|_| same_container))
                    .known("sha256", change.sha256)
                    .fact("link_target", &change.link_target)
                    .fact("device", &change.device)
                    .fact("xattrs", xattrs)
                    .fact("origin", origin);
            }
            Item { key, name: change.path, facts: facts.finish() }
        })
        .collect()
}
