//! Running the program, and evidence to run it on.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use ckptfx_testkit::{Kind, Member, Members};
use serde_json::Value;
use tempfile::TempDir;

/// Every real archive, by its name in `fixtures/`.
pub const ARCHIVES: [&str; 12] = [
    "shop-podman",
    "shop-crio",
    "shop-containerd",
    "webserver-podman",
    "webserver-podman-as-written",
    "webserver-crio",
    "webserver-containerd",
    "scenarios/inject",
    "scenarios/cow",
    "scenarios/bash",
    "scenarios/webshell",
    "scenarios/log",
];

/// Those with a truth file.
pub const WITH_TRUTH: [&str; 8] = [
    "shop-podman",
    "shop-crio",
    "shop-containerd",
    "scenarios/inject",
    "scenarios/cow",
    "scenarios/bash",
    "scenarios/webshell",
    "scenarios/log",
];

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(format!("{name}.tar.zst"))
}

/// A real archive for one test, which no page shows.
pub fn field(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/field").join(format!("{name}.tar.zst"))
}

/// The tar that the engine wrote.
pub fn plain(name: &str) -> Vec<u8> {
    zstd::stream::decode_all(fs::File::open(fixture(name)).expect(name)).expect(name)
}

pub fn truth(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(format!("{name}.truth.json"));
    serde_json::from_slice(&fs::read(path).expect(name)).expect(name)
}

/// A tar as the test kit's members, to be written in another form.
pub fn members(tar: &[u8]) -> Members {
    let mut out = Members::new();
    for entry in tar::Archive::new(tar).entries().expect("tar") {
        let mut entry = entry.expect("entry");
        let path = entry.path_bytes().into_owned();
        let mode = entry.header().mode().expect("mode");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("content");
        let mut member = match entry.header().entry_type() {
            tar::EntryType::Directory => Member::directory(path, mode),
            tar::EntryType::Symlink => {
                Member::special(path, Kind::Symlink(entry.link_name_bytes().expect("target").into_owned()))
            }
            _ => Member::file(path, mode, bytes),
        };
        member.mtime = entry.header().mtime().expect("time");
        out.push(member);
    }
    out
}

/// How the program ended, and what it said.
#[derive(Debug)]
pub struct Ended {
    /// Exit status; none when a signal ended it.
    pub status: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ended {
    #[track_caller]
    pub fn status(self, expected: i32) -> Self {
        assert_eq!(self.status, Some(expected), "standard error: {}", self.stderr);
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.text(), self.stderr))
    }

    /// One record a line.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    #[track_caller]
    pub fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("UTF-8 on standard output")
    }
}

/// Where the program is.
pub fn program() -> OsString {
    std::env::var_os("CKPTFX_TEST_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_ckptfx").into())
}

/// The program, with nothing of the caller's environment that it looks at.
pub fn command() -> Command {
    let mut command = Command::new(program());
    command.env_remove("NO_COLOR").env_remove("CLICOLOR").env_remove("CLICOLOR_FORCE");
    command
}

/// Runs `ckptfx`.
pub fn ckptfx<T: AsRef<OsStr>>(arguments: impl IntoIterator<Item = T>) -> Ended {
    finish(command().args(arguments), b"")
}

/// Runs it on an archive: words separated by spaces, then the path.
pub fn on(words: &str, path: impl AsRef<OsStr>) -> Ended {
    let mut arguments: Vec<OsString> = words.split_whitespace().map(Into::into).collect();
    arguments.push(path.as_ref().to_owned());
    ckptfx(arguments)
}

/// Longest that the program may work on a small file; it is a hundred times what a slow machine needs.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs a command with bytes on its standard input.
pub fn finish(command: &mut Command, input: &[u8]) -> Ended {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    let mut stdout = child.stdout.take().expect("piped");
    let mut stderr = child.stderr.take().expect("piped");
    let (sender, receiver) = mpsc::channel();
    let (output, errors) = std::thread::scope(|scope| {
        // It may end before it has read everything.
        scope.spawn(move || stdin.write_all(input).is_ok());
        let errors = scope.spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).map(|_| text)
        });
        scope.spawn(move || {
            let mut bytes = Vec::new();
            let read = stdout.read_to_end(&mut bytes).map(|_| bytes);
            sender.send(read).is_ok()
        });
        let output = receiver.recv_timeout(LIMIT);
        if output.is_err() {
            child.kill().expect("the program can be stopped");
        }
        (output, errors.join().expect("joined"))
    });
    let status = child.wait().expect("the program ends");
    Ended {
        status: status.code(),
        stdout: output.expect("the program takes too long").expect("readable"),
        stderr: errors.expect("UTF-8 on standard error"),
    }
}

/// A temporary directory with files in it.
pub struct Scratch(pub TempDir);

impl Scratch {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("written");
        path
    }
}

/// Runs it on bytes: words, then the path of a file that holds them.
pub fn on_bytes(words: &str, bytes: impl AsRef<[u8]>) -> Ended {
    let scratch = Scratch::new();
    on(words, scratch.put("archive.tar", bytes))
}

/// What `ps` says of the processes, with their environment.
#[track_caller]
pub fn processes(document: &Value) -> &Vec<Value> {
    document["processes"].as_array().expect("processes")
}

/// Processes by pid.
#[track_caller]
pub fn by_pid(document: &Value) -> BTreeMap<u64, &Value> {
    processes(document).iter().map(|process| (process["pid"].as_u64().expect("pid"), process)).collect()
}

/// `code` of each warning that says something is missing, or of those that do not.
#[track_caller]
pub fn codes(document: &Value, partial: bool) -> Vec<&str> {
    let warnings = document["warnings"].as_array().expect("warnings");
    let mut codes: Vec<&str> = warnings
        .iter()
        .filter(|warning| warning["partial"] == partial)
        .map(|warning| warning["code"].as_str().expect("code"))
        .collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// A number written as `0x…`.
#[track_caller]
pub fn address(value: &Value) -> u64 {
    let text = value.as_str().expect("an address").strip_prefix("0x").expect("0x");
    u64::from_str_radix(text, 16).expect("hexadecimal")
}
