//! Headers and entries of image files (`format.md §1`).

use super::{
    file::ImageFile,
    order::ByteOrder,
    payload::{self, Damage},
    registry::{self, COMMON_MAGIC, Content, Descriptor, Head, Kind, Payload, SERVICE_MAGIC},
};
use crate::{Diagnostic, limits::reached};

/// How an image announces itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// [`COMMON_MAGIC`] and the type magic: CRIU 1.6 and later.
    Common,
    /// [`SERVICE_MAGIC`] and the type magic: CRIU 1.6 and later.
    Service,
    /// The type magic alone: `inventory.img`, and all others before CRIU 1.6.
    TypeOnly,
    /// No magic; messages with a 64-bit size.
    Plugin,
    /// No magic and no messages.
    Raw,
}

/// An image whose header was understood.
#[derive(Debug, Clone, Copy)]
pub struct Opened<'a> {
    /// What it is.
    pub descriptor: &'static Descriptor,
    /// The number in the file name.
    pub key: Option<u64>,
    /// How it announces itself.
    pub framing: Framing,
    /// The type magic in the file.
    pub magic: Option<u32>,
    /// Byte order of the host that wrote it.
    pub order: ByteOrder,
    file: ImageFile<'a>,
    start: usize,
}

/// One message and what belongs to it, not yet decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Position among the entries, from 0; a head message is number 0.
    pub index: u64,
    /// The encoded message.
    pub body: &'a [u8],
    /// Offset of `body` in the image, in bytes.
    pub offset: u64,
    /// The raw bytes that follow the message and belong to it, directly after `body`.
    pub payload: &'a [u8],
    /// Byte order of the host, for the payload.
    pub order: ByteOrder,
}

/// The entries of an image. An `Err` is the last item: what ended the reading.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    opened: Opened<'a>,
    position: usize,
    index: u64,
    ended: bool,
    pending: Option<Diagnostic>,
}

/// Reads the header of an image. An empty image is `None`: it means the same as a missing one (`format.md §1.4`).
///
/// # Errors
/// The diagnostic that says why it is no image: `unknown-image`, `bad-magic` or `truncated-image`.
pub fn open<'a>(file: &ImageFile<'a>) -> Result<Option<Opened<'a>>, Diagnostic> {
    open_as(file, None)
}

/// [`open`], where a magic that several kinds share means `kind` unless the file name says otherwise.
pub(super) fn open_as<'a>(
    file: &ImageFile<'a>,
    kind: Option<Kind>,
) -> Result<Option<Opened<'a>>, Diagnostic> {
    if file.bytes.is_empty() {
        return Ok(None);
    }
    let named = registry::identify(file.name);
    if let Some((descriptor, key)) = named {
        let framing = match (descriptor.head, descriptor.content) {
            (Head::Plugin, _) => Some(Framing::Plugin),
            (_, Content::Raw(_)) => Some(Framing::Raw),
            _ => None,
        };
        if let Some(framing) = framing {
            let order = file.order;
            return Ok(Some(Opened { descriptor, key, framing, magic: None, order, file: *file, start: 0 }));
        }
    }

    let truncated = |have: usize| {
        let message = format!("the header is cut after {have} bytes");
        Diagnostic::loss("truncated-image", file.name, message).at(have as u64)
    };
    let first = file.bytes.first_chunk::<4>().ok_or_else(|| truncated(file.bytes.len()))?;
    let (first, order) = orient(*first, named.map(|(descriptor, _)| descriptor), file.order);
    let (framing, magic, start) = match first {
        COMMON_MAGIC | SERVICE_MAGIC => {
            let magic = order.word(file.bytes, 4).ok_or_else(|| truncated(file.bytes.len()))?;
            (if first == COMMON_MAGIC { Framing::Common } else { Framing::Service }, magic, 8)
        }
        _ => (Framing::TypeOnly, first, 4),
    };
    let at = start as u64 - 4;
    let (descriptor, key) = match named {
        Some(named) => named,
        None => match kind.map(Kind::descriptor).filter(|descriptor| descriptor.magic == magic) {
            Some(descriptor) => (descriptor, None),
            None => (registry::identify_magic(magic).ok_or_else(|| unknown(file, magic).at(at))?, None),
        },
    };
    if descriptor.magic != magic {
        let found = registry::identify_magic(magic).map_or("no known type", |found| found.name);
        let message = format!("the type is {magic:#010x} ({found}) where {} is expected", descriptor.name);
        return Err(Diagnostic::loss("bad-magic", file.name, message).at(at));
    }
    Ok(Some(Opened { descriptor, key, framing, magic: Some(magic), order, file: *file, start }))
}

fn unknown(file: &ImageFile<'_>, magic: u32) -> Diagnostic {
    Diagnostic::loss(
        "unknown-image",
        file.name,
        format!("neither the name nor the magic {magic:#010x} is that of an image"),
    )
}

/// The first word in the byte order that makes sense of it, else in the one that is given.
fn orient(first: [u8; 4], named: Option<&Descriptor>, order: ByteOrder) -> (u32, ByteOrder) {
    let other = match order {
        ByteOrder::Little => ByteOrder::Big,
        ByteOrder::Big => ByteOrder::Little,
    };
    let words = [order, other].map(|order| (order.u32(first), order));
    let expected = |word: u32| {
        matches!(word, COMMON_MAGIC | SERVICE_MAGIC)
            || named.is_some_and(|descriptor| descriptor.magic == word)
    };
    let found = words.iter().find(|(word, _)| expected(*word));
    let found = found.or_else(|| words.iter().find(|(word, _)| registry::identify_magic(*word).is_some()));
    found.copied().unwrap_or((order.u32(first), order))
}

impl<'a> Opened<'a> {
    /// The bytes after the header.
    #[must_use]
    pub fn content(&self) -> &'a [u8] {
        self.file.bytes.get(self.start..).unwrap_or_default()
    }

    /// Length of the header, in bytes.
    #[must_use]
    pub fn header_length(&self) -> u64 {
        self.start as u64
    }

    /// The entries; none for raw images.
    #[must_use]
    pub fn entries(&self) -> Entries<'a> {
        let ended = matches!(self.descriptor.content, Content::Raw(_));
        Entries { opened: *self, position: self.start, index: 0, ended, pending: None }
    }
}

impl<'a> Entries<'a> {
    fn size(&self) -> Option<(u64, usize)> {
        let bytes = self.opened.file.bytes;
        if self.opened.framing == Framing::Plugin {
            Some((self.opened.order.long(bytes, self.position)?, self.position.checked_add(8)?))
        } else {
            Some((u64::from(self.opened.order.word(bytes, self.position)?), self.position.checked_add(4)?))
        }
    }

    fn loss(&self, code: &'static str, offset: usize, message: String) -> Diagnostic {
        Diagnostic::loss(code, self.opened.file.name, message).at(offset as u64)
    }

    /// What there is to say before the next entry is looked at.
    fn limit(&self, left: usize) -> Option<Diagnostic> {
        if matches!(self.opened.descriptor.content, Content::Single(_)) && self.index == 1 {
            let message = format!("{left} bytes follow the only entry, which is all that is read of it");
            let problem = Diagnostic::loss("trailing-data", self.opened.file.name, message);
            return Some(problem.at(self.position as u64));
        }
        let most = self.opened.file.limits.entries;
        (self.index == most).then(|| {
            let what = format!("{most} entries were read; {left} bytes are left unread");
            reached("too-many-entries", self.opened.file.name, "entries", what).at(self.position as u64)
        })
    }

    fn entry(&mut self) -> Result<Entry<'a>, Diagnostic> {
        let bytes = self.opened.file.bytes;
        let left = bytes.len().saturating_sub(self.position);
        if let Some(limit) = self.limit(left) {
            return Err(limit);
        }
        let Some((size, start)) = self.size() else {
            let message =
                format!("{left} bytes are left where entry {} starts: not even its size", self.index);
            return Err(self.loss("truncated-image", self.position, message));
        };
        let most = self.opened.file.limits.entry_bytes;
        if size > most {
            let what = format!("entry {} claims {size} bytes; at most {most} are read", self.index);
            let problem = reached("oversized-entry", self.opened.file.name, "entry-bytes", what);
            return Err(problem.at(self.position as u64));
        }
        let end = usize::try_from(size).ok().and_then(|size| start.checked_add(size));
        let Some((end, body)) = end.and_then(|end| Some((end, bytes.get(start..end)?))) else {
            let have = bytes.len().saturating_sub(start);
            let message = format!("entry {} has {have} of its {size} bytes", self.index);
            return Err(self.loss("truncated-image", self.position, message));
        };
        let rest = bytes.get(end..).unwrap_or_default();
        let head = self.index == 0 && self.opened.descriptor.head_message().is_some();
        let rule = if head { Payload::None } else { self.opened.descriptor.payload };
        let length = payload::measure(rule, body, rest, self.opened.order).unwrap_or_else(|damage| {
            let Damage { usable, offset, message } = damage;
            let message = format!("entry {}: {message}", self.index);
            self.pending = Some(self.loss("truncated-image", end.saturating_add(offset), message));
            usable
        });
        let entry = Entry {
            index: self.index,
            body,
            offset: start as u64,
            payload: rest.get(..length).unwrap_or_default(),
            order: self.opened.order,
        };
        self.position = end.saturating_add(length);
        self.index += 1;
        Ok(entry)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Diagnostic>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        if let Some(diagnostic) = self.pending.take() {
            self.ended = true;
            return Some(Err(diagnostic));
        }
        if self.position >= self.opened.file.bytes.len() {
            self.ended = true;
            return None;
        }
        let entry = self.entry();
        self.ended = entry.is_err();
        Some(entry)
    }
}
