//! Memory page by page. Where both processes have one address layout, equal addresses are compared; otherwise equal
//! places in mappings of one name.

use std::collections::BTreeMap;

use ckptfx_parser::memory::{AddressSpace, ObjectKind, SharedObject, Vma, VmaKind};

use super::{
    Change, Difference, Facts, Input, Key, Kind, MemoryChange, Pairs, StringWish,
    item::Builder,
    mapping::key_by_name,
    pages::{self, Stretch, Verdict},
    strings,
};
use crate::{Case, Text, search::kind_name};

/// Most ranges that a record lists.
const MAX_RANGES: usize = 64;

/// Two regions that are compared.
struct Region<'a> {
    owner: Option<usize>,
    name: Text,
    facts: Facts,
    /// Address of the first byte, in the later and in the earlier checkpoint.
    start: u64,
    start_before: u64,
    page: u64,
    by: &'static str,
    before: Vec<Stretch<'a>>,
    after: Vec<Stretch<'a>>,
}

pub(super) fn changes(
    before: &mut Input<'_, '_>,
    after: &mut Input<'_, '_>,
    pairs: &Pairs,
    strings: Option<StringWish>,
) -> Vec<Change> {
    before.case.unpack();
    after.case.unpack();
    let mut list = Vec::new();
    let mut notes: Vec<(&'static str, String, String)> = Vec::new();
    let mut add = |region: &Region<'_>, list: &mut Vec<Change>| {
        let rest = judge(region, pairs, strings, list);
        let subject = pairs.subject(region.owner, Text::default());
        let pid = subject.pid.map_or_else(String::new, |pid| format!("pid {pid} "));
        if rest.texts > 0 {
            let message = format!("{} more texts that appeared or disappeared are not listed", rest.texts);
            notes.push(("strings-left-out", format!("{pid}{}", region.name.escaped()), message));
        }
        if rest.pages > 0 {
            let message =
                format!("{} pages are not compared: one of the checkpoints lacks their bytes", rest.pages);
            notes.push(("pages-not-compared", format!("{pid}{}", region.name.escaped()), message));
        }
    };
    let mut sizes_differ = Vec::new();
    {
        let (old, new) = (&*before.case, &*after.case);
        for (owner, pair) in pairs.both() {
            let spaces = [pair.before.map(|index| (old, index)), pair.after.map(|index| (new, index))];
            let [Some(one), Some(other)] =
                spaces.map(|side| side.and_then(|(case, index)| case.tasks.get(index)?.space.as_ref()))
            else {
                continue;
            };
            if one.page_size != other.page_size {
                sizes_differ.push(format!("pid {}", other.pid));
                continue;
            }
            let both = Both { owner, old: (old, one), new: (new, other) };
            if pair.same_layout {
                both.by_address(&mut |region| add(region, &mut list));
            } else {
                both.by_mapping(&mut |region| add(region, &mut list));
            }
        }
        if pairs.all_wanted() {
            objects(old, new, &mut |region| add(region, &mut list));
        }
    }
    for subject in sizes_differ {
        after.note("page-size", subject, "the page sizes differ: the memory is not compared");
    }
    for (code, subject, message) in notes {
        after.note(code, subject, message);
    }
    list
}

/// A process in both checkpoints.
struct Both<'c, 'b, 'a> {
    owner: usize,
    old: (&'c Case<'b>, &'c AddressSpace<'b>),
    new: (&'c Case<'a>, &'c AddressSpace<'a>),
}

impl<'x, 'c> Both<'c, 'x, 'x> {
    /// Each mapping of the later process against the same addresses of the earlier, then what only that had.
    fn by_address(&self, take: &mut dyn FnMut(&Region<'x>)) {
        for (start, end, named) in later_and_gaps(&self.new.1.vmas, &self.old.1.vmas) {
            if is_shared(named) {
                continue;
            }
            take(&Region {
                owner: Some(self.owner),
                name: region_name(named, start),
                facts: region_facts(named, start, end),
                start,
                start_before: start,
                page: self.new.1.page_size,
                by: "address",
                before: pages::of_space(self.old.1, start, end, &self.old.0.shared),
                after: pages::of_space(self.new.1, start, end, &self.new.0.shared),
            });
        }
    }

    /// Mappings of one name, kind, offset and permissions, in order.
    fn by_mapping(&self, take: &mut dyn FnMut(&Region<'x>)) {
        type Group<'v> = (Vec<&'v Vma>, Vec<&'v Vma>);
        let mut groups: BTreeMap<Key, Group<'_>> = BTreeMap::new();
        for vma in self.old.1.vmas.iter().filter(|vma| !is_shared(vma)) {
            groups.entry(key_by_name(self.owner, vma)).or_default().0.push(vma);
        }
        for vma in self.new.1.vmas.iter().filter(|vma| !is_shared(vma)) {
            groups.entry(key_by_name(self.owner, vma)).or_default().1.push(vma);
        }
        for (old, new) in groups.into_values() {
            let length = old.len().max(new.len());
            for index in 0..length {
                let (one, other) = (old.get(index).copied(), new.get(index).copied());
                let Some(named) = other.or(one) else { continue };
                let space = |space: &AddressSpace<'x>, case: &Case<'x>, vma: Option<&Vma>| {
                    vma.map_or_else(Vec::new, |vma| pages::of_space(space, vma.start, vma.end, &case.shared))
                };
                take(&Region {
                    owner: Some(self.owner),
                    name: region_name(named, named.start),
                    facts: region_facts(named, named.start, named.end),
                    start: named.start,
                    start_before: one.map_or(named.start, |vma| vma.start),
                    page: self.new.1.page_size,
                    by: "mapping",
                    before: space(self.old.1, self.old.0, one),
                    after: space(self.new.1, self.new.0, other),
                });
            }
        }
    }
}

/// The mappings of the later process, and what of the earlier lies between them, in order: first address, first one
/// after it, and the mapping that names it.
fn later_and_gaps<'v>(later: &'v [Vma], earlier: &'v [Vma]) -> Vec<(u64, u64, &'v Vma)> {
    let mut pieces: Vec<(u64, u64, &Vma)> = later.iter().map(|vma| (vma.start, vma.end, vma)).collect();
    for vma in earlier {
        let mut position = vma.start;
        let first = later.partition_point(|other| other.end <= vma.start);
        let covering = later.get(first..).unwrap_or_default();
        for other in covering.iter().take_while(|other| other.start < vma.end) {
            if other.start > position {
                pieces.push((position, other.start, vma));
            }
            position = position.max(other.end);
        }
        if position < vma.end {
            pieces.push((position, vma.end, vma));
        }
    }
    pieces.sort_by_key(|(start, end, _)| (*start, *end));
    pieces
}

/// Shared memory is compared once, as an object.
fn is_shared(vma: &Vma) -> bool {
    matches!(vma.kind, VmaKind::Shared(_))
}

fn region_name(vma: &Vma, start: u64) -> Text {
    let label = if vma.name.is_empty() { kind_name(vma.kind).as_bytes() } else { &vma.name };
    Text([format!("{start:#x} ").as_bytes(), label].concat())
}

fn region_facts(vma: &Vma, start: u64, end: u64) -> Facts {
    Builder::default()
        .fact("start", format!("{start:#x}"))
        .fact("end", format!("{end:#x}"))
        .fact("perms", vma.permissions())
        .fact("path", Text(vma.name.clone()))
        .fact("kind", kind_name(vma.kind))
        .finish()
}

/// Shared objects of one kind and name, in order.
fn objects<'a>(old: &Case<'a>, new: &Case<'a>, take: &mut dyn FnMut(&Region<'a>)) {
    type Group<'o, 'a> = (Vec<&'o SharedObject<'a>>, Vec<&'o SharedObject<'a>>);
    let mut groups: BTreeMap<(&str, &[u8]), Group<'_, 'a>> = BTreeMap::new();
    for object in old.shared.objects.values() {
        groups.entry((object_kind(object), &object.name)).or_default().0.push(object);
    }
    for object in new.shared.objects.values() {
        groups.entry((object_kind(object), &object.name)).or_default().1.push(object);
    }
    for ((kind, name), (old_list, new_list)) in groups {
        for index in 0..old_list.len().max(new_list.len()) {
            let of = |object: Option<&&SharedObject<'a>>| {
                object.map_or_else(Vec::new, |object| {
                    let last = object.pages.runs.last().map_or(0, |run| run.end());
                    pages::of_object(&object.pages, object.size.unwrap_or(0).max(last))
                })
            };
            take(&Region {
                owner: None,
                name: Text([kind.as_bytes(), b" ", name].concat()),
                facts: Builder::default().fact("kind", kind).fact("path", Text::from(name)).finish(),
                start: 0,
                start_before: 0,
                page: new.shared.page_size,
                by: "object",
                before: of(old_list.get(index)),
                after: of(new_list.get(index)),
            });
        }
    }
}

fn object_kind(object: &SharedObject<'_>) -> &'static str {
    match object.kind {
        ObjectKind::Anonymous => "shared-memory",
        ObjectKind::Memfd(_) => "memfd",
        ObjectKind::SystemV => "system-v",
    }
}

/// What the list of changes does not say.
#[derive(Default)]
struct Rest {
    /// Texts that are left out.
    texts: usize,
    /// Pages that are not compared, in a region that does not differ as far as it is.
    pages: u64,
}

/// Compares a region and adds what differs.
fn judge(region: &Region<'_>, pairs: &Pairs, strings: Option<StringWish>, list: &mut Vec<Change>) -> Rest {
    let mut found = MemoryChange { by: region.by, page_size: region.page, ..MemoryChange::default() };
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    let page = region.page.max(1);
    let add = |sum: &mut u64, number: u64| *sum = sum.saturating_add(number);
    pages::compare(&region.before, &region.after, page, &mut |offset, length, verdict| {
        let pages = length.div_ceil(page);
        match verdict {
            Verdict::Same => return,
            Verdict::NotCompared => return add(&mut found.pages_not_compared, pages),
            Verdict::Added => add(&mut found.pages_added, pages),
            Verdict::Removed => add(&mut found.pages_removed, pages),
            Verdict::Changed { bytes } => {
                add(&mut found.pages_changed, pages);
                add(&mut found.bytes_changed, bytes);
            }
        }
        match ranges.last_mut() {
            Some((_, end)) if *end == offset => *end = offset.saturating_add(length),
            _ => ranges.push((offset, offset.saturating_add(length))),
        }
    });
    if ranges.is_empty() {
        return Rest { pages: found.pages_not_compared, ..Rest::default() };
    }
    let address = |offset: u64| format!("{:#x}", region.start.saturating_add(offset));
    found.ranges =
        ranges.iter().take(MAX_RANGES).map(|(start, end)| [address(*start), address(*end)]).collect();
    found.ranges_left_out = ranges.len().saturating_sub(MAX_RANGES) as u64;
    let captured = |stretches: &[Stretch<'_>]| -> u64 {
        let known = stretches.iter().filter(|(_, known)| matches!(known, pages::Known::Bytes(_)));
        known.map(|(length, _)| *length).fold(0, u64::saturating_add)
    };
    let facts = |stretches: &[Stretch<'_>]| {
        let mut facts = region.facts.clone();
        facts.insert("captured_bytes".to_owned(), captured(stretches).into());
        facts
    };
    let new = |kind, change, before, after, memory| Change {
        kind,
        change,
        subject: pairs.subject(region.owner, region.name.clone()),
        before,
        after,
        memory,
        from: String::new(),
        to: String::new(),
    };
    list.push(new(
        Kind::Memory,
        Difference::Changed,
        Some(facts(&region.before)),
        Some(facts(&region.after)),
        Some(found),
    ));
    let Some(wish) = strings else { return Rest::default() };
    let old = strings::pieces(&region.before, &ranges, wish.min);
    let now = strings::pieces(&region.after, &ranges, wish.min);
    let (gone, more_gone) = strings::only_in(&old, &now, wish.max);
    let (came, more_came) = strings::only_in(&now, &old, wish.max);
    let text = |start: u64, (offset, text): &strings::Piece<'_>| {
        let address = format!("{:#x}", start.saturating_add(*offset));
        Some(Builder::default().fact("text", Text::from(*text)).fact("address", address).finish())
    };
    for piece in &gone {
        let before = text(region.start_before, piece);
        list.push(new(Kind::String, Difference::Removed, before, None, None));
    }
    for piece in &came {
        let after = text(region.start, piece);
        list.push(new(Kind::String, Difference::Added, None, after, None));
    }
    Rest { texts: more_gone.saturating_add(more_came), pages: 0 }
}
