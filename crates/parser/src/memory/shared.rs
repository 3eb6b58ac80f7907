//! Memory that belongs to no single process: memfds, shared anonymous and System V memory
//! (`format.md §7.4`).

use std::collections::BTreeMap;

use super::Pages;
use crate::{Checkpoint, Diagnostic, files::FileTable, proto};

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
        let mut segments = Vec::new();
        for (name, _) in images.files() {
            let number = |stem: &str| name.strip_prefix(stem)?.strip_suffix(".img")?.parse::<u64>().ok();
            if let Some(key) = number("pagemap-shmem-") {
                keys.push((key, name));
            } else if number("ipcns-shm-").is_some() {
                let entries = images.read::<proto::IpcShmEntry>(name, diagnostics);
                segments.extend(entries.into_iter().map(|entry| entry.value));
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
                pages: Pages::default(),
            });
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
