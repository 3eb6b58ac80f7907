//! Following the headers of a tar while it comes, to know what its bytes are part of.

use std::{collections::VecDeque, ops::Range};

use tar::{EntryType, Header};

use super::{
    header::{BLOCK, checksum_holds, is_file},
    path::normalise,
    pax::{self, Extensions},
};
use crate::{Limits, limits::count};

/// The part of a block, which begins at `start`, that lies in a range.
pub(super) fn part_of<'b>(block: &'b [u8], start: u64, range: &Range<u64>) -> Option<&'b [u8]> {
    let within = |position: u64| count(position.saturating_sub(start)).min(block.len());
    let part = block.get(within(range.start)..within(range.end))?;
    (!part.is_empty()).then_some(part)
}

/// Whose contents a walk tells.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bodies {
    /// Those of pages images.
    Pages,
    /// Those of all files.
    AllFiles,
}

/// Follows the headers of a tar that comes in blocks.
pub(super) struct Walk {
    bodies: Bodies,
    state: State,
    extensions: Extensions,
    longest_header: u64,
    pieces: usize,
}

enum State {
    /// Within a header.
    Header(Vec<u8>),
    /// Within an extension header; content and padding that are still to come.
    Extension { kind: EntryType, content: Vec<u8>, rest: u64, padding: u64 },
    /// So many bytes before the next header.
    Content(u64),
    /// At the end, or where it is not understood.
    Over,
}

impl Walk {
    pub fn new(bodies: Bodies, limits: &Limits) -> Self {
        Self {
            bodies,
            state: State::Header(Vec::new()),
            extensions: Extensions::default(),
            longest_header: limits.header_bytes,
            pieces: count(limits.sparse_pieces),
        }
    }

    /// Takes the next bytes, which begin at `position`, and adds the contents of files whose headers end in them.
    pub fn advance(&mut self, block: &[u8], position: u64, bodies: &mut VecDeque<Range<u64>>) {
        let end = position + block.len() as u64;
        let mut rest = block;
        let mut take = |most: u64| {
            let (taken, after) = rest.split_at(count(most).min(rest.len()));
            rest = after;
            (taken, end - after.len() as u64)
        };
        loop {
            match &mut self.state {
                State::Header(header) => {
                    let (taken, next) = take((BLOCK - header.len()) as u64);
                    header.extend_from_slice(taken);
                    if header.len() < BLOCK {
                        return;
                    }
                    let header = Header::from_byte_slice(header).clone();
                    self.state = self.after(&header, next, bodies).unwrap_or(State::Over);
                }
                State::Extension { kind, content, rest, padding } => {
                    let (taken, _) = take(*rest);
                    content.extend_from_slice(taken);
                    *rest -= taken.len() as u64;
                    if *rest > 0 {
                        return;
                    }
                    match *kind {
                        EntryType::GNULongName => {
                            let name = content.split(|byte| *byte == 0).next().unwrap_or_default();
                            self.extensions.path = Some(name.to_vec());
                        }
                        EntryType::XHeader => pax::read(content, self.pieces, &mut self.extensions),
                        _ => {}
                    }
                    self.state = State::Content(*padding);
                }
                State::Content(rest) => {
                    let (taken, _) = take(*rest);
                    *rest -= taken.len() as u64;
                    if *rest > 0 {
                        return;
                    }
                    self.state = State::Header(Vec::with_capacity(BLOCK));
                }
                State::Over => return,
            }
        }
    }

    /// Steps over bytes that are content, or zeros behind the end.
    pub fn pass(&mut self, count: u64) {
        self.state = match self.state {
            State::Content(rest) if count <= rest => State::Content(rest - count),
            _ => State::Over,
        };
    }

    /// What follows a header whose content is at `start`; nothing when it is not understood.
    fn after(&mut self, header: &Header, start: u64, bodies: &mut VecDeque<Range<u64>>) -> Option<State> {
        let kind = header.entry_type();
        if header.as_bytes().iter().all(|byte| *byte == 0) || !checksum_holds(header) {
            return None;
        }
        let stated = header.entry_size().ok();
        let padding = |size: u64| Some(size.checked_next_multiple_of(BLOCK as u64)? - size);
        match kind {
            EntryType::XHeader
            | EntryType::XGlobalHeader
            | EntryType::GNULongName
            | EntryType::GNULongLink => {
                let rest = stated.filter(|size| *size <= self.longest_header)?;
                return Some(State::Extension { kind, content: Vec::new(), rest, padding: padding(rest)? });
            }
            EntryType::GNUSparse => return None,
            _ => {}
        }
        let extensions = std::mem::take(&mut self.extensions);
        if !is_file(kind) {
            return Some(State::Content(0));
        }
        let size = extensions.size.or(stated)?;
        let path = normalise(extensions.path.as_deref().unwrap_or(&header.path_bytes()));
        if extensions.sparse.is_none() && (self.bodies == Bodies::AllFiles || is_pages_image(&path)) {
            bodies.push_back(start..start.checked_add(size)?);
        }
        size.checked_add(padding(size)?).map(State::Content)
    }
}

/// Whether a path is that of a file of pages.
pub(super) fn is_pages_image(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let number = name.strip_prefix(b"pages-").and_then(|rest| rest.strip_suffix(b".img"));
    number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}
