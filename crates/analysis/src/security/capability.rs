//! Names of Linux capabilities.

/// Names by bit, as in `capability.h` without the `CAP_` prefix.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The capabilities of a set stored as 32-bit words, low word first (`format.md §3.3`), by name; a bit
/// without a name as `CAP_<number>`.
pub fn names(words: &[u32]) -> Vec<String> {
    let bits = words.iter().take(2).enumerate().flat_map(|(word, bits)| {
        (0..32).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| word * 32 + bit)
    });
    bits.map(|bit| match NAMES.get(bit) {
        Some(name) => format!("CAP_{name}"),
        None => format!("CAP_{bit}"),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_bits_of_both_words() {
        assert_eq!(
            super::names(&[1 | 1 << 21, 1 << 8 | 1 << 20]),
            ["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE", "CAP_52"]
        );
        assert!(super::names(&[0]).is_empty());
    }
}
