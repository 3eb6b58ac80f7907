//! Where in an archive the checkpoints are, told by the files that are there (`archives.md §1.11`).

use std::collections::{BTreeMap, BTreeSet};

use crate::archive::{Archive, leads_out};

/// Where the parts of one checkpoint are, as directory paths within the archive ("" is its root).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Directory of the engine's files: `config.dump`, `spec.dump`, …
    pub base: Vec<u8>,
    /// Directory of the CRIU images; none when the archive has no image at all.
    pub images: Option<Vec<u8>>,
    /// A pre-dump: memory only, no processes.
    pub is_pre_dump: bool,
}

#[derive(Default)]
struct Directory {
    has_engine_files: bool,
    has_images: bool,
    has_process_tree: bool,
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (path.get(..slash).unwrap_or_default(), path.get(slash + 1..).unwrap_or_default()),
        None => (b"", path),
    }
}

/// A path below a directory.
pub fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        return name.to_vec();
    }
    [directory, b"/", name].concat()
}

fn is_core_image(name: &[u8]) -> bool {
    name == b"inventory.img"
        || name == b"pstree.img"
        || [b"core-".as_slice(), b"pagemap-", b"mm-"]
            .iter()
            .any(|stem| name.starts_with(stem) && name.ends_with(b".img"))
}

fn survey(archive: &Archive) -> BTreeMap<Vec<u8>, Directory> {
    let mut directories: BTreeMap<Vec<u8>, Directory> = BTreeMap::new();
    for member in archive.members().iter().filter(|member| !leads_out(&member.path)) {
        let (parent, name) = split(&member.path);
        if name == b"config.dump" || name == b"spec.dump" {
            directories.entry(parent.to_vec()).or_default().has_engine_files = true;
        } else if is_core_image(name) {
            let directory = directories.entry(parent.to_vec()).or_default();
            directory.has_images = true;
            directory.has_process_tree |= name == b"pstree.img" || name.starts_with(b"core-");
        }
    }
    directories
}

/// Whether there is anything of a checkpoint.
pub fn find_any(archive: &Archive) -> Option<Vec<u8>> {
    survey(archive).into_keys().next()
}

/// Finds the checkpoints of an archive. Pre-dumps count only when there is no full one.
pub fn find(archive: &Archive) -> Vec<Place> {
    let directories = survey(archive);
    let has_images = |path: &[u8]| directories.get(path).is_some_and(|directory| directory.has_images);
    let mut places = Vec::new();
    let mut taken = BTreeSet::new();
    for (base, _) in directories.iter().filter(|(_, directory)| directory.has_engine_files) {
        let [full, pre, here] = [join(base, b"checkpoint"), join(base, b"pre-checkpoint"), base.clone()];
        let images = [&full, &pre, &here].into_iter().find(|path| has_images(path)).cloned();
        let is_pre_dump = images.as_ref() == Some(&pre);
        taken.extend([full, pre, here]);
        places.push(Place { base: base.clone(), images, is_pre_dump });
    }
    for (path, directory) in &directories {
        if !directory.has_images || taken.contains(path) {
            continue;
        }
        let (parent, name) = split(path);
        let base = if name == b"checkpoint" || name == b"pre-checkpoint" { parent } else { path };
        places.push(Place {
            base: base.to_vec(),
            images: Some(path.clone()),
            is_pre_dump: !directory.has_process_tree,
        });
    }
    if places.iter().any(|place| !place.is_pre_dump) {
        places.retain(|place| !place.is_pre_dump);
    }
    places
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn places(paths: &[&str]) -> Vec<(String, Option<String>, bool)> {
        let archive = Archive::of_files(paths.iter().map(|path| (path.as_bytes().to_vec(), Bytes::new())));
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        find(&archive).into_iter().map(|p| (text(p.base), p.images.map(text), p.is_pre_dump)).collect()
    }

    #[test]
    fn finds_checkpoints_by_their_files() {
        assert_eq!(
            places(&["config.dump", "spec.dump", "checkpoint/pstree.img"]),
            [(String::new(), Some("checkpoint".into()), false)]
        );
        assert_eq!(places(&["inventory.img", "core-1.img"]), [(String::new(), Some(String::new()), false)]);
        assert_eq!(
            places(&["case/config.dump", "case/pre-checkpoint/pagemap-1.img"]),
            [("case".into(), Some("case/pre-checkpoint".into()), true)]
        );
        assert_eq!(
            places(&["dump/pstree.img", "pre-1/inventory.img", "pre-1/pagemap-1.img"]),
            [("dump".into(), Some("dump".into()), false)]
        );
        assert_eq!(places(&["spec.dump", "config.dump"]), [(String::new(), None, false)]);
        assert!(places(&["etc/passwd"]).is_empty());
        assert_eq!(places(&["a/pstree.img", "a/../a/pstree.img"]), places(&["a/pstree.img"]));
        assert!(places(&["../checkpoint/pstree.img"]).is_empty());
    }
}
