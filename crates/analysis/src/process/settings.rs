//! What a process set for itself by prctl, personality and the like (`format.md §3.1`, `§6.1`).

use ckptfx_parser::{
    dynamic::{Numbering, lookup},
    proto,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::container::clues::CriuVersion;

/// Flags of the personality and their names.
const PERSONALITY: [(u32, &str); 11] = [
    (0x2_0000, "UNAME26"),
    (0x4_0000, "ADDR_NO_RANDOMIZE"),
    (0x8_0000, "FDPIC_FUNCPTRS"),
    (0x10_0000, "MMAP_PAGE_ZERO"),
    (0x20_0000, "ADDR_COMPAT_LAYOUT"),
    (0x40_0000, "READ_IMPLIES_EXEC"),
    (0x80_0000, "ADDR_LIMIT_32BIT"),
    (0x100_0000, "SHORT_INODE"),
    (0x200_0000, "WHOLE_SECONDS"),
    (0x400_0000, "STICKY_TIMEOUTS"),
    (0x800_0000, "ADDR_LIMIT_3GB"),
];

/// Registrations for membarrier, by the bit of the command that makes them.
const MEMBARRIER: [(u32, &str); 4] = [
    (1 << 2, "GLOBAL_EXPEDITED"),
    (1 << 4, "PRIVATE_EXPEDITED"),
    (1 << 6, "PRIVATE_EXPEDITED_SYNC_CORE"),
    (1 << 8, "PRIVATE_EXPEDITED_RSEQ"),
];

/// The execution domain. CRIU takes the hexadecimal digits of `/proc` for decimal ones, and stops at a letter: digits
/// behind it are lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Personality {
    /// The value as far as CRIU kept it, in hexadecimal.
    pub value: String,
    /// Its flags by name.
    pub flags: Vec<String>,
}

/// What a process set for itself. Null is "not recorded", and all of it is for a zombie.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Settings {
    /// Whether orphans among its descendants become its children; not recorded before CRIU 3.13.
    pub child_subreaper: Option<bool>,
    /// Whether it may be dumped and traced by others with its ids: `no`, `yes`, `root` (only by root).
    pub dumpable: Option<String>,
    /// Whether it gets no huge pages; not recorded before CRIU 3.5.
    pub thp_disabled: Option<bool>,
    /// What it registered for with membarrier; not recorded before CRIU 3.19.
    pub membarrier: Option<Vec<String>>,
    /// Its execution domain.
    pub personality: Option<Personality>,
    /// Signal that stopped it; null when it is not stopped, and before CRIU 3.18.
    pub stop_signal: Option<String>,
}

impl Settings {
    pub(super) fn read(
        tc: Option<&proto::TaskCoreEntry>,
        mm: Option<&proto::MmEntry>,
        numbering: Numbering,
        criu: CriuVersion,
    ) -> Self {
        // It is written when it is set.
        let thp = |mm: &proto::MmEntry| mm.thp_disabled.or((criu >= CriuVersion(3, 5)).then_some(false));
        Self {
            child_subreaper: tc.and_then(|tc| tc.child_subreaper),
            dumpable: mm.and_then(|mm| mm.dumpable).map(|dumpable| match dumpable {
                0 => "no".to_owned(),
                1 => "yes".to_owned(),
                2 => "root".to_owned(),
                other => other.to_string(),
            }),
            thp_disabled: mm.and_then(thp),
            membarrier: tc
                .and_then(|tc| tc.membarrier_registration_mask)
                .map(|mask| names(mask, &MEMBARRIER)),
            personality: tc.and_then(|tc| tc.personality).and_then(personality),
            stop_signal: tc.and_then(|tc| tc.stop_signo).map(|signal| lookup::signal(signal, numbering)),
        }
    }
}

fn personality(stored: u32) -> Option<Personality> {
    let value = u32::from_str_radix(&stored.to_string(), 16).ok()?;
    // The lowest byte is a number: 0 is Linux, 8 a 32-bit machine.
    Some(Personality { value: format!("{value:#x}"), flags: names(value & !0xff, &PERSONALITY) })
}

/// Names of bits; what has no name in hexadecimal.
fn names(value: u32, known: &[(u32, &str)]) -> Vec<String> {
    let rest = known.iter().fold(value, |rest, (bit, _)| rest & !bit);
    let named = known.iter().filter(|(bit, _)| value & bit != 0).map(|(_, name)| (*name).to_owned());
    named.chain((rest != 0).then(|| format!("{rest:#x}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_the_personality_are_hexadecimal() {
        let read = |stored| personality(stored).map(|found| (found.value, found.flags));
        assert_eq!(read(0), Some(("0x0".to_owned(), Vec::new())));
        assert_eq!(read(40_000), Some(("0x40000".to_owned(), vec!["ADDR_NO_RANDOMIZE".to_owned()])));
        let both = vec!["ADDR_NO_RANDOMIZE".to_owned(), "READ_IMPLIES_EXEC".to_owned()];
        assert_eq!(read(440_008), Some(("0x440008".to_owned(), both)));
        assert_eq!(read(10_000), Some(("0x10000".to_owned(), vec!["0x10000".to_owned()])));
        // More digits than a personality has.
        assert_eq!(read(4_000_000_000), None);
    }
}
