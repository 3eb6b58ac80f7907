//! Which messages form the entries of which images.

use super::Kind;
use crate::proto;

/// A message that forms the entries of an image.
pub trait Image: prost::Message + Default {
    /// The kind of image that holds it; where several do, the most usual one. All of them can be read.
    const KIND: Kind;
}

macro_rules! images {
    ($($message:ident => $kind:ident,)+) => {
        $(impl Image for proto::$message {
            const KIND: Kind = Kind::$kind;
        })+

        #[cfg(test)]
        const NAMES: &[(&str, Kind)] = &[$((<proto::$message as prost::Name>::NAME, Kind::$kind)),+];
    };
}

images! {
    InventoryEntry => Inventory,
    FdinfoEntry => Fdinfo,
    PagemapEntry => Pagemap,
    RegFileEntry => RegFiles,
    ExtFileEntry => ExtFiles,
    NsFileEntry => NsFiles,
    EventfdFileEntry => EventfdFile,
    EventpollFileEntry => EventpollFile,
    EventpollTfdEntry => EventpollTfd,
    SignalfdEntry => Signalfd,
    InotifyFileEntry => InotifyFile,
    InotifyWdEntry => InotifyWd,
    FanotifyFileEntry => FanotifyFile,
    FanotifyMarkEntry => FanotifyMark,
    CoreEntry => Core,
    TaskKobjIdsEntry => Ids,
    MmEntry => Mm,
    VmaEntry => Vmas,
    PipeEntry => Pipes,
    PipeDataEntry => PipesData,
    FifoEntry => Fifo,
    PstreeEntry => Pstree,
    SaEntry => Sigact,
    UnixSkEntry => Unixsk,
    InetSkEntry => Inetsk,
    PacketSockEntry => Packetsk,
    NetlinkSkEntry => NetlinkSk,
    SkPacketEntry => SkQueues,
    ItimerEntry => Itimers,
    PosixTimerEntry => PosixTimers,
    CredsEntry => Creds,
    UtsnsEntry => Utsns,
    IpcVarEntry => IpcVar,
    IpcShmEntry => IpcnsShm,
    IpcMsgEntry => IpcnsMsg,
    IpcSemEntry => IpcnsSem,
    FsEntry => Fs,
    RemapFilePathEntry => RemapFpath,
    GhostFileEntry => GhostFile,
    MemfdInodeEntry => MemfdInode,
    TcpStreamEntry => TcpStream,
    MntEntry => Mnts,
    NetDeviceEntry => Netdev,
    NetnsEntry => Netns,
    AutofsEntry => Autofs,
    BinfmtMiscEntry => BinfmtMisc,
    TtyFileEntry => TtyFiles,
    TtyInfoEntry => TtyInfo,
    TtyDataEntry => TtyData,
    FileLockEntry => FileLocks,
    RlimitEntry => Rlimit,
    SiginfoEntry => Signal,
    TunfileEntry => Tunfile,
    CgroupEntry => Cgroup,
    TimerfdEntry => Timerfd,
    CpuinfoEntry => Cpuinfo,
    SeccompEntry => Seccomp,
    UsernsEntry => Userns,
    FileEntry => Files,
    TimensEntry => Timens,
    PidnsEntry => Pidns,
    BpfmapFileEntry => BpfmapFile,
    BpfmapDataEntry => BpfmapData,
    ApparmorEntry => Apparmor,
    PidfdEntry => Pidfd,
    StatsEntry => Stats,
    IrmapCacheEntry => IrmapCache,
    CriuKfd => AmdgpuKfd,
    CriuRenderNode => AmdgpuRender,
    CriuDmabufNode => AmdgpuDmabuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_of_the_registry_has_its_type() {
        for (name, kind) in NAMES {
            assert_eq!(kind.descriptor().message(), Some(*name));
        }
        for message in Kind::ALL.iter().filter_map(|kind| kind.descriptor().message()) {
            assert_eq!(NAMES.iter().filter(|(name, _)| *name == message).count(), 1, "{message}");
        }
    }
}
