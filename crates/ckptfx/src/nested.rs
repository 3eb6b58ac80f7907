//! Tars inside the archive.

use ckptfx_parser::{
    archive::{Archive, Member},
    input::{OpenOptions, open_nested},
};

use crate::Diagnostic;

/// How tars inside the archive are opened.
#[derive(Clone, Copy)]
pub(crate) struct Nested<'e>(pub &'e OpenOptions<'static>);

impl Nested<'_> {
    pub(crate) fn open(self, member: &Member, diagnostics: &mut Vec<Diagnostic>) -> Option<Archive> {
        open_nested(member, self.0, diagnostics)
    }
}

impl std::fmt::Debug for Nested<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Nested")
    }
}
