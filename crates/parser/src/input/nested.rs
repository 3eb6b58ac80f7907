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
    let plain = match decompress(member.bytes().clone(), &name, options, diagnostics) {
        Ok(plain) => plain,
        Err(error) => {
            diagnostics.push(Diagnostic::loss("unreadable-archive", name, error.to_string()));
            return None;
        }
    };
    let bytes = plain.stored.bytes.clone();
    let is_end = || !bytes.is_empty() && bytes.iter().all(|byte| *byte == 0);
    let found = plain.index_one(&name, options).or_else(|| is_end().then(Archive::default));
    let Some(mut archive) = found else {
        let what = if bytes.is_empty() { "it is empty" } else { "it is no tar" };
        diagnostics.push(Diagnostic::loss("unreadable-archive", name, what));
        return None;
    };
    diagnostics.append(&mut archive.diagnostics);
    Some(archive)
}
