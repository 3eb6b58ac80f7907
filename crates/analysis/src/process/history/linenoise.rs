//! The history of linenoise (redis-cli), without times: `char **history`, an array of pointers to lines, with
//! `int history_len` and `int history_max_len` beside it among the program's variables.

use ckptfx_parser::memory::{Region, Vma};

use super::words::Words;

/// Programs that have it inside themselves.
const PROGRAMS: [&[u8]; 2] = [b"redis-cli", b"valkey-cli"];
/// Most lines that such a program keeps.
const MAX_LINES: u32 = 10_000;
/// How far the numbers lie from the pointer, in bytes.
const NEAR: u64 = 64;

/// Whether a program has it.
pub(super) fn is_in(exe: &[u8]) -> bool {
    exe.rsplit(|byte| *byte == b'/').next().is_some_and(|name| PROGRAMS.contains(&name))
}

/// Addresses of the lines, the oldest first. `variables` are the mappings that hold the program's variables.
pub(super) fn lines(regions: &[Region<'_>], variables: &[&Vma], words: &Words) -> Vec<u64> {
    let is_variable = |address: u64| variables.iter().any(|vma| vma.contains(address));
    for region in regions {
        for (address, word) in words.of(region) {
            if word == 0 || !word.is_multiple_of(words.size as u64) || !is_variable(address) {
                continue;
            }
            if let Some(lines) = array(regions, words, address, word) {
                return lines;
            }
        }
    }
    Vec::new()
}

/// The pointers of an array whose length, and whose room, stand beside the pointer to it.
fn array(regions: &[Region<'_>], words: &Words, variable: u64, array: u64) -> Option<Vec<u64>> {
    words.at(regions, array).filter(|first| *first != 0)?;
    let near = || (0..2 * NEAR / 4).filter_map(|step| variable.checked_add(4 * step)?.checked_sub(NEAR));
    let lines: Vec<u64> = (0..u64::from(MAX_LINES))
        .map_while(|index| words.after(regions, array, index).filter(|line| *line != 0))
        .collect();
    let count = u32::try_from(lines.len()).ok()?;
    let mut room =
        near().filter_map(|at| words.int(regions, at)).filter(|room| (count..=MAX_LINES).contains(room));
    let has_count = near().any(|at| words.int(regions, at) == Some(count));
    // What is not used yet is zero.
    let is_room = |room: u32| {
        room > count && (count..room).all(|index| words.after(regions, array, u64::from(index)) == Some(0))
    };
    (has_count && room.any(is_room)).then_some(lines)
}
