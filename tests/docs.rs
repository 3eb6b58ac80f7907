//! What `docs/usage.md` shows is what the program prints.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{Scratch, program, skip};

/// A command of a `console` block, and the lines that stand below it.
struct Session {
    command: String,
    shown: Vec<String>,
}

fn sessions(text: &str) -> Vec<Session> {
    let mut sessions: Vec<Session> = Vec::new();
    let (mut inside, mut continued) = (false, false);
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
            continued = false;
        } else if inside && (continued || line.starts_with("$ ")) {
            let words = line.strip_prefix("$ ").unwrap_or(line);
            if let (true, Some(session)) = (continued, sessions.last_mut()) {
                session.command = format!("{}\n{words}", session.command);
            } else {
                sessions.push(Session { command: words.to_owned(), shown: Vec::new() });
            }
            continued = words.ends_with(['|', '\\']);
        } else if inside && let Some(session) = sessions.last_mut() {
            session.shown.push(line.to_owned());
        }
    }
    sessions
}

fn has(tool: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).stdout(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

#[test]
fn sessions_of_the_usage_page_are_real() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/usage.md")).expect("the page");
    let scratch = Scratch::new();
    let folder = scratch.0.path();
    std::os::unix::fs::symlink(root.join("fixtures"), folder.join("fixtures")).expect("a link");
    // Under the name that the page uses, whatever the program is called.
    std::os::unix::fs::symlink(program(), folder.join("ckptfx")).expect("a link");
    let path = std::env::var("PATH").unwrap_or_default();
    let missing: Vec<&str> = ["zstd", "jq", "strings", "xxd", "gdb", "column", "sha256sum"]
        .into_iter()
        .filter(|tool| !has(tool))
        .collect();
    if !has("bash") {
        skip("there is no bash");
        return;
    }
    let mut compared = 0;
    for Session { command, shown } in sessions(&text) {
        if let Some(tool) = missing.iter().find(|tool| command.contains(**tool)) {
            skip(&format!("there is no {tool}: {command}"));
            continue;
        }
        let output = Command::new("bash")
            .args(["-c", &command])
            .current_dir(folder)
            .env("PATH", format!("{}:{path}", folder.display()))
            .stdin(Stdio::null())
            .output()
            .expect("bash runs");
        let printed = String::from_utf8_lossy(&output.stdout);
        let mut printed = printed.lines().map(str::trim_end);
        let whole = shown.last().is_none_or(|line| line != "…");
        for line in shown.iter().filter(|line| *line != "…") {
            assert_eq!(
                printed.next(),
                Some(line.trim_end()),
                "{command}\n{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        // The page shows all, or says that it cuts.
        assert!(!whole || printed.next().is_none(), "{command}");
        compared += 1;
    }
    assert!(compared > 20 || !missing.is_empty(), "{compared}");
}
