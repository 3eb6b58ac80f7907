//! The history of libedit (mariadb, psql on some systems), without times: a ring of
//! `hentry_t { HistEvent { int num; char *str }; void *data; hentry_t *next; hentry_t *prev }`, the newest behind the
//! head, whose string is null.

use ckptfx_parser::memory::Region;

use super::words::Words;

/// Most entries that are taken from a process.
const MAX_ENTRIES: usize = 1 << 16;
/// Programs that may have the library inside themselves.
const PROGRAMS: [&[u8]; 4] = [b"mariadb", b"mysql", b"psql", b"ftp"];
/// Places of the pointers in an entry, in words.
const TEXT: u64 = 1;
const NEXT: u64 = 3;
const PREVIOUS: u64 = 4;

/// Whether a program may have it.
pub(super) fn is_in(exe: &[u8], mapped: impl Iterator<Item = impl AsRef<[u8]>>) -> bool {
    let name = |path: &[u8]| path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
    PROGRAMS.contains(&name(exe).as_slice())
        || mapped.into_iter().any(|path| name(path.as_ref()).starts_with(b"libedit"))
}

/// Addresses of the lines, the oldest first, with that of the entry.
pub(super) fn lines(regions: &[Region<'_>], words: &Words) -> Vec<(u64, u64)> {
    let mut found: Vec<(u32, u64, u64)> = Vec::new();
    let ends = regions.first().zip(regions.last());
    let Some((first, last)) = ends.map(|(first, last)| (first.start, last.start.saturating_add(last.length)))
    else {
        return Vec::new();
    };
    let is_pointer = |word: u64| (first..last).contains(&word) && word.is_multiple_of(words.size as u64);
    for region in regions {
        let mut window = [0_u64; 5];
        for (address, word) in words.of(region) {
            window.rotate_left(1);
            if let Some(newest) = window.last_mut() {
                *newest = word;
            }
            let [_, text, _, next, previous] = window;
            if text == 0 || !is_pointer(next) || !is_pointer(previous) {
                continue;
            }
            let Some(entry) = address.checked_sub(4 * words.size as u64) else { continue };
            if let Some(number) = number_of(regions, words, entry, next, previous) {
                found.push((number, text, entry));
                if found.len() >= MAX_ENTRIES {
                    return in_order(found);
                }
            }
        }
    }
    in_order(found)
}

fn in_order(mut found: Vec<(u32, u64, u64)>) -> Vec<(u64, u64)> {
    found.sort_unstable();
    found.into_iter().map(|(_, text, entry)| (text, entry)).collect()
}

/// The number of an entry, if its neighbours lead back to it, and are older and newer or the head.
fn number_of(regions: &[Region<'_>], words: &Words, entry: u64, next: u64, previous: u64) -> Option<u32> {
    let number = words.int(regions, entry).filter(|number| (1..1 << 31).contains(number))?;
    let leads_back =
        words.after(regions, next, PREVIOUS)? == entry && words.after(regions, previous, NEXT)? == entry;
    if !leads_back || next == entry || previous == entry {
        return None;
    }
    let is_head =
        |other: u64| words.after(regions, other, TEXT) == Some(0) && words.int(regions, other) == Some(0);
    let is_older = is_head(next) || words.int(regions, next)? < number;
    let is_newer = is_head(previous) || words.int(regions, previous)? > number;
    (is_older && is_newer).then_some(number)
}
