//! Compares kind by kind.

use super::{
    change::{Change, Kind},
    container, file,
    input::{Input, Wish},
    item::{self, Item},
    mapping, memory, mount,
    pair::{Pairs, Side, Which},
    process, rootfs, socket,
};

/// The differences, in order of kind, process and name. What is noticed on the way goes to the diagnostics of the
/// cases.
pub fn changes(before: &mut Input<'_, '_>, after: &mut Input<'_, '_>, wish: &Wish) -> Vec<Change> {
    let pairs = Pairs::of(before, after, wish.all);
    let mut list: Vec<Change> = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| wish.kinds.contains(kind)) {
        let of_no_process = matches!(kind, Kind::Container | Kind::Mount | Kind::Rootfs);
        if wish.filtered && of_no_process {
            continue;
        }
        let mut sides = |read: Read| {
            let old = read(before, &pairs.side(Which::Before), wish);
            let new = read(after, &pairs.side(Which::After), wish);
            item::compare(kind, old, new, &pairs)
        };
        let found = match kind {
            Kind::Container => sides(container::items),
            Kind::Process => sides(process::items),
            Kind::Credential => sides(process::credentials),
            Kind::Environment => sides(process::environment),
            Kind::File => sides(file::items),
            Kind::Socket => sides(socket::items),
            Kind::Mount => sides(mount::items),
            Kind::Mapping => sides(mapping::items),
            Kind::Rootfs => sides(rootfs::items),
            Kind::Memory => memory::changes(before, after, &pairs, wish.strings),
            // Found with the memory that it is in.
            Kind::String => Vec::new(),
        };
        list.extend(found.into_iter().filter(|change| wish.kinds.contains(&change.kind)));
    }
    for change in &mut list {
        change.from = before.name.to_owned();
        change.to = after.name.to_owned();
    }
    list.sort_by_key(|change| change.kind);
    list
}

/// Reads the things of one kind out of one checkpoint.
type Read = fn(&mut Input<'_, '_>, &Side<'_>, &Wish) -> Vec<Item>;
