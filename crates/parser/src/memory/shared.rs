//! Memory that belongs to no single process: memfds, shared anonymous and System V memory
//! (`format.md §7.4`).

use std::collections::{BTreeMap, BTreeSet};

use super::{Content, PageRun, Pages};
use crate::{Checkpoint, Diagnostic, archive::Member, files::FileTable, image::Located, proto};

/// What a shared object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectKind {
    /// Shared anonymous memory.
    Anonymous,
    /// Made with `memfd_create`, with its name.
    Memfd(Vec<u8>),
    /// A System V segment.
    SystemV,
}

/// One shared memory object.
#[derive(Debug)]
pub struct SharedObject<'a> {
    /// What it is.
    pub kind: ObjectKind,
    /// Size in bytes, if an image states it.
    pub size: Option<u64>,
    /// The name `/proc/PID/maps` shows for it.
    pub name: Vec<u8>,
    /// Captured pages, by offset in the object; what lies between them is zero.
    pub pages: Pages<'a>,
}

/// All shared objects by their key, the number in `pagemap-shmem-<key>.img`.
#[derive(Debug, Default)]
pub struct SharedObjects<'a> {
    /// The objects.
    pub objects: BTreeMap<u64, SharedObject<'a>>,
    /// Descriptions of the System V segments.
    pub segments: Vec<proto::IpcShmEntry>,
    /// The page size: an object ends with its last page.
    pub page_size: u64,
}

/// The bytes of a segment that follow its entry, as CRIU before 3.0 wrote them (`format.md §11.3`). None when they
/// are in a pagemap.
fn segment_pages<'a>(entry: &Located<proto::IpcShmEntry>, member: &'a Member) -> Option<Pages<'a>> {
    if entry.value.in_pagemaps == Some(true) {
        return None;
    }
    let size = entry.value.size.unwrap_or(0);
    let start = entry.payload.start;
    let there = (entry.payload.end - start).min(size);
    let bytes = member.view().get(start..start.checked_add(there)?)?;
    let content = Content::Captured { bytes, member, offset: Some(entry.payload.start) };
    let runs = if there > 0 { vec![PageRun { start: 0, length: there, content }] } else { Vec::new() };
    Some(Pages { runs, lost_from: (there < size).then_some(there), ..Pages::default() })
}

impl<'a> SharedObjects<'a> {
    /// Reads all shared objects of a checkpoint.
    pub fn read(
        checkpoint: &'a Checkpoint,
        files: &FileTable,
        page_size: u64,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let images = &checkpoint.images;
        let mut keys = Vec::new();
        let mut inline = BTreeMap::new();
        let mut old = BTreeSet::new();
        let mut segments = Vec::new();
        for (name, _) in images.files() {
            let number = |stem: &str| name.strip_prefix(stem)?.strip_suffix(".img")?.parse::<u64>().ok();
            if let Some(key) = number("pagemap-shmem-") {
                keys.push((key, name));
            } else if number("ipcns-shm-").is_some() {
                let Some(member) = images.member(name) else { continue };
                for entry in images.read::<proto::IpcShmEntry>(name, diagnostics) {
                    let pages = segment_pages(&entry, member);
                    let id = entry.value.desc.as_ref().and_then(|desc| desc.id);
                    if let Some((id, pages)) = id.zip(pages) {
                        old.insert(u64::from(id));
                        inline.insert(u64::from(id), pages);
                    }
                    segments.push(entry.value);
                }
            }
        }
        let mut objects = BTreeMap::new();
        for inode in files.memfds() {
            let name = inode.name.clone().unwrap_or_default();
            let is_anonymous = name == b"/dev/zero" || name == b"/anon_hugepage";
            let object = SharedObject {
                kind: if is_anonymous { ObjectKind::Anonymous } else { ObjectKind::Memfd(name.clone()) },
                size: inode.size,
                name: super::vma::memfd_link(&name),
                pages: Pages::default(),
            };
            objects.insert(u64::from(inode.shmid.unwrap_or(0)), object);
        }
        for segment in &segments {
            let Some(id) = segment.desc.as_ref().and_then(|desc| desc.id) else { continue };
            let key = segment.desc.as_ref().and_then(|desc| desc.key).unwrap_or(0);
            objects.entry(u64::from(id)).or_insert_with(|| SharedObject {
                kind: ObjectKind::SystemV,
                size: segment.size,
                name: format!("/SYSV{key:08x} (deleted)").into_bytes(),
                pages: inline.remove(&u64::from(id)).unwrap_or_default(),
            });
        }
        // CRIU writes a pagemap for every memfd and every segment that has none inline, be it empty.
        let has_pagemap = |key: &u64| keys.iter().any(|(one, _)| one == key);
        for (key, object) in objects.iter_mut().filter(|(key, _)| !has_pagemap(key) && !old.contains(*key)) {
            if object.size != Some(0) {
                let message = "the content of this shared memory is lost";
                diagnostics.push(Diagnostic::loss(
                    "missing-image",
                    format!("pagemap-shmem-{key}.img"),
                    message,
                ));
                object.pages = Pages::missing();
            }
        }
        for (key, name) in keys {
            let pages = Pages::read(images, name, page_size, diagnostics);
            let object = objects.entry(key).or_insert_with(|| SharedObject {
                kind: ObjectKind::Anonymous,
                size: None,
                name: b"/dev/zero (deleted)".to_vec(),
                pages: Pages::default(),
            });
            object.pages = pages;
        }
        Self { objects, segments, page_size }
    }
}
