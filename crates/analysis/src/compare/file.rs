//! Files that processes refer to.

use super::{Input, Item, Key, Side, Wish, item::Builder};
use crate::{
    Text,
    files::file::{self, Details, Kind, OpenFile, Role},
};

pub(super) fn items(input: &mut Input<'_, '_>, side: &Side<'_>, _: &Wish) -> Vec<Item> {
    let files = file::files(input.case, &|task| side.wants_details(task));
    files.iter().map(|file| item(file, side)).collect()
}

fn item(file: &OpenFile, side: &Side<'_>) -> Item {
    let owner = file.pid.and_then(|pid| side.owner(pid));
    let kind = Text::from(file.kind.map_or("unknown", Kind::name));
    let role = Text::from(file.role.name());
    let fd = file.fd.map(|fd| fd.to_string());
    // Links of pipes, sockets and the like have nothing but an inode in them: their descriptor tells them apart.
    let name = match (&file.path, &fd) {
        (Some(path), _) => path.clone(),
        (None, Some(fd)) => Text::from(format!("fd {fd}").into_bytes()),
        (None, None) => kind.clone(),
    };
    // A process has one working directory, one root and one executable.
    let is_single = matches!(file.role, Role::Cwd | Role::Root | Role::Exe);
    let (part, path) = if is_single { (Text::default(), Some(&name)) } else { (name.clone(), None) };
    let key = Key::new(owner, [role.clone(), kind.clone(), part]);
    let shown = match file.role {
        Role::Fd => name.clone(),
        role => Text([role.name().as_bytes(), b" ", name.0.as_slice()].concat()),
    };
    let same = side.pairs.same_container;
    let mut facts = Builder::default()
        .known("path", path)
        .fact("role", &role)
        .fact("kind", &kind)
        .fact("fd", file.fd)
        .fact("deleted", file.deleted)
        .known("flags", file.flags.as_ref())
        .known("position", file.position)
        .known("size", file.size)
        .known("mode", file.mode.as_ref())
        .known("uid", file.uid)
        .known("gid", file.gid)
        .known("build_id", file.build_id.as_ref())
        .known("mount_point", file.mount_point.as_ref())
        .known("details", details(file));
    if same {
        // The link of a pipe or socket names its inode, which another container numbers in its own way.
        facts = facts.known("link", file.link.as_ref()).known("inode", file.inode);
    }
    if file.role == Role::Fd && !file.locks.is_empty() {
        let locks: Vec<_> = file.locks.iter().map(|lock| (&lock.kind, lock.start, lock.length)).collect();
        facts = facts.fact("locks", locks);
    }
    Item { key, name: shown, facts: facts.finish() }
}

/// What is particular to the kind and means the same in another checkpoint: nothing with ids of CRIU.
fn details(file: &OpenFile) -> Option<&Details> {
    file.details.as_ref().filter(|details| {
        matches!(
            details,
            Details::Pipe { .. }
                | Details::Eventfd { .. }
                | Details::Signalfd { .. }
                | Details::Memfd { .. }
                | Details::Inotify { .. }
        )
    })
}
