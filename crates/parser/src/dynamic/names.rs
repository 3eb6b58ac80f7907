//! Names of the bits and numbers of the kernel and of CRIU, by presentation (`format.md §3`, `§6.2`, `§8`, `§9`).
//!
//! Where architectures differ, the tables are those of x86, s390, riscv and loongarch; see [`Numbering`].

use super::{Numbering, show::Show};

/// Bits and their names. A bit pattern of several bits comes before its parts.
pub(super) type Bits = &'static [(u64, &'static str)];
/// Numbers and their names.
pub(super) type Numbers = &'static [(u64, &'static str)];

/// What the bits of a field mean: names for the value of `mask` if any, then names of single bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flags {
    /// The part of the field that is a number rather than bits.
    pub(super) mask: u64,
    /// Names of that number. That of 0 is given only if it is here.
    pub(super) numbers: Numbers,
    /// Names of the bits.
    pub(super) bits: Bits,
}

const fn bits(bits: Bits) -> Flags {
    Flags { mask: 0, numbers: &[], bits }
}

/// The table of a presentation that shows bits; `None` if there is none for the architecture.
pub(super) fn flags(show: Show, numbering: Numbering) -> Option<Flags> {
    Some(match show {
        Show::OpenFlags => Flags { mask: 3, numbers: ACCESS, bits: open_flags(numbering)? },
        Show::MmapFlags => Flags { mask: 0xf, numbers: SHARING, bits: mmap_flags(numbering)? },
        Show::MmapProt => Flags {
            mask: 0,
            numbers: &[(0, "PROT_NONE")],
            bits: &[(1, "PROT_READ"), (2, "PROT_WRITE"), (4, "PROT_EXEC"), (0x100_0000, "PROT_GROWSDOWN")],
        },
        Show::CloneFlags => bits(CLONE),
        Show::DescriptorFlags => bits(&[(1, "FD_CLOEXEC")]),
        Show::EpollEvents => bits(EPOLL),
        Show::FanotifyInit => bits(FANOTIFY_INIT),
        Show::FanotifyMark => bits(FANOTIFY_MARK),
        Show::FanotifyMask => bits(FANOTIFY),
        Show::InotifyMask => bits(INOTIFY),
        Show::InterfaceFlags => bits(INTERFACE),
        Show::MountFlags => bits(MOUNT),
        Show::PagemapFlags => bits(&[(1, "PE_PARENT"), (2, "PE_LAZY"), (4, "PE_PRESENT")]),
        Show::Seals => bits(SEALS),
        Show::SeccompFlags => bits(&[
            (1, "SECCOMP_FILTER_FLAG_TSYNC"),
            (2, "SECCOMP_FILTER_FLAG_LOG"),
            (4, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"),
        ]),
        Show::Securebits => bits(SECUREBITS),
        Show::SigactionFlags if numbering != Numbering::Mips => bits(SIGACTION),
        Show::TaskFlags => bits(TASK),
        Show::TcpOptions => bits(&[(1, "TIMESTAMPS"), (2, "SACK"), (4, "WSCALE"), (8, "ECN")]),
        Show::UnixFlags => bits(&[(1, "EXTERN"), (2, "SERVICE"), (4, "CALLBACK"), (8, "INHERIT")]),
        Show::VmaStatus => bits(VMA_STATUS),
        _ => return None,
    })
}

/// The table of a presentation that shows a number.
pub(super) fn numbers(show: Show, numbering: Numbering) -> Option<Numbers> {
    Some(match show {
        Show::AutofsMode => &[(0, "DIRECT"), (1, "INDIRECT"), (2, "OFFSET")],
        Show::BpfMapType => BPF_MAP_TYPE,
        Show::Clock => CLOCK,
        Show::Fstype => FSTYPE,
        Show::IpProtocol => IP_PROTOCOL,
        Show::LockKind => &[(1, "POSIX"), (2, "FLOCK"), (4, "OFD"), (8, "LEASE")],
        Show::LockType => LOCK_TYPE,
        Show::NetlinkProtocol => NETLINK_PROTOCOL,
        Show::NetworkLock => &[(0, "IPTABLES"), (1, "NFTABLES"), (2, "SKIP")],
        Show::PacketMembership => &[
            (0, "PACKET_MR_MULTICAST"),
            (1, "PACKET_MR_PROMISC"),
            (2, "PACKET_MR_ALLMULTI"),
            (3, "PACKET_MR_UNICAST"),
        ],
        Show::PreDumpMode => &[(1, "SPLICE"), (2, "VM_READ")],
        Show::Scheduler => SCHEDULER,
        Show::Signal if numbering != Numbering::Mips => SIGNALS,
        Show::SocketFamily => &[(1, "UNIX"), (2, "INET"), (10, "INET6"), (16, "NETLINK"), (17, "PACKET")],
        Show::SocketState => SOCKET_STATE,
        // MIPS swaps the first two.
        Show::SocketType if numbering == Numbering::Mips => {
            &[(2, "STREAM"), (1, "DGRAM"), (3, "RAW"), (5, "SEQPACKET"), (10, "PACKET")]
        }
        Show::SocketType => &[(1, "STREAM"), (2, "DGRAM"), (3, "RAW"), (5, "SEQPACKET"), (10, "PACKET")],
        Show::TaskState => &[(1, "ALIVE"), (2, "DEAD"), (3, "STOPPED")],
        _ => return None,
    })
}

/// The name of the bit `index` of a set whose members are numbered; `None` for unknown ones.
pub(super) fn member(show: Show, index: u32, numbering: Numbering) -> Option<&'static str> {
    let index = u64::from(index);
    match show {
        Show::Capabilities => name(CAPABILITIES, index),
        Show::Madvice => name(MADVICE, index),
        Show::Signals => numbers(Show::Signal, numbering).and_then(|signals| name(signals, index + 1)),
        _ => None,
    }
}

/// The name of a number.
pub(super) fn name(numbers: Numbers, number: u64) -> Option<&'static str> {
    numbers.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

fn open_flags(numbering: Numbering) -> Option<Bits> {
    Some(match numbering {
        Numbering::Generic => &[
            (0x41_0000, "O_TMPFILE"),
            (0x10_1000, "O_SYNC"),
            (0x40, "O_CREAT"),
            (0x80, "O_EXCL"),
            (0x100, "O_NOCTTY"),
            (0x200, "O_TRUNC"),
            (0x400, "O_APPEND"),
            (0x800, "O_NONBLOCK"),
            (0x1000, "O_DSYNC"),
            (0x2000, "O_ASYNC"),
            (0x4000, "O_DIRECT"),
            (0x8000, "O_LARGEFILE"),
            (0x1_0000, "O_DIRECTORY"),
            (0x2_0000, "O_NOFOLLOW"),
            (0x4_0000, "O_NOATIME"),
            (0x8_0000, "O_CLOEXEC"),
            (0x20_0000, "O_PATH"),
        ],
        Numbering::Arm => &[
            (0x40_4000, "O_TMPFILE"),
            (0x10_1000, "O_SYNC"),
            (0x40, "O_CREAT"),
            (0x80, "O_EXCL"),
            (0x100, "O_NOCTTY"),
            (0x200, "O_TRUNC"),
            (0x400, "O_APPEND"),
            (0x800, "O_NONBLOCK"),
            (0x1000, "O_DSYNC"),
            (0x2000, "O_ASYNC"),
            (0x4000, "O_DIRECTORY"),
            (0x8000, "O_NOFOLLOW"),
            (0x1_0000, "O_DIRECT"),
            (0x2_0000, "O_LARGEFILE"),
            (0x4_0000, "O_NOATIME"),
            (0x8_0000, "O_CLOEXEC"),
            (0x20_0000, "O_PATH"),
        ],
        Numbering::Power => &[
            (0x40_4000, "O_TMPFILE"),
            (0x10_1000, "O_SYNC"),
            (0x40, "O_CREAT"),
            (0x80, "O_EXCL"),
            (0x100, "O_NOCTTY"),
            (0x200, "O_TRUNC"),
            (0x400, "O_APPEND"),
            (0x800, "O_NONBLOCK"),
            (0x1000, "O_DSYNC"),
            (0x2000, "O_ASYNC"),
            (0x4000, "O_DIRECTORY"),
            (0x8000, "O_NOFOLLOW"),
            (0x1_0000, "O_LARGEFILE"),
            (0x2_0000, "O_DIRECT"),
            (0x4_0000, "O_NOATIME"),
            (0x8_0000, "O_CLOEXEC"),
            (0x20_0000, "O_PATH"),
        ],
        Numbering::Mips => return None,
    })
}

fn mmap_flags(numbering: Numbering) -> Option<Bits> {
    Some(match numbering {
        Numbering::Generic | Numbering::Arm => &[
            (0x10, "MAP_FIXED"),
            (0x20, "MAP_ANONYMOUS"),
            (0x40, "MAP_32BIT"),
            (0x100, "MAP_GROWSDOWN"),
            (0x800, "MAP_DENYWRITE"),
            (0x1000, "MAP_EXECUTABLE"),
            (0x2000, "MAP_LOCKED"),
            (0x4000, "MAP_NORESERVE"),
            (0x8000, "MAP_POPULATE"),
            (0x1_0000, "MAP_NONBLOCK"),
            (0x2_0000, "MAP_STACK"),
            (0x4_0000, "MAP_HUGETLB"),
            (0x8_0000, "MAP_SYNC"),
        ],
        Numbering::Power => &[
            (0x10, "MAP_FIXED"),
            (0x20, "MAP_ANONYMOUS"),
            (0x40, "MAP_NORESERVE"),
            (0x80, "MAP_LOCKED"),
            (0x100, "MAP_GROWSDOWN"),
            (0x800, "MAP_DENYWRITE"),
            (0x1000, "MAP_EXECUTABLE"),
            (0x4_0000, "MAP_HUGETLB"),
        ],
        Numbering::Mips => return None,
    })
}

const ACCESS: Numbers = &[(0, "O_RDONLY"), (1, "O_WRONLY"), (2, "O_RDWR"), (3, "O_ACCMODE")];
const SHARING: Numbers =
    &[(1, "MAP_SHARED"), (2, "MAP_PRIVATE"), (3, "MAP_SHARED_VALIDATE"), (8, "MAP_DROPPABLE")];

const BPF_MAP_TYPE: Numbers = &[
    (1, "HASH"),
    (2, "ARRAY"),
    (3, "PROG_ARRAY"),
    (4, "PERF_EVENT_ARRAY"),
    (5, "PERCPU_HASH"),
    (6, "PERCPU_ARRAY"),
    (7, "STACK_TRACE"),
    (8, "CGROUP_ARRAY"),
    (9, "LRU_HASH"),
    (10, "LRU_PERCPU_HASH"),
    (11, "LPM_TRIE"),
    (12, "ARRAY_OF_MAPS"),
    (13, "HASH_OF_MAPS"),
    (14, "DEVMAP"),
    (15, "SOCKMAP"),
    (16, "CPUMAP"),
    (17, "XSKMAP"),
    (18, "SOCKHASH"),
    (22, "QUEUE"),
    (23, "STACK"),
    (27, "RINGBUF"),
];

const CAPABILITIES: Numbers = &[
    (0, "CAP_CHOWN"),
    (1, "CAP_DAC_OVERRIDE"),
    (2, "CAP_DAC_READ_SEARCH"),
    (3, "CAP_FOWNER"),
    (4, "CAP_FSETID"),
    (5, "CAP_KILL"),
    (6, "CAP_SETGID"),
    (7, "CAP_SETUID"),
    (8, "CAP_SETPCAP"),
    (9, "CAP_LINUX_IMMUTABLE"),
    (10, "CAP_NET_BIND_SERVICE"),
    (11, "CAP_NET_BROADCAST"),
    (12, "CAP_NET_ADMIN"),
    (13, "CAP_NET_RAW"),
    (14, "CAP_IPC_LOCK"),
    (15, "CAP_IPC_OWNER"),
    (16, "CAP_SYS_MODULE"),
    (17, "CAP_SYS_RAWIO"),
    (18, "CAP_SYS_CHROOT"),
    (19, "CAP_SYS_PTRACE"),
    (20, "CAP_SYS_PACCT"),
    (21, "CAP_SYS_ADMIN"),
    (22, "CAP_SYS_BOOT"),
    (23, "CAP_SYS_NICE"),
    (24, "CAP_SYS_RESOURCE"),
    (25, "CAP_SYS_TIME"),
    (26, "CAP_SYS_TTY_CONFIG"),
    (27, "CAP_MKNOD"),
    (28, "CAP_LEASE"),
    (29, "CAP_AUDIT_WRITE"),
    (30, "CAP_AUDIT_CONTROL"),
    (31, "CAP_SETFCAP"),
    (32, "CAP_MAC_OVERRIDE"),
    (33, "CAP_MAC_ADMIN"),
    (34, "CAP_SYSLOG"),
    (35, "CAP_WAKE_ALARM"),
    (36, "CAP_BLOCK_SUSPEND"),
    (37, "CAP_AUDIT_READ"),
    (38, "CAP_PERFMON"),
    (39, "CAP_BPF"),
    (40, "CAP_CHECKPOINT_RESTORE"),
];

const CLOCK: Numbers = &[
    (0, "CLOCK_REALTIME"),
    (1, "CLOCK_MONOTONIC"),
    (2, "CLOCK_PROCESS_CPUTIME_ID"),
    (3, "CLOCK_THREAD_CPUTIME_ID"),
    (7, "CLOCK_BOOTTIME"),
    (8, "CLOCK_REALTIME_ALARM"),
    (9, "CLOCK_BOOTTIME_ALARM"),
    (11, "CLOCK_TAI"),
];

const CLONE: Bits = &[
    (0x80, "CLONE_NEWTIME"),
    (0x2_0000, "CLONE_NEWNS"),
    (0x200_0000, "CLONE_NEWCGROUP"),
    (0x400_0000, "CLONE_NEWUTS"),
    (0x800_0000, "CLONE_NEWIPC"),
    (0x1000_0000, "CLONE_NEWUSER"),
    (0x2000_0000, "CLONE_NEWPID"),
    (0x4000_0000, "CLONE_NEWNET"),
];

const EPOLL: Bits = &[
    (0x1, "EPOLLIN"),
    (0x2, "EPOLLPRI"),
    (0x4, "EPOLLOUT"),
    (0x8, "EPOLLERR"),
    (0x10, "EPOLLHUP"),
    (0x20, "EPOLLNVAL"),
    (0x40, "EPOLLRDNORM"),
    (0x80, "EPOLLRDBAND"),
    (0x100, "EPOLLWRNORM"),
    (0x200, "EPOLLWRBAND"),
    (0x400, "EPOLLMSG"),
    (0x2000, "EPOLLRDHUP"),
    (0x1000_0000, "EPOLLEXCLUSIVE"),
    (0x2000_0000, "EPOLLWAKEUP"),
    (0x4000_0000, "EPOLLONESHOT"),
    (0x8000_0000, "EPOLLET"),
];

const FANOTIFY: Bits = &[
    (0x1, "FAN_ACCESS"),
    (0x2, "FAN_MODIFY"),
    (0x4, "FAN_ATTRIB"),
    (0x8, "FAN_CLOSE_WRITE"),
    (0x10, "FAN_CLOSE_NOWRITE"),
    (0x20, "FAN_OPEN"),
    (0x40, "FAN_MOVED_FROM"),
    (0x80, "FAN_MOVED_TO"),
    (0x100, "FAN_CREATE"),
    (0x200, "FAN_DELETE"),
    (0x400, "FAN_DELETE_SELF"),
    (0x800, "FAN_MOVE_SELF"),
    (0x1000, "FAN_OPEN_EXEC"),
    (0x4000, "FAN_Q_OVERFLOW"),
    (0x8000, "FAN_FS_ERROR"),
    (0x1_0000, "FAN_OPEN_PERM"),
    (0x2_0000, "FAN_ACCESS_PERM"),
    (0x4_0000, "FAN_OPEN_EXEC_PERM"),
    (0x10_0000, "FAN_PRE_ACCESS"),
    (0x100_0000, "FAN_MNT_ATTACH"),
    (0x200_0000, "FAN_MNT_DETACH"),
    (0x800_0000, "FAN_EVENT_ON_CHILD"),
    (0x1000_0000, "FAN_RENAME"),
    (0x4000_0000, "FAN_ONDIR"),
];

const FANOTIFY_INIT: Bits = &[
    (0x1, "FAN_CLOEXEC"),
    (0x2, "FAN_NONBLOCK"),
    (0x4, "FAN_CLASS_CONTENT"),
    (0x8, "FAN_CLASS_PRE_CONTENT"),
    (0x10, "FAN_UNLIMITED_QUEUE"),
    (0x20, "FAN_UNLIMITED_MARKS"),
    (0x40, "FAN_ENABLE_AUDIT"),
    (0x80, "FAN_REPORT_PIDFD"),
    (0x100, "FAN_REPORT_TID"),
    (0x200, "FAN_REPORT_FID"),
    (0x400, "FAN_REPORT_DIR_FID"),
    (0x800, "FAN_REPORT_NAME"),
    (0x1000, "FAN_REPORT_TARGET_FID"),
    (0x2000, "FAN_REPORT_FD_ERROR"),
    (0x4000, "FAN_REPORT_MNT"),
];

const FANOTIFY_MARK: Bits = &[
    (0x1, "FAN_MARK_ADD"),
    (0x2, "FAN_MARK_REMOVE"),
    (0x4, "FAN_MARK_DONT_FOLLOW"),
    (0x8, "FAN_MARK_ONLYDIR"),
    (0x10, "FAN_MARK_MOUNT"),
    (0x20, "FAN_MARK_IGNORED_MASK"),
    (0x40, "FAN_MARK_IGNORED_SURV_MODIFY"),
    (0x80, "FAN_MARK_FLUSH"),
    (0x100, "FAN_MARK_FILESYSTEM"),
    (0x200, "FAN_MARK_EVICTABLE"),
    (0x400, "FAN_MARK_IGNORE"),
];

const FSTYPE: Numbers = &[
    (0, "UNSUPPORTED"),
    (1, "PROC"),
    (2, "SYSFS"),
    (3, "DEVTMPFS"),
    (4, "BINFMT_MISC"),
    (5, "TMPFS"),
    (6, "DEVPTS"),
    (7, "SIMFS"),
    (8, "PSTORE"),
    (9, "SECURITYFS"),
    (10, "FUSECTL"),
    (11, "DEBUGFS"),
    (12, "CGROUP"),
    (13, "AUFS"),
    (14, "MQUEUE"),
    (15, "FUSE"),
    (16, "AUTO"),
    (17, "OVERLAYFS"),
    (18, "AUTOFS"),
    (19, "TRACEFS"),
    (23, "CGROUP2"),
];

const INOTIFY: Bits = &[
    (0x1, "IN_ACCESS"),
    (0x2, "IN_MODIFY"),
    (0x4, "IN_ATTRIB"),
    (0x8, "IN_CLOSE_WRITE"),
    (0x10, "IN_CLOSE_NOWRITE"),
    (0x20, "IN_OPEN"),
    (0x40, "IN_MOVED_FROM"),
    (0x80, "IN_MOVED_TO"),
    (0x100, "IN_CREATE"),
    (0x200, "IN_DELETE"),
    (0x400, "IN_DELETE_SELF"),
    (0x800, "IN_MOVE_SELF"),
    (0x2000, "IN_UNMOUNT"),
    (0x4000, "IN_Q_OVERFLOW"),
    (0x8000, "IN_IGNORED"),
    (0x100_0000, "IN_ONLYDIR"),
    (0x200_0000, "IN_DONT_FOLLOW"),
    (0x400_0000, "IN_EXCL_UNLINK"),
    (0x4000_0000, "IN_ISDIR"),
    (0x8000_0000, "IN_ONESHOT"),
];

const INTERFACE: Bits = &[
    (0x1, "IFF_UP"),
    (0x2, "IFF_BROADCAST"),
    (0x4, "IFF_DEBUG"),
    (0x8, "IFF_LOOPBACK"),
    (0x10, "IFF_POINTOPOINT"),
    (0x40, "IFF_RUNNING"),
    (0x80, "IFF_NOARP"),
    (0x100, "IFF_PROMISC"),
    (0x200, "IFF_ALLMULTI"),
    (0x400, "IFF_MASTER"),
    (0x800, "IFF_SLAVE"),
    (0x1000, "IFF_MULTICAST"),
    (0x1_0000, "IFF_LOWER_UP"),
    (0x2_0000, "IFF_DORMANT"),
];

const IP_PROTOCOL: Numbers = &[
    (0, "IP"),
    (1, "ICMP"),
    (2, "IGMP"),
    (4, "IPIP"),
    (6, "TCP"),
    (17, "UDP"),
    (41, "IPV6"),
    (47, "GRE"),
    (50, "ESP"),
    (51, "AH"),
    (58, "ICMPV6"),
    (132, "SCTP"),
    (136, "UDPLITE"),
    (255, "RAW"),
];

const MADVICE: Numbers = &[
    (1, "MADV_RANDOM"),
    (2, "MADV_SEQUENTIAL"),
    (10, "MADV_DONTFORK"),
    (12, "MADV_MERGEABLE"),
    (14, "MADV_HUGEPAGE"),
    (15, "MADV_NOHUGEPAGE"),
    (16, "MADV_DONTDUMP"),
    (18, "MADV_WIPEONFORK"),
];

const MOUNT: Bits = &[
    (0x1, "MS_RDONLY"),
    (0x2, "MS_NOSUID"),
    (0x4, "MS_NODEV"),
    (0x8, "MS_NOEXEC"),
    (0x10, "MS_SYNCHRONOUS"),
    (0x40, "MS_MANDLOCK"),
    (0x80, "MS_DIRSYNC"),
    (0x400, "MS_NOATIME"),
    (0x800, "MS_NODIRATIME"),
    (0x1000, "MS_BIND"),
    (0x4000, "MS_REC"),
    (0x1_0000, "MS_POSIXACL"),
    (0x2_0000, "MS_UNBINDABLE"),
    (0x4_0000, "MS_PRIVATE"),
    (0x8_0000, "MS_SLAVE"),
    (0x10_0000, "MS_SHARED"),
    (0x20_0000, "MS_RELATIME"),
    (0x80_0000, "MS_I_VERSION"),
    (0x100_0000, "MS_STRICTATIME"),
    (0x200_0000, "MS_LAZYTIME"),
];

/// What a lock is, as `fcntl` names it. CRIU adds 4 to what a lease that is being broken shall become, and writes
/// mandatory locks by the names of `flock`.
const LOCK_TYPE: Numbers = &[
    (0, "F_RDLCK"),
    (1, "F_WRLCK"),
    (2, "F_UNLCK"),
    (4, "F_RDLCK | LEASE_BREAKING"),
    (5, "F_WRLCK | LEASE_BREAKING"),
    (6, "F_UNLCK | LEASE_BREAKING"),
    (0x20, "LOCK_MAND"),
    (0x60, "LOCK_MAND | LOCK_READ"),
    (0xa0, "LOCK_MAND | LOCK_WRITE"),
    (0xe0, "LOCK_MAND | LOCK_RW"),
];

const NETLINK_PROTOCOL: Numbers = &[
    (0, "ROUTE"),
    (2, "USERSOCK"),
    (4, "SOCK_DIAG"),
    (5, "NFLOG"),
    (6, "XFRM"),
    (7, "SELINUX"),
    (9, "AUDIT"),
    (10, "FIB_LOOKUP"),
    (11, "CONNECTOR"),
    (12, "NETFILTER"),
    (15, "KOBJECT_UEVENT"),
    (16, "GENERIC"),
    (21, "CRYPTO"),
];

const SCHEDULER: Numbers = &[
    (0, "SCHED_OTHER"),
    (1, "SCHED_FIFO"),
    (2, "SCHED_RR"),
    (3, "SCHED_BATCH"),
    (5, "SCHED_IDLE"),
    (6, "SCHED_DEADLINE"),
    (7, "SCHED_EXT"),
];

const SEALS: Bits = &[
    (0x1, "F_SEAL_SEAL"),
    (0x2, "F_SEAL_SHRINK"),
    (0x4, "F_SEAL_GROW"),
    (0x8, "F_SEAL_WRITE"),
    (0x10, "F_SEAL_FUTURE_WRITE"),
    (0x20, "F_SEAL_EXEC"),
];

const SECUREBITS: Bits = &[
    (0x1, "SECBIT_NOROOT"),
    (0x2, "SECBIT_NOROOT_LOCKED"),
    (0x4, "SECBIT_NO_SETUID_FIXUP"),
    (0x8, "SECBIT_NO_SETUID_FIXUP_LOCKED"),
    (0x10, "SECBIT_KEEP_CAPS"),
    (0x20, "SECBIT_KEEP_CAPS_LOCKED"),
    (0x40, "SECBIT_NO_CAP_AMBIENT_RAISE"),
    (0x80, "SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED"),
];

const SIGACTION: Bits = &[
    (0x1, "SA_NOCLDSTOP"),
    (0x2, "SA_NOCLDWAIT"),
    (0x4, "SA_SIGINFO"),
    (0x400_0000, "SA_RESTORER"),
    (0x800_0000, "SA_ONSTACK"),
    (0x1000_0000, "SA_RESTART"),
    (0x4000_0000, "SA_NODEFER"),
    (0x8000_0000, "SA_RESETHAND"),
];

const SIGNALS: Numbers = &[
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (10, "SIGUSR1"),
    (11, "SIGSEGV"),
    (12, "SIGUSR2"),
    (13, "SIGPIPE"),
    (14, "SIGALRM"),
    (15, "SIGTERM"),
    (16, "SIGSTKFLT"),
    (17, "SIGCHLD"),
    (18, "SIGCONT"),
    (19, "SIGSTOP"),
    (20, "SIGTSTP"),
    (21, "SIGTTIN"),
    (22, "SIGTTOU"),
    (23, "SIGURG"),
    (24, "SIGXCPU"),
    (25, "SIGXFSZ"),
    (26, "SIGVTALRM"),
    (27, "SIGPROF"),
    (28, "SIGWINCH"),
    (29, "SIGIO"),
    (30, "SIGPWR"),
    (31, "SIGSYS"),
];

const SOCKET_STATE: Numbers = &[
    (1, "ESTABLISHED"),
    (2, "SYN_SENT"),
    (3, "SYN_RECV"),
    (4, "FIN_WAIT1"),
    (5, "FIN_WAIT2"),
    (6, "TIME_WAIT"),
    (7, "CLOSE"),
    (8, "CLOSE_WAIT"),
    (9, "LAST_ACK"),
    (10, "LISTEN"),
    (11, "CLOSING"),
];

const TASK: Bits = &[
    (0x4, "PF_EXITING"),
    (0x40, "PF_FORKNOEXEC"),
    (0x80, "PF_MCE_PROCESS"),
    (0x100, "PF_SUPERPRIV"),
    (0x200, "PF_DUMPCORE"),
    (0x400, "PF_SIGNALED"),
    (0x40_0000, "PF_RANDOMIZE"),
];

const VMA_STATUS: Bits = &[
    (0x1, "VMA_AREA_REGULAR"),
    (0x2, "VMA_AREA_STACK"),
    (0x4, "VMA_AREA_VSYSCALL"),
    (0x8, "VMA_AREA_VDSO"),
    (0x20, "VMA_AREA_HEAP"),
    (0x40, "VMA_FILE_PRIVATE"),
    (0x80, "VMA_FILE_SHARED"),
    (0x100, "VMA_ANON_SHARED"),
    (0x200, "VMA_ANON_PRIVATE"),
    (0x400, "VMA_AREA_SYSVIPC"),
    (0x800, "VMA_AREA_SOCKET"),
    (0x1000, "VMA_AREA_VVAR"),
    (0x2000, "VMA_AREA_AIORING"),
    (0x4000, "VMA_AREA_MEMFD"),
    (0x8000, "VMA_AREA_SHSTK"),
    (0x1_0000, "VMA_AREA_GUARD"),
    (0x2_0000, "VMA_AREA_UPROBES"),
    (0x800_0000, "VMA_EXT_PLUGIN"),
    (0x1000_0000, "VMA_CLOSE"),
    (0x2000_0000, "VMA_NO_PROT_WRITE"),
    (0x4000_0000, "VMA_PREMMAPED"),
    (0x8000_0000, "VMA_UNSUPP"),
];
