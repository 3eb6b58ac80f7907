//! The overview of a checkpoint: `info`.

use std::collections::BTreeMap;

use ckptfx_parser::{
    Parent,
    container::Engine,
    memory::{Unavailable, VmaKind},
    proto::{self, FdTypes, core_entry::March},
    source::Compression,
};
use jiff::{Timestamp, Unit};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Case, Text,
    container::{
        absent::{self, AbsentMount},
        clues,
        dated::{self, Basis, Checkpointed},
    },
    process::State,
    search::is_gpu_memory,
};

/// A fact with what says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sourced<T> {
    /// The fact.
    pub value: T,
    /// The file it comes from.
    pub source: String,
}

fn sourced<T>(value: T, source: &str) -> Sourced<T> {
    Sourced { value, source: source.to_owned() }
}

/// A dated event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Time {
    /// What happened.
    pub what: &'static str,
    /// When.
    #[schemars(with = "String")]
    pub time: Timestamp,
    /// What says so.
    pub source: String,
    /// Whether it was calculated from something else, and not recorded as the time of this.
    pub derived: bool,
}

/// Numbers of things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counts {
    /// Processes, zombies among them.
    pub processes: usize,
    /// Zombies.
    pub zombies: usize,
    /// Threads of living processes.
    pub threads: usize,
    /// Open sockets by kind.
    pub sockets: BTreeMap<&'static str, usize>,
    /// Deleted files whose content is in the checkpoint.
    pub ghost_files: usize,
    /// memfds, shared anonymous memory not among them.
    pub memfds: usize,
}

/// Sizes of memory in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MemorySizes {
    /// Captured private memory of all processes.
    pub private: u64,
    /// Captured shared memory, each object once.
    pub shared: u64,
    /// Bytes of all pages images.
    pub pages_images: u64,
    /// Bytes of the pages images that belong to a process or a shared object.
    pub claimed: u64,
    /// Bytes of the pages images that belong to neither; with those that do they are all that is there of the images.
    pub unclaimed: u64,
    /// Size of all mappings of all processes.
    pub mapped: u64,
    /// Mapped from files and never written, so only in those files.
    pub only_in_files: u64,
    /// Left on the source of a lazy migration, and so not here.
    pub left_on_source: u64,
    /// Memory of GPUs that a plugin of CRIU saved.
    pub gpu: u64,
}

/// A part of the archive beside the images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Part {
    /// Member name.
    pub member: String,
    /// Size in bytes as stored.
    pub bytes: u64,
    /// Compression, told by content.
    pub compression: Option<&'static str>,
}

/// Durations and page counts of the dump, from `stats-dump`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Statistics {
    /// Time until all tasks stood still, in microseconds.
    pub freezing_us: Option<u32>,
    /// Time that tasks stood still, in microseconds.
    pub frozen_us: Option<u32>,
    /// Time to take the pages over, in microseconds.
    pub memory_dump_us: Option<u32>,
    /// Time to write them, in microseconds.
    pub memory_write_us: Option<u32>,
    /// Pages looked at.
    pub pages_scanned: Option<u64>,
    /// Pages left to the parent dump.
    pub pages_skipped_parent: Option<u64>,
    /// Pages written.
    pub pages_written: Option<u64>,
    /// Pages left for lazy migration.
    pub pages_lazy: Option<u64>,
}

/// The overview of one checkpoint.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Summary {
    /// The engine's longer name of the container.
    pub engine_name: Option<String>,
    /// Pod UID.
    pub pod_uid: Option<String>,
    /// Pod sandbox.
    pub sandbox_id: Option<String>,
    /// Image id.
    pub image_id: Option<String>,
    /// Configured command of the first process.
    pub command: Vec<String>,
    /// IP addresses the engine recorded.
    pub addresses: Vec<String>,
    /// Host pid of the first process.
    pub host_pid: Option<u64>,
    /// Whether the engine ran it privileged, if it says.
    pub privileged: Option<bool>,
    /// Dated events, oldest first.
    pub times: Vec<Time>,
    /// CRIU's version, or `>= X.Y` from the features found.
    pub criu: Sourced<String>,
    /// Kernel release of the node.
    pub kernel: Option<Sourced<String>>,
    /// Node name.
    pub node: Option<Sourced<String>>,
    /// Host name inside the container.
    pub hostname: Option<Sourced<Text>>,
    /// Processor architecture.
    pub architecture: Option<&'static str>,
    /// Numbers of things.
    pub counts: Counts,
    /// Sizes of memory.
    pub memory: MemorySizes,
    /// Files beside the images.
    pub parts: Vec<Part>,
    /// Durations and page counts of the dump.
    pub statistics: Option<Statistics>,
    /// Why the dump failed, in the words of its log; null for one that did not.
    pub failure: Option<String>,
    /// Plugins of CRIU that took part; not recorded before CRIU 4.1.
    pub plugins: Vec<Text>,
    /// Images that plugins of CRIU wrote: state and memory of GPUs.
    pub gpu_images: Vec<Part>,
    /// Volumes and bind mounts whose content is not in the archive, but for files that engines make in every container.
    pub not_captured: Vec<AbsentMount>,
    /// Where the parent of an incremental dump is: `none`, `found` or `missing`.
    pub parent: &'static str,
    /// Images of processes, threads and descriptor tables that belong to nothing that is shown.
    pub unclaimed_images: Vec<String>,
    /// What this archive does not hold, one sentence each.
    pub not_here: Vec<String>,
}

/// Makes the overview.
pub fn summarise(case: &mut Case<'_>) -> Summary {
    let checkpoint = case.checkpoint;
    let container = &checkpoint.container;
    let images = &checkpoint.images;
    let log = checkpoint.engine_file("dump.log").map(clues::dump_log).unwrap_or_default();
    let mut diagnostics = Vec::new();
    let stats = crate::container::statistics::read(checkpoint, "stats-dump", &mut diagnostics);
    let hostname = hostname(case, &mut diagnostics);
    let times = times(case, &mut diagnostics);
    case.diagnostics.append(&mut diagnostics);
    Summary {
        engine_name: container.engine_name.clone(),
        pod_uid: container.pod_uid.clone(),
        sandbox_id: container.sandbox_id.clone(),
        image_id: container.image_id.clone(),
        command: container.command.clone(),
        addresses: container.addresses.clone(),
        host_pid: container.host_pid,
        privileged: container.privileged,
        times,
        criu: match &log.criu {
            Some(version) => sourced(version.clone(), "dump.log"),
            None => sourced(
                format!(">= {}", clues::criu_version(images, case.inventory.as_ref())),
                "features found in the images",
            ),
        },
        kernel: kernel(case).or_else(|| log.kernel.map(|kernel| sourced(kernel, "dump.log"))),
        node: log.node.map(|node| sourced(node, "dump.log")),
        hostname,
        architecture: architecture(case),
        counts: counts(case),
        memory: memory(case),
        parts: parts(case),
        statistics: stats.and_then(|stats| stats.dump).map(|dump| Statistics {
            freezing_us: dump.freezing_time,
            frozen_us: dump.frozen_time,
            memory_dump_us: dump.memdump_time,
            memory_write_us: dump.memwrite_time,
            pages_scanned: dump.pages_scanned,
            pages_skipped_parent: dump.pages_skipped_parent,
            pages_written: dump.pages_written,
            pages_lazy: dump.pages_lazy,
        }),
        failure: checkpoint.failure.clone(),
        plugins: plugins(case),
        gpu_images: gpu_images(case),
        not_captured: absent::mounts(case),
        parent: match images.parent {
            Parent::None => "none",
            Parent::Found(_) => "found",
            Parent::Missing(_) => "missing",
        },
        unclaimed_images: case.ledger.images.iter().map(|member| member.name().into_owned()).collect(),
        not_here: not_here(case),
    }
}

pub(crate) fn times(case: &Case<'_>, diagnostics: &mut Vec<ckptfx_parser::Diagnostic>) -> Vec<Time> {
    let container = &case.checkpoint.container;
    let mut times = Vec::new();
    let mut add = |what, time: Option<Timestamp>, source: &str, derived| {
        times.extend(time.map(|time| Time { what, time, source: source.to_owned(), derived }));
    };
    add("container-created", container.created, "config.dump", false);
    add("container-started", container.started, "status", false);
    add("container-restored", container.restored, "config.dump", false);
    if let Some(Checkpointed { time, source, basis }) = dated::checkpointed(case.checkpoint) {
        let derived = basis == Basis::Derived;
        add("checkpointed", Some(time), &source, derived);
        let timens: Option<proto::TimensEntry> = case.checkpoint.images.read_one("timens-0.img", diagnostics);
        let up = timens.and_then(|timens| timens.boottime?.tv_sec);
        let boot = up.and_then(|up| {
            let up = jiff::SignedDuration::from_secs(i64::try_from(up).ok()?);
            time.checked_sub(up).ok()?.round(Unit::Second).ok()
        });
        let from = if derived { source.as_str() } else { "the checkpoint" };
        add("node-booted", boot, &format!("timens-0.img, counted back from {from}"), true);
    }
    if let Some(why) = dated::doubt(case.checkpoint) {
        let message = format!("the times of the archive's members are not used: {why}");
        diagnostics.push(ckptfx_parser::Diagnostic::note("doubtful-times", "inventory.img", message));
    }
    times.sort_by_key(|time| time.time);
    times
}

fn hostname(case: &Case<'_>, diagnostics: &mut Vec<ckptfx_parser::Diagnostic>) -> Option<Sourced<Text>> {
    let images = &case.checkpoint.images;
    let mut names: Vec<_> =
        images.files().map(|(name, _)| name).filter(|name| name.starts_with("utsns-")).collect();
    names.sort_unstable();
    let from_images = names.into_iter().find_map(|name| {
        let uts: proto::UtsnsEntry = images.read_one(name, diagnostics)?;
        Some(sourced(Text(uts.nodename?), name))
    });
    from_images
        .or_else(|| {
            case.checkpoint.container.hostname.as_deref().map(|name| sourced(name.into(), "spec.dump"))
        })
        .or_else(|| {
            let environ = case.tasks.first()?.process.environ.as_ref()?;
            let name = environ.iter().find_map(|variable| variable.0.strip_prefix(b"HOSTNAME="))?;
            Some(sourced(name.into(), "environment of the first process"))
        })
}

/// The kernel from the vDSO of the first process that has one (`format.md §2.1`).
pub(crate) fn kernel(case: &Case<'_>) -> Option<Sourced<String>> {
    let spaces = case.tasks.iter().filter_map(|task| task.space.as_ref());
    spaces.into_iter().find_map(|space| {
        let vdso = space.vmas.iter().find(|vma| vma.kind == VmaKind::Vdso)?;
        let bytes = space.bytes(vdso.start, vdso.end, 1 << 16, &case.shared).ok()?;
        Some(sourced(clues::kernel_of_vdso(&bytes)?, &format!("vDSO of process {}", space.pid)))
    })
}

pub(crate) fn architecture(case: &Case<'_>) -> Option<&'static str> {
    let mut ignored = Vec::new();
    case.tasks.iter().find_map(|task| {
        let name = format!("core-{}.img", task.process.pid);
        let core: proto::CoreEntry = case.checkpoint.images.read_one(&name, &mut ignored)?;
        Some(match March::try_from(core.mtype?).ok()? {
            March::Unknown => return None,
            March::X8664 => "x86_64",
            March::Arm => "arm",
            March::Aarch64 => "aarch64",
            March::Ppc64 => "ppc64",
            March::S390 => "s390x",
            March::Mips => "mips",
            March::Loongarch64 => "loongarch64",
            March::Riscv64 => "riscv64",
        })
    })
}

fn counts(case: &Case<'_>) -> Counts {
    let mut sockets = BTreeMap::new();
    for entry in case.files.entries() {
        let kind = match entry.r#type.and_then(|kind| FdTypes::try_from(kind).ok()) {
            Some(FdTypes::Inetsk) => match entry.isk.as_ref().map(|isk| (isk.proto, isk.state)) {
                Some((Some(6), Some(10))) => "tcp-listening",
                Some((Some(6), Some(1))) => "tcp-established",
                Some((Some(6), _)) => "tcp-other",
                Some((Some(17), _)) => "udp",
                _ => "raw-and-other",
            },
            Some(FdTypes::Unixsk) => "unix",
            Some(FdTypes::Netlinksk) => "netlink",
            Some(FdTypes::Packetsk) => "packet",
            _ => continue,
        };
        *sockets.entry(kind).or_default() += 1;
    }
    let ghosts = case.checkpoint.images.files().filter(|(name, _)| name.starts_with("ghost-file-"));
    let memfds = case
        .files
        .memfds()
        .filter(|inode| !matches!(inode.name.as_deref(), Some(b"/dev/zero" | b"/anon_hugepage")));
    Counts {
        processes: case.tasks.len(),
        zombies: case.tasks.iter().filter(|task| task.process.state == Some(State::Zombie)).count(),
        threads: case.thread_count(),
        sockets,
        ghost_files: ghosts.count(),
        memfds: memfds.count(),
    }
}

fn memory(case: &Case<'_>) -> MemorySizes {
    let spaces = || case.tasks.iter().filter_map(|task| task.space.as_ref());
    let (claimed, unclaimed) = case.ledger.bytes();
    MemorySizes {
        claimed,
        unclaimed,
        private: spaces().map(|space| space.pages.captured_bytes()).sum(),
        shared: case.shared.objects.values().map(|object| object.pages.captured_bytes()).sum(),
        pages_images: case
            .ledger
            .pages
            .iter()
            .filter(|image| !image.is_of_parent)
            .fold(0, |sum: u64, image| sum.saturating_add(image.member.size)),
        mapped: spaces()
            .flat_map(|space| &space.vmas)
            .fold(0, |sum: u64, vma| sum.saturating_add(vma.length())),
        only_in_files: spaces()
            .flat_map(|space| space.runs(0, u64::MAX, &case.shared))
            .filter(|run| run.content.err() == Some(Unavailable::OnlyInFile))
            .fold(0, |sum: u64, run| sum.saturating_add(run.length)),
        left_on_source: absent::lazy_bytes(case),
        gpu: gpu_images(case)
            .iter()
            .filter(|part| is_gpu_memory(part.member.rsplit('/').next().unwrap_or_default()))
            .fold(0, |sum, part| sum.saturating_add(part.bytes)),
    }
}

fn plugins(case: &Case<'_>) -> Vec<Text> {
    let entry = case.inventory.as_ref().and_then(|inventory| inventory.plugins_entry.as_ref());
    entry.map(|entry| entry.plugins.iter().cloned().map(Text).collect()).unwrap_or_default()
}

/// The images of plugins, which are those that begin with no magic number (`format.md §12.10`).
fn gpu_images(case: &Case<'_>) -> Vec<Part> {
    let images = case.checkpoint.images.files().filter(|(name, _)| name.starts_with("amdgpu-"));
    let part = |(_, member): (&str, &ckptfx_parser::archive::Member)| Part {
        member: member.name().into_owned(),
        bytes: member.size,
        compression: None,
    };
    images.map(part).collect()
}

const PARTS: [&str; 13] = [
    "config.dump",
    "spec.dump",
    "status",
    "status.dump",
    "network.status",
    "bind.mounts",
    "rootfs-diff.tar",
    "deleted.files",
    "devshm-checkpoint.tar",
    "dump.log",
    "container.log",
    "ctr.log",
    "io.kubernetes.cri-o.LogPath",
];

/// Bytes of a file that tell how it is compressed.
const HEAD: u64 = 64 << 10;

fn compression(member: &ckptfx_parser::archive::Member) -> Option<&'static str> {
    let head = member.extent().read_at(0, HEAD).ok()?;
    Compression::detect(&head).map(Compression::name)
}

fn parts(case: &Case<'_>) -> Vec<Part> {
    let part = |name: String, member: &ckptfx_parser::archive::Member| Part {
        member: name,
        bytes: member.size,
        compression: compression(member),
    };
    let checkpoint = case.checkpoint;
    let mut parts: Vec<Part> = PARTS
        .iter()
        .filter_map(|name| Some(part((*name).to_owned(), checkpoint.engine_file(name)?)))
        .collect();
    parts.extend(
        checkpoint
            .engine_files_in("volumes")
            .filter(|member| member.path.ends_with(b".tar"))
            .map(|member| part(member.name().into_owned(), member)),
    );
    parts
}

fn not_here(case: &Case<'_>) -> Vec<String> {
    let checkpoint = case.checkpoint;
    let images = &checkpoint.images;
    let has_image = |stem: &str| images.files().any(|(name, _)| name.starts_with(stem));
    let mut missing = Vec::new();
    let mut say = |absent: bool, what: &str| {
        if absent {
            missing.push(what.to_owned());
        }
    };
    say(
        !case.tasks.is_empty(),
        "processes outside the tree of the first one: those exec'd into the container later, or re-parented to the \
         pod's pause process",
    );
    say(
        !case.tasks.is_empty(),
        "bytes of mapped files that were never written: they are in the image, not here",
    );
    say(
        checkpoint.engine_file("rootfs-diff.tar").is_none(),
        "changes of the root file system (no rootfs-diff.tar)",
    );
    say(
        matches!(checkpoint.container.engine, Engine::Podman | Engine::CriO),
        "some modified files of the image: the change list of Podman and CRI-O has a modified file only where the \
         node has a file of the same path",
    );
    say(
        checkpoint.engine_file("dump.log").is_none() && images.member("dump.log").is_none(),
        "CRIU's log (no dump.log): host pids and the kernel's build are not known from it",
    );
    say(
        ["container.log", "ctr.log", "io.kubernetes.cri-o.LogPath"]
            .iter()
            .all(|name| checkpoint.engine_file(name).is_none()),
        "the container's log",
    );
    say(
        !has_image("ifaddr-"),
        "network interfaces, addresses and routes: CRIU did not save the network namespace, which the engine provides",
    );
    say(!has_image("mountpoints-"), "mounts: CRIU did not save the mount namespace");
    let left = absent::lazy_bytes(case);
    say(left > 0, &format!("{left} bytes of memory that were left on the source of a lazy migration"));
    let mounts = absent::mounts(case);
    say(!mounts.is_empty(), &format!("content of what was mounted from outside: {}", absent::names(&mounts)));
    say(matches!(images.parent, Parent::Missing(_)), "pages of the parent dump: give it with --parent");
    missing
}
