//! Describes open files.

use ckptfx_parser::{
    dynamic::{Show, bit_names, lookup},
    files::Remap,
    memory::ObjectKind,
    proto::{self, FdTypes, FileEntry},
};

use super::{
    facts::Facts,
    record::{Content, Kind, OpenFile, Role, SignalOwner},
    special,
};
use crate::{
    Text,
    files::descriptor::{FileKey, Holders},
    recover::build_id,
};

/// `O_CLOEXEC`, the same on every architecture that CRIU supports.
const CLOEXEC: u32 = 0o2_000_000;

impl Facts<'_> {
    /// Describes an open file as far as that does not depend on who holds it.
    pub fn describe(&self, key: FileKey, role: Role) -> OpenFile {
        let mut file = empty(role);
        let kind = FdTypes::try_from(key.0).ok();
        file.kind = kind.and_then(kind_of);
        let entry = kind.and_then(|kind| self.files.get(kind, key.1));
        let flags = entry.and_then(flags);
        match (kind, entry) {
            (Some(FdTypes::Reg), Some(entry)) => self.regular(&mut file, entry.reg.as_ref()),
            (Some(kind), Some(entry)) => self.special(&mut file, kind, entry),
            _ => {}
        }
        if file.kind.is_none() && matches!(role, Role::Cwd | Role::Root) {
            file.kind = Some(Kind::Directory);
        } else if file.kind.is_none() && matches!(role, Role::Exe | Role::Map) {
            file.kind = Some(Kind::Regular);
        }
        if let Some(flags) = flags {
            file.flags = Some(self.flag_names_of(kind, flags));
        }
        file.signal_owner = entry.and_then(owner).and_then(|owner| self.signal_owner(owner));
        file
    }

    /// Adds what the descriptor says to what the open file says.
    pub fn set_cloexec(&self, file: &mut OpenFile, key: FileKey, cloexec: bool) {
        file.cloexec = Some(cloexec);
        let entry = FdTypes::try_from(key.0).ok().and_then(|kind| self.files.get(kind, key.1));
        if let Some(flags) = entry.and_then(|entry| flags(entry).or_else(|| self.companion_flags(entry)))
            && cloexec
        {
            file.flags = Some(self.flag_names_of(FdTypes::try_from(key.0).ok(), flags | CLOEXEC));
        }
    }

    /// Shared anonymous or System V memory by its key, as a mapped file.
    pub fn shared_memory(&self, key: u64) -> OpenFile {
        let mut file = empty(Role::Map);
        file.kind = Some(Kind::Regular);
        self.object(&mut file, key);
        file
    }

    fn flag_names(&self, flags: u32) -> Vec<String> {
        bit_names(Show::OpenFlags, u64::from(flags), self.numbering)
    }

    /// CRIU leaves out how a descriptor of a process is open, so that it looks open for reading.
    fn flag_names_of(&self, kind: Option<FdTypes>, flags: u32) -> Vec<String> {
        let mut names = self.flag_names(flags);
        if kind == Some(FdTypes::Pidfd) {
            names.retain(|name| name != "O_RDONLY");
        }
        names
    }

    fn signal_owner(&self, owner: &proto::FownEntry) -> Option<SignalOwner> {
        let set = |value: Option<u32>| value.filter(|value| *value != 0);
        if set(owner.pid).is_none() && set(owner.signum).is_none() {
            return None;
        }
        let signal = set(owner.signum).map(|signal| lookup::signal(signal, self.numbering));
        Some(SignalOwner {
            signal: signal.unwrap_or_else(|| "SIGIO".to_owned()),
            r#type: set(owner.pid).and_then(|_| match owner.pid_type? {
                0 => Some("thread"),
                1 => Some("process"),
                2 => Some("process-group"),
                _ => None,
            }),
            pid: set(owner.pid),
            uid: owner.uid,
            euid: owner.euid,
        })
    }

    /// Fills in what belongs to a shared memory object.
    fn object(&self, file: &mut OpenFile, key: u64) {
        let Some(object) = self.objects.get(&key) else { return };
        file.link = Some(Text(object.name.clone()));
        file.deleted = Some(true);
        file.size = object.size;
        (file.content, file.path) = match &object.kind {
            ObjectKind::Memfd(name) => (Content::Memfd, Some(Text([b"memfd:", name.as_slice()].concat()))),
            ObjectKind::Anonymous | ObjectKind::SystemV => (Content::Shm, None),
        };
        if object.kind != ObjectKind::SystemV {
            file.inode = Some(key);
        }
    }

    fn regular(&self, file: &mut OpenFile, entry: Option<&proto::RegFileEntry>) {
        let Some(entry) = entry else { return };
        let id = entry.id.unwrap_or(0);
        let remap = self.files.remap(id);
        // Not known when a cut archive may have lost the list of deleted files.
        let deleted = self.files.deleted(id);
        let ghost = match remap {
            Some(Remap::Ghost(ghost)) => self.ghosts.get(&ghost),
            _ => None,
        };
        let mode = entry.mode.or_else(|| ghost?.mode);
        file.kind = mode.and_then(kind_of_mode).or_else(|| {
            let is_directory =
                self.flag_names(entry.flags.unwrap_or(0)).iter().any(|name| name == "O_DIRECTORY");
            is_directory.then_some(Kind::Directory)
        });
        let name = entry.name.clone().unwrap_or_default();
        // Before CRIU 3.14 a memfd was a deleted file of this name.
        if let (Some(true), Some(memfd)) = (deleted, name.strip_prefix(b"/memfd:")) {
            file.kind = Some(Kind::Memfd);
            file.path = Some(Text([b"memfd:", memfd].concat()));
        } else {
            file.path = entry.name.clone().map(Text);
        }
        if entry.ext == Some(true) {
            // The name is the key that CRIU was given for the file, not a path.
            file.kind = Some(Kind::External);
        }
        let suffix: &[u8] = if deleted == Some(true) { b" (deleted)" } else { b"" };
        file.link = (entry.ext != Some(true)).then(|| Text([name.as_slice(), suffix].concat()));
        file.deleted = deleted;
        file.content = if ghost.is_some() { Content::Ghost } else { Content::None };
        file.position = entry.pos;
        file.size = entry.size.or_else(|| ghost?.size);
        file.mode = mode.map(permissions);
        file.uid = ghost.and_then(|ghost| ghost.uid);
        file.gid = ghost.and_then(|ghost| ghost.gid);
        file.inode = ghost.and_then(|ghost| ghost.inode);
        file.mount_id = entry.mnt_id.and_then(|id| u32::try_from(id).ok());
        file.mount_point = file.mount_id.and_then(|id| self.mounts.get(&id).cloned());
        file.build_id = build_id(&entry.build_id);
        file.details = special::regular(remap, self.files);
    }

    /// The regular file that holds the path of a terminal, FIFO or TUN descriptor. Before CRIU 3.6 it had the
    /// same id.
    fn companion(&self, entry: &FileEntry) -> Option<&proto::RegFileEntry> {
        let id = entry
            .tty
            .as_ref()
            .and_then(|tty| tty.regf_id)
            .or_else(|| entry.fifo.as_ref().and_then(|fifo| fifo.regf_id))
            .or(entry.id)?;
        self.files.regular(id)
    }

    fn companion_flags(&self, entry: &FileEntry) -> Option<u32> {
        let named = entry.fifo.is_some() || entry.tunf.is_some();
        if named { self.companion(entry)?.flags } else { None }
    }

    fn special(&self, file: &mut OpenFile, kind: FdTypes, entry: &FileEntry) {
        if matches!(kind, FdTypes::Tty | FdTypes::Fifo | FdTypes::Tunf) {
            let kept = file.kind;
            let companion = self.companion(entry);
            self.regular(file, companion);
            file.kind = kept;
            file.flags = companion.and_then(|reg| reg.flags).map(|flags| self.flag_names(flags));
        }
        let inode = special::inode(entry);
        file.inode = inode.map(u64::from).or(file.inode);
        file.link = match kind {
            FdTypes::Pipe => inode.map(|inode| format!("pipe:[{inode}]")),
            FdTypes::Inetsk | FdTypes::Unixsk | FdTypes::Netlinksk => {
                inode.map(|inode| format!("socket:[{inode}]"))
            }
            FdTypes::Eventfd => Some("anon_inode:[eventfd]".to_owned()),
            FdTypes::Eventpoll => Some("anon_inode:[eventpoll]".to_owned()),
            FdTypes::Inotify => Some("anon_inode:inotify".to_owned()),
            FdTypes::Fanotify => Some("anon_inode:[fanotify]".to_owned()),
            FdTypes::Signalfd => Some("anon_inode:[signalfd]".to_owned()),
            FdTypes::Timerfd => Some("anon_inode:[timerfd]".to_owned()),
            FdTypes::Bpfmap => Some("anon_inode:bpf-map".to_owned()),
            FdTypes::Pidfd => Some("anon_inode:[pidfd]".to_owned()),
            _ => None,
        }
        .map(|link| Text(link.into_bytes()))
        .or_else(|| file.link.take());
        match kind {
            FdTypes::Memfd => {
                let memfd = self.files.memfd(entry.id.unwrap_or(0));
                if let Some(inode) = memfd {
                    self.object(file, u64::from(inode.shmid.unwrap_or(0)));
                    (file.uid, file.gid) = (inode.uid, inode.gid);
                    file.mode = inode.mode.map(permissions);
                    // Shared anonymous memory is written as a memfd, and is none (format.md §7.4).
                    if file.content == Content::Shm {
                        file.kind = Some(Kind::Regular);
                    }
                }
                file.position = entry.memfd.as_ref().and_then(|memfd| memfd.pos);
            }
            FdTypes::Pipe => {
                let pipe = entry.pipe.as_ref();
                (file.uid, file.gid) = (pipe.and_then(|pipe| pipe.uid), pipe.and_then(|pipe| pipe.gid));
            }
            FdTypes::Bpfmap => file.position = entry.bpf.as_ref().and_then(|map| map.pos),
            FdTypes::Unixsk => {
                let permissions_of = entry.usk.as_ref().and_then(|socket| socket.file_perms.as_ref());
                if let Some(node) = permissions_of {
                    (file.uid, file.gid, file.mode) = (node.uid, node.gid, node.mode.map(permissions));
                }
            }
            FdTypes::Tty => {
                let info = entry.tty.as_ref().and_then(|tty| self.ttys.get(&tty.tty_info_id?));
                (file.uid, file.gid) = (info.and_then(|info| info.uid), info.and_then(|info| info.gid));
            }
            _ => {}
        }
        file.details = special::special(self, kind, entry);
    }
}

fn empty(role: Role) -> OpenFile {
    OpenFile {
        pid: None,
        comm: None,
        fd: None,
        role,
        kind: None,
        link: None,
        path: None,
        deleted: None,
        content: Content::None,
        flags: None,
        cloexec: None,
        position: None,
        size: None,
        mode: None,
        uid: None,
        gid: None,
        inode: None,
        mount_id: None,
        mount_point: None,
        build_id: None,
        shared_with: Holders::default(),
        locks: Vec::new(),
        signal_owner: None,
        selinux_label: None,
        queued_in: None,
        details: None,
    }
}

/// The kind that a descriptor type says; regular files need their mode.
fn kind_of(kind: FdTypes) -> Option<Kind> {
    Some(match kind {
        FdTypes::Pipe | FdTypes::AutofsPipe => Kind::Pipe,
        FdTypes::Fifo => Kind::Fifo,
        FdTypes::Inetsk | FdTypes::Unixsk | FdTypes::Packetsk | FdTypes::Netlinksk => Kind::Socket,
        FdTypes::Eventfd => Kind::Eventfd,
        FdTypes::Eventpoll => Kind::Eventpoll,
        FdTypes::Inotify => Kind::Inotify,
        FdTypes::Signalfd => Kind::Signalfd,
        FdTypes::Tty | FdTypes::CtlTty => Kind::Tty,
        FdTypes::Fanotify => Kind::Fanotify,
        FdTypes::Ns => Kind::Namespace,
        FdTypes::Tunf => Kind::Tun,
        FdTypes::Ext => Kind::External,
        FdTypes::Timerfd => Kind::Timerfd,
        FdTypes::Memfd => Kind::Memfd,
        FdTypes::Bpfmap => Kind::BpfMap,
        FdTypes::Pidfd => Kind::Pidfd,
        FdTypes::Und | FdTypes::Reg => return None,
    })
}

fn kind_of_mode(mode: u32) -> Option<Kind> {
    Some(match mode & 0o170_000 {
        0o100_000 => Kind::Regular,
        0o040_000 => Kind::Directory,
        0o020_000 => Kind::CharDevice,
        0o060_000 => Kind::BlockDevice,
        0o010_000 => Kind::Fifo,
        0o120_000 => Kind::Symlink,
        0o140_000 => Kind::Socket,
        _ => return None,
    })
}

fn permissions(mode: u32) -> String {
    format!("{:04o}", mode & 0o7777)
}

/// Open flags of a file whose own entry has them.
pub(crate) fn flags(entry: &FileEntry) -> Option<u32> {
    match FdTypes::try_from(entry.r#type?).ok()? {
        FdTypes::Reg => entry.reg.as_ref()?.flags,
        FdTypes::Pipe => entry.pipe.as_ref()?.flags,
        FdTypes::Inetsk => entry.isk.as_ref()?.flags,
        FdTypes::Unixsk => entry.usk.as_ref()?.flags,
        FdTypes::Packetsk => entry.psk.as_ref()?.flags,
        FdTypes::Netlinksk => entry.nlsk.as_ref()?.flags,
        FdTypes::Eventfd => entry.efd.as_ref()?.flags,
        FdTypes::Eventpoll => entry.epfd.as_ref()?.flags,
        FdTypes::Inotify => entry.ify.as_ref()?.flags,
        FdTypes::Signalfd => entry.sgfd.as_ref()?.flags,
        FdTypes::Tty => entry.tty.as_ref()?.flags,
        FdTypes::Fanotify => entry.ffy.as_ref()?.flags,
        FdTypes::Ns => entry.nsf.as_ref()?.flags,
        FdTypes::Timerfd => entry.tfd.as_ref()?.flags,
        FdTypes::Memfd => entry.memfd.as_ref()?.flags,
        FdTypes::Bpfmap => entry.bpf.as_ref()?.flags,
        FdTypes::Pidfd => entry.pidfd.as_ref()?.flags,
        _ => None,
    }
}

/// Who gets signals about a file.
fn owner(entry: &FileEntry) -> Option<&proto::FownEntry> {
    match FdTypes::try_from(entry.r#type?).ok()? {
        FdTypes::Reg => entry.reg.as_ref()?.fown.as_ref(),
        FdTypes::Pipe => entry.pipe.as_ref()?.fown.as_ref(),
        FdTypes::Inetsk => entry.isk.as_ref()?.fown.as_ref(),
        FdTypes::Unixsk => entry.usk.as_ref()?.fown.as_ref(),
        FdTypes::Packetsk => entry.psk.as_ref()?.fown.as_ref(),
        FdTypes::Netlinksk => entry.nlsk.as_ref()?.fown.as_ref(),
        FdTypes::Eventfd => entry.efd.as_ref()?.fown.as_ref(),
        FdTypes::Eventpoll => entry.epfd.as_ref()?.fown.as_ref(),
        FdTypes::Inotify => entry.ify.as_ref()?.fown.as_ref(),
        FdTypes::Signalfd => entry.sgfd.as_ref()?.fown.as_ref(),
        FdTypes::Tty => entry.tty.as_ref()?.fown.as_ref(),
        FdTypes::Fanotify => entry.ffy.as_ref()?.fown.as_ref(),
        FdTypes::Timerfd => entry.tfd.as_ref()?.fown.as_ref(),
        FdTypes::Memfd => entry.memfd.as_ref()?.fown.as_ref(),
        FdTypes::Bpfmap => entry.bpf.as_ref()?.fown.as_ref(),
        FdTypes::Pidfd => entry.pidfd.as_ref()?.fown.as_ref(),
        FdTypes::Ext => entry.ext.as_ref()?.fown.as_ref(),
        _ => None,
    }
}
