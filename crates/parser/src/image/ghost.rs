//! Deleted files that were saved with their content (`format.md §8.3`).

use std::ops::Range;

use super::{
    file::{ImageFile, Located},
    framing::{Entry, open_as},
    payload::{self, Parts},
    read::decode,
    registry::{Kind, Payload},
};
use crate::{Diagnostic, proto};

/// A deleted file. What its entry says about sizes is only a claim: an exporter must bound what it writes.
#[derive(Debug, Clone, PartialEq)]
pub struct Ghost {
    /// Owner, mode, times and size. Its payload is the remainder of the image.
    pub entry: Located<proto::GhostFileEntry>,
    /// Where the content is.
    pub content: GhostContent,
}

/// The content of a deleted file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GhostContent {
    /// The kind of file has none: a symbolic link, a directory, a device.
    None,
    /// All of it, in one piece at these bytes of the image.
    Inline(Range<u64>),
    /// Pieces in the order of the image; zeros between them, up to `size`.
    Chunks(Vec<GhostChunk>),
}

/// A piece of a deleted file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GhostChunk {
    /// Offset in the deleted file, in bytes. Offsets need not ascend, and chunks may overlap or exceed `size`.
    pub offset: u64,
    /// Length that the image claims, in bytes.
    pub length: u64,
    /// The bytes of the image that hold it: fewer than `length` if the image is cut.
    pub range: Range<u64>,
}

/// Reads a deleted file; `None` if not even its entry is there.
pub fn read_ghost(file: &ImageFile<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Ghost> {
    let opened = open_as(file, Some(Kind::GhostFile)).map_err(|problem| diagnostics.push(problem)).ok()??;
    if opened.descriptor.kind != Kind::GhostFile {
        let message = format!("this is {}, where GHOST_FILE is expected", opened.descriptor.name);
        diagnostics.push(Diagnostic::loss("unexpected-image", file.name, message));
        return None;
    }
    let mut first = None;
    for entry in opened.entries() {
        match entry {
            Ok(entry) => first = Some(entry),
            Err(problem) => diagnostics.push(problem),
        }
    }
    let first = first?;
    let entry = decode::<proto::GhostFileEntry>(file.name, &first)
        .map_err(|problem| diagnostics.push(problem))
        .ok()?;
    let content = if !payload::is_regular(first.body).unwrap_or(true) {
        GhostContent::None
    } else if payload::is_chunked(first.body).unwrap_or(false) {
        GhostContent::Chunks(chunks(file, &first, entry.payload.start, diagnostics))
    } else {
        GhostContent::Inline(entry.payload.clone())
    };
    Some(Ghost { entry, content })
}

fn chunks(
    file: &ImageFile<'_>,
    ghost: &Entry<'_>,
    start: u64,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<GhostChunk> {
    let Ok(parts) = Parts::new(Payload::Ghost, ghost.body, ghost.payload, ghost.order) else {
        return Vec::new();
    };
    // Damage was reported when the entry was read.
    parts
        .map_while(Result::ok)
        .enumerate()
        .filter_map(|(index, part)| {
            let entry = Entry {
                index: index as u64,
                body: ghost.payload.get(part.body.clone())?,
                offset: start.checked_add(part.body.start as u64)?,
                payload: ghost.payload.get(part.data)?,
                order: ghost.order,
            };
            let chunk = decode::<proto::GhostChunkEntry>(file.name, &entry);
            let chunk = chunk.map_err(|problem| diagnostics.push(problem)).ok()?;
            Some(GhostChunk {
                offset: chunk.value.off.unwrap_or(0),
                length: chunk.value.len.unwrap_or(0),
                range: chunk.payload,
            })
        })
        .collect()
}
