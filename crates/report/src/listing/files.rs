//! Mappings and files.

use ckptfx_analysis::{
    files::{file, nested, rootfs, sbom},
    memory::mapping,
    recover,
};

use super::kind::{Listing, each};

/// Of files that can be recovered shared memory is left out, and holes are hashed up to so many bytes.
const LIMITS: recover::Limits = recover::Limits { shared_memory: false, zeros: 4 << 30 };

/// Mappings.
pub const MAPS: Listing<mapping::Mapping> = Listing {
    command: "maps",
    list: "maps",
    columns: &[
        "pid",
        "comm",
        "start",
        "end",
        "perms",
        "offset",
        "path",
        "kind",
        "deleted",
        "captured_bytes",
        "file_id",
        "file_size",
        "build_id",
        "shared_object",
        "criu_page",
        "anomalies",
        "advice",
    ],
    records: |case, ask, give| each(mapping::mappings(case, ask.wanted), give),
};

/// Open files.
pub const FILES: Listing<file::OpenFile> = Listing {
    command: "files",
    list: "files",
    columns: &[
        "pid",
        "comm",
        "fd",
        "role",
        "kind",
        "link",
        "path",
        "deleted",
        "content",
        "flags",
        "cloexec",
        "position",
        "size",
        "mode",
        "uid",
        "gid",
        "inode",
        "mount_id",
        "mount_point",
        "build_id",
        "shared_with",
        "locks",
        "queued_in",
        "details",
        "signal_owner.signal",
        "signal_owner.type",
        "signal_owner.pid",
    ],
    records: |case, ask, give| each(file::files(case, ask.wanted), give),
};

/// Changes of the root file system, and files of volumes and tmpfs mounts.
pub const CHANGES: Listing<rootfs::Change> = Listing {
    command: "rootfs",
    list: "changes",
    columns: &[
        "path",
        "change",
        "kind",
        "size",
        "mode",
        "uid",
        "gid",
        "mtime",
        "sha256",
        "link_target",
        "device",
        "origin",
        "flags",
        "pids",
        "host_uid",
        "host_gid",
    ],
    records: |case, ask, give| {
        let sources = nested::sources(case, ask.open);
        let wish = rootfs::Wish { hash: false, diff: false, zeros: 0, base: None };
        each(rootfs::changes(case, &sources, &wish, ask.wanted, true), give)
    },
};

/// Files whose content is in the checkpoint only.
pub const RECOVERABLE: Listing<recover::Recoverable> = Listing {
    command: "recover",
    list: "recoverable",
    columns: &[
        "id",
        "kind",
        "purpose",
        "name",
        "size",
        "sha256",
        "type",
        "mode",
        "uid",
        "gid",
        "mtime",
        "atime",
        "build_id",
        "complete",
        "stored_bytes",
        "member",
        "written",
    ],
    records: |case, ask, give| {
        each(
            recover::find(case, ask.wanted, true, LIMITS, ask.open).into_iter().map(|found| found.facts),
            give,
        )
    },
};

/// Programs and libraries that are mapped.
pub const COMPONENTS: Listing<sbom::Component> = Listing {
    command: "sbom",
    list: "components",
    columns: &[
        "path",
        "kind",
        "build_id",
        "size",
        "mode",
        "deleted",
        "memfd",
        "recover_id",
        "sha256",
        "pids",
    ],
    records: |case, ask, give| each(sbom::components(case, ask.wanted, LIMITS), give),
};
