//! Every image that CRIU and its plugins write: names, magics, messages (`format.md §1.5`, `proto/magics.tsv`).

/// First word of an ordinary image since CRIU 1.6; the type magic follows (`format.md §1.2`).
pub const COMMON_MAGIC: u32 = 0x5456_4319;
/// First word of a service image since CRIU 1.6; the type magic follows (`format.md §1.2`).
pub const SERVICE_MAGIC: u32 = 0x5510_5940;

/// What a file starts with (`format.md §1.2`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// [`COMMON_MAGIC`] and the type magic; before CRIU 1.6 the type magic alone.
    Common,
    /// [`SERVICE_MAGIC`] and the type magic; before CRIU 1.6 the type magic alone.
    Service,
    /// The type magic alone, in every release.
    Bare,
    /// Nothing.
    Absent,
    /// Nothing, but each message is preceded by a 64-bit size instead of a 32-bit one (`format.md §12.10`).
    Plugin,
}

/// What follows the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// One message of this name; what follows it is ignored by CRIU.
    Single(&'static str),
    /// Any number of messages of this name.
    Repeated(&'static str),
    /// One message of the first name, then any number of the second.
    Headed {
        /// Name of the first message.
        head: &'static str,
        /// Name of all others.
        entry: &'static str,
    },
    /// No messages.
    Raw(Raw),
}

/// The form of an image that has no messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raw {
    /// Memory without any structure of its own (`format.md §7.1`).
    Pages,
    /// Pairs of a 64-bit address and a page (`format.md §7.5`).
    AddressedPages,
    /// A magic word and route netlink messages (`format.md §11.5`).
    Netlink,
    /// Netfilter netlink messages (`format.md §11.6`).
    Nfnetlink,
    /// Text.
    Text,
    /// A tar archive compressed with gzip (`format.md §10`).
    Tar,
    /// A structure whose layout depends on the CRIU build.
    KernelStruct,
}

/// Which raw bytes follow a message and belong to it (`format.md §8.4`, `§9.3`, `§9.5`, `§11.3`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// None.
    None,
    /// `bytes` bytes of a pipe.
    PipeData,
    /// `length` bytes of one packet.
    SocketPacket,
    /// `inq_len` received, then `outq_len` sent bytes.
    TcpQueues,
    /// `keys_bytes` of keys, then `values_bytes` of values.
    BpfMap,
    /// `size` bytes padded to a multiple of 4, unless `in_pagemaps`.
    SharedMemory,
    /// `qnum` framed `ipc_msg`, each followed by `msize` bytes padded to a multiple of 8.
    Messages,
    /// `nsems` 16-bit values, padded to a multiple of 8 bytes.
    Semaphores,
    /// The content of a regular file up to the end of the image, whole or in chunks (`format.md §8.3`).
    Ghost,
}

/// The facts about one kind of image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// The kind described.
    pub kind: Kind,
    /// CRIU's name, such as `SHMEM_PAGEMAP`.
    pub name: &'static str,
    /// The type magic; 0 if the kind has none.
    pub magic: u32,
    /// File names, where `%u` stands for a decimal and `%x` for a hexadecimal number.
    pub files: &'static [&'static str],
    /// What the file starts with.
    pub head: Head,
    /// What follows.
    pub content: Content,
    /// What follows each message.
    pub payload: Payload,
}

impl Descriptor {
    /// Name of the message that forms the entries; `None` for raw images.
    #[must_use]
    pub fn message(&self) -> Option<&'static str> {
        match self.content {
            Content::Single(entry) | Content::Repeated(entry) | Content::Headed { entry, .. } => Some(entry),
            Content::Raw(_) => None,
        }
    }

    /// Name of the message that comes first when it differs from the others.
    #[must_use]
    pub fn head_message(&self) -> Option<&'static str> {
        match self.content {
            Content::Headed { head, .. } => Some(head),
            _ => None,
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal $magic:literal [$($file:literal),+] $head:ident $content:expr, $payload:ident;)+) => {
        /// A kind of image, named as in CRIU.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* $kind,)+
        }

        impl Kind {
            /// Every kind. Where file names or magics are shared, the one in present use comes first.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// The facts about this kind.
            #[must_use]
            pub const fn descriptor(self) -> &'static Descriptor {
                use Content::{Headed, Raw as Bytes, Repeated, Single};
                match self {
                    $(Self::$kind => &Descriptor {
                        kind: Self::$kind,
                        name: $name,
                        magic: $magic,
                        files: &[$($file),+],
                        head: Head::$head,
                        content: $content,
                        payload: Payload::$payload,
                    },)+
                }
            }
        }
    };
}

kinds! {
    /// How the dump was made; the first image to read.
    Inventory "INVENTORY" 0x5831_3116 ["inventory.img"] Bare Single("inventory_entry"), None;
    /// One descriptor table.
    Fdinfo "FDINFO" 0x5621_3732 ["fdinfo-%u.img"] Common Repeated("fdinfo_entry"), None;
    /// Which pages of a task were saved.
    Pagemap "PAGEMAP" 0x5608_4025 ["pagemap-%u.img"] Common Headed { head: "pagemap_head", entry: "pagemap_entry" }, None;
    /// Which pages of a shared memory object were saved.
    ShmemPagemap "SHMEM_PAGEMAP" 0x5608_4025 ["pagemap-shmem-%u.img"] Common Headed { head: "pagemap_head", entry: "pagemap_entry" }, None;
    /// Regular files before 3.4.
    RegFiles "REG_FILES" 0x5036_3636 ["reg-files.img"] Common Repeated("reg_file_entry"), None;
    /// Files handled by plugins before 3.4.
    ExtFiles "EXT_FILES" 0x5925_5641 ["ext-files.img"] Common Repeated("ext_file_entry"), None;
    /// Namespace files before 3.4.
    NsFiles "NS_FILES" 0x6139_4011 ["ns-files.img"] Common Repeated("ns_file_entry"), None;
    /// Event counters before 3.4.
    EventfdFile "EVENTFD_FILE" 0x4452_3722 ["eventfd.img"] Common Repeated("eventfd_file_entry"), None;
    /// Epoll instances before 3.4.
    EventpollFile "EVENTPOLL_FILE" 0x4502_3858 ["eventpoll.img"] Common Repeated("eventpoll_file_entry"), None;
    /// Epoll watches before 1.4.
    EventpollTfd "EVENTPOLL_TFD" 0x4443_3746 ["eventpoll-tfd.img"] Common Repeated("eventpoll_tfd_entry"), None;
    /// Signal descriptors before 3.4.
    Signalfd "SIGNALFD" 0x5732_3820 ["signalfd.img"] Common Repeated("signalfd_entry"), None;
    /// Inotify instances before 3.4.
    InotifyFile "INOTIFY_FILE" 0x4842_4431 ["inotify.img"] Common Repeated("inotify_file_entry"), None;
    /// Inotify watches before 1.4.
    InotifyWd "INOTIFY_WD" 0x5456_2009 ["inotify-wd.img"] Common Repeated("inotify_wd_entry"), None;
    /// Fanotify instances before 3.4.
    FanotifyFile "FANOTIFY_FILE" 0x5509_6122 ["fanotify.img"] Common Repeated("fanotify_file_entry"), None;
    /// Fanotify marks before 1.4.
    FanotifyMark "FANOTIFY_MARK" 0x5650_6035 ["fanotify-mark.img"] Common Repeated("fanotify_mark_entry"), None;
    /// One task or thread: registers, credentials, signals.
    Core "CORE" 0x5505_3847 ["core-%u.img"] Common Single("core_entry"), None;
    /// Kernel objects that a task shares with others.
    Ids "IDS" 0x5443_2030 ["ids-%u.img"] Common Single("task_kobj_ids_entry"), None;
    /// Memory map of a task.
    Mm "MM" 0x5749_2820 ["mm-%u.img"] Common Single("mm_entry"), None;
    /// Memory map entries before 1.2.
    Vmas "VMAS" 0x5412_3737 ["vmas-%u.img"] Common Repeated("vma_entry"), None;
    /// Pipe ends before 3.4.
    Pipes "PIPES" 0x5651_3555 ["pipes.img"] Common Repeated("pipe_entry"), None;
    /// Bytes waiting in pipes.
    PipesData "PIPES_DATA" 0x5645_3709 ["pipes-data.img"] Common Repeated("pipe_data_entry"), PipeData;
    /// Named pipe ends before 3.4.
    Fifo "FIFO" 0x5836_4939 ["fifo.img"] Common Repeated("fifo_entry"), None;
    /// Bytes waiting in named pipes.
    FifoData "FIFO_DATA" 0x5933_3054 ["fifo-data.img"] Common Repeated("pipe_data_entry"), PipeData;
    /// The process tree.
    Pstree "PSTREE" 0x5027_3030 ["pstree.img"] Common Repeated("pstree_entry"), None;
    /// Signal handlers before 3.1.
    Sigact "SIGACT" 0x5534_4201 ["sigacts-%u.img"] Common Repeated("sa_entry"), None;
    /// Unix sockets before 3.4.
    Unixsk "UNIXSK" 0x5437_3943 ["unixsk.img"] Common Repeated("unix_sk_entry"), None;
    /// Internet sockets before 3.4.
    Inetsk "INETSK" 0x5644_3851 ["inetsk.img"] Common Repeated("inet_sk_entry"), None;
    /// Packet sockets before 3.4.
    Packetsk "PACKETSK" 0x6045_4618 ["packetsk.img"] Common Repeated("packet_sock_entry"), None;
    /// Netlink sockets before 3.4.
    NetlinkSk "NETLINK_SK" 0x5800_5614 ["netlinksk.img"] Common Repeated("netlink_sk_entry"), None;
    /// Packets waiting in Unix sockets.
    SkQueues "SK_QUEUES" 0x5626_4026 ["sk-queues.img"] Common Repeated("sk_packet_entry"), SocketPacket;
    /// Interval timers before 1.3.
    Itimers "ITIMERS" 0x5746_4056 ["itimers-%u.img"] Common Repeated("itimer_entry"), None;
    /// POSIX timers before 1.3.
    PosixTimers "POSIX_TIMERS" 0x5260_3957 ["posix-timers-%u.img"] Common Repeated("posix_timer_entry"), None;
    /// Credentials before 2.0.
    Creds "CREDS" 0x5402_3547 ["creds-%u.img"] Common Single("creds_entry"), None;
    /// Host and domain name.
    Utsns "UTSNS" 0x5447_3203 ["utsns-%u.img"] Common Single("utsns_entry"), None;
    /// Limits of an IPC namespace.
    IpcVar "IPC_VAR" 0x5311_5007 ["ipcns-var-%u.img"] Common Single("ipc_var_entry"), None;
    /// SysV shared memory segments.
    IpcnsShm "IPCNS_SHM" 0x4628_3044 ["ipcns-shm-%u.img"] Common Repeated("ipc_shm_entry"), SharedMemory;
    /// SysV message queues and their messages.
    IpcnsMsg "IPCNS_MSG" 0x5545_3737 ["ipcns-msg-%u.img"] Common Repeated("ipc_msg_entry"), Messages;
    /// SysV semaphore sets and their values.
    IpcnsSem "IPCNS_SEM" 0x5957_3019 ["ipcns-sem-%u.img"] Common Repeated("ipc_sem_entry"), Semaphores;
    /// Root, working directory and umask of a task.
    Fs "FS" 0x5140_3912 ["fs-%u.img"] Common Single("fs_entry"), None;
    /// Open files whose path no longer leads to them.
    RemapFpath "REMAP_FPATH" 0x5913_3954 ["remap-fpath.img"] Common Repeated("remap_file_path_entry"), None;
    /// A deleted file and its content.
    GhostFile "GHOST_FILE" 0x5258_3605 ["ghost-file-%x.img"] Common Single("ghost_file_entry"), Ghost;
    /// Memory files.
    MemfdInode "MEMFD_INODE" 0x4845_3499 ["memfd.img"] Common Repeated("memfd_inode_entry"), None;
    /// State and queues of a TCP connection.
    TcpStream "TCP_STREAM" 0x5146_5506 ["tcp-stream-%x.img"] Common Single("tcp_stream_entry"), TcpQueues;
    /// Mounts of a mount namespace, last mounted first.
    Mnts "MNTS" 0x5556_3928 ["mountpoints-%u.img"] Common Repeated("mnt_entry"), None;
    /// Network devices.
    Netdev "NETDEV" 0x5737_3951 ["netdev-%u.img"] Common Repeated("net_device_entry"), None;
    /// Settings of a network namespace.
    Netns "NETNS" 0x5593_3752 ["netns-%u.img"] Common Single("netns_entry"), None;
    /// Addresses, as `ip addr save` writes them.
    Ifaddr "IFADDR" 0 ["ifaddr-%u.img"] Absent Bytes(Raw::Netlink), None;
    /// IPv4 routes, as `ip route save` writes them.
    Route "ROUTE" 0 ["route-%u.img"] Absent Bytes(Raw::Netlink), None;
    /// IPv6 routes, as `ip -6 route save` writes them.
    Route6 "ROUTE6" 0 ["route6-%u.img"] Absent Bytes(Raw::Netlink), None;
    /// Routing rules, as `ip rule save` writes them.
    Rule "RULE" 0 ["rule-%u.img"] Absent Bytes(Raw::Netlink), None;
    /// IPv4 filter rules as text.
    Iptables "IPTABLES" 0 ["iptables-%u.img"] Absent Bytes(Raw::Text), None;
    /// IPv6 filter rules as text.
    Ip6tables "IP6TABLES" 0 ["ip6tables-%u.img"] Absent Bytes(Raw::Text), None;
    /// The nftables rule set as text.
    Nftables "NFTABLES" 0 ["nftables-%u.img"] Absent Bytes(Raw::Text), None;
    /// Content of a tmpfs, named by mount, before 1.3.
    TmpfsImg "TMPFS_IMG" 0 ["tmpfs-%u.tar.gz.img"] Absent Bytes(Raw::Tar), None;
    /// Content of a tmpfs, named by device.
    TmpfsDev "TMPFS_DEV" 0 ["tmpfs-dev-%u.tar.gz.img"] Absent Bytes(Raw::Tar), None;
    /// An automount point.
    Autofs "AUTOFS" 0x4935_3943 ["autofs-%u.img"] Common Single("autofs_entry"), None;
    /// Binary format handlers, one file per mount.
    BinfmtMiscOld "BINFMT_MISC_OLD" 0x6734_3323 ["binfmt-misc-%u.img"] Common Repeated("binfmt_misc_entry"), None;
    /// Binary format handlers.
    BinfmtMisc "BINFMT_MISC" 0x6734_3323 ["binfmt-misc.img"] Common Repeated("binfmt_misc_entry"), None;
    /// Open terminals before 3.4.
    TtyFiles "TTY_FILES" 0x5943_3025 ["tty.img"] Common Repeated("tty_file_entry"), None;
    /// Terminals.
    TtyInfo "TTY_INFO" 0x5945_3036 ["tty-info.img"] Common Repeated("tty_info_entry"), None;
    /// Bytes waiting in terminals.
    TtyData "TTY_DATA" 0x5941_3026 ["tty-data.img"] Common Repeated("tty_data_entry"), None;
    /// File locks.
    FileLocks "FILE_LOCKS" 0x5432_3616 ["filelocks.img", "filelocks-%u.img"] Common Repeated("file_lock_entry"), None;
    /// Resource limits before 1.3.
    Rlimit "RLIMIT" 0x5711_3925 ["rlimit-%u.img"] Common Repeated("rlimit_entry"), None;
    /// Page contents back to back.
    Pages "PAGES" 0 ["pages-%u.img"] Absent Bytes(Raw::Pages), None;
    /// Pages of a task, each with its address, before 1.0.
    PagesOld "PAGES_OLD" 0x5608_4025 ["pages-%u.img"] Common Bytes(Raw::AddressedPages), None;
    /// Pages of shared memory, each with its offset, before 1.0.
    ShmPagesOld "SHM_PAGES_OLD" 0x5608_4025 ["pages-shmem-%u.img"] Common Bytes(Raw::AddressedPages), None;
    /// Pending signals of a process before 1.3.
    Signal "SIGNAL" 0x5925_5647 ["signal-s-%u.img"] Common Repeated("siginfo_entry"), None;
    /// Pending signals of a thread before 1.3.
    Psignal "PSIGNAL" 0x5925_5647 ["signal-p-%u.img"] Common Repeated("siginfo_entry"), None;
    /// TUN devices before 3.4.
    Tunfile "TUNFILE" 0x5714_3751 ["tunfile.img"] Common Repeated("tunfile_entry"), None;
    /// Control groups.
    Cgroup "CGROUP" 0x5938_3330 ["cgroup.img"] Common Single("cgroup_entry"), None;
    /// Timer descriptors before 3.4.
    Timerfd "TIMERFD" 0x5049_3712 ["timerfd.img"] Common Repeated("timerfd_entry"), None;
    /// The processor.
    Cpuinfo "CPUINFO" 0x6140_4013 ["cpuinfo.img"] Common Single("cpuinfo_entry"), None;
    /// System call filters.
    Seccomp "SECCOMP" 0x6441_3049 ["seccomp.img"] Common Single("seccomp_entry"), None;
    /// User and group id mappings.
    Userns "USERNS" 0x5547_4906 ["userns-%u.img"] Common Single("userns_entry"), None;
    /// Connections that the kernel tracked, as netlink messages.
    NetnfCt "NETNF_CT" 0 ["netns-ct-%u.img"] Absent Bytes(Raw::Nfnetlink), None;
    /// Connection expectations, as netlink messages.
    NetnfExp "NETNF_EXP" 0 ["netns-exp-%u.img"] Absent Bytes(Raw::Nfnetlink), None;
    /// Open files of every type.
    Files "FILES" 0x5630_3138 ["files.img"] Common Repeated("file_entry"), None;
    /// Clocks at the time of the dump.
    Timens "TIMENS" 0x4311_4433 ["timens-%u.img"] Common Single("timens_entry"), None;
    /// An external pid namespace.
    Pidns "PIDNS" 0x6115_7326 ["pidns-%u.img"] Common Single("pidns_entry"), None;
    /// BPF maps; a name that CRIU reserves and does not write.
    BpfmapFile "BPFMAP_FILE" 0x5750_6142 ["bpfmap-file.img"] Common Repeated("bpfmap_file_entry"), None;
    /// Keys and values of BPF maps.
    BpfmapData "BPFMAP_DATA" 0x6432_4033 ["bpfmap-data.img"] Common Repeated("bpfmap_data_entry"), BpfMap;
    /// AppArmor policies of nested namespaces.
    Apparmor "APPARMOR" 0x5942_3047 ["apparmor.img"] Common Single("apparmor_entry"), None;
    /// Process descriptors; a name that CRIU reserves and does not write.
    Pidfd "PIDFD" 0x5443_5556 ["pidfd.img"] Common Repeated("pidfd_entry"), None;
    /// Statistics of the dump or restore.
    Stats "STATS" 0x5709_3306 ["stats-dump", "stats-restore"] Service Single("stats_entry"), None;
    /// Paths found for inode numbers.
    IrmapCache "IRMAP_CACHE" 0x5700_4059 ["irmap-cache"] Service Repeated("irmap_cache_entry"), None;
    /// Cache of kernel features; no part of a checkpoint, but may have been packed with one.
    Kdat "KDAT" 0x5702_3458 ["criu.kdat"] Bare Bytes(Raw::KernelStruct), None;
    /// Compute state of AMD GPUs.
    AmdgpuKfd "AMDGPU_KFD" 0 ["amdgpu-kfd-%u.img"] Plugin Single("criu_kfd"), None;
    /// One AMD render node.
    AmdgpuRender "AMDGPU_RENDER" 0 ["amdgpu-renderD-%u.img"] Plugin Single("criu_render_node"), None;
    /// A buffer that AMD devices share.
    AmdgpuDmabuf "AMDGPU_DMABUF" 0 ["amdgpu-dmabuf_%u.img"] Plugin Single("criu_dmabuf_node"), None;
    /// Video memory of compute buffers.
    AmdgpuPages "AMDGPU_PAGES" 0 ["amdgpu-pages-%u-%x.img"] Absent Bytes(Raw::Pages), None;
    /// Video memory of graphics buffers.
    AmdgpuDrmPages "AMDGPU_DRM_PAGES" 0 ["amdgpu-drm-pages-%u-%u-%x.img"] Absent Bytes(Raw::Pages), None;
}

/// Recognises an image by its file name without directory. The number is the one in the name: a pid, an id of a
/// namespace, an inode, … (`format.md §1.5`); of several the first.
///
/// Only names that CRIU writes are accepted: no upper-case hexadecimal digits, no leading zeros except in plugin
/// images, which pad.
#[must_use]
pub fn identify(file_name: &str) -> Option<(&'static Descriptor, Option<u64>)> {
    Kind::ALL.iter().map(|kind| kind.descriptor()).find_map(|descriptor| {
        let keys = descriptor.files.iter().find_map(|template| match_template(template, file_name))?;
        Some((descriptor, keys))
    })
}

/// Recognises an image by its type magic. Of kinds that share it, the one in present use is given.
#[must_use]
pub fn identify_magic(magic: u32) -> Option<&'static Descriptor> {
    Kind::ALL
        .iter()
        .map(|kind| kind.descriptor())
        .find(|descriptor| descriptor.magic != 0 && descriptor.magic == magic)
}

/// The first number of `name` if it has the form of `template`.
#[expect(clippy::option_option, reason = "a template may hold no number at all")]
fn match_template(template: &str, name: &str) -> Option<Option<u64>> {
    let (mut template, mut name) = (template, name);
    let padded = template.starts_with("amdgpu-");
    let mut first = None;
    while let Some((literal, rest)) = template.split_once('%') {
        name = name.strip_prefix(literal)?;
        let radix = if rest.starts_with('x') { 16 } else { 10 };
        template = rest.get(1..)?;
        let length = name.bytes().take_while(|byte| is_digit(*byte, radix)).count();
        let (digits, tail) = name.split_at_checked(length)?;
        if digits.len() > 1 && digits.starts_with('0') && !padded {
            return None;
        }
        let number = u64::from_str_radix(digits, radix).ok()?;
        first = first.or(Some(number));
        name = tail;
    }
    (template == name).then_some(first)
}

const fn is_digit(byte: u8, radix: u32) -> bool {
    byte.is_ascii_digit() || (radix == 16 && matches!(byte, b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, kind: Kind, key: Option<u64>) {
        let (descriptor, found) = identify(name).unwrap();
        assert_eq!((descriptor.kind, found), (kind, key), "{name}");
    }

    #[test]
    fn names() {
        check("inventory.img", Kind::Inventory, None);
        check("core-12.img", Kind::Core, Some(12));
        check("pagemap-7.img", Kind::Pagemap, Some(7));
        check("pagemap-shmem-0.img", Kind::ShmemPagemap, Some(0));
        check("pages-1.img", Kind::Pages, Some(1));
        check("ghost-file-1f.img", Kind::GhostFile, Some(31));
        check("tcp-stream-a1b2.img", Kind::TcpStream, Some(0xa1b2));
        check("tmpfs-dev-58.tar.gz.img", Kind::TmpfsDev, Some(58));
        check("tmpfs-58.tar.gz.img", Kind::TmpfsImg, Some(58));
        check("netns-ct-9.img", Kind::NetnfCt, Some(9));
        check("netns-9.img", Kind::Netns, Some(9));
        check("stats-dump", Kind::Stats, None);
        check("stats-restore", Kind::Stats, None);
        check("irmap-cache", Kind::IrmapCache, None);
        check("binfmt-misc-3.img", Kind::BinfmtMiscOld, Some(3));
        check("binfmt-misc.img", Kind::BinfmtMisc, None);
        check("filelocks-3.img", Kind::FileLocks, Some(3));
        check("amdgpu-pages-4-00ff.img", Kind::AmdgpuPages, Some(4));
        check("amdgpu-drm-pages-4-5-00ff.img", Kind::AmdgpuDrmPages, Some(4));
        check("amdgpu-renderD-128.img", Kind::AmdgpuRender, Some(128));
    }

    #[test]
    fn other_names() {
        for name in [
            "",
            "core-.img",
            "core-012.img",
            "core-1.img.gz",
            "core--1.img",
            "core-99999999999999999999.img",
            "ghost-file-1F.img",
            "dump.log",
            "stats-dump.img",
            "core-é.img",
        ] {
            assert_eq!(identify(name), None, "{name}");
        }
    }

    #[test]
    fn every_kind_is_found_by_its_name_and_magic() {
        for kind in Kind::ALL {
            let descriptor = kind.descriptor();
            for file in descriptor.files {
                let name = file.replace("%u", "10").replace("%x", "1a");
                let found = identify(&name).unwrap().0;
                assert!(found.kind == *kind || *kind == Kind::PagesOld, "{name}");
            }
            if descriptor.magic != 0 {
                assert_eq!(identify_magic(descriptor.magic).unwrap().magic, descriptor.magic);
            }
        }
        assert_eq!(identify_magic(0), None);
        assert_eq!(identify_magic(0x5608_4025).unwrap().kind, Kind::Pagemap);
    }
}
