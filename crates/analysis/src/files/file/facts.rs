//! What is known of one open file, whoever holds it.

use std::collections::{BTreeMap, HashMap};

use ckptfx_parser::{
    Diagnostic, ImageDirectory,
    dynamic::Numbering,
    files::{FileTable, Remap},
    image::{ByteOrder, GhostContent, read_ghost},
    memory::SharedObject,
    proto,
};

use crate::{Case, Text};

/// What the image of a deleted file says of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ghost {
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub inode: Option<u64>,
    pub size: Option<u64>,
}

/// Everything that descriptions of open files are made of.
pub(crate) struct Facts<'c> {
    pub(super) files: &'c FileTable,
    pub(super) host: Option<&'c proto::TaskKobjIdsEntry>,
    pub(super) numbering: Numbering,
    pub(super) order: ByteOrder,
    pub(super) ttys: HashMap<u32, proto::TtyInfoEntry>,
    pub(super) pipes: HashMap<u32, proto::PipeDataEntry>,
    pub(super) maps: HashMap<u32, proto::BpfmapDataEntry>,
    pub(super) targets: HashMap<u32, Vec<proto::EventpollTfdEntry>>,
    pub(super) watches: HashMap<u32, Vec<proto::InotifyWdEntry>>,
    pub(super) marks: HashMap<u32, Vec<proto::FanotifyMarkEntry>>,
    pub(super) objects: &'c BTreeMap<u64, SharedObject<'c>>,
    pub(super) mounts: HashMap<u32, Text>,
    pub(super) ghosts: HashMap<u32, Ghost>,
}

impl<'c> Facts<'c> {
    pub fn read(case: &'c Case<'_>, numbering: Numbering, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let images = &case.checkpoint.images;
        let mut pipes =
            by_key(images, "pipes-data.img", |entry: &proto::PipeDataEntry| entry.pipe_id, diagnostics);
        pipes.extend(by_key(
            images,
            "fifo-data.img",
            |entry: &proto::PipeDataEntry| entry.pipe_id,
            diagnostics,
        ));
        Self {
            files: &case.files,
            host: case.inventory.as_ref().and_then(|inventory| inventory.root_ids.as_ref()),
            numbering,
            order: images.order,
            ttys: by_key(images, "tty-info.img", |entry: &proto::TtyInfoEntry| entry.id, diagnostics),
            pipes,
            maps: by_key(
                images,
                "bpfmap-data.img",
                |entry: &proto::BpfmapDataEntry| entry.map_id,
                diagnostics,
            ),
            // Before CRIU 1.4 what a file watches was in images of its own.
            targets: lists(
                images,
                "eventpoll-tfd.img",
                |entry: &proto::EventpollTfdEntry| entry.id,
                diagnostics,
            ),
            watches: lists(images, "inotify-wd.img", |entry: &proto::InotifyWdEntry| entry.id, diagnostics),
            marks: lists(
                images,
                "fanotify-mark.img",
                |entry: &proto::FanotifyMarkEntry| entry.id,
                diagnostics,
            ),
            objects: &case.shared.objects,
            mounts: mounts(images, diagnostics),
            ghosts: ghosts(&case.files, images, diagnostics),
        }
    }
}

fn by_key<T: ckptfx_parser::image::Image>(
    images: &ImageDirectory,
    name: &str,
    key: fn(&T) -> Option<u32>,
    diagnostics: &mut Vec<Diagnostic>,
) -> HashMap<u32, T> {
    let entries = images.read::<T>(name, diagnostics);
    entries.into_iter().filter_map(|entry| Some((key(&entry.value)?, entry.value))).collect()
}

fn lists<T: ckptfx_parser::image::Image>(
    images: &ImageDirectory,
    name: &str,
    key: fn(&T) -> Option<u32>,
    diagnostics: &mut Vec<Diagnostic>,
) -> HashMap<u32, Vec<T>> {
    let mut found: HashMap<u32, Vec<T>> = HashMap::new();
    for entry in images.read::<T>(name, diagnostics) {
        if let Some(key) = key(&entry.value) {
            found.entry(key).or_default().push(entry.value);
        }
    }
    found
}

/// Mount points by mount id, which is unique over all mount namespaces.
fn mounts(images: &ImageDirectory, diagnostics: &mut Vec<Diagnostic>) -> HashMap<u32, Text> {
    let mut found = HashMap::new();
    let is_list = |name: &str| name.starts_with("mountpoints-");
    for (name, _) in images.files().filter(|(name, _)| is_list(name)) {
        for entry in images.read::<proto::MntEntry>(name, diagnostics) {
            if let (Some(id), Some(path)) = (entry.value.mnt_id, entry.value.mountpoint) {
                found.insert(id, Text(path));
            }
        }
    }
    found
}

fn ghosts(
    files: &FileTable,
    images: &ImageDirectory,
    diagnostics: &mut Vec<Diagnostic>,
) -> HashMap<u32, Ghost> {
    let mut found = HashMap::new();
    let regular = files.entries().filter_map(|entry| entry.reg.as_ref()?.id);
    let mut ids: Vec<u32> = regular
        .filter_map(|id| match files.remap(id) {
            Some(Remap::Ghost(ghost)) => Some(ghost),
            _ => None,
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let name = format!("ghost-file-{id:x}.img");
        let Some(file) = images.file(&name) else {
            let message = "a deleted file that was open is not in the checkpoint";
            diagnostics.push(Diagnostic::loss("missing-image", name, message));
            continue;
        };
        let Some(ghost) = read_ghost(&file, diagnostics) else { continue };
        let entry = ghost.entry.value;
        let size = entry.size.or(match ghost.content {
            GhostContent::Inline(range) => Some(range.end.saturating_sub(range.start)),
            _ => None,
        });
        let facts = Ghost { mode: entry.mode, uid: entry.uid, gid: entry.gid, inode: entry.ino, size };
        found.insert(id, facts);
    }
    found
}
