//! What can be known to be missing on this machine before a checkpoint is asked for.

use std::{collections::BTreeSet, fs, path::Path};

use crate::kubernetes::preflight::{CRIU_OPTIONS, Check, State};

/// Files that CRIU's options are read from: those of the runtimes, and its own.
const CONFIGURATION: [&str; 3] = ["/etc/criu/runc.conf", "/etc/criu/crun.conf", "/etc/criu/default.conf"];
/// Options that compromised containers need.
const OPTIONS: [&str; 5] = ["tcp-established", "ghost-limit", "link-remap", "ext-unix-sk", "file-locks"];
/// Where programs of the system are.
const PATH: [&str; 5] = ["/usr/sbin", "/usr/bin", "/sbin", "/usr/local/sbin", "/usr/local/bin"];
/// Less than this is no room for any checkpoint, in bytes.
const MIN_FREE: u64 = 64 << 20;

/// Checks what can be seen here. `given` are options that go with the request and need no configuration.
pub fn check(directory: &Path, given: &[&str]) -> Vec<Check> {
    vec![disk(directory), criu(), options(&configured(&CONFIGURATION), given)]
}

fn disk(directory: &Path) -> Check {
    let fix =
        "An archive needs about as much room as the container's memory: name another directory with --dir.";
    match rustix::fs::statvfs(directory) {
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            let state = if free < MIN_FREE { State::Missing } else { State::Ok };
            Check::new("disk", state, format!("{} MiB are free in {}", free >> 20, directory.display()), fix)
        }
        Err(error) => Check::new("disk", State::Unknown, format!("{}: {error}", directory.display()), fix),
    }
}

fn criu() -> Check {
    let found = PATH.iter().map(|directory| Path::new(directory).join("criu")).find(|path| path.is_file());
    match found {
        Some(path) => Check::new("criu", State::Ok, format!("CRIU is {}", path.display()), ""),
        None => Check::new(
            "criu",
            State::Unknown,
            "there is no criu in the usual places; the runtime may find it elsewhere",
            "Install criu 3.16 or later.",
        ),
    }
}

/// Names of the options that these files set.
fn configured(files: &[impl AsRef<Path>]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for text in files.iter().filter_map(|path| fs::read_to_string(path).ok()) {
        let words = text.lines().filter_map(|line| line.split_whitespace().next());
        names.extend(
            words.filter(|word| !word.starts_with('#')).map(|word| word.trim_start_matches('-').to_owned()),
        );
    }
    names
}

fn options(configured: &BTreeSet<String>, given: &[&str]) -> Check {
    let is_set = |option: &&&str| !given.contains(*option) && !configured.contains(**option);
    let absent: Vec<&str> = OPTIONS.iter().filter(is_set).copied().collect();
    if absent.is_empty() {
        return Check::new(
            "criu-options",
            State::Ok,
            "CRIU has the options that compromised containers need",
            "",
        );
    }
    let message = format!(
        "CRIU is not told {}: a container that needs one of these cannot be dumped",
        absent.join(", ")
    );
    Check::new("criu-options", State::Unknown, message, CRIU_OPTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_looked_for_where_criu_reads_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("runc.conf");
        fs::write(&path, "# link-remap\ntcp-established\n  ghost-limit 64M\n--file-locks\n").unwrap();
        let names = configured(&[path, directory.path().join("none")]);
        let check = options(&names, &[]);
        assert_eq!(check.state, State::Unknown);
        assert!(check.message.contains("not told link-remap, ext-unix-sk:"), "{}", check.message);
        assert_eq!(options(&names, &["link-remap", "ext-unix-sk"]).state, State::Ok);
    }

    #[test]
    fn a_directory_that_is_not_there_has_no_known_room() {
        assert_eq!(disk(Path::new("/no/such")).state, State::Unknown);
        assert!(disk(Path::new("/")).message.contains("MiB are free"));
    }
}
