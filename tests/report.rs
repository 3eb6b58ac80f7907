//! Reports of real and hostile checkpoints, their records of custody, and what `verify` says of them.

use std::{collections::BTreeMap, fs, io::Read as _, path::Path};

use base64::Engine as _;
use ckptfx_testkit::{Checkpoint, Container, File, PodmanVersion, Process, Vma, damage, rich};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{Scratch, ckptfx, codes, fixture, members, on, on_bytes, plain};

/// Forms of a report.
const FORMS: [&str; 3] = ["json", "html", "markdown"];

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn report(form: &str, path: impl AsRef<Path>) -> String {
    on(&format!("report -q --no-times -o {form}"), path.as_ref()).status(0).text()
}

fn verify(record: &Path, archive: &Path, status: i32) -> String {
    ckptfx(["verify".as_ref(), record.as_os_str(), archive.as_os_str()]).status(status).text()
}

#[test]
fn the_record_of_custody_has_the_hash_of_the_archive_and_of_each_member() {
    let document: Value = serde_json::from_str(&report("json", fixture("shop-crio"))).expect("JSON");
    assert_eq!(document["schema"], "ckptfx.report.v1");
    let bytes = fs::read(fixture("shop-crio")).expect("a fixture");
    assert_eq!(document["evidence"]["sha256"], sha256(&bytes));
    assert_eq!(document["evidence"]["bytes"], bytes.len());
    let tar = plain("shop-crio");
    let mut expected = BTreeMap::new();
    for entry in tar::Archive::new(tar.as_slice()).entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").to_string_lossy().trim_matches('/').to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("content");
        let is_file = entry.header().entry_type().is_file();
        expected.insert(path, (content.len(), is_file.then(|| sha256(&content))));
    }
    let recorded = document["custody"]["members"].as_array().expect("members");
    assert!(recorded.len() > 30);
    let recorded: BTreeMap<String, (usize, Option<String>)> = recorded
        .iter()
        .map(|member| {
            let bytes = usize::try_from(member["bytes"].as_u64().expect("bytes")).expect("small");
            let hash = member["sha256"].as_str().map(str::to_owned);
            (member["path"].as_str().expect("a path").to_owned(), (bytes, hash))
        })
        .collect();
    expected.remove("");
    let recorded: BTreeMap<_, _> = recorded.into_iter().filter(|(path, _)| !path.is_empty()).collect();
    assert_eq!(recorded, expected);
    let custody = &document["custody"];
    assert_eq!(
        (&custody["case"], &custody["started"], &custody["ended"]),
        (&json!(null), &json!(null), &json!(null))
    );
    assert_eq!(
        (&custody["rules"][0]["name"], &custody["rules"][1]["name"]),
        (&json!("detections"), &json!("secrets"))
    );
    let arguments = custody["arguments"].as_array().expect("arguments");
    assert_eq!(arguments[..3], [json!("report"), json!("-q"), json!("--no-times")]);
}

#[test]
fn it_says_who_examined_it_and_when() {
    let words = "report -q -o json --case 2026-17 --examiner Doe --host lab-3";
    let custody = on(words, fixture("scenarios/log")).status(0).json()["custody"].clone();
    assert_eq!((&custody["case"], &custody["examiner"]), (&json!("2026-17"), &json!("Doe")));
    assert_eq!(custody["host"], "lab-3");
    let time = |key: &str| custody[key].as_str().expect(key).parse::<jiff::Timestamp>().expect("a time");
    assert!(time("started") <= time("ended"));
}

#[test]
fn a_report_holds_what_the_commands_show() {
    let document: Value = serde_json::from_str(&report("json", fixture("shop-podman"))).expect("JSON");
    for (words, key) in [
        ("sockets", "sockets"),
        ("files", "files"),
        ("maps", "maps"),
        ("threads", "threads"),
        ("mounts", "mounts"),
        ("recover", "recoverable"),
        ("rootfs", "changes"),
        ("graph --no-parents", "edges"),
        ("secrets --source all", "secrets"),
        ("timeline", "events"),
        ("triage", "findings"),
    ] {
        let shown = on(&format!("{words} -q -o json"), fixture("shop-podman")).status(0).json();
        let count = |list: &Value| list.as_array().map(Vec::len);
        assert_eq!(count(&document[key]), count(&shown[key]), "{key}");
        if ["sockets", "files", "maps", "recoverable", "secrets"].contains(&key) {
            assert_eq!(document[key], shown[key], "{key}");
        }
    }
    assert_eq!(document["processes"].as_array().map(Vec::len), Some(9));
}

#[test]
fn the_same_evidence_gives_the_same_bytes() {
    for form in FORMS {
        let once = on(&format!("report -q --no-times -o {form} --threads 1"), fixture("shop-containerd"));
        let again = on(&format!("report -q --no-times -o {form} --threads 3"), fixture("shop-containerd"));
        // The arguments are part of the record.
        let text = again.status(0).text().replace("--threads 3", "--threads 1").replace("\"3\"", "\"1\"");
        assert!(once.status(0).text().replace("\"3\"", "\"1\"") == text, "{form}");
    }
}

#[test]
fn verify_says_exactly_what_differs() {
    let scratch = Scratch::new();
    let tar = plain("shop-crio");
    let archive = scratch.put("case.tar", &tar);
    let record = scratch.put("report.json", report("json", &archive));
    let same = verify(&record, &archive, 0);
    assert!(
        same.starts_with("case.tar is what report.json was made of") && same.contains(&sha256(&tar)),
        "{same}"
    );

    // One byte of one member.
    let position = tar.windows(9).position(|window| window == b"LD_PRELOA").expect("in memory");
    let flipped = scratch.put("flipped.tar", damage::flip(&tar, position));
    let text = verify(&record, &flipped, 1);
    assert!(text.contains("NOT") && text.contains("sha256") && text.contains("pages-"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("member ")).count(), 1, "{text}");

    // A member less, and one more.
    let less = damage::without(members(&tar), "checkpoint/fdinfo-2.img").to_tar();
    let text = verify(&record, &scratch.put("less.tar", &less), 1);
    assert!(text.contains("missing") && text.contains("checkpoint/fdinfo-2.img"), "{text}");
    let mut more = members(&tar);
    more.push(ckptfx_testkit::Member::file("planted", 0o644, "new"));
    let document = ckptfx([
        "verify".as_ref(),
        "-o".as_ref(),
        "json".as_ref(),
        record.as_os_str(),
        scratch.put("more.tar", more.to_tar()).as_os_str(),
    ])
    .status(1)
    .json();
    let added: Vec<_> = document["differences"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|one| one["what"] == "member")
        .collect();
    assert_eq!(added.len(), 1);
    assert_eq!((&added[0]["problem"], &added[0]["name"]), (&json!("added"), &json!("planted")));
    assert_eq!(document["verified"]["same"], false);

    // The same content in another wrapping.
    let text = verify(&record, &fixture("shop-crio"), 1);
    assert!(text.contains("members have the content that was recorded"), "{text}");
    // Something that is no checkpoint any more differs too.
    let text = verify(&record, &scratch.put("junk.tar", b"junk"), 1);
    assert!(text.contains("unreadable") && text.contains("sha256"), "{text}");
}

#[test]
fn verify_needs_a_record_and_an_archive_that_can_be_read() {
    let scratch = Scratch::new();
    let archive = fixture("scenarios/cow");
    for (name, text) in [
        ("other.json", "{\"schema\": \"ckptfx.ps.v1\"}"),
        ("none.json", "not JSON"),
        ("empty.json", "[]"),
        ("cut.json", "{\"schema\": \"ckptfx.report.v1\"}"),
        (
            "unhashed.json",
            "{\"schema\": \"ckptfx.manifest.v1\", \"archive\": {\"bytes\": 1, \"sha256\": null}}",
        ),
    ] {
        verify(&scratch.put(name, text), &archive, 2);
    }
    verify(&scratch.path("missing.json"), &archive, 2);
    let record = scratch.put("report.json", report("json", &archive));
    verify(&record, &scratch.path("missing.tar"), 2);
}

#[test]
fn a_manifest_of_a_captured_archive_is_a_record_too() {
    let scratch = Scratch::new();
    let bytes = fs::read(fixture("scenarios/log")).expect("a fixture");
    let time = "2026-06-01T12:00:00Z";
    let manifest = |hash: &str| {
        json!({"schema": "ckptfx.manifest.v1", "tool": {"name": "ckptfx", "version": "0.1.0"}, "subject": {},
            "archive": {"name": "a", "bytes": bytes.len(), "sha256": hash}, "source": {"via": "cri", "endpoint": ""},
            "times": {"requested": time, "answered": time, "sealed": time}, "exchanges": [], "operator": {}})
    };
    let right = scratch.put("right.json", manifest(&sha256(&bytes)).to_string());
    verify(&right, &fixture("scenarios/log"), 0);
    let wrong = scratch.put("wrong.json", manifest(&sha256(b"")).to_string());
    let text = verify(&wrong, &fixture("scenarios/log"), 1);
    assert!(text.contains(&sha256(&bytes)) && text.contains(&sha256(b"")), "{text}");
}

#[test]
fn a_directory_is_verified_by_its_files() {
    let scratch = Scratch::new();
    let unpacked = scratch.path("unpacked");
    members(&plain("scenarios/cow")).to_dir(&unpacked).expect("unpacked");
    let record = scratch.put("report.json", report("json", &unpacked));
    verify(&record, &unpacked, 0);
    fs::write(unpacked.join("checkpoint/stats-dump"), b"other").expect("written");
    let text = verify(&record, &unpacked, 1);
    assert!(text.contains("checkpoint/stats-dump"), "{text}");
}

#[test]
fn the_evidence_is_never_written_over() {
    let scratch = Scratch::new();
    let bytes = fs::read(fixture("scenarios/cow")).expect("a fixture");
    let archive = scratch.put("case.tar.zst", &bytes);
    std::os::unix::fs::symlink(&archive, scratch.path("link")).expect("a link");
    for target in ["case.tar.zst", "link"] {
        let target = scratch.path(target);
        for words in ["report -q -o json", "ps", "dump --pid 1", "sbom --cyclonedx", "scan", "list"] {
            let ended = on(&format!("{words} --out-file {}", target.display()), &archive).status(2);
            assert!(ended.stderr.contains("is evidence"), "{}", ended.stderr);
        }
    }
    assert_eq!(fs::read(&archive).expect("there"), bytes);
    let unpacked = scratch.path("unpacked");
    members(&plain("scenarios/cow")).to_dir(&unpacked).expect("unpacked");
    on(&format!("report -o html --out-file {}/report.html", unpacked.display()), &unpacked).status(2);
    assert!(!unpacked.join("report.html").exists());
}

/// A process with a secret wherever one can be shown.
fn secretive() -> Vec<u8> {
    let process = Process::new(1)
        .comm("app")
        .exe("/bin/app")
        .cmdline(["/bin/app", "--db-password", "hunter2-one", "--url=postgres://u:hunter2-two@db/x"])
        .environ(["API_TOKEN=hunter2-three", "HARMLESS=value-four"])
        .memory(Vma::anonymous(0x7f00_0000_0000, 0x1000).bytes(0, "password=hunter2-five;"));
    Container::new(Checkpoint::new().process(process)).podman(PodmanVersion::V5).to_tar()
}

#[test]
fn secrets_are_taken_out_unless_they_are_asked_for() {
    let tar = secretive();
    for form in FORMS {
        let hidden = on_bytes(&format!("report -q --no-times -o {form}"), &tar).status(0).text();
        assert!(!hidden.contains("hunter2"), "{form}: {hidden}");
        assert!(hidden.contains("[redacted]"), "{form}");
        let shown =
            on_bytes(&format!("report -q --no-times --show-secrets -o {form}"), &tar).status(0).text();
        assert!(shown.contains("hunter2-one") && shown.contains("hunter2-two"), "{form}");
    }
    for form in ["ecs", "ocsf", "stix"] {
        let hidden = on_bytes(&format!("report -q -o {form}"), &tar).status(0).text();
        assert!(hidden.contains("/bin/app") && !hidden.contains("hunter2"), "{form}: {hidden}");
    }
    let document = on_bytes("report -q -o json", &tar).status(0).json();
    assert_eq!(document["custody"]["redacted"], true);
    // The finding about the address on the command line shows it again.
    assert_eq!(document["custody"]["redacted_values"], 4);
    assert!(
        document["processes"][0]["environ"]
            .as_array()
            .expect("a list")
            .contains(&json!("HARMLESS=value-four"))
    );
    let document = on_bytes("report -q -o json --show-secrets", &tar).status(0).json();
    assert_eq!(
        (&document["custody"]["redacted"], &document["custody"]["redacted_values"]),
        (&json!(false), &json!(0))
    );
}

#[test]
fn what_could_not_be_read_is_in_the_report() {
    let tar =
        damage::without(Container::new(rich()).podman(PodmanVersion::V5), "checkpoint/core-7.img").to_tar();
    let document = on_bytes("report -o json", &tar).status(3).json();
    assert!(codes(&document, true).contains(&"missing-image"));
    for form in ["html", "markdown"] {
        let text = on_bytes(&format!("report -q -o {form}"), &tar).status(3).text();
        assert!(text.contains("core-7.img") && text.contains("Some evidence could not be read"), "{form}");
        assert!(!report(form, fixture("scenarios/cow")).contains("Some evidence could not be read"));
    }
}

#[test]
fn forms_that_a_report_does_not_have_are_named() {
    let ended = on("report -o csv", fixture("scenarios/cow")).status(2);
    assert!(ended.stderr.contains("table, json, html, markdown, ecs, ocsf, sarif, stix"), "{}", ended.stderr);
    let ended = on("ps -o html", fixture("scenarios/cow")).status(2);
    assert!(ended.stderr.contains("table, wide, json, jsonl, csv"), "{}", ended.stderr);
    // Without a form it is text for a ticket.
    assert!(on("report -q", fixture("scenarios/cow")).status(0).text().starts_with("# Checkpoint report"));
    on("report", "-").status(2);
}

/// What the process names itself: an element, an escape sequence, and characters that turn the text around.
pub const HOSTILE: &str = "<script>alert(1)</script>\x1b]0;x\x07\u{202e}\"'`|</style>\n# heading";

/// A checkpoint whose every text is hostile.
pub fn hostile() -> Vec<u8> {
    let process = Process::new(1)
        .comm(&HOSTILE.as_bytes()[..15])
        .exe(&format!("/tmp/{HOSTILE}"))
        .cmdline([HOSTILE, "--x"])
        .environ([format!("X={HOSTILE}")])
        .cwd(&format!("/{HOSTILE}"))
        .fd(3, File::regular(format!("/tmp/{HOSTILE}")));
    Container::new(Checkpoint::new().process(process).hostname(HOSTILE))
        .with(|it| {
            it.name = HOSTILE.to_owned();
            it.image = HOSTILE.to_owned();
        })
        .podman(PodmanVersion::V5)
        .to_tar()
}

#[test]
fn hostile_names_stay_text() {
    let tar = hostile();
    let html = on_bytes("report -q --no-times -o html", &tar).status(0).text();
    assert_eq!(html.matches("<script").count(), 1, "only ours");
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;\\x1b]0;x\\x07\\u{202e}"));
    let bad = |character: char| (character.is_control() && character != '\n') || character == '\u{202e}';
    assert!(!html.contains(bad));
    let markdown = on_bytes("report -q --no-times", &tar).status(0).text();
    assert!(!markdown.contains(bad) && !markdown.lines().any(|line| line.starts_with("# heading")));
    // Outside of code spans there is nothing that begins an element.
    for line in markdown.lines() {
        assert!(!outside_of_spans(line).contains('<'), "{line}");
    }
    let rows = markdown.lines().skip_while(|line| !line.starts_with("## Processes"));
    let row = rows.clone().find(|line| line.contains("alert")).expect("the process");
    let header = rows.clone().find(|line| line.starts_with("| PID")).expect("a header");
    let bars = |line: &str| line.replace("\\|", "").matches('|').count();
    assert_eq!(bars(row), bars(header), "{row}");
}

/// What a reader of Markdown takes for text: code spans end at a run of as many backticks as began them.
fn outside_of_spans(line: &str) -> String {
    let mut outside = String::new();
    let mut rest = line;
    while let Some(start) = rest.find('`') {
        let (before, from) = rest.split_at(start);
        outside.push_str(before);
        let length = from.len() - from.trim_start_matches('`').len();
        let mut at = length;
        let end = loop {
            let Some(next) = from[at..].find('`') else { break None };
            let run = from[at + next..].len() - from[at + next..].trim_start_matches('`').len();
            if run == length {
                break Some(at + next + run);
            }
            at += next + run;
        };
        rest = match end {
            Some(end) => &from[end..],
            None => {
                outside.push_str(&from[..length]);
                &from[length..]
            }
        };
    }
    outside + rest
}

#[test]
fn the_page_loads_nothing_and_runs_only_its_own_script() {
    let html = report("html", fixture("shop-podman"));
    let between = |from: &str, to: &str| {
        let start = html.find(from).expect(from) + from.len();
        html[start..start + html[start..].find(to).expect(to)].to_owned()
    };
    let policy = between("Content-Security-Policy\" content=\"", "\"").replace("&#39;", "'");
    let hash = |text: &str| {
        let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text.as_bytes()));
        format!("'sha256-{digest}'")
    };
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(policy.contains(&format!("script-src {};", hash(&between("<script>", "</script>")))), "{policy}");
    assert!(policy.contains(&format!("style-src {};", hash(&between("<style>", "</style>")))), "{policy}");
    for forbidden in [" src=", "href=\"h", "<link", "<iframe", " style=", " onclick", "url("] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    for part in [
        "MINER-STRINGS",
        "[kworker/0:1]",
        "@c2-control",
        "<svg class=\"graph\"",
        "/root/.ssh/authorized_keys",
        "<svg",
        "Not looked at",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(html.len() < 1 << 20, "{}", html.len());
}

#[test]
fn tables_of_a_page_are_cut_with_a_word() {
    let mut process = Process::new(1).comm("many").exe("/bin/many");
    for fd in 3..10_503 {
        process = process.fd(fd, File::regular(format!("/data/{fd}")));
    }
    let tar = Container::new(Checkpoint::new().process(process)).podman(PodmanVersion::V5).to_tar();
    let html = on_bytes("report -q -o html", &tar).status(0).text();
    assert!(html.contains("/data/9000<") && !html.contains("/data/10502<"));
    assert!(html.contains("Shown are the first 10000 of 105"), "{}", html.len());
}

#[test]
fn several_checkpoints_are_one_page_and_a_list() {
    let scratch = Scratch::new();
    let one = Container::new(Checkpoint::new().process(Process::new(1).comm("one")))
        .podman(PodmanVersion::V5)
        .to_tar();
    let two = Container::new(Checkpoint::new().process(Process::new(1).comm("two")))
        .podman(PodmanVersion::V5)
        .to_tar();
    let mut pod = ckptfx_testkit::Members::new();
    pod.push(ckptfx_testkit::Member::file("pod.options", 0o644, "{}"));
    pod.push(ckptfx_testkit::Member::file("one.tar", 0o644, one));
    pod.push(ckptfx_testkit::Member::file("two.tar", 0o644, two));
    let archive = scratch.put("pod.tar", pod.to_tar());
    let documents: Value = on("report -q --no-times -o json", &archive).json();
    let parts: Vec<_> =
        documents.as_array().expect("a list").iter().map(|one| one["evidence"]["part"].clone()).collect();
    assert_eq!(parts, ["one", "two"]);
    let record = scratch.put("report.json", documents.to_string());
    verify(&record, &archive, 0);
    let html = on("report -q --no-times -o html", &archive).text();
    assert_eq!((html.matches("<article>").count(), html.matches("<html").count()), (2, 1));
    assert!(html.contains("id=\"c0-summary\"") && html.contains("id=\"c1-summary\""));
}

#[test]
fn a_ticket() {
    let scratch = Scratch::new();
    fs::copy(fixture("shop-podman"), scratch.path("shop-podman.tar.zst")).expect("copied");
    let mut command = crate::support::command();
    command
        .args(["report", "--no-times", "--case", "2026-17", "shop-podman.tar.zst"])
        .current_dir(scratch.0.path());
    let text = crate::support::finish(&mut command, b"").status(0).text();
    let (start, rest) = text.split_once("\n## Findings").expect("findings");
    let (_, end) = rest.split_once("\n## Not looked at").expect("the end");
    insta::assert_snapshot!("report-markdown-start", start);
    // The hashes of rules change with the rules.
    let end: Vec<&str> = end.lines().filter(|line| !line.starts_with("- Rules: ")).collect();
    insta::assert_snapshot!("report-markdown-end", end.join("\n"));
    let first: Vec<&str> = rest.lines().take(40).collect();
    insta::assert_snapshot!("report-markdown-findings", first.join("\n"));
}
