//! What the images give away of the host without saying it: CRIU's version, the kernel, the time of
//! the dump (`format.md §2.1`).

use ckptfx_parser::{ImageDirectory, archive::Member, image, memory, proto};
use jiff::Timestamp;

/// A CRIU release, major and minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CriuVersion(pub u16, pub u16);

impl std::fmt::Display for CriuVersion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}", self.0, self.1)
    }
}

/// The oldest CRIU that writes what is there: a lower bound, from the youngest features found in the
/// inventory, the pagemaps and the cores.
pub fn criu_version(images: &ImageDirectory, inventory: Option<&proto::InventoryEntry>) -> CriuVersion {
    let mut version = CriuVersion(1, 0);
    let mut at_least = |major, minor, seen: bool| {
        if seen {
            version = version.max(CriuVersion(major, minor));
        }
    };
    if let Some(inventory) = inventory {
        at_least(1, 6, inventory.img_version == Some(2));
        at_least(3, 10, inventory.dump_uptime.is_some());
        at_least(3, 14, inventory.pre_dump_mode.is_some());
        at_least(3, 15, inventory.tcp_close.is_some());
        at_least(3, 16, inventory.network_lock_method.is_some());
        at_least(4, 1, inventory.plugins_entry.is_some() || inventory.dump_criu_run_id.is_some());
        at_least(4, 2, inventory.allow_uprobes.is_some());
    }
    at_least(3, 4, images.member("files.img").is_some());
    at_least(3, 14, images.member("memfd.img").is_some() || images.member("timens-0.img").is_some());
    // The diagnostics of these images belong to whoever reads them for their content.
    let mut ignored = Vec::new();
    let first = |stem: &str| {
        images.files().map(|(name, _)| name).find(|name| {
            name.strip_prefix(stem).is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()))
        })
    };
    if let Some(file) = first("pagemap-").and_then(|name| images.file(name)) {
        let (_, entries) = image::read_pagemap(&file, &mut ignored);
        at_least(3, 5, entries.iter().any(|entry| entry.value.flags.is_some()));
        at_least(4, 2, entries.iter().any(|entry| entry.value.nr_pages.is_some()));
    }
    let core: Option<proto::CoreEntry> = first("core-").and_then(|name| images.read_one(name, &mut ignored));
    if let Some(core) = core {
        let thread = core.thread_core.as_ref();
        at_least(2, 0, thread.is_some_and(|thread| thread.creds.is_some()));
        at_least(3, 11, thread.is_some_and(|thread| thread.comm.is_some()));
        at_least(3, 17, thread.is_some_and(|thread| thread.rseq_entry.is_some()));
        at_least(3, 18, thread.is_some_and(|thread| thread.cg_set.is_some()));
        at_least(3, 19, core.tc.as_ref().is_some_and(|tc| tc.membarrier_registration_mask.is_some()));
        let creds = thread.and_then(|thread| thread.creds.as_ref());
        at_least(3, 19, creds.is_some_and(|creds| creds.no_new_privs.is_some()));
        at_least(4, 1, creds.is_some_and(|creds| !creds.cap_amb.is_empty()));
    }
    version
}

/// What `dump.log` says of the host. It is text that CRIU wrote, but anyone may have changed it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DumpLog {
    /// CRIU's version, such as `4.2.1`.
    pub criu: Option<String>,
    /// Node name.
    pub node: Option<String>,
    /// Kernel release.
    pub kernel: Option<String>,
    /// Machine, such as `x86_64`.
    pub machine: Option<String>,
}

/// Reads the head of a `dump.log`.
pub fn dump_log(member: &Member) -> DumpLog {
    let mut log = DumpLog::default();
    let bytes = member.bytes();
    let head = bytes.get(..bytes.len().min(64 << 10)).unwrap_or_default();
    for line in head.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        let Some((_, message)) = line.split_once(") ") else { continue };
        if let Some(version) = message.strip_prefix("Version: ") {
            log.criu = log.criu.or_else(|| version.split_whitespace().next().map(str::to_owned));
        } else if let Some(host) = message.strip_prefix("Running on ") {
            let words: Vec<&str> = host.split_whitespace().collect();
            log.node = words.first().map(|word| (*word).to_owned());
            log.kernel = words.get(2).map(|word| (*word).to_owned());
            log.machine = words.last().map(|word| (*word).to_owned());
        }
    }
    log
}

/// The kernel release that a vDSO states.
pub fn kernel_of_vdso(vdso: &[u8]) -> Option<String> {
    let code = memory::linux_version_code(vdso)?;
    let (major, minor, patch) = (code >> 16, code >> 8 & 0xff, code & 0xff);
    (1..100).contains(&major).then(|| format!("{major}.{minor}.{patch}"))
}

/// When the dump was made, from the sequence numbers that `ip` seeds with the time
/// (`format.md §11.5`). Only a container with a network namespace of its own has these images.
pub fn netlink_time(images: &ImageDirectory) -> Option<(Timestamp, String)> {
    let stems = ["ifaddr-", "route-", "route6-", "rule-"];
    images.files().filter(|(name, _)| stems.iter().any(|stem| name.starts_with(stem))).find_map(
        |(name, member)| {
            // u32 magic, then nlmsghdr: u32 length, u16 type, u16 flags, u32 sequence.
            let sequence = member.bytes().get(12..)?.first_chunk::<4>()?;
            let seconds = i64::from(u32::from_le_bytes(*sequence));
            // Between 2012, when CRIU began, and 2100.
            (1_325_376_000..4_102_444_800).contains(&seconds).then_some(())?;
            Some((Timestamp::from_second(seconds).ok()?, name.to_owned()))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_kernel_in_a_vdso_note() {
        let mut vdso = vec![0x7f; 40];
        vdso.extend([6, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
        vdso.extend(b"Linux\0\0\0");
        vdso.extend(0x0006_122c_u32.to_le_bytes());
        assert_eq!(kernel_of_vdso(&vdso).as_deref(), Some("6.18.44"));
        assert_eq!(kernel_of_vdso(&vdso[..vdso.len() - 1]), None);
    }

    /// The bound never says more than is true, and for usual releases not much less.
    #[test]
    fn the_oldest_release_that_fits() {
        use ckptfx_testkit::Criu;
        for (criu, expected) in [
            (Criu::V1_1, (1, 0)),
            (Criu::V1_5, (1, 0)),
            (Criu::V1_8, (1, 6)),
            (Criu::V2_12, (2, 0)),
            (Criu::V3_3, (2, 0)),
            (Criu::V3_13, (3, 11)),
            (Criu::V3_19, (3, 18)),
            (Criu::V4_1, (4, 1)),
            (Criu::V4_2, (4, 2)),
        ] {
            let found = crate::tests::with_case(ckptfx_testkit::rich_old(criu), |case| {
                criu_version(&case.checkpoint.images, case.inventory.as_ref())
            });
            assert!(found <= CriuVersion(criu.major, criu.minor), "{criu:?} is taken for {found}");
            assert!(found >= CriuVersion(expected.0, expected.1), "{criu:?} is taken for {found}");
        }
    }
}
