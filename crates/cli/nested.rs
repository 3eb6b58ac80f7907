//! Tars inside the archive, opened as the command line says.

use ckptfx_parser::{
    Diagnostic,
    archive::{Archive, Member},
    input::open_nested,
};

use crate::{args::Common, progress::Bars};

/// Opens a tar that is a member.
pub fn open_member(
    member: &Member,
    common: &Common,
    bars: &Bars,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Archive> {
    open_nested(member, &common.options(None, bars), diagnostics)
}
