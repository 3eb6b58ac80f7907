//! Runs the examples over a checkpoint that the test kit writes.

use std::{error::Error, io::Write, path::Path};

use ckptfx_testkit::{Container, PodmanVersion};

#[path = "../examples/detection.rs"]
mod detection;
#[path = "../examples/format.rs"]
mod format;
#[path = "../examples/processes.rs"]
mod processes;
#[path = "../examples/search.rs"]
mod search;

type Run = dyn Fn(&Path, &mut dyn Write) -> Result<(), Box<dyn Error>>;

#[allow(clippy::expect_used, reason = "a test may panic")]
fn written(run: &Run) -> String {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), Container::sample().podman(PodmanVersion::V5).to_tar()).expect("written");
    let mut out = Vec::new();
    run(file.path(), &mut out).expect("it runs");
    String::from_utf8(out).expect("text")
}

#[test]
fn processes_are_listed() {
    assert_eq!(written(&processes::run), "       1 sh\n       7 worker\n");
}

#[test]
fn memory_is_searched() {
    let text = written(&|path, out| search::run(path, "worker memory", out));
    assert!(text.contains("7 0x7f0000020000 checkpoint/pages-"), "{text}");
}

#[test]
fn a_detection_of_ones_own_finds() {
    let text = written(&detection::run);
    assert!(text.contains("low OWN-LISTENS: process 7 takes connections on port 8080"), "{text}");
}

#[test]
fn a_format_of_ones_own_writes() {
    let text = written(&format::run);
    assert!(text.starts_with("score\tid\tpid\ttitle\n"), "{text}");
}
