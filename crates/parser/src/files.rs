//! The table of open files (`format.md §8`): `files.img`, or the per-type images before CRIU 3.4.

use std::collections::HashMap;

use crate::{
    Diagnostic, ImageDirectory, Limits, Reports,
    limits::{count, reached},
    proto::{self, FdTypes, FileEntry},
};

/// Why a path no longer leads to its file (`format.md §8.3`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remap {
    /// The name is gone, the inode has others; the id of the file entry CRIU linked it to.
    Linked(u32),
    /// The file is gone; its content is in `ghost-file-<id in hex>.img`.
    Ghost(u32),
    /// A file of `/proc/PID` of a process that is gone.
    DeadProcess(u32),
}

/// Open files by type and id, with what else is needed to name them.
#[derive(Debug, Default)]
pub struct FileTable {
    entries: HashMap<(i32, u32), FileEntry>,
    remaps: HashMap<u32, Remap>,
    memfds: HashMap<u64, proto::MemfdInodeEntry>,
    /// Whether the list of remaps may have been lost with the rest of a cut archive.
    remaps_lost: bool,
}

/// What adding a file needs besides it.
struct Adding<'a> {
    limits: &'a Limits,
    reports: Reports,
    /// The image, and where in it the entry is.
    file: &'static str,
    at: u64,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Adding<'_> {
    fn report(&mut self, problem: Diagnostic) {
        self.reports.push(problem.at(self.at), self.diagnostics);
    }
}

/// An entry of `files.img` has one member, that of its type and with its id.
fn check_entry(entry: &FileEntry, adding: &mut Adding<'_>) {
    let (Some(id), Some(Ok(kind))) = (entry.id, entry.r#type.map(FdTypes::try_from)) else { return };
    // The id that the member repeats.
    macro_rules! member {
        ($($type:ident $member:ident)*) => {
            match kind {
                $(FdTypes::$type => Some(entry.$member.as_ref().map(|member| member.id)),)*
                _ => None,
            }
        };
    }
    let member = member! {
        Reg reg  Pipe pipe  Fifo fifo  Inetsk isk  Unixsk usk  Eventfd efd  Eventpoll epfd  Inotify ify
        Signalfd sgfd  Packetsk psk  Tty tty  Fanotify ffy  Netlinksk nlsk  Ns nsf  Tunf tunf  Ext ext
        Timerfd tfd  Memfd memfd  Bpfmap bpf  Pidfd pidfd
    };
    let name = kind.as_str_name();
    let message = match member {
        Some(None) => format!("file {id} is of type {name}, but nothing of that type is there"),
        Some(Some(Some(inner))) if inner != id => {
            format!("file {id} of type {name} says of itself that it is file {inner}; {id} is used")
        }
        _ => return,
    };
    adding.report(Diagnostic::loss("contradiction", adding.file, message));
}

impl FileTable {
    /// Reads the table with the remaps and the memfd inodes.
    pub fn read(images: &ImageDirectory, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let mut table = Self {
            remaps_lost: images.is_cut() && images.member("remap-fpath.img").is_none(),
            ..Self::default()
        };
        let entries = images.read::<FileEntry>("files.img", diagnostics);
        let mut adding = Adding {
            limits: images.limits(),
            reports: Reports::new(images.limits()),
            file: "files.img",
            at: 0,
            diagnostics,
        };
        for entry in entries {
            adding.at = entry.body.start;
            check_entry(&entry.value, &mut adding);
            table.add(entry.value, &mut adding);
        }
        table.read_per_type(images, &mut adding);
        adding.reports.finish("files.img", diagnostics);
        let mut reports = Reports::new(images.limits());
        for entry in images.read::<proto::RemapFilePathEntry>("remap-fpath.img", diagnostics) {
            let (Some(original), Some(target)) = (entry.value.orig_id, entry.value.remap_id) else {
                continue;
            };
            let remap = match entry.value.remap_type {
                Some(0) => Remap::Linked(target),
                Some(1) => Remap::Ghost(target),
                Some(2) => Remap::DeadProcess(target),
                Some(other) => {
                    let message = format!("remap type {other} of file {original} is not known");
                    diagnostics.push(Diagnostic::note("unknown-value", "remap-fpath.img", message));
                    continue;
                }
                // Before the type was written, the top bit told ghosts.
                None if target >> 31 == 1 => Remap::Ghost(target & 0x7fff_ffff),
                None => Remap::Linked(target),
            };
            if let Some(before) = table.remaps.insert(original, remap)
                && before != remap
            {
                let message = format!("file {original} is remapped in two ways; the last is used");
                let problem = Diagnostic::loss("duplicate-id", "remap-fpath.img", message);
                reports.push(problem.at(entry.body.start), diagnostics);
            }
        }
        for entry in images.read::<proto::MemfdInodeEntry>("memfd.img", diagnostics) {
            let Some(id) = entry.value.inode_id else { continue };
            let start = entry.body.start;
            if let Some(before) = table.memfds.insert(id, entry.value)
                && table.memfds.get(&id) != Some(&before)
            {
                let message = format!("two different memfd inodes have id {id}; the last is used");
                let problem = Diagnostic::loss("duplicate-id", "memfd.img", message);
                reports.push(problem.at(start), diagnostics);
            }
        }
        reports.finish("remap-fpath.img", diagnostics);
        table.check_memfds(images.limits(), diagnostics);
        table
    }

    /// Reports open memfds whose inode is not there: their names and contents are lost.
    fn check_memfds(&self, limits: &Limits, diagnostics: &mut Vec<Diagnostic>) {
        let memfds = self.entries().filter_map(|entry| entry.memfd.as_ref());
        let mut reports = Reports::new(limits);
        for inode in memfds.filter_map(|file| file.inode_id) {
            if !self.memfds.contains_key(&u64::from(inode)) {
                let message = format!("memfd inode {inode} is missing: its name and content are lost");
                reports.push(Diagnostic::loss("missing-image", "memfd.img", message), diagnostics);
            }
        }
        reports.finish("memfd.img", diagnostics);
    }

    fn add(&mut self, mut entry: FileEntry, adding: &mut Adding<'_>) {
        let key = (entry.r#type.unwrap_or(0), entry.id.unwrap_or(0));
        // Every mapping and descriptor repeats it.
        let longest = count(adding.limits.name_bytes);
        if let Some(name) =
            entry.reg.as_mut().and_then(|file| file.name.as_mut()).filter(|name| name.len() > longest)
        {
            let what =
                format!("of the {} bytes of the name of file {} {longest} are read", name.len(), key.1);
            adding.report(reached("too-long", adding.file, "name-bytes", what));
            name.truncate(longest);
        }
        if let Some(before) = self.entries.insert(key, entry)
            && self.entries.get(&key) != Some(&before)
        {
            let message =
                format!("two different files have type {} and id {}; the last is used", key.0, key.1);
            adding.report(Diagnostic::loss("duplicate-id", adding.file, message));
        }
    }

    fn read_per_type(&mut self, images: &ImageDirectory, adding: &mut Adding<'_>) {
        macro_rules! per_type {
            ($($file:literal, $message:ident, $type:ident, $member:ident;)*) => {
                $(adding.file = $file;
                for entry in images.read::<proto::$message>($file, adding.diagnostics) {
                    adding.at = entry.body.start;
                    let entry = FileEntry {
                        r#type: Some(FdTypes::$type as i32),
                        id: entry.value.id,
                        $member: Some(entry.value),
                        ..FileEntry::default()
                    };
                    self.add(entry, adding);
                })*
            };
        }
        per_type! {
            "reg-files.img", RegFileEntry, Reg, reg;
            "pipes.img", PipeEntry, Pipe, pipe;
            "fifo.img", FifoEntry, Fifo, fifo;
            "inetsk.img", InetSkEntry, Inetsk, isk;
            "unixsk.img", UnixSkEntry, Unixsk, usk;
            "eventfd.img", EventfdFileEntry, Eventfd, efd;
            "eventpoll.img", EventpollFileEntry, Eventpoll, epfd;
            "inotify.img", InotifyFileEntry, Inotify, ify;
            "signalfd.img", SignalfdEntry, Signalfd, sgfd;
            "packetsk.img", PacketSockEntry, Packetsk, psk;
            "tty.img", TtyFileEntry, Tty, tty;
            "fanotify.img", FanotifyFileEntry, Fanotify, ffy;
            "netlinksk.img", NetlinkSkEntry, Netlinksk, nlsk;
            "ext-files.img", ExtFileEntry, Ext, ext;
            "timerfd.img", TimerfdEntry, Timerfd, tfd;
            "tunfile.img", TunfileEntry, Tunf, tunf;
        }
        adding.file = "ns-files.img";
        for entry in images.read::<proto::NsFileEntry>(adding.file, adding.diagnostics) {
            adding.at = entry.body.start;
            let entry = FileEntry {
                r#type: Some(FdTypes::Ns as i32),
                id: entry.value.id,
                nsf: Some(entry.value),
                ..FileEntry::default()
            };
            self.add(entry, adding);
        }
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The file of a type and id.
    pub fn get(&self, kind: FdTypes, id: u32) -> Option<&FileEntry> {
        self.entries.get(&(kind as i32, id))
    }

    /// Whether there is a file of a number of a type and an id.
    pub fn has(&self, key: (i32, u32)) -> bool {
        self.entries.contains_key(&key)
    }

    /// The regular file, directory or device with an id.
    pub fn regular(&self, id: u32) -> Option<&proto::RegFileEntry> {
        self.get(FdTypes::Reg, id)?.reg.as_ref()
    }

    /// The memfd inode behind the open memfd with an id.
    pub fn memfd(&self, id: u32) -> Option<&proto::MemfdInodeEntry> {
        let file = self.get(FdTypes::Memfd, id)?.memfd.as_ref()?;
        self.memfds.get(&u64::from(file.inode_id?))
    }

    /// All memfd inodes, by inode id.
    pub fn memfds(&self) -> impl Iterator<Item = &proto::MemfdInodeEntry> {
        let mut memfds: Vec<_> = self.memfds.values().collect();
        memfds.sort_by_key(|inode| inode.inode_id);
        memfds.into_iter()
    }

    /// What became of the name of a regular file.
    pub fn remap(&self, id: u32) -> Option<Remap> {
        self.remaps.get(&id).copied()
    }

    /// Whether the file's name was removed: `/proc` would add ` (deleted)` to it.
    pub fn is_deleted(&self, id: u32) -> bool {
        self.remap(id).is_some()
    }

    /// As [`FileTable::is_deleted`]; none when a cut archive may have lost the answer.
    pub fn deleted(&self, id: u32) -> Option<bool> {
        (!self.remaps_lost).then(|| self.is_deleted(id))
    }

    /// All entries in order of type and id.
    pub fn entries(&self) -> impl Iterator<Item = &FileEntry> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|(key, _)| **key);
        entries.into_iter().map(|(_, entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ckptfx_testkit::{Checkpoint, Criu, File, Ghost, Message, Process};

    use super::*;
    use crate::{Severity, archive::Archive, checkpoint::tests::directory};

    fn table(dump: &Checkpoint) -> (FileTable, Vec<Diagnostic>) {
        let files = dump.images().into_iter();
        let files = files.map(|(name, body)| (format!("a/{name}").into_bytes(), Bytes::from(body.to_vec())));
        let mut diagnostics = Vec::new();
        (FileTable::read(&directory(Archive::of_files(files), "a"), &mut diagnostics), diagnostics)
    }

    fn dump(criu: Criu) -> Checkpoint {
        let process = Process::new(1)
            .fd(3, File::regular("/plain"))
            .fd(4, File::regular("/ghost").deleted(Ghost::new("x")))
            .fd(5, File::regular("/linked").linked("/link_remap.1"))
            .fd(6, File::regular("/proc/9/stat").dead_process(9))
            .fd(7, File::pipe_read(600))
            .fd(8, File::tcp_listen("0.0.0.0:80"));
        Checkpoint::new().criu(criu).process(process)
    }

    #[test]
    fn one_table_or_one_image_per_type_say_the_same() {
        for criu in [Criu::V2_12, Criu::V3_3, Criu::V4_2] {
            let (table, diagnostics) = table(&dump(criu));
            assert!(diagnostics.is_empty(), "{criu:?}: {diagnostics:?}");
            let of = |path: &str| {
                let regular = table.entries().filter_map(|entry| entry.reg.as_ref());
                let mut ids = regular.filter(|reg| reg.name.as_deref() == Some(path.as_bytes()));
                let id = ids.next().and_then(|reg| reg.id).unwrap();
                (table.remap(id), table.is_deleted(id))
            };
            assert_eq!(of("/plain"), (None, false), "{criu:?}");
            assert!(matches!(of("/ghost"), (Some(Remap::Ghost(_)), true)), "{criu:?}");
            assert!(matches!(of("/linked"), (Some(Remap::Linked(_)), true)), "{criu:?}");
            assert_eq!(of("/proc/9/stat"), (Some(Remap::DeadProcess(9)), true), "{criu:?}");
            let has = |kind| table.entries().any(|entry| entry.r#type == Some(kind as i32));
            assert!(has(FdTypes::Pipe) && has(FdTypes::Inetsk), "{criu:?}");
        }
    }

    #[test]
    fn two_files_of_one_number_are_reported() {
        let codes = |entry: Message| {
            let (_, diagnostics) = table(&dump(Criu::V4_2).entry("files", "", entry));
            diagnostics.iter().map(|one| (one.code, one.severity)).collect::<Vec<_>>()
        };
        let owner = (1..=5).fold(Message::new(), |message, number| message.uint(number, 0_u32));
        let regular = Message::new().uint(1, 1_u32).uint(2, 0_u32).uint(3, 0_u32).message(5, &owner);
        let regular = regular.bytes(6, "/other");
        let entry = |id: u32| Message::new().uint(1, 1_u32).uint(2, id);
        assert_eq!(codes(entry(1).message(3, &regular)), [("duplicate-id", Severity::Loss)]);
        // It says that it is another, and nothing of its type is there.
        assert_eq!(codes(entry(99).message(3, &regular)), [("contradiction", Severity::Loss)]);
        assert_eq!(codes(entry(99)), [("contradiction", Severity::Loss)]);
    }
}
