//! Pods: an archive with an archive for each container.

use std::sync::Arc;

use super::{
    decompress::decompress,
    found::{Archives, Found},
    kind::{Kind, Subject},
    options::OpenOptions,
};
use crate::{
    Diagnostic, Result,
    archive::{Archive, MemberKind},
    limits::{count, reached},
    text,
};

pub(super) const KIND: Kind = Kind {
    of_directory: "directory",
    of_file: "tar",
    detect: |subject| subject.archive().is_some_and(is_pod),
    open,
    images: None,
};

/// Whether an archive is that of a pod.
pub(super) fn is_pod(archive: &Archive) -> bool {
    archive.find(b"pod.dump").is_some() || archive.find(b"pod.options").is_some()
}

/// CRI-O 1.25 and 1.26 wrote one complete archive per container of a pod (archives.md §1.3).
fn open(
    subject: &Subject,
    name: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Option<Archives>> {
    let mut archives = Archives::new();
    let Some(archive) = subject.archive() else { return Ok(None) };
    let mut nested = archive
        .members()
        .iter()
        .filter(|member| member.kind == MemberKind::File && member.path.ends_with(b".tar"));
    for member in nested.by_ref().take(count(options.limits.archives)) {
        let plain = decompress(member.extent(), &member.name(), options, diagnostics)?;
        let label = text::escape_invalid(member.path.strip_suffix(b".tar").unwrap_or(&member.path));
        let archive = plain.index_one(&member.name(), options)?.unwrap_or_else(|| {
            let mut none = Archive::default();
            none.diagnostics.push(Diagnostic::loss("unreadable-archive", member.name(), "it is no tar"));
            none
        });
        archives.push(Found { label: Some(label.into_owned()), index: None, archive: Arc::new(archive) });
    }
    let more = nested.count();
    if more > 0 {
        let what = format!("{more} archives of the pod are not read");
        diagnostics.push(reached("too-many-members", name, "archives", what));
    }
    Ok(Some(archives))
}
