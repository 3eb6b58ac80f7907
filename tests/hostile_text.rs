//! Text that wants to act on who reads it, wherever a checkpoint has text, through every command in every form.

use std::process::Command;

use ckptfx_testkit::{
    Checkpoint, Container, CrioVersion, File, Ghost, Member, Members, Mount, NetDevice, PodmanVersion,
    Process, RootfsDiff, Shared, Vma,
};

use crate::{
    custody::RUNS,
    support::{Scratch, program},
};

/// A formula, an element, an escape sequence, ends of lines, and characters that turn or hide text.
const EVIL: &str =
    "=cmd|'/c x'!A0<script>alert(1)</script>\"'`|\x1b]0;owned\x07\n\u{202e}\u{9b}31m\u{200b}\r\u{85}\u{2028}";
/// The same where invalid UTF-8 can stand.
fn bytes(before: &str) -> Vec<u8> {
    [before.as_bytes(), EVIL.as_bytes(), b"\xff\xfe\x80"].concat()
}

fn process() -> Process {
    let path = |directory: &str| format!("/{directory}/{EVIL}");
    Process::new(1)
        .comm(&EVIL.as_bytes()[..15])
        .exe(&path("tmp"))
        .cmdline([bytes(""), b"+1".to_vec(), b"@SUM(1)".to_vec()])
        .environ([
            bytes("X="),
            bytes(""),
            bytes("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ])
        .cwd(&path("srv"))
        .lsm_profile(EVIL)
        .fd(3, File::regular(bytes("/tmp/")))
        .fd(4, File::regular(bytes("/tmp/gone")).deleted(Ghost::new(bytes("#!/bin/sh\n"))))
        .fd(5, File::memfd(EVIL))
        .fd(6, File::unix_listen(503, EVIL))
        .fd(7, File::unix_external(504, 9999, &path("run")))
        .fd(8, File::pipe_read(600).queued(bytes("")))
        .fd(9, File::pty(0, false, 1).queued(bytes("id; ")))
        .fd(10, File::fifo(&path("tmp"), 700).queued(bytes("")))
        .fd(11, File::tcp("10.0.0.2:40000", "203.0.113.9:443").queued(bytes("GET /")))
        .fd(12, File::other(ckptfx_testkit::FileKind::Inotify(vec![(1, 2, 77, EVIL.into())])))
        .memory(Vma::anonymous(0x7f00_0000_0000, 0x2000).prot(7).bytes(0x10, {
            let history = b"\0#1717243200\0curl http://evil.example/";
            [&bytes("root")[..], history, &bytes("https://evil.example/")].concat()
        }))
        .memory(Vma::file(0x7f10_0000_0000, 0x1000, File::mapped(bytes("/lib/"))))
        .memory(Vma::shared(0x7f30_0000_0000, 0x1_0000, "segment"))
        .child(Process::new(2).comm("=2+5").cmdline(["=HYPERLINK(\"x\")"]))
        .child(Process::new(3).comm(b"\xff\xfe\x80".to_vec()).cmdline([b"\xff\x1b".to_vec()]))
}

fn container() -> Container {
    let mut device = NetDevice {
        kind: 1,
        index: 1,
        name: EVIL.to_owned(),
        flags: 0x49,
        mac: [0; 6],
        address: Some(([127, 0, 0, 1], 8)),
    };
    device.name.truncate(15);
    let mut mount = Mount::bind(140, EVIL, &format!("/{EVIL}"));
    mount.source = EVIL.to_owned();
    mount.options = EVIL.to_owned();
    let dump = Checkpoint::new()
        .hostname(EVIL)
        .shared(Shared::memfd(EVIL, 33).bytes(0, "#!/bin/sh\nmemfd"))
        .shared(Shared::sysv("segment", 16962, 0, 0x1_0000).bytes(8, bytes("sysv")))
        .device(device)
        .mount(mount)
        .with(|dump| {
            dump.messages.push((1, 3, vec![(1, bytes("message"))]));
            dump.tmpfs.push((65, vec![(EVIL.into(), 0o644, bytes("tmpfs"))]));
        })
        .process(process());
    Container::new(dump).with(|it| {
        for text in
            [&mut it.name, &mut it.pod, &mut it.namespace, &mut it.uid, &mut it.image, &mut it.runtime]
        {
            *text = EVIL.to_owned();
        }
        it.args = vec![EVIL.to_owned()];
        it.env = vec![format!("Y={EVIL}")];
        it.annotations = vec![(EVIL.to_owned(), EVIL.to_owned())];
        it.binds = vec![(format!("/{EVIL}"), format!("/{EVIL}"))];
        it.log = Some([b"2024-06-01T12:00:00Z stdout F ", &bytes("")[..], b"\n"].concat());
        it.rootfs = RootfsDiff::sample()
            .member(Member::file(bytes("tmp/"), 0o4755, bytes("#!/bin/sh\n")))
            .member(Member::symlink("tmp/link", bytes("")))
            .delete(&format!("/{EVIL}"));
        let mut files = Members::new();
        files.push(Member::file(bytes(""), 0o644, bytes("")));
        it.devshm = Some(files.clone());
        it.volumes = vec![("data".to_owned(), files)];
    })
}

/// Nothing that a terminal obeys or that hides or turns text.
#[track_caller]
fn harmless(what: &str, text: &[u8]) -> String {
    let text = String::from_utf8(text.to_vec()).unwrap_or_else(|error| panic!("{what}: {error}"));
    let bad = |character: char| {
        (character.is_control() && character != '\n')
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if let Some(line) = text.split('\n').find(|line| line.contains(bad)) {
        let line: String = line.chars().take(2000).collect();
        panic!("{what}: {line:?}");
    }
    text
}

fn check(what: &str, form: &str, text: &str) {
    match form {
        "json" | "sarif" | "stix" => {
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(text);
            assert!(parsed.is_ok(), "{what}: {parsed:?}");
        }
        "jsonl" | "ecs" | "ocsf" | "timesketch" => {
            for line in text.lines() {
                let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
                assert!(parsed.is_ok(), "{what}: {parsed:?}");
            }
        }
        "csv" => {
            for row in csv::Reader::from_reader(text.as_bytes()).records() {
                for cell in &row.unwrap_or_else(|error| panic!("{what}: {error}")) {
                    let formula = cell.starts_with(['=', '+', '@', '\t', '\r'])
                        || cell.starts_with('-') && cell.parse::<f64>().is_err();
                    assert!(!formula, "{what}: {cell:?}");
                }
            }
        }
        "html" => assert_eq!(text.matches("<script").count(), 1, "{what}: a script that is not ours"),
        "mermaid" => assert!(!text.contains("<script"), "{what}: {text}"),
        _ => {}
    }
}

#[test]
fn text_of_the_evidence_does_nothing_to_who_reads_it() {
    const FORMS: [&str; 14] = [
        "table",
        "csv",
        "json",
        "jsonl",
        "bodyfile",
        "timesketch",
        "dot",
        "mermaid",
        "html",
        "markdown",
        "ecs",
        "ocsf",
        "sarif",
        "stix",
    ];
    let mut shown = 0;
    let [crio, podman] = [container().crio(CrioVersion::V1_29), container().podman(PodmanVersion::V5)];
    // What differs between engines is seen in the first two forms.
    for (members, forms) in [(crio, &FORMS[..]), (podman, &FORMS[..2])] {
        let scratch = Scratch::new();
        scratch.put("evidence.tar", members.to_tar());
        scratch.put(
            "other.tar.zst",
            std::fs::read(crate::support::fixture("scenarios/log")).expect("a fixture"),
        );
        scratch.put("container.log", bytes("(00.1) Error (criu/tty.c:1): tty: Found slave peer index 1 "));
        std::fs::create_dir(scratch.path("rules")).expect("a directory");
        scratch.put("rules/root.yar", "rule root { strings: $a = \"root\" condition: $a }");
        for words in RUNS {
            let mut words: Vec<&str> = words.split(' ').collect();
            // What is written to files is bytes as they are; `verify` needs what is not here.
            if ["verify", "dump", "core"].contains(&words[0])
                || words.contains(&"-O")
                || words.contains(&"--out")
            {
                continue;
            }
            if let Some(at) = words.iter().position(|word| *word == "-o") {
                words.drain(at..at + 2);
            }
            let words: Vec<&str> =
                words.into_iter().map(|word| if word == "@" { "evidence.tar" } else { word }).collect();
            let mut had = 0;
            for form in forms {
                let what = format!("{} -o {form}", words.join(" "));
                let mut command = Command::new(program());
                command.args(&words).args(["-o", form]).current_dir(scratch.0.path());
                let output = command.output().expect("it starts");
                harmless(&what, &output.stderr);
                let text = harmless(&what, &output.stdout);
                let errors = String::from_utf8_lossy(&output.stderr);
                let is_no_form = ["cannot write", "is decoded to", "form of the image"]
                    .iter()
                    .any(|no| errors.contains(no));
                if output.status.code() == Some(2) && is_no_form {
                    continue;
                }
                assert!(
                    matches!(output.status.code(), Some(0 | 1 | 3)),
                    "{what}: {}: {errors}",
                    output.status
                );
                check(&what, form, &text);
                had += 1;
                shown += usize::from(text.contains("script"));
            }
            assert!(had > 0, "{words:?} has no form");
        }
    }
    // Most of them have a text of the evidence to show.
    assert!(shown > 100, "{shown}");
}
