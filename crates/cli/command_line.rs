//! The command line as a whole, made of the table of commands.

use clap::Args as _;

use crate::{
    args::Common,
    spec::{Command, Group},
};

const EXAMPLES: &str = "Examples:
  ckptfx triage archive.tar
  ckptfx ps archive.tar
  ckptfx grep-mem 'password' archive.tar
  ckptfx ps -o jsonl --env archive.tar.zst | jq .cmdline
  ckptfx dump --pid 1 --vma heap archive.tar --out-file heap.bin";

const NOTES: &str = "ARCHIVE is a plain or compressed tar, a directory, an OCI layout, an image stream, or - for standard input. \
Nothing is extracted, and the evidence is never modified. -o jsonl is the format for programs: one complete record a line.

Exit status: 0 success; 1 no match, or --fail-on was met; 2 usage error or unreadable evidence; 3 success, but parts of \
the evidence could not be read (see the warnings; --strict turns this into 2).";

/// What other tools call something, and what to call here.
const KNOWN_ELSEWHERE: &[(&[&str], &str)] = &[
    (&["pslist", "psscan", "psaux", "tasks", "top"], "ps"),
    (&["netstat", "netscan", "connections", "connscan", "sockscan"], "sockets"),
    (&["malfind", "hollowfind", "ldrmodules"], "maps --anomalies"),
    (&["vadinfo", "vadwalk", "proc_maps", "pmap", "memmap"], "maps"),
    (&["yarascan", "vadyarascan", "vmayarascan"], "yara"),
    (&["memdump", "vaddump", "procdump", "dump_map"], "dump"),
    (&["gcore"], "core"),
    (&["grep", "search", "regexscan"], "grep-mem"),
    (&["cat", "head", "tail"], "rootfs cat PATH"),
    (&["ls", "find", "tree"], "rootfs ls"),
    (&["filescan", "handles", "fuser"], "files"),
    (&["dumpfiles", "extract", "carve"], "recover"),
    (&["dlllist", "elfs", "ldd", "modules"], "sbom"),
    (&["getsids", "privileges", "id", "capabilities", "getcap"], "creds"),
    (&["mount", "findmnt", "mountinfo"], "mounts"),
    (&["lsns"], "ns"),
    (&["ifconfig", "ip", "route", "iptables", "nft"], "net"),
    (&["ipcs"], "ipc"),
    (&["hostname", "uname"], "uts"),
    (&["ulimit", "prlimit"], "limits"),
    (&["dmesg", "log", "journalctl"], "logs"),
    (&["inspect", "show", "stat"], "info"),
    (&["crit", "x"], "decode"),
    (&["checkpoint", "snapshot"], "capture"),
    (&["compare", "delta"], "diff"),
    (&["hash", "sha256sum", "check"], "verify"),
    (&["timeline-all", "mactime"], "timeline"),
    (&["cmdscan", "consoles", "fc"], "history"),
];

/// What is meant by the name of a command that there is not.
pub fn meant(name: &str) -> Option<&'static str> {
    KNOWN_ELSEWHERE.iter().find(|(names, _)| names.contains(&name)).map(|(_, command)| *command)
}

/// The commands by group, as the help lists them.
fn groups(commands: &[&Command]) -> String {
    let width = commands.iter().map(|command| command.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for group in Group::ALL {
        let of_group = commands.iter().filter(|command| command.group == group);
        let mut lines =
            of_group.map(|command| format!("\n  {:width$}  {}", command.name, command.about)).peekable();
        if lines.peek().is_some() {
            text.push_str(&format!("{}:{}\n\n", group.heading(), lines.collect::<String>()));
        }
    }
    text
}

/// The parser of the command line.
pub fn parser(commands: &[&Command]) -> clap::Command {
    let parser = clap::Command::new("ckptfx")
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true)
        .max_term_width(100)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .help_template(format!(
            "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}Options:\n{{options}}{{after-help}}",
            groups(commands)
        ));
    let parser = Common::augment_args(parser)
        .about(
            "Inspect container checkpoints: processes, memory and metadata, read in place from the archive",
        )
        .long_about(None)
        .after_help(EXAMPLES)
        .after_long_help(format!("{NOTES}\n\n{EXAMPLES}"));
    commands.iter().fold(parser, |parser, command| parser.subcommand(command.parser()))
}
