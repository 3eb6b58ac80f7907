//! Where in an archive the checkpoints are, told by the files that are there (`archives.md §1.11`).

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    archive::{Archive, join, leads_out, split},
    text,
};

/// Where the parts of one checkpoint are, as directory paths within the archive ("" is its root).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Directory of the engine's files: `config.dump`, `spec.dump`, …
    pub base: Vec<u8>,
    /// Directory of the CRIU images; none when the archive has no image at all.
    pub images: Option<Vec<u8>>,
    /// A pre-dump: memory only, no processes.
    pub is_pre_dump: bool,
    /// What CRIU's log says of a dump that did not come to its end.
    pub failure: Option<String>,
}

/// What of a checkpoint a directory has.
#[derive(Default)]
pub struct Directory {
    pub has_engine_files: bool,
    pub has_images: bool,
    has_processes: bool,
}

fn is_one_of(name: &[u8], whole: &[&[u8]], stems: &[&[u8]]) -> bool {
    whole.contains(&name) || name.ends_with(b".img") && stems.iter().any(|stem| name.starts_with(stem))
}

/// All that a pre-dump has of images (`format.md §1.4`).
fn is_memory_image(name: &[u8]) -> bool {
    is_one_of(name, &[b"inventory.img"], &[b"pagemap-", b"pages-"])
}

/// What only a dump of processes has. It is written as the dump goes on, so that one which failed may have any of it.
fn is_process_image(name: &[u8]) -> bool {
    let whole: [&[u8]; 4] = [b"pstree.img", b"files.img", b"reg-files.img", b"seccomp.img"];
    is_one_of(name, &whole, &[b"core-", b"mm-", b"ids-", b"fs-", b"fdinfo-"])
}

/// The directories that have anything of a checkpoint.
pub fn survey(archive: &Archive) -> BTreeMap<Vec<u8>, Directory> {
    let mut directories: BTreeMap<Vec<u8>, Directory> = BTreeMap::new();
    for member in archive.members().iter().filter(|member| !leads_out(&member.path)) {
        let (parent, name) = split(&member.path);
        if name == b"config.dump" || name == b"spec.dump" {
            directories.entry(parent.to_vec()).or_default().has_engine_files = true;
        } else if is_memory_image(name) || is_process_image(name) {
            let directory = directories.entry(parent.to_vec()).or_default();
            directory.has_images = true;
            directory.has_processes |= is_process_image(name);
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
        let failure = failure(archive, base, images.as_deref());
        let is_pre_dump = images.as_ref() == Some(&pre) && failure.is_none();
        taken.extend([full, pre, here]);
        places.push(Place { base: base.clone(), images, is_pre_dump, failure });
    }
    for (path, directory) in &directories {
        if !directory.has_images || taken.contains(path) {
            continue;
        }
        let (parent, name) = split(path);
        let base = if name == b"checkpoint" || name == b"pre-checkpoint" { parent } else { path };
        let failure = failure(archive, base, Some(path));
        places.push(Place {
            base: base.to_vec(),
            images: Some(path.clone()),
            is_pre_dump: !directory.has_processes && failure.is_none(),
            failure,
        });
    }
    if places.iter().any(|place| !place.is_pre_dump) {
        places.retain(|place| !place.is_pre_dump);
    }
    places
}

/// The end of a log that is looked at, in bytes.
const LOG_END: usize = 1 << 20;
/// Longest line of a log that is told, in bytes.
const LOG_LINE: usize = 300;

/// Why a dump did not come to its end, if its log says so: the last error. Without an inventory, which is written last,
/// a log that ends in the middle says it too.
fn failure(archive: &Archive, base: &[u8], images: Option<&[u8]>) -> Option<String> {
    let images = images.unwrap_or(base);
    let log = [base, images].iter().find_map(|directory| archive.file(&join(directory, b"dump.log")))?;
    let end = log.get(log.len().saturating_sub(LOG_END)..).unwrap_or_default();
    let mut lines = end.split(|byte| *byte == b'\n').map(message).filter(|line| !line.is_empty()).rev();
    let is_verdict = |line: &[u8]| line.ends_with(b"umping FAILED.");
    let last = lines.next()?;
    let has_inventory = archive.find(&join(images, b"inventory.img")).is_some();
    if !is_verdict(last) && (has_inventory || last.ends_with(b"finished successfully")) {
        return None;
    }
    let is_error = |line: &&[u8]| line.starts_with(b"Error ") && !is_verdict(line);
    let cause = Some(last).filter(is_error).or_else(|| lines.find(is_error));
    let shown = |line: &[u8]| {
        text::escape_invalid(line.get(..line.len().min(LOG_LINE)).unwrap_or_default()).into_owned()
    };
    Some(match cause {
        Some(cause) => shown(cause),
        None if is_verdict(last) => shown(last),
        None => format!("its log ends with \"{}\"", shown(last)),
    })
}

/// A line of CRIU's log without its time.
fn message(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii();
    let Some(end) = line.strip_prefix(b"(").and_then(|rest| rest.iter().position(|byte| *byte == b')'))
    else {
        return line;
    };
    let (time, rest) = (line.get(1..=end).unwrap_or_default(), line.get(end + 2..).unwrap_or_default());
    let is_time = time.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    if is_time { rest.trim_ascii_start() } else { line }
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
        // A failed dump may have any of the images but the last ones.
        for images in
            [["pagemap-1.img", "mm-1.img"], ["fdinfo-2.img", "files.img"], ["ids-1.img", "pages-1.img"]]
        {
            assert_eq!(places(&images), [(String::new(), Some(String::new()), false)]);
        }
    }

    fn failures(log: &str, others: &[&str]) -> Vec<(bool, Option<String>)> {
        let log = (b"d/dump.log".to_vec(), Bytes::from(log.to_owned()));
        let files = others.iter().map(|path| (path.as_bytes().to_vec(), Bytes::from_static(b"x")));
        let archive = Archive::of_files(files.chain([log]));
        find(&archive).into_iter().map(|place| (place.is_pre_dump, place.failure)).collect()
    }

    #[test]
    fn a_dump_that_failed_is_told_by_its_log() {
        let memory = ["d/pagemap-1.img", "d/pages-1.img"];
        let log = "(00.1) fine\n(00.2) Error (criu/tun.c:1): No way\n\
                   (00.3) Error (criu/cr-dump.c:1): Dumping FAILED.\n";
        let failed = Some("Error (criu/tun.c:1): No way".to_owned());
        assert_eq!(failures(log, &memory), [(false, failed.clone())]);
        assert_eq!(failures(log, &["d/checkpoint/mm-1.img", "d/spec.dump"]), [(false, failed)]);
        // An old pre-dump has no inventory either.
        assert_eq!(failures("(00.3) Pre-dumping finished successfully\n", &memory), [(true, None)]);
        let killed = Some("its log ends with \"fine\"".to_owned());
        assert_eq!(failures("(00.1) fine\n", &memory), [(false, killed)]);
        assert_eq!(failures("(00.1) fine\n", &["d/inventory.img", "d/core-1.img"]), [(false, None)]);
        assert_eq!(failures("", &memory), [(true, None)]);
        let bare = "(00.3) Error (criu/cr-dump.c:1): Pre-dumping FAILED.";
        assert_eq!(
            failures(bare, &memory),
            [(false, Some("Error (criu/cr-dump.c:1): Pre-dumping FAILED.".to_owned()))]
        );
    }
}
