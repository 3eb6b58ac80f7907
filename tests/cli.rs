//! The command line: usage, formats, files, and text from the evidence on its way out.

use std::{fs, os::unix::fs::PermissionsExt as _};

use ckptfx_testkit::{Checkpoint, Container, File, PodmanVersion, Process, Vma};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::support::{Scratch, ckptfx, command, finish, fixture, on, on_bytes};

#[test]
#[cfg(feature = "capture")]
fn help() {
    insta::assert_snapshot!("help-short", ckptfx(["-h"]).status(0).text());
    insta::assert_snapshot!("help-long", ckptfx(["--help"]).status(0).text());
    for name in ["info", "ps", "grep-mem", "dump", "decode", "list", "generate"] {
        let help = ckptfx([name, "--help"]).status(0).text();
        assert!(help.contains("Usage: ckptfx") && help.contains(name), "{name}");
    }
    insta::assert_snapshot!("help-grep-mem", ckptfx(["grep-mem", "--help"]).status(0).text());
    let version = ckptfx(["--version"]).status(0).text();
    assert_eq!(version, format!("ckptfx {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn usage_errors() {
    let shop = fixture("shop-podman");
    let shop = shop.to_str().expect("a plain path");
    for words in [
        vec![],
        vec!["frobnicate"],
        vec!["ps"],
        vec!["info"],
        vec!["grep-mem", "x"],
        vec!["dump", shop],
        vec!["dump", "--pid", "1", "--range", "9-1", shop],
        vec!["dump", "--pid", "1", "--range", "0-5", "--vma", "heap", shop],
        vec!["ps", "--pid", "12345", shop],
        vec!["ps", "-o", "yaml", shop],
        vec!["info", "--threads", "many", shop],
        vec!["ps", "/no/such/file"],
        vec!["ps", "--parent", "/no/such/file", shop],
        vec!["generate", "completions", "tcl"],
    ] {
        let ended = ckptfx(&words);
        assert_eq!(ended.status, Some(2), "{words:?}: {}", ended.stderr);
        assert!(!ended.stderr.is_empty() && ended.stdout.is_empty(), "{words:?}: {}", ended.text());
    }
}

#[test]
fn an_output_file_is_private_and_replaced_at_once() {
    let scratch = Scratch::new();
    let out = scratch.put("out.json", "what was there before");
    fs::set_permissions(&out, fs::Permissions::from_mode(0o644)).expect("changed");
    let to = format!("ps -o json --out-file {}", out.display());
    on(&to, "/no/such/archive").status(2);
    assert_eq!(fs::read(&out).expect("readable"), b"what was there before");
    let ended = on(&to, fixture("shop-podman")).status(0);
    assert_eq!(ended.text(), "");
    let written = fs::read(&out).expect("readable");
    assert_eq!(written, on("ps -o json", fixture("shop-podman")).stdout);
    let mode = fs::metadata(&out).expect("there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_eq!(fs::read_dir(scratch.0.path()).expect("readable").count(), 1, "a file is left over");
    on(&format!("ps --out-file {}", scratch.path("no/such/file").display()), fixture("shop-podman"))
        .status(2);
    // What is no file, such as a device, is written to and stays what it is.
    let pipe = scratch.path("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .expect("made");
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).expect("readable")
    });
    on(&format!("ps -o json --out-file {}", pipe.display()), fixture("shop-podman")).status(0);
    assert_eq!(reader.join().expect("read"), written);
    assert!(!fs::metadata(&pipe).expect("there").is_file(), "a pipe was replaced by a file");
    // A dump that fails leaves no file.
    let raw = scratch.path("raw");
    on(&format!("dump --pid 14 --vma 0 --out-file {}", raw.display()), fixture("shop-podman")).status(2);
    assert!(!raw.exists());
}

#[test]
fn each_json_line_stands_alone() {
    for (words, key) in [
        ("ps -o jsonl", "pid"),
        ("info -o jsonl", "evidence"),
        ("grep-mem -o jsonl hunter2", "address"),
        ("grep-mem -c -o jsonl hunter2", "count"),
        ("dump --pid 1 -o jsonl", "start"),
        ("list -o jsonl", "processes"),
    ] {
        let lines = on(words, fixture("shop-podman")).status(0).lines();
        assert!(!lines.is_empty(), "{words}");
        for line in &lines {
            let command = words.split(' ').next().expect("a command");
            assert_eq!(line["schema"], format!("ckptfx.{command}.v1"), "{words}");
            assert_eq!(line["evidence"]["name"], "shop-podman.tar.zst", "{words}");
            assert_eq!(line["container"]["name"], "shop", "{words}");
            assert!(line.get(key).is_some(), "{words}: {line}");
        }
    }
}

#[test]
fn tables_of_values_are_well_formed() {
    let ended = on("ps -o csv", fixture("shop-podman")).status(0);
    let mut reader = csv::Reader::from_reader(ended.stdout.as_slice());
    let header = reader.headers().expect("a header").clone();
    let rows: Vec<_> = reader.records().collect::<Result<_, _>>().expect("rows of one length");
    assert_eq!(rows.len(), 9);
    let column = |name: &str| header.iter().position(|other| other == name).expect("a column");
    let kworker = &rows[5];
    assert_eq!(&kworker[column("pid")], "14");
    assert_eq!(&kworker[column("comm")], "[kworker/0:1]");
    assert_eq!(&kworker[column("cmdline")], "./kworkerd pool.minexmr.example");
    // Several archives have one header.
    let path = fixture("shop-podman").into_os_string();
    let two = ckptfx(["ps".into(), "-o".into(), "csv".into(), path.clone(), path]).status(0).text();
    assert_eq!(two.lines().count(), 19);
}

/// A process whose every text wants to act on who reads it.
fn malicious() -> Vec<u8> {
    let evil = "\x1b]0;owned\x07\n\u{202e}gpj\u{9b}31m\u{200b}\r";
    let process = Process::new(1)
        .comm(format!("{evil:.9}"))
        .cmdline([format!("/bin/{evil}"), "=cmd|'/c calc'!A0".to_owned(), "@SUM(1)".to_owned()])
        .environ([format!("EVIL={evil}")])
        .exe(&format!("/tmp/{evil}"))
        .cwd(&format!("/srv/{evil}"))
        .fd(3, File::regular(format!("/tmp/{evil}")))
        .memory(Vma::anonymous(0x7f00_0000_0000, 0x1000).bytes(0, format!("{evil} needle {evil}")))
        .child(Process::new(2).comm("=2+5").cmdline(["=HYPERLINK(\"x\")"]))
        .child(Process::new(3).comm(b"\xff\xfe\x80".to_vec()).cmdline([b"\xff\x1b".to_vec()]))
        .child(Process::new(4).comm("\t=1").cmdline(["+1", "-1"]))
        .child(Process::new(5).comm("-x").cmdline(["-1"]));
    let container = Container::new(Checkpoint::new().hostname(&format!("h{evil}")).process(process));
    container
        .with(|it| {
            it.name = format!("name{evil}");
            it.image = format!("image{evil}");
        })
        .podman(PodmanVersion::V5)
        .to_tar()
}

/// Nothing that a terminal obeys or that hides or turns text.
#[track_caller]
fn harmless(what: &str, text: &str) {
    for character in text.chars() {
        let bad = (character.is_control() && character != '\n')
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!bad, "{what} has {character:?}: {text:?}");
    }
}

#[test]
fn text_of_the_evidence_never_reaches_the_reader_raw() {
    let tar = malicious();
    for format in ["table", "json", "jsonl", "csv"] {
        for words in
            ["ps --env", "info", "grep-mem -C 40 needle", "grep-mem -c needle", "grep-mem -l needle", "list"]
        {
            let what = format!("{words} -o {format}");
            let ended = on_bytes(&what, &tar);
            assert_eq!(ended.status, Some(0), "{what}: {}", ended.stderr);
            harmless(&what, &ended.text());
            harmless(&what, &ended.stderr);
        }
    }
    for image in ["files.img", "core-1.img", "utsns-12.img"] {
        let scratch = Scratch::new();
        let path = scratch.put("archive.tar", &tar).into_os_string();
        harmless(image, &ckptfx(["decode".into(), path, image.into()]).status(0).text());
    }
    // An error speaks of names too.
    let scratch = Scratch::new();
    let odd = scratch.put("a\x1b[31m\nb.tar", "nothing");
    harmless("an error", &on("ps", odd).status(2).stderr);
}

#[test]
fn the_exact_text_is_in_json_all_the_same() {
    let document = on_bytes("ps --env -o json", malicious()).status(0).json();
    let process = &document["processes"][0];
    let evil = "\x1b]0;owned\x07\n\u{202e}gpj\u{9b}31m\u{200b}\r";
    assert_eq!(process["cmdline"][0], format!("/bin/{evil}"));
    assert_eq!(process["environ"][0], format!("EVIL={evil}"));
    assert_eq!(process["exe"], format!("/tmp/{evil}"));
    let invalid = &document["processes"][2];
    assert_eq!((&invalid["comm"], &invalid["comm_b64"]), (&"\\xff\\xfe\\x80".into(), &"//6A".into()));
    assert_eq!(process.get("comm_b64"), None);
}

#[test]
fn formulas_do_not_reach_a_spreadsheet() {
    let ended = on_bytes("ps -o csv", malicious()).status(0);
    let mut reader = csv::Reader::from_reader(ended.stdout.as_slice());
    let mut quoted = 0;
    for row in reader.records() {
        for cell in &row.expect("a row") {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
            quoted += usize::from(cell.starts_with('\''));
        }
    }
    assert!(quoted >= 4, "only {quoted} cells were made harmless");
}

#[test]
fn colour_is_for_terminals_and_who_asks() {
    let shop = fixture("shop-podman");
    let escape = |words: &str, no_color: bool| {
        let mut command = command();
        command.args(words.split(' ')).arg(&shop);
        if no_color {
            command.env("NO_COLOR", "1");
        }
        finish(&mut command, b"").status(0).stdout.contains(&0x1b)
    };
    assert!(!escape("ps", false));
    assert!(!escape("ps --color never", false));
    assert!(escape("ps --color always", false));
    assert!(!escape("ps", true));
    assert!(escape("grep-mem --color always hunter2", true));
    assert!(!escape("ps -o json --color always", false));
}

#[test]
fn warnings_can_be_silenced_and_made_errors() {
    let cut = ckptfx_testkit::damage::without(
        Container::new(ckptfx_testkit::rich()).podman(PodmanVersion::V5),
        "checkpoint/core-7.img",
    )
    .to_tar();
    let usual = on_bytes("ps", &cut).status(3);
    assert!(
        usual.stderr.contains("core-7.img") && usual.stderr.contains("[missing-image]"),
        "{}",
        usual.stderr
    );
    let quiet = on_bytes("ps -q", &cut).status(3);
    assert_eq!((quiet.stderr.as_str(), &quiet.stdout), ("", &usual.stdout));
    let strict = on_bytes("ps --strict", &cut).status(2);
    assert_eq!(strict.stdout, usual.stdout);
    on("ps --strict", fixture("shop-podman")).status(0);
    let verbose = on("ps -v", fixture("shop-podman")).status(0);
    assert!(!verbose.stderr.is_empty());
}

#[test]
fn a_hash_is_that_of_the_file() {
    let bytes = fs::read(fixture("shop-crio")).expect("a fixture");
    let expected: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let document = on("info --hash -o json", fixture("shop-crio")).status(0).json();
    assert_eq!(document["evidence"]["sha256"], expected);
    assert_eq!(document["evidence"]["bytes"], bytes.len());
    assert!(on("info -o json", fixture("shop-crio")).json()["evidence"].get("sha256").is_none());
}

#[test]
fn the_fixtures_are_those_that_are_described() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let readme = fs::read_to_string(directory.join("README.md")).expect("readable");
    let rows: Vec<Vec<&str>> =
        readme.lines().filter(|line| line.starts_with("| `")).map(|line| line.split('`').collect()).collect();
    assert_eq!(rows.len(), 20);
    for row in rows {
        let bytes = fs::read(directory.join(row[1])).expect(row[1]);
        let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(sha256, row[3], "{}", row[1]);
    }
}

#[test]
fn several_archives_make_several_documents() {
    let paths = ["shop-podman", "webserver-crio"].map(|name| fixture(name).into_os_string());
    let words = |format: &str| ["ps".into(), "-o".into(), format.into()].into_iter().chain(paths.clone());
    let document = ckptfx(words("json")).status(0).json();
    let names: Vec<&Value> =
        document.as_array().expect("a list").iter().map(|one| &one["evidence"]["name"]).collect();
    assert_eq!(names, ["shop-podman.tar.zst", "webserver-crio.tar.zst"]);
    let table = ckptfx(words("table")).status(0).text();
    assert!(
        table.contains("==> shop-podman.tar.zst <==") && table.contains("==> webserver-crio.tar.zst <==")
    );
}

#[test]
fn no_path_of_this_machine_is_in_a_result() {
    let scratch = Scratch::new();
    let path = scratch.put("evidence.tar", crate::support::plain("shop-podman"));
    let here = scratch.0.path().to_str().expect("a plain path").to_owned();
    for words in ["ps --env -o json", "info -o json", "info", "grep-mem -o jsonl hunter2", "list -o json"] {
        assert!(!on(words, &path).status(0).text().contains(&here), "{words}");
    }
}

#[test]
fn results_are_the_same_each_time() {
    for words in ["ps --env -o json", "info", "list", "dump --pid 14"] {
        let first = on(words, fixture("shop-podman")).status(0).stdout;
        for threads in ["1", "2"] {
            let words = format!("{words} --threads {threads}");
            assert!(on(&words, fixture("shop-podman")).stdout == first, "{words}");
        }
    }
}

#[test]
fn man_pages_and_completions() {
    let scratch = Scratch::new();
    let man = scratch.path("man1");
    ckptfx(["generate".into(), "man".into(), "--dir".into(), man.clone().into_os_string()]).status(0);
    for name in ["ckptfx", "ckptfx-ps", "ckptfx-grep-mem", "ckptfx-dump", "ckptfx-info"] {
        let page = fs::read_to_string(man.join(format!("{name}.1"))).expect(name);
        assert!(page.contains(".TH") && page.contains(".SH NAME"), "{name}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = ckptfx(["generate", "completions", shell]).status(0).text();
        assert!(script.contains("grep-mem") && script.contains("pid"), "{shell}");
    }
}

#[test]
fn directories_and_patterns_stand_for_the_archives_in_them() {
    let scratch = Scratch::new();
    let case = scratch.0.path().join("case");
    fs::create_dir_all(case.join("later")).expect("made");
    fs::copy(fixture("webserver-podman"), case.join("a.tar")).expect("copied");
    fs::copy(fixture("webserver-crio"), case.join("later/b.tar")).expect("copied");
    fs::write(case.join("notes.txt"), "no checkpoint").expect("written");
    let names = |ended: &crate::support::Ended| -> Vec<String> {
        let documents = ended.json();
        let documents = documents.as_array().expect("several documents");
        documents.iter().map(|document| document["evidence"]["name"].to_string()).collect()
    };

    let ended = ckptfx(["info".as_ref(), "-o".as_ref(), "json".as_ref(), case.as_os_str()]).status(0);
    assert_eq!(names(&ended), ["\"a.tar\"", "\"b.tar\""]);
    assert!(ended.stderr.contains("notes.txt"), "{}", ended.stderr);

    // As a shell hands it on that found no file, or within quotes.
    let pattern = format!("{}/*/*.tar", scratch.0.path().display());
    let alone = ckptfx(["info", "-o", "json", &pattern]).status(0).json();
    assert_eq!(alone["evidence"]["name"], "a.tar");

    // A file that was named itself must be evidence.
    let note = case.join("notes.txt");
    let ended = ckptfx(["info".as_ref(), "-o".as_ref(), "json".as_ref(), case.as_os_str(), note.as_os_str()])
        .status(3);
    assert_eq!(names(&ended).len(), 2);

    let nothing = format!("{}/*.zip", case.display());
    assert!(ckptfx(["info", &nothing]).status(2).stderr.contains("nothing matches"));
    let empty = scratch.0.path().join("empty");
    fs::create_dir(&empty).expect("made");
    assert!(ckptfx(["info".as_ref(), empty.as_os_str()]).status(2).stdout.is_empty());
}
