//! Pieces of an address space: where bytes are, and why they are not.

use ckptfx_parser::memory::{AddressSpace, Captured, Content, PageRun, Run, Vma};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Text, search::kind_name};

/// A piece of an address space: what `-o json` lists.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Piece {
    /// First address.
    pub start: String,
    /// First address after it.
    pub end: String,
    /// `captured`, `zero`, or why there are no bytes.
    pub content: &'static str,
    /// Where the bytes that the same options write have it; null when they leave it out.
    pub file_offset: Option<u64>,
    /// Index of the mapping, for `--vma`.
    pub vma: Option<usize>,
    /// Its permissions, as in `/proc/PID/maps`.
    pub perms: Option<String>,
    /// Its name, empty for none.
    pub path: Option<Text>,
    /// What backs it.
    pub kind: Option<&'static str>,
    /// Member of the archive that holds captured bytes.
    pub member: Option<String>,
    /// Their offset in the member.
    pub member_offset: Option<u64>,
}

impl Piece {
    /// A run of an address space; `file_offset` is where a file has its bytes.
    pub fn new(run: &Run<'_>, space: &AddressSpace<'_>, file_offset: Option<u64>) -> Self {
        let vma = space.vmas.iter().position(|vma| vma.contains(run.start));
        let facts = vma.and_then(|index| space.vmas.get(index));
        let captured = match run.content {
            Ok(Captured::Page(PageRun { content: Content::Captured { member, offset, .. }, .. })) => {
                Some((member, offset))
            }
            Ok(Captured::Page(PageRun { content: Content::Packed { member, .. }, .. })) => {
                Some((member, None))
            }
            _ => None,
        };
        Self {
            start: format!("{:#x}", run.start),
            end: format!("{:#x}", run.start.saturating_add(run.length)),
            content: match run.content {
                Ok(Captured::Page(_)) => "captured",
                Ok(Captured::Zero) => "zero",
                Err(reason) => reason.name(),
            },
            file_offset,
            vma,
            perms: facts.map(Vma::permissions),
            path: facts.map(|vma| Text(vma.name.clone())),
            kind: facts.map(|vma| kind_name(vma.kind)),
            member: captured.map(|(member, _)| member.name().into_owned()),
            member_offset: captured.and_then(|(_, offset)| offset),
        }
    }
}
