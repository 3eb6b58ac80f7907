//! The container and what surrounds its processes.

use ckptfx_analysis::{
    container::{cgroup, ipc, mount, namespace, statistics, summary, uts},
    files::nested,
    timeline,
};

use super::kind::{Listing, each};

/// The overview.
pub const INFO: Listing<summary::Summary> = Listing {
    command: "info",
    list: "info",
    columns: &[
        "engine_name",
        "pod_uid",
        "sandbox_id",
        "image_id",
        "command",
        "addresses",
        "host_pid",
        "criu.value",
        "kernel.value",
        "node.value",
        "hostname.value",
        "architecture",
        "counts.processes",
        "counts.zombies",
        "counts.threads",
        "counts.ghost_files",
        "counts.memfds",
        "memory.private",
        "memory.shared",
        "memory.pages_images",
        "memory.unclaimed",
        "memory.left_on_source",
        "memory.gpu",
        "plugins",
        "parent",
    ],
    records: |case, _, give| give(summary::summarise(case)),
};

/// Mounts.
pub const MOUNTS: Listing<mount::Mount> = Listing {
    command: "mounts",
    list: "mounts",
    columns: &[
        "namespace",
        "mount_id",
        "parent_id",
        "depth",
        "mountpoint",
        "source",
        "fstype",
        "device",
        "root",
        "flags",
        "super_flags",
        "options",
        "shared_id",
        "master_id",
        "external",
        "ext_key",
        "deleted",
        "autofs.process_group",
        "autofs.mode",
        "autofs.timeout",
    ],
    records: |case, ask, give| each(mount::mounts(case, ask.wanted), give),
};

/// Namespaces.
pub const NAMESPACES: Listing<namespace::NamespaceFacts> = Listing {
    command: "ns",
    list: "namespaces",
    columns: &[
        "kind",
        "id",
        "shared_with_host",
        "differs_from_root",
        "pids",
        "images",
        "uid_map",
        "gid_map",
        "monotonic_ns",
        "boottime_ns",
        "ext_key",
        "binfmt_misc",
    ],
    records: |case, ask, give| each(namespace::namespaces(case, ask.wanted), give),
};

/// System V shared memory, semaphores and message queues.
pub const IPC: Listing<ipc::Object> = Listing {
    command: "ipc",
    list: "ipc",
    columns: &[
        "namespace",
        "kind",
        "key",
        "id",
        "uid",
        "gid",
        "creator_uid",
        "creator_gid",
        "mode",
        "size",
        "captured_bytes",
        "hugetlb",
        "pids",
        "queue_bytes",
        "messages",
        "values",
        "name",
        "value",
    ],
    records: |case, ask, give| each(ipc::objects(case, ask.wanted), give),
};

/// Control groups.
pub const CGROUPS: Listing<cgroup::Cgroup> = Listing {
    command: "cgroups",
    list: "cgroups",
    columns: &["controller", "path", "outside", "property", "value", "mode", "uid", "gid", "pids"],
    records: |case, ask, give| each(cgroup::cgroups(case, ask.wanted), give),
};

/// Durations and counts of the dump.
pub const STATS: Listing<statistics::Measured> = Listing {
    command: "stats",
    list: "stats",
    columns: &[
        "operation",
        "freezing_us",
        "frozen_us",
        "memory_dump_us",
        "memory_write_us",
        "irmap_resolve_us",
        "pages_scanned",
        "pages_skipped_parent",
        "pages_written",
        "pages_lazy",
        "page_pipes",
        "page_pipe_buffers",
        "shared_pages_scanned",
        "shared_pages_skipped_parent",
        "shared_pages_written",
        "pages_in_images",
        "pages_compared",
        "pages_skipped_cow",
        "pages_restored",
        "forking_us",
        "restore_us",
    ],
    records: |case, _, give| each(statistics::statistics(case), give),
};

/// Host names.
pub const UTS: Listing<uts::Uts> = Listing {
    command: "uts",
    list: "uts",
    columns: &["namespace", "nodename", "domainname", "pids"],
    records: |case, ask, give| each(uts::namespaces(case, ask.wanted), give),
};

/// Dated facts.
pub const EVENTS: Listing<timeline::Event> = Listing {
    command: "timeline",
    list: "events",
    columns: &[
        "time",
        "kind",
        "source",
        "reliability",
        "message",
        "subject.pid",
        "subject.comm",
        "subject.path",
        "subject.file_kind",
        "subject.size",
        "subject.mode",
        "subject.uid",
        "subject.gid",
        "subject.holders",
    ],
    records: |case, ask, give| {
        let sources = nested::sources(case, ask.open);
        let wish = timeline::Wish {
            sources: &sources,
            kinds: &timeline::Kind::ALL,
            wanted: ask.wanted,
            filtered: false,
        };
        each(timeline::events(case, &wish)?, give)
    },
};
