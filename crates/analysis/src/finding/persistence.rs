//! Changes of the root file system through which somebody stays, or comes back.

use super::{
    Confidence, DroppedFile, Facts, Hit, Severity,
    index::is_present,
    known::{self, basename, is_below, is_hidden, is_system, is_temporary},
    next_step::{NextStep, Topic},
    persistence_rules::{self as rules, KeyFile},
    record::{about, about_path},
};
use crate::{files::rootfs::Change, recover::contents::file_type};

/// Bytes of a file that are judged.
const JUDGED: usize = 1 << 20;
/// Programs that decide who gets in.
const AUTHENTICATION: [&[u8]; 9] =
    [b"sshd", b"login", b"su", b"sudo", b"passwd", b"sshd-session", b"sshd-auth", b"agetty", b"unix_chkpwd"];
/// Programs with which an administrator looks around.
const INSPECTION: [&[u8]; 12] =
    [b"ps", b"ls", b"ss", b"netstat", b"top", b"lsof", b"find", b"w", b"who", b"last", b"curl", b"wget"];

fn text(file: &DroppedFile) -> Vec<u8> {
    file.contents.head(JUDGED)
}

/// Files that were added or modified, at paths that `is_it` accepts.
fn files<'f>(
    facts: &'f Facts<'_>,
    is_it: impl Fn(&[u8]) -> bool + 'f,
) -> impl Iterator<Item = &'f DroppedFile> {
    facts.dropped.iter().filter(move |file| is_it(&file.path.0))
}

fn present<'f>(facts: &'f Facts<'_>) -> impl Iterator<Item = &'f Change> {
    facts.changes.iter().filter(|change| is_present(change))
}

/// Adds lines that do what intruders do, and the worst of their severities.
fn judged(mut hit: Hit, file: &DroppedFile, content: &[u8]) -> (Hit, Option<Severity>) {
    let mut worst = None;
    for line in content.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#")) {
        if let Some((severity, what)) = known::judge_command(line) {
            worst = worst.max(Some(severity));
            hit = hit.fact(what, file.origin.escaped(), line);
        }
    }
    (hit, worst)
}

/// Keys that let their owner log in.
pub fn authorized_keys(facts: &Facts<'_>) -> Vec<Hit> {
    let is_it = |path: &[u8]| {
        matches!(basename(path), b"authorized_keys" | b"authorized_keys2")
            && path.windows(6).any(|part| part == b"/.ssh/")
    };
    files(facts, is_it)
        .map(|file| {
            let keys = KeyFile::read(&text(file));
            let mut hit = Hit::new(about_path(&file.path), "holders of this key can log in")
                .fact("file", file.origin.escaped(), file.path.clone())
                .more(NextStep::File(file.path.clone()));
            for key in &keys.usable {
                hit = hit.fact("key", file.origin.escaped(), key.clone());
            }
            if keys.usable.is_empty() {
                hit = hit.harmless(Severity::Low, "no line of it is a key that a server would accept");
            }
            hit
        })
        .collect()
}

/// Commands that run at set times.
pub fn cron(facts: &Facts<'_>) -> Vec<Hit> {
    let is_it = |path: &[u8]| {
        path == b"/etc/crontab"
            || path == b"/etc/anacrontab"
            || [
                b"/etc/cron.d".as_slice(),
                b"/var/spool/cron",
                b"/etc/cron.hourly",
                b"/etc/cron.daily",
                b"/etc/cron.weekly",
                b"/etc/cron.monthly",
            ]
            .iter()
            .any(|directory| is_below(path, directory))
    };
    files(facts, is_it)
        .map(|file| {
            let content = text(file);
            let hit = Hit::new(about_path(&file.path), "crontab was added or changed")
                .more(NextStep::File(file.path.clone()));
            let (hit, worst) = judged(hit, file, &content);
            match worst {
                Some(severity) => hit.severity(severity).confidence(Confidence::High),
                None => {
                    let line = content
                        .split(|byte| *byte == b'\n')
                        .find(|line| !line.is_empty() && !line.starts_with(b"#"));
                    hit.fact("entry", file.origin.escaped(), line.unwrap_or_default())
                }
            }
        })
        .collect()
}

/// Accounts with the rights of root, or without a password.
pub fn accounts(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for file in files(facts, |path| path == b"/etc/passwd" || path == b"/etc/shadow") {
        let content = text(file);
        let odd = if file.path.0 == b"/etc/passwd" {
            rules::odd_accounts(&content)
        } else {
            rules::without_password(&content)
        };
        let hit = Hit::new(about_path(&file.path), "accounts of the container were changed")
            .more(NextStep::File(file.path.clone()));
        hits.push(if odd.is_empty() {
            hit.fact("file", file.origin.escaped(), file.path.clone()).harmless(
                Severity::Low,
                "packages and start scripts of images add accounts for their services",
            )
        } else {
            let why = "account with UID 0, or without a password";
            odd.into_iter().fold(Hit { why: why.to_owned(), ..hit }, |hit, line| {
                hit.fact("account", file.origin.escaped(), line)
            })
        });
    }
    hits
}

/// Programs that give their owner's rights to whoever runs them.
pub fn setuid(facts: &Facts<'_>) -> Vec<Hit> {
    let programs = present(facts).filter(|change| {
        matches!(change.kind, Some("regular" | "hardlink"))
            && ["setuid", "setgid", "capability"].iter().any(|flag| change.flags.contains(flag))
    });
    programs
        .map(|change| {
            let hit = Hit::new(about_path(&change.path), "runs with its owner's rights, whoever starts it")
                .fact("mode", change.origin.escaped(), change.mode.clone().unwrap_or_default())
                .fact("flags", change.origin.escaped(), change.flags.join(" "))
                .more(Topic::RootFileSystem.all());
            let hidden = is_hidden(&change.path.0);
            match facts.packages_changed() {
                Some(_) if is_system(&change.path.0) && !hidden => {
                    hit.harmless(Severity::Low, "packages were installed in the container")
                }
                _ if hidden || is_temporary(&change.path.0) => {
                    hit.severity(Severity::Critical).confidence(Confidence::High)
                }
                // setgid alone is given to programs of games, mail and terminals.
                _ if !change.flags.contains(&"setuid") => hit.severity(Severity::Medium),
                _ => hit,
            }
        })
        .collect()
}

/// Programs and libraries of the system that are not as in the image.
pub fn system_binary(facts: &Facts<'_>) -> Vec<Hit> {
    let programs = present(facts).filter(|change| {
        change.kind == Some("regular")
            && is_system(&change.path.0)
            && !change.flags.contains(&"setuid")
            && (change.flags.contains(&"elf")
                || (change.flags.contains(&"script") && change.flags.contains(&"executable")))
    });
    programs
        .map(|change| {
            let name = basename(&change.path.0);
            let hit = Hit::new(about_path(&change.path), "system program added or modified")
                .fact(
                    "size",
                    change.origin.escaped(),
                    change.size.map_or_else(String::new, |size| size.to_string()),
                )
                .fact("change", change.origin.escaped(), change.change.name())
                .more(NextStep::Base);
            if facts.packages_changed().is_some() {
                return hit.harmless(Severity::Low, "packages were installed in the container");
            }
            if AUTHENTICATION.contains(&name) || name.starts_with(b"pam_") || name.starts_with(b"libpam") {
                let why = "authentication program added or modified";
                return Hit { why: why.to_owned(), ..hit }.severity(Severity::Critical);
            }
            if INSPECTION.contains(&name) {
                let why = "administration program added or modified";
                return Hit { why: why.to_owned(), ..hit }.severity(Severity::High);
            }
            hit
        })
        .collect()
}

/// Files that shells run when they start.
pub fn profiles(facts: &Facts<'_>) -> Vec<Hit> {
    let is_it = |path: &[u8]| {
        matches!(
            basename(path),
            b".bashrc"
                | b".bash_profile"
                | b".profile"
                | b".zshrc"
                | b".bash_login"
                | b".bash_logout"
                | b"bash.bashrc"
        ) || path == b"/etc/profile"
            || is_below(path, b"/etc/profile.d")
    };
    files(facts, is_it)
        .map(|file| {
            let content = text(file);
            let hit = Hit::new(about_path(&file.path), "executed whenever a shell starts")
                .fact("file", file.origin.escaped(), file.path.clone())
                .more(NextStep::File(file.path.clone()));
            match judged(hit, file, &content) {
                (hit, Some(severity)) => hit.severity(severity).confidence(Confidence::High),
                (hit, None) => hit,
            }
        })
        .collect()
}

/// Services that start with the system.
pub fn services(facts: &Facts<'_>) -> Vec<Hit> {
    let is_it = |path: &[u8]| {
        path == b"/etc/rc.local"
            || path == b"/etc/inittab"
            || is_below(path, b"/etc/init.d")
            || ((is_below(path, b"/etc/systemd/system") || is_below(path, b"/root/.config/systemd"))
                && (path.ends_with(b".service") || path.ends_with(b".timer")))
    };
    files(facts, is_it)
        .map(|file| {
            let content = text(file);
            let hit = Hit::new(about_path(&file.path), "started at boot")
                .fact("file", file.origin.escaped(), file.path.clone())
                .more(NextStep::File(file.path.clone()));
            let (hit, worst) = judged(hit, file, &content);
            match (worst, facts.packages_changed()) {
                (Some(severity), _) => hit.severity(severity),
                (None, Some(_)) => hit.harmless(Severity::Low, "packages were installed in the container"),
                (None, None) => hit,
            }
        })
        .collect()
}

/// Settings of the server for remote logins.
pub fn sshd_config(facts: &Facts<'_>) -> Vec<Hit> {
    let is_it = |path: &[u8]| path == b"/etc/ssh/sshd_config" || is_below(path, b"/etc/ssh/sshd_config.d");
    files(facts, is_it)
        .map(|file| {
            let open = rules::open_doors(&text(file));
            let hit = Hit::new(about_path(&file.path), "SSH server configuration was changed")
                .more(NextStep::File(file.path.clone()));
            if open.is_empty() {
                return hit.fact("file", file.origin.escaped(), file.path.clone()).severity(Severity::Low);
            }
            open.into_iter().fold(hit, |hit, line| hit.fact("setting", file.origin.escaped(), line))
        })
        .collect()
}

/// Servers for remote logins in a container that was not started for that.
pub fn sshd(facts: &Facts<'_>) -> Vec<Hit> {
    const SERVERS: [&[u8]; 3] = [b"sshd", b"dropbear", b"telnetd"];
    let servers = facts.living().filter(|process| SERVERS.contains(&known::program(process)));
    servers
        .filter_map(|process| {
            let listening = facts.sockets_of(process.pid).find(|socket| socket.state == Some("LISTEN"))?;
            let hit = Hit::new(about(process), "allows logins to the container over the network")
                .fact("socket", "files.img", super::shell::socket_text(listening))
                .fact("command", format!("mm-{}.img", process.pid), process.command())
                .more(Topic::Sockets.of(process.pid));
            let is_purpose = facts
                .container
                .command
                .iter()
                .any(|word| SERVERS.iter().any(|server| basename(word.as_bytes()) == *server));
            Some(if is_purpose {
                hit.harmless(Severity::Info, "this is what the container was started for")
            } else {
                hit
            })
        })
        .collect()
}

/// Scripts of web servers that run what they are sent.
pub fn webshell(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for file in facts.dropped.iter().filter(|file| rules::is_web_script(&file.path.0)) {
        if let Some(evidence) = rules::webshell(&text(file)) {
            let hit = Hit::new(about_path(&file.path), "script executes input from web requests")
                .more(NextStep::File(file.path.clone()));
            hits.push(
                evidence.into_iter().fold(hit, |hit, line| hit.fact("code", file.origin.escaped(), line)),
            );
        }
    }
    hits
}

/// Programs in places for temporary files, or hidden.
pub fn dropped_program(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for file in &facts.dropped {
        let path = &file.path.0;
        let hidden = basename(path).starts_with(b".");
        let change = facts.changes_at(path).find(|change| is_present(change));
        let executable = change.is_some_and(|change| change.flags.contains(&"executable"));
        // Programs that run, and those with setuid, are other findings.
        let is_told =
            change.is_some_and(|change| change.flags.contains(&"setuid")) || user_of(facts, path).is_some();
        if !(is_temporary(path) || hidden) || !executable || is_told {
            continue;
        }
        let kind = file_type(&file.contents.head(64));
        let hit = Hit::new(about_path(&file.path), "executable file outside the system directories")
            .fact("type", file.origin.escaped(), kind)
            .more(NextStep::Hashes);
        let (hit, worst) = if kind == "script" { judged(hit, file, &text(file)) } else { (hit, None) };
        hits.push(match (kind, worst) {
            (_, Some(severity)) => hit.severity(severity),
            ("elf", _) if hidden => hit.severity(Severity::High),
            ("elf", _) => hit,
            ("script", _) => hit.severity(Severity::Low).confidence(Confidence::Low),
            _ => hit.harmless(Severity::Low, "neither an ELF file nor a script: it cannot run"),
        });
    }
    hits
}

/// Files of shared memory that are hidden.
pub fn hidden_file(facts: &Facts<'_>) -> Vec<Hit> {
    let hidden = facts
        .dropped
        .iter()
        .filter(|file| is_below(&file.path.0, b"/dev/shm") && basename(&file.path.0).starts_with(b"."));
    hidden
        .map(|file| {
            Hit::new(about_path(&file.path), "hidden file in /dev/shm, which does not survive a restart")
                .fact("type", file.origin.escaped(), file_type(&file.contents.head(64)))
                .more(NextStep::File(file.path.clone()))
        })
        .collect()
}

/// Memory images of processes that crashed.
pub fn core_file(facts: &Facts<'_>) -> Vec<Hit> {
    /// `e_type` of an ELF file, and its value for core files.
    const TYPE_OFFSET: usize = 16;
    let cores = facts.dropped.iter().filter(|file| {
        let name = basename(&file.path.0);
        let head = file.contents.head(20);
        (name == b"core" || name.starts_with(b"core."))
            && file_type(&head) == "elf"
            && head
                .get(TYPE_OFFSET..)
                .is_some_and(|rest| rest.starts_with(&[4, 0]) || rest.starts_with(&[0, 4]))
    });
    cores
        .map(|file| {
            Hit::new(about_path(&file.path), "a crashed process left a core dump")
                .fact("size", file.origin.escaped(), file.contents.size().to_string())
                .more(Topic::RootFileSystem.all())
        })
        .collect()
}

/// The process that a file's finding is told of, if one runs it: then both are one story.
pub fn user_of(facts: &Facts<'_>, path: &[u8]) -> Option<super::Subject> {
    facts.running(path).map(about)
}
