//! Kernel names of single numbers and bits, for readers of typed images.

use super::{
    names::{self, Flags},
    numbering::Numbering,
    presentation::Show,
};

/// The first real-time signal that programs may use: the C library keeps two for itself.
const SIGRTMIN: u32 = 34;
const SIGRTMAX: u32 = 64;
/// Set in a scheduling policy when children start with the default one.
const SCHED_RESET_ON_FORK: u32 = 0x4000_0000;

/// A signal as `kill -l` names it; its number where the architecture has its own numbers.
#[must_use]
pub fn signal(number: u32, numbering: Numbering) -> String {
    let known = names::numbers(Show::Signal, numbering).and_then(|table| names::name(table, number.into()));
    match (known, number) {
        (Some(name), _) => name.to_owned(),
        (None, SIGRTMIN) if numbering != Numbering::Mips => "SIGRTMIN".to_owned(),
        (None, SIGRTMAX) if numbering != Numbering::Mips => "SIGRTMAX".to_owned(),
        (None, SIGRTMIN..SIGRTMAX) if numbering != Numbering::Mips => {
            format!("SIGRTMIN+{}", number - SIGRTMIN)
        }
        _ => number.to_string(),
    }
}

/// The signals of a mask, signal 1 in its lowest bit.
#[must_use]
pub fn signals(mask: u64, numbering: Numbering) -> Vec<String> {
    (1..=64).filter(|number| mask >> (number - 1) & 1 == 1).map(|number| signal(number, numbering)).collect()
}

/// Flags of `sigaction`.
#[must_use]
pub fn sigaction_flags(value: u64, numbering: Numbering) -> Vec<String> {
    list(names::flags(Show::SigactionFlags, numbering), value)
}

/// Secure bits.
#[must_use]
pub fn securebits(value: u32) -> Vec<String> {
    list(names::flags(Show::Securebits, Numbering::Generic), value.into())
}

/// Flags of a seccomp filter.
#[must_use]
pub fn seccomp_flags(value: u32) -> Vec<String> {
    list(names::flags(Show::SeccompFlags, Numbering::Generic), value.into())
}

/// A clock; the CPU clock of a process or thread has a negative number made of its id.
#[must_use]
pub fn clock(id: u32) -> String {
    let known =
        names::numbers(Show::Clock, Numbering::Generic).and_then(|table| names::name(table, id.into()));
    known.map_or_else(|| id.cast_signed().to_string(), str::to_owned)
}

/// A scheduling policy.
#[must_use]
pub fn scheduler(policy: u32) -> String {
    let (plain, reset) = (policy & !SCHED_RESET_ON_FORK, policy & SCHED_RESET_ON_FORK != 0);
    let table = names::numbers(Show::Scheduler, Numbering::Generic);
    let name = table.and_then(|table| names::name(table, plain.into()));
    let name = name.map_or_else(|| plain.to_string(), str::to_owned);
    if reset { format!("{name} | SCHED_RESET_ON_FORK") } else { name }
}

fn list(flags: Option<Flags>, value: u64) -> Vec<String> {
    let mut rest = value;
    let mut found = Vec::new();
    for (bit, name) in flags.map(|flags| flags.bits).unwrap_or_default() {
        if rest & bit == *bit {
            found.push((*name).to_owned());
            rest &= !bit;
        }
    }
    if rest != 0 {
        found.push(format!("{rest:#x}"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_signals_of_all_ranges() {
        let names = signals(1 | 1 << 31 | 1 << 33 | 1 << 34 | 1 << 63, Numbering::Generic);
        assert_eq!(names, ["SIGHUP", "32", "SIGRTMIN", "SIGRTMIN+1", "SIGRTMAX"]);
        assert_eq!(signal(10, Numbering::Mips), "10");
    }

    #[test]
    fn names_policies_and_clocks() {
        assert_eq!(scheduler(0x4000_0001), "SCHED_FIFO | SCHED_RESET_ON_FORK");
        assert_eq!(scheduler(7), "SCHED_EXT");
        assert_eq!(clock(7), "CLOCK_BOOTTIME");
        assert_eq!(clock(u32::MAX - 5), "-6");
        assert_eq!(securebits(0x101), ["SECBIT_NOROOT", "0x100"]);
    }
}
