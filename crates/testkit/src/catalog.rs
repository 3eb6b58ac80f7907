//! Named ready-made archives, for the command line and for quick tests.

use crate::engine::raw;
use crate::{
    Annotations, Arch, Checkpoint, Container, ContainerdVersion, CrioVersion, Criu, File, Ghost, Image,
    ImageFormat, LayerCompression, Members, Message, Outer, PodOptions, PodmanVersion, Process, Shared,
    StackPages, Vma, pod_archive,
};

/// A ready-made archive: its name and how to make the bytes.
pub type Recipe = (&'static str, fn() -> Vec<u8>);

/// A dump that uses about everything the writer knows.
pub fn rich() -> Checkpoint {
    let worker = Process::new(7)
        .comm("worker")
        .cmdline(["/usr/bin/worker", "--serve"])
        .environ(["PATH=/usr/bin", "DB_PASSWORD=example", "LD_PRELOAD=/usr/lib/libhook.so"])
        .exe("/usr/bin/worker")
        .uid(1000)
        .thread(8)
        .thread_with(9, |thread| thread.nice = 19)
        .seccomp(0)
        .fd(3, File::tcp_listen("0.0.0.0:8080"))
        .fd(4, File::tcp("10.0.0.2:40000", "203.0.113.9:443").queued("unread").sent("unsent", 3))
        .fd(5, File::udp("[::1]:5353", None))
        .fd(6, File::raw_socket(1))
        .fd(7, File::unix(501, 502).queued_with("hello", [File::regular("/etc/shadow")]))
        .fd(8, File::unix(502, 501))
        .fd(9, File::unix_listen(503, "@control"))
        .fd(10, File::unix_external(504, 9999, "/var/run/docker.sock"))
        .fd(11, File::pipe_read(600).queued("pipe data"))
        .fd(12, File::pipe_write(600))
        .fd(13, File::regular("/tmp/stage").flags(0x8002).deleted(Ghost::new("ghost bytes")))
        .fd(14, File::regular("/var/log/old").linked("/var/log/link_remap.14"))
        .fd(15, File::regular("/proc/77/status").dead_process(77))
        .fd(16, File::memfd("payload"))
        .fd(17, File::other(crate::FileKind::Eventfd(7)))
        .fd(18, File::other(crate::FileKind::Epoll(vec![(3, 1, 3), (4, 1, 4)])))
        .fd(19, File::other(crate::FileKind::Inotify(vec![(1, 2, 77, "/etc".into())])))
        .fd(20, File::other(crate::FileKind::Timerfd(1, 5, 5)))
        .fd(21, File::other(crate::FileKind::Signalfd(0x4000)))
        .fd(22, File::fifo("/tmp/fifo", 700).queued("fifo data"))
        .fd(23, File::other(crate::FileKind::Packet(3, 768, 2, true)))
        .fd(24, File::other(crate::FileKind::Netlink(0, 7, vec![1])))
        .memory(Vma::heap(0x5555_5600_0000, 0x8_0000).bytes(0x1_fff8, "across a page border"))
        .memory(
            Vma::anonymous(0x7f00_0000_0000, 0x40_0000).prot(7).bytes(0x10, "rwx").zeros(0x2_0000, 0x1_0000),
        )
        .memory(Vma::file(
            0x7f10_0000_0000,
            0x4_0000,
            File::mapped("/lib/gone.so").deleted(Ghost::new(vec![0x90; 20000])),
        ))
        .memory(Vma::shared(0x7f20_0000_0000, 0x1_0000, "anon"))
        .memory(Vma::shared(0x7f30_0000_0000, 0x1_0000, "segment"));
    let shell = Process::new(20)
        .comm("bash")
        .cmdline(["-bash"])
        .exe("/bin/bash")
        .session_leader()
        .stdio(File::pty(0, false, 20).queued("id; cat /etc/shadow\n"))
        .fd(3, File::pty(0, true, 20).queued("root# "))
        .child(Process::new(21).comm("defunct").zombie(1792));
    Checkpoint::new()
        .shared(Shared::anonymous("anon", 0x1_0000).bytes(0, "shared anonymous"))
        .shared(Shared::memfd("payload", 33).bytes(0, "#!/bin/sh\nmemfd"))
        .shared(Shared::sysv("segment", 16962, 0, 0x1_0000).bytes(8, "sysv"))
        .filter([6, 0, 0, 0, 0, 0, 0xff, 0x7f], None, 1)
        .with(|dump| {
            dump.messages.push((1, 3, vec![(1, b"message".to_vec()), (2, vec![0; 17])]));
            dump.semaphores.push((2, 4, vec![1, 2, 3]));
            dump.locks.push((7, 13, 1, 1, 0, 0));
            dump.tmpfs.push((65, vec![("note".into(), 0o644, b"tmpfs".to_vec())]));
        })
        .process(Process::new(1).cmdline(["/bin/sh", "-c", "worker"]).child(worker).child(shell))
}

/// [`rich`] without what releases before 3.14 cannot hold.
pub fn rich_old(criu: Criu) -> Checkpoint {
    rich().criu(criu).with(|dump| {
        dump.shared.retain(|object| object.key != "payload");
        let worker = &mut dump.processes[0].children[0];
        let timer = criu.since(1, 3);
        worker.fds.retain(|(fd, ..)| *fd != 16 && (*fd != 20 || timer));
    })
}

fn container() -> Container {
    let mut container = Container::sample();
    container.checkpoint = rich();
    container
}

fn pod() -> [Container; 2] {
    [container(), Container::sample().with(|it| it.name = "sidecar".to_owned())]
}

fn machine(arch: Arch) -> Vec<u8> {
    let plain = Checkpoint::new().arch(arch).process(
        Process::new(1)
            .cmdline(["/sbin/init", "--port", "1"])
            .thread(2)
            .fd(3, File::tcp_listen("10.1.2.3:80")),
    );
    Container::new(plain).podman(PodmanVersion::V5).to_tar()
}

/// Three dumps, each holding what changed since the one before.
pub fn incremental() -> [Checkpoint; 3] {
    let base = 0x7f00_0000_0000;
    let dump = |vma: Vma, stack| Checkpoint::new().process(Process::new(1).stack_pages(stack).memory(vma));
    let area = || Vma::anonymous(base, 0x8000);
    [
        dump(area().bytes(0, [b'0'; 0x8000]), StackPages::Present),
        dump(
            area().bytes(0x1000, [b'1'; 0x2000]).in_parent(0, 0x1000).in_parent(0x3000, 0x5000),
            StackPages::Parent,
        ),
        dump(
            area().bytes(0x2000, [b'2'; 0x1000]).in_parent(0, 0x2000).in_parent(0x3000, 0x5000),
            StackPages::Parent,
        ),
    ]
}

fn image(annotations: Annotations, format: ImageFormat, compression: LayerCompression) -> Vec<u8> {
    let layer = container().with(|it| it.directory_mode = 0o700).crio(CrioVersion::V1_29);
    Image::new(layer).annotations(annotations).compression(compression).members(format).to_tar()
}

/// Every ready-made archive.
pub const RECIPES: &[Recipe] = &[
    ("crio125", || container().crio(CrioVersion::V1_25).to_tar()),
    ("crio", || container().crio(CrioVersion::V1_29).to_tar()),
    ("containerd20", || container().containerd(ContainerdVersion::V2_0).to_tar()),
    ("containerd", || container().containerd(ContainerdVersion::V2_1).to_tar()),
    ("podman3", || Outer::Gzip.pack(&container().podman(PodmanVersion::V3).to_tar())),
    ("podman5", || Outer::Zstd.pack(&container().podman(PodmanVersion::V5).to_tar())),
    ("podman6", || Outer::Zstd.pack(&container().podman(PodmanVersion::V6).to_tar())),
    ("podman5-plain", || container().podman(PodmanVersion::V5).to_tar()),
    ("podman5-xz", || Outer::Xz.pack(&container().podman(PodmanVersion::V5).to_tar())),
    ("podman5-bzip2", || Outer::Bzip2.pack(&container().podman(PodmanVersion::V5).to_tar())),
    ("podman5-lz4", || Outer::Lz4.pack(&container().podman(PodmanVersion::V5).to_tar())),
    ("podman5-zstd-frames", || Outer::ZstdFrames(3).pack(&container().podman(PodmanVersion::V5).to_tar())),
    ("podman5-gzip-members", || Outer::GzipMembers(3).pack(&container().podman(PodmanVersion::V5).to_tar())),
    ("pre-checkpoint", || previous().0.to_tar()),
    ("with-previous", || previous().1.to_tar()),
    ("pod-array", || pod_archive(&pod(), PodOptions::Array).to_tar()),
    ("pod-map", || pod_archive(&pod(), PodOptions::Map).to_tar()),
    ("runc", || container().runc_directory().to_tar()),
    ("docker", || container().docker_directory().to_tar()),
    ("chain", || raw::chain(&incremental()).to_tar()),
    ("oci", || image(Annotations::All, ImageFormat::Oci, LayerCompression::Gzip)),
    ("oci-plain", || image(Annotations::Crio, ImageFormat::Oci, LayerCompression::Plain)),
    ("oci-zstd", || image(Annotations::Podman, ImageFormat::Oci, LayerCompression::Zstd)),
    ("docker-archive", || image(Annotations::None, ImageFormat::Docker, LayerCompression::Plain)),
    ("ctr-index", || container().ctr_index().to_tar()),
    ("stale-tail", || {
        container()
            .crio(CrioVersion::V1_29)
            .stale_tail(Container::sample().crio(CrioVersion::V1_29).to_tar())
            .to_tar()
    }),
    ("empty-checkpoint", || {
        let mut members = container().crio(CrioVersion::V1_29);
        members.list.retain(|member| !member.path.starts_with(b"checkpoint/") || member.path.len() == 11);
        members.to_tar()
    }),
    ("opaque-directory", || {
        container()
            .with(|it| {
                it.rootfs =
                    crate::RootfsDiff::default().add("srv/data/new", 0o644, "new").delete("/srv/data");
            })
            .crio(CrioVersion::V1_29)
            .to_tar()
    }),
    ("dot-slash", || container().crio(CrioVersion::V1_29).dot_slash().to_tar()),
    ("no-directories", || container().crio(CrioVersion::V1_29).without_directories().to_tar()),
    ("compressed-pages", || {
        container().with(|it| it.checkpoint = rich().compressed_pages(1)).podman(PodmanVersion::V6).to_tar()
    }),
    ("compressed-regions", || {
        container().with(|it| it.checkpoint = rich().compressed_pages(64)).podman(PodmanVersion::V6).to_tar()
    }),
    ("cipher", || container().with(|it| it.checkpoint = rich().cipher()).podman(PodmanVersion::V6).to_tar()),
    ("criu-4.1", || old(Criu::V4_1)),
    ("criu-3.19", || old(Criu::V3_19)),
    ("criu-3.13", || old(Criu::V3_13)),
    ("criu-3.3", || old(Criu::V3_3)),
    ("criu-2.12", || old(Criu::V2_12)),
    ("criu-1.8", || old(Criu::V1_8)),
    ("criu-1.5", || old(Criu::V1_5)),
    ("criu-1.1", || old(Criu::V1_1)),
    ("x86-compat", || machine(Arch::X86Compat)),
    ("arm", || machine(Arch::Arm)),
    ("aarch64", || machine(Arch::Aarch64)),
    ("ppc64le", || machine(Arch::Ppc64le)),
    ("s390x", || machine(Arch::S390x)),
    ("mips64", || machine(Arch::Mips64)),
    ("loongarch64", || machine(Arch::LoongArch64)),
    ("riscv64", || machine(Arch::Riscv64)),
    ("unknown-fields", || {
        let extra = Message::new().uint(1, 99_u32).uint(2, 1_u32).bytes(77, "future");
        container()
            .with(|it| it.checkpoint = rich().entry("pstree", "", extra))
            .crio(CrioVersion::V1_29)
            .to_tar()
    }),
];

fn previous() -> (Members, Members) {
    let [before, after, _] = incremental();
    Container::new(after).podman_with_previous(&Container::new(before))
}

fn old(criu: Criu) -> Vec<u8> {
    let dump = if criu.since(3, 14) { rich().criu(criu) } else { rich_old(criu) };
    container().with(|it| it.checkpoint = dump).podman(PodmanVersion::V5).to_tar()
}
