//! Archives inside the evidence: `rootfs-diff.tar`, volumes, tmpfs contents.

use super::{decompress::decompress, options::OpenOptions};
use crate::{
    Diagnostic,
    archive::{Archive, Member},
};

/// Opens a tar that is a member of the evidence, compressed or not: the content decides, not the name.
/// Nothing is given of a member that is no tar; why is reported.
pub fn open_nested(
    member: &Member,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Archive> {
    let name = member.name().into_owned();
    let opened = decompress(member.extent(), &name, options, diagnostics).and_then(|plain| {
        let bytes = plain.bytes.clone();
        Ok((plain.index_one(&name, options)?, bytes))
    });
    let (found, bytes) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            diagnostics.push(Diagnostic::loss("unreadable-archive", name, error.to_string()));
            return None;
        }
    };
    let is_zero =
        || bytes.view().tiles().all(|tile| tile.is_ok_and(|tile| tile.iter().all(|byte| *byte == 0)));
    let is_end = || !bytes.is_empty() && is_zero();
    let found = found.or_else(|| is_end().then(Archive::default));
    let Some(mut archive) = found else {
        let what = if bytes.is_empty() { "it is empty" } else { "it is no tar" };
        diagnostics.push(Diagnostic::loss("unreadable-archive", name, what));
        return None;
    };
    diagnostics.append(&mut archive.diagnostics);
    Some(archive)
}
