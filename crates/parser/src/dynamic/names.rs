//! Names of the bits and numbers of the kernel and of CRIU, by presentation.

use super::{
    numbering::Numbering,
    presentation::Show,
    tables::{
        ACCESS, BPF_MAP_TYPE, Bits, CAPABILITIES, CLOCK, CLONE, EPOLL, FANOTIFY, FANOTIFY_INIT,
        FANOTIFY_MARK, FSTYPE, INOTIFY, INTERFACE, IP_PROTOCOL, LOCK_TYPE, MADVICE, MOUNT, NETLINK_PROTOCOL,
        Numbers, SCHEDULER, SEALS, SECUREBITS, SHARING, SIGACTION, SIGNALS, SOCKET_STATE, TASK, VMA_STATUS,
        mmap_flags, open_flags,
    },
};

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
