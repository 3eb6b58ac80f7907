//! A password leaves no command that gives a verdict, in no form, unless it is asked for.

use ckptfx_testkit::{Checkpoint, Container, PodmanVersion, Process, Vma};

use crate::support::{Scratch, ckptfx, on};

const PASSWORD: &str = "Tr0ub4dor-7x";
const HEAP: u64 = 0x5555_0000_0000;

/// A process that was given the password on its command line, has it in memory, and sends what it is given.
fn planted() -> Vec<u8> {
    let process = Process::new(1)
        .comm("curl")
        .exe("/usr/bin/curl")
        .cmdline(["/usr/bin/curl", "--password", PASSWORD, "http://198.51.100.7/x"])
        .memory(Vma::heap(HEAP, 0x8000).bytes(0x100, format!("the word is {PASSWORD} here")));
    Container::new(Checkpoint::new().process(process)).podman(PodmanVersion::V5).to_tar()
}

const SIGMA: &str = "title: Transfers
id: 11111111-2222-3333-4444-555555555555
modified: 2026-03-01
logsource: {category: process_creation, product: linux}
detection:
  one:
    CommandLine|contains: '198.51.100.7'
  condition: one
level: high
";

const YARA: &str = "rule Word { strings: $word = /word is [^ ]+/ condition: $word }";

#[test]
fn a_password_of_a_command_line_is_in_no_form_of_a_verdict() {
    let scratch = Scratch::new();
    let archive = scratch.put("a.tar", planted());
    let (sigma, yara) = (scratch.put("rule.yml", SIGMA), scratch.put("rules.yar", YARA));
    let rules = format!("--sigma {} --yara {}", sigma.display(), yara.display());
    let mut runs: Vec<String> = Vec::new();
    for form in ["table", "json", "jsonl", "csv", "ecs", "ocsf", "sarif", "stix"] {
        runs.push(format!("triage -q --min-severity info {rules} -o {form}"));
    }
    for form in ["ecs", "ocsf", "stix"] {
        runs.push(format!("triage -q --inventory {rules} -o {form}"));
    }
    for form in ["table", "json", "html", "markdown", "ecs", "ocsf", "sarif", "stix"] {
        runs.push(format!("report -q -o {form}"));
    }
    for form in ["table", "json", "jsonl", "csv"] {
        runs.push(format!("scan -q -o {form}"));
    }
    for words in &runs {
        let hidden = on(words, &archive).status(0).text();
        assert!(!hidden.contains(PASSWORD), "{words}: {hidden}");
        let shown = on(&format!("{words} --show-secrets"), &archive).status(0).text();
        // A line of a fleet has no command lines; neither has SARIF of a report, which finds nothing here.
        assert!(shown.contains(PASSWORD) || !hidden.contains("198.51.100.7"), "{words}: {shown}");
    }
    // That the rules met it at all is told, and that it was taken out.
    let document = on(&format!("triage -q {rules} -o json"), &archive).status(0).text();
    assert!(document.contains("YARA-Word") && document.contains("SIGMA-1111"), "{document}");
    assert!(document.contains("[redacted]"), "{document}");
    // What is asked for by itself is shown as it is.
    assert!(ckptfx(["ps".as_ref(), archive.as_os_str()]).status(0).text().contains(PASSWORD));
}
