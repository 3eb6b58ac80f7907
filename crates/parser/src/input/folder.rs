//! What lies in a directory: checkpoints in the open, and files and directories that may be evidence of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    layout,
    look::{Look, look},
    pod::is_pod,
};
use crate::{
    Error, Limits, Result, Severity,
    archive::{Archive, Member, MemberKind, index_directory, join, split},
};

/// What lies in a directory; all paths are below it.
#[derive(Debug, Default)]
pub struct Survey {
    /// Whether it is evidence itself: checkpoints lie in it in the open, or it is an image, or a stream of images.
    pub is_evidence: bool,
    /// Files that are evidence by their first bytes, and directories that are images or streams, in order of path.
    pub candidates: Vec<PathBuf>,
    /// What may be evidence and cannot be read, and why.
    pub unreadable: Vec<(PathBuf, String)>,
    /// Files that are no evidence and belong to none.
    pub others: Vec<PathBuf>,
}

/// Looks through a directory and all below it, which opens only files that do not belong to a checkpoint in the open.
///
/// # Errors
/// When the directory itself cannot be listed.
pub fn survey(root: &Path, limits: &Limits) -> Result<Survey> {
    let archive =
        index_directory(root, limits).map_err(|source| Error::Read { path: root.to_path_buf(), source })?;
    let owners = Owners::of(&archive);
    let mut found = Survey { is_evidence: owners.is_evidence(), ..Survey::default() };
    let lost = archive.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Loss);
    found.unreadable = lost.map(|lost| (PathBuf::from(&lost.subject), lost.message.clone())).collect();
    // Streams, by the directory they are in: several are shards of one.
    let mut streams: BTreeMap<&[u8], Vec<PathBuf>> = BTreeMap::new();
    for member in archive.members() {
        if member.kind == MemberKind::Directory || owners.own(&member.path) {
            continue;
        }
        let below = PathBuf::from(OsStr::from_bytes(&member.path));
        let path = root.join(&below);
        let is_link = matches!(member.kind, MemberKind::Symlink(_));
        // A link to a directory could lead in a circle, or away from what was named. To open a device may do something.
        let leads_to_other = is_link && fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file());
        if leads_to_other || matches!(member.kind, MemberKind::Other(_)) {
            found.others.push(below);
            continue;
        }
        match look(&path) {
            Look::Archive => found.candidates.push(below),
            Look::Stream => streams.entry(split(&member.path).0).or_default().push(below),
            Look::Unreadable(why) => found.unreadable.push((below, why)),
            Look::Nothing if owners.are_beside(&member.path) => {}
            Look::Nothing => found.others.push(below),
        }
    }
    for (directory, shards) in streams {
        match (directory, shards.len()) {
            (_, 1) => found.candidates.extend(shards),
            (b"", _) if !found.is_evidence => found.is_evidence = true,
            (b"", _) => found.candidates.extend(shards),
            _ => found.candidates.push(PathBuf::from(OsStr::from_bytes(directory))),
        }
    }
    let images = owners.images.iter().filter(|directory| !directory.is_empty());
    found.candidates.extend(images.map(|directory| PathBuf::from(OsStr::from_bytes(directory))));
    found.candidates.sort();
    found.unreadable.sort();
    found.others.sort();
    Ok(found)
}

/// What the files of a directory belong to.
struct Owners {
    /// Directories with images or engine's files.
    checkpoints: BTreeMap<Vec<u8>, layout::Directory>,
    /// Directories that are OCI layouts or unpacked Docker archives.
    images: BTreeSet<Vec<u8>>,
    /// What Docker archives consist of.
    docker: BTreeSet<Vec<u8>>,
    is_pod: bool,
    has_place: bool,
}

/// What engines and runtimes write beside the images.
const ENGINE_FILES: [&[u8]; 16] = [
    b"config.dump",
    b"spec.dump",
    b"status",
    b"status.dump",
    b"network.status",
    b"bind.mounts",
    b"rootfs-diff.tar",
    b"deleted.files",
    b"devshm-checkpoint.tar",
    b"dump.log",
    b"container.log",
    b"ctr.log",
    b"io.kubernetes.cri-o.LogPath",
    b"stats-dump",
    b"descriptors.json",
    b"parent",
];

impl Owners {
    fn of(archive: &Archive) -> Self {
        let (mut images, mut docker) = (BTreeSet::new(), BTreeSet::new());
        for member in archive.members() {
            let (directory, name) = split(&member.path);
            let has = |name: &[u8]| archive.find(&join(directory, name)).is_some();
            if name == b"index.json" && has(b"oci-layout") {
                images.insert(directory.to_vec());
            } else if name == b"manifest.json" && !has(b"spec.dump") {
                let parts = docker_parts(member, &archive.limits);
                if !parts.is_empty() {
                    images.insert(directory.to_vec());
                    docker.extend(parts.iter().map(|part| join(directory, part.as_bytes())));
                    docker.insert(member.path.clone());
                }
            }
        }
        Self {
            checkpoints: layout::survey(archive),
            images,
            docker,
            is_pod: is_pod(archive),
            has_place: !layout::find(archive).is_empty(),
        }
    }

    fn is_evidence(&self) -> bool {
        self.has_place || self.is_pod || self.images.contains(b"".as_slice())
    }

    /// Whether a file belongs to a checkpoint in the open, or to an image.
    fn own(&self, path: &[u8]) -> bool {
        let (directory, name) = split(path);
        let has_images = |directory: &[u8]| self.checkpoints.get(directory).is_some_and(|one| one.has_images);
        if has_images(directory) && (name.ends_with(b".img") || ENGINE_FILES.contains(&name)) {
            return true;
        }
        if self.docker.contains(path) || self.is_pod && path.ends_with(b".tar") {
            return true;
        }
        let is_base = |directory: &[u8]| {
            self.checkpoints.get(directory).is_some_and(|one| one.has_engine_files)
                || [b"checkpoint".as_slice(), b"pre-checkpoint"]
                    .iter()
                    .any(|name| has_images(&join(directory, name)))
        };
        if ENGINE_FILES.contains(&name) && is_base(directory) {
            return true;
        }
        let mut parts = ancestors(path);
        parts.any(|(above, next)| {
            next == b"volumes" && is_base(above) || next == b"blobs" && self.images.contains(above)
        }) || (name == b"index.json" || name == b"oci-layout") && self.images.contains(directory)
    }

    /// Whether a file lies in a directory, or below one, that is evidence.
    fn are_beside(&self, path: &[u8]) -> bool {
        ancestors(path).any(|(above, _)| self.checkpoints.contains_key(above) || self.images.contains(above))
    }
}

/// The directories above a path, each with the name in it that the path goes on with.
fn ancestors(path: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = path;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (above, name) = split(rest);
        rest = above;
        Some((above, name))
    })
}

/// The paths that the manifest of an unpacked Docker archive names; none when it is no such manifest.
fn docker_parts(manifest: &Member, limits: &Limits) -> Vec<String> {
    if manifest.size > limits.metadata_bytes {
        return Vec::new();
    }
    let Ok(Value::Array(images)) = serde_json::from_slice::<Value>(manifest.bytes()) else {
        return Vec::new();
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let of_image = |image: &Value| -> Option<Vec<String>> {
        let layers = image.get("Layers")?.as_array()?.iter().filter_map(text);
        Some(layers.chain(image.get("Config").and_then(text)).collect())
    };
    images.iter().filter_map(of_image).flatten().collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn parts_of_a_checkpoint_are_no_evidence_of_their_own() {
        let files = [
            "config.dump",
            "checkpoint/pstree.img",
            "rootfs-diff.tar",
            "volumes/data.tar",
            "checkpoint/tmpfs-dev-60.tar.gz.img",
            "other.tar",
            "deep/volumes/data.tar",
            "image/index.json",
            "image/oci-layout",
            "image/blobs/sha256/00",
            "image/own.tar",
        ];
        let archive = Archive::of_files(files.map(|path| (path.as_bytes().to_vec(), Bytes::new())));
        let owners = Owners::of(&archive);
        let free: Vec<&str> = files.into_iter().filter(|path| !owners.own(path.as_bytes())).collect();
        assert_eq!(free, ["other.tar", "deep/volumes/data.tar", "image/own.tar"]);
        assert!(owners.is_evidence() && owners.are_beside(b"notes.txt"));
    }
}
