//! Shells that somebody far away uses (`format.md §16.2`, rules 19, 38, 43).

use super::{
    Confidence, Facts, Hit, Severity,
    known::{self, ShellUse, shell_use},
    next_step::Topic,
    record::about,
};
use crate::{
    files::file::{Details, Kind},
    network::socket::Socket,
    process::Process,
};

/// Programs that carry bytes between the network and standard input.
const RELAYS: [&[u8]; 9] = [
    b"nc",
    b"nc.openbsd",
    b"nc.traditional",
    b"ncat",
    b"netcat",
    b"socat",
    b"cryptcat",
    b"chisel",
    b"telnet",
];

fn is_inet(socket: &Socket) -> bool {
    matches!(socket.family, Some("inet" | "inet6"))
}

fn endpoint(socket: &Socket) -> String {
    let end = |end: Option<&crate::network::socket::Endpoint>| {
        end.map_or_else(
            || "*".to_owned(),
            |end| {
                let address = end.address.as_deref().unwrap_or("*");
                let address = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
                format!("{address}:{}", end.port.map_or_else(|| "*".to_owned(), |port| port.to_string()))
            },
        )
    };
    match socket.state {
        Some("LISTEN") => format!("{} (LISTEN)", end(socket.local.as_ref())),
        state => format!(
            "{} -> {} ({})",
            end(socket.local.as_ref()),
            end(socket.remote.as_ref()),
            state.unwrap_or("unknown")
        ),
    }
}

pub(super) fn socket_text(socket: &Socket) -> String {
    let kind = socket.protocol.as_deref().or(socket.r#type).unwrap_or("socket");
    format!("{kind} {}", endpoint(socket))
}

/// Processes whose standard input and output are a network connection.
pub fn stdio_socket(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for socket in facts.sockets.iter().filter(|socket| is_inet(socket) && socket.state != Some("LISTEN")) {
        for process in facts.living() {
            let fds: Vec<u32> = socket
                .holders
                .iter()
                .filter(|holder| holder.pid == process.pid && holder.fd < 3)
                .map(|holder| holder.fd)
                .collect();
            if !(fds.contains(&0) && (fds.contains(&1) || fds.contains(&2))) {
                continue;
            }
            let fds = fds.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            let parent = facts.parent(process);
            let hit = Hit::new(
                about(process),
                "shell with stdin and stdout on a TCP connection (reverse or bind shell)",
            )
            .fact("connection", format!("files.img, fds {fds}"), socket_text(socket))
            .fact("command", format!("mm-{}.img", process.pid), process.command())
            .more(Topic::Sockets.of(process.pid));
            hits.push(match parent.filter(|parent| known::is_super_server(parent)) {
                Some(parent) => hit
                    .fact("parent", format!("pstree.img, pid {}", parent.pid), parent.command())
                    .harmless(Severity::Low, "its parent hands connections to the programs that it starts"),
                None if known::is_interpreter(process) => hit,
                None => hit.severity(Severity::Medium).confidence(Confidence::Medium),
            });
        }
    }
    hits
}

/// Processes at the other end of a process's pipes and terminals on descriptors 0 to 2.
fn partners(facts: &Facts<'_>, process: &Process) -> Vec<u32> {
    let mut found = Vec::new();
    for file in facts.descriptors(process.pid).filter(|file| file.fd.is_some_and(|fd| fd < 3)) {
        let Some(link) = file.link.as_ref() else { continue };
        let is_pipe = matches!(file.kind, Some(Kind::Pipe | Kind::Fifo));
        let terminal = match &file.details {
            Some(Details::Tty { index, .. }) if file.kind == Some(Kind::Tty) => *index,
            _ => None,
        };
        let at_pipe = is_pipe.then(|| facts.pipe_ends(link)).into_iter().flatten();
        let at_terminal = terminal.map(|terminal| facts.masters(terminal)).into_iter().flatten();
        found.extend(
            at_pipe.chain(at_terminal).filter_map(|other| other.pid.filter(|_| other.pid != file.pid)),
        );
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Shells whose input and output another process carries to the network.
pub fn relay(facts: &Facts<'_>) -> Vec<Hit> {
    let shells = facts
        .living()
        .filter(|process| known::is_shell(process) && shell_use(process) == ShellUse::Interactive);
    let mut hits = Vec::new();
    for shell in shells {
        for partner in partners(facts, shell).into_iter().filter_map(|pid| facts.process(pid)) {
            // What the server of a remote login does is its purpose; of web servers there is another finding.
            if known::is_super_server(partner) || known::is_web_server(partner) {
                continue;
            }
            let connected = facts
                .sockets_of(partner.pid)
                .find(|socket| is_inet(socket) && socket.state == Some("ESTABLISHED"));
            let Some(socket) = connected else { continue };
            hits.push(
                Hit::new(about(shell), "another process relays its input and output to the network")
                    .fact("other process", format!("pstree.img, pid {}", partner.pid), partner.command())
                    .fact("connection", "files.img", socket_text(socket))
                    .more(Topic::Files.of_both(shell.pid, partner.pid)),
            );
        }
    }
    hits
}

/// Shells that wait for connections.
pub fn listener(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for shell in facts.living().filter(|process| known::is_shell(process)) {
        for socket in
            facts.sockets_of(shell.pid).filter(|socket| is_inet(socket) && socket.state == Some("LISTEN"))
        {
            hits.push(
                Hit::new(about(shell), "shell holds a listening socket")
                    .fact("socket", "files.img", socket_text(socket))
                    .caveat("a shell keeps what its parent leaves open")
                    .more(Topic::Sockets.of(shell.pid)),
            );
        }
    }
    hits
}

/// Netcat and its kind.
pub fn netcat(facts: &Facts<'_>) -> Vec<Hit> {
    let relays = facts.living().filter(|process| RELAYS.contains(&known::program(process)));
    relays
        .filter_map(|process| {
            let sockets: Vec<_> = facts.sockets_of(process.pid).filter(|socket| is_inet(socket)).collect();
            if sockets.is_empty() {
                return None;
            }
            let mut hit =
                Hit::new(about(process), "relays standard input and output, or ports, to the network")
                    .fact("command", format!("mm-{}.img", process.pid), process.command())
                    .more(Topic::Sockets.of(process.pid));
            for socket in sockets {
                hit = hit.fact("socket", "files.img", socket_text(socket));
            }
            // A container that was started as a relay is one.
            let is_purpose = facts.first().is_some_and(|first| first.pid == process.pid);
            Some(if is_purpose {
                hit.harmless(Severity::Low, "this is what the container was started for")
            } else {
                hit
            })
        })
        .collect()
}

/// Shells that a web server started.
pub fn web(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for shell in facts.living().filter(|process| known::is_shell(process)) {
        let Some(server) = facts.parent(shell).filter(|parent| known::is_web_server(parent)) else {
            continue;
        };
        let hit = Hit::new(about(shell), "web server started a shell")
            .fact("command", format!("mm-{}.img", shell.pid), shell.command())
            .fact("parent", format!("pstree.img, pid {}", server.pid), server.command())
            .more(Topic::Processes.of_both(shell.pid, server.pid));
        let ordinary = "web applications run helpers such as gzip or sendmail through a shell";
        hits.push(match shell_use(shell) {
            ShellUse::Interactive => hit.confidence(Confidence::High),
            ShellUse::Command(line)
                if known::judge_command(line).is_some() || known::is_reconnaissance(line) =>
            {
                hit.confidence(Confidence::High)
            }
            ShellUse::Command(_) => hit.harmless(Severity::Low, ordinary),
            ShellUse::Script(_) => hit.harmless(Severity::Low, "CGI programs may be shell scripts"),
        });
    }
    hits
}

/// Command lines that do what intruders do.
pub fn command_line(facts: &Facts<'_>) -> Vec<Hit> {
    let interpreters = facts.living().filter(|process| known::is_interpreter(process));
    interpreters
        .filter_map(|process| {
            let command = process.command();
            let (severity, what) = known::judge_command(&command)?;
            Some(
                Hit::new(about(process), format!("of its command line: {what}"))
                    .severity(severity)
                    .fact("command", format!("mm-{}.img", process.pid), command)
                    .more(Topic::Processes.of(process.pid)),
            )
        })
        .collect()
}

/// Processes of somebody who logged in, in a container whose first process is of nobody.
pub fn login(facts: &Facts<'_>) -> Vec<Hit> {
    const NOBODY: u32 = u32::MAX;
    let own = facts.first().and_then(|first| first.loginuid);
    let others = facts.living().filter(|process| {
        process.loginuid.is_some_and(|user| user != NOBODY) && own.is_some() && process.loginuid != own
    });
    others
        .map(|process| {
            let user = process.loginuid.unwrap_or(NOBODY).to_string();
            Hit::new(about(process), "belongs to a login session, unlike the container")
                .fact("audit login uid", format!("core-{}.img", process.pid), user)
                .more(Topic::Processes.of(process.pid))
        })
        .collect()
}
