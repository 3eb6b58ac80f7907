//! What to look at next, after a finding.

use std::fmt;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::{Text, search::Source};

/// Something that a command shows, of some processes or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Control groups.
    Cgroups,
    /// Credentials and filters.
    Credentials,
    /// Environments.
    Environment,
    /// Open files.
    Files,
    /// Resource limits.
    Limits,
    /// Mappings.
    Maps,
    /// Mounts.
    Mounts,
    /// Namespaces.
    Namespaces,
    /// The overview.
    Overview,
    /// The process tree.
    Processes,
    /// Files whose content is in the checkpoint only.
    Recoverable,
    /// Changes of the root file system.
    RootFileSystem,
    /// Signals.
    Signals,
    /// Sockets.
    Sockets,
    /// Threads.
    Threads,
}

impl Topic {
    /// The command that shows it.
    pub const fn command(self) -> &'static str {
        match self {
            Self::Cgroups => "cgroups",
            Self::Credentials => "creds",
            Self::Environment => "env",
            Self::Files => "files",
            Self::Limits => "limits",
            Self::Maps => "maps",
            Self::Mounts => "mounts",
            Self::Namespaces => "ns",
            Self::Overview => "info",
            Self::Processes => "ps",
            Self::Recoverable => "recover",
            Self::RootFileSystem => "rootfs",
            Self::Signals => "signals",
            Self::Sockets => "sockets",
            Self::Threads => "threads",
        }
    }

    /// All of it.
    pub const fn all(self) -> NextStep {
        NextStep::Look { topic: self, pids: Vec::new() }
    }

    /// What there is of it of one process.
    pub fn of(self, pid: u32) -> NextStep {
        NextStep::Look { topic: self, pids: vec![pid] }
    }

    /// What there is of it of two processes.
    pub fn of_both(self, one: u32, other: u32) -> NextStep {
        NextStep::Look { topic: self, pids: vec![one, other] }
    }
}

/// What to look at next. In JSON it is the arguments of the `ckptfx` command that shows it; the archive is to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextStep {
    /// What a command shows, of these processes, or of all.
    Look {
        /// What.
        topic: Topic,
        /// Of which.
        pids: Vec<u32>,
    },
    /// What is odd about the mappings of a process.
    Anomalies {
        /// Which.
        pid: u32,
    },
    /// The registers of the threads of a process.
    Registers {
        /// Which.
        pid: u32,
    },
    /// The content of a file of the container.
    File(Text),
    /// Hashes of the files that changed.
    Hashes,
    /// The changes, held against the image of the container.
    Base,
    /// The bytes of a queue.
    Queue(usize),
    /// A text in the memory of a process.
    Memory {
        /// Which.
        pid: u32,
        /// What.
        text: &'static str,
        /// Whether upper and lower case are the same.
        ignore_case: bool,
    },
    /// The secrets that a rule finds.
    Secrets {
        /// The process; all sources when it is none.
        pid: Option<u32>,
        /// The rule.
        rule: String,
    },
    /// The strings of YARA rules.
    Yara {
        /// Where they are.
        source: Source,
        /// The process, if it is one.
        pid: Option<u32>,
    },
}

impl NextStep {
    /// The command that shows it and its arguments, but for the archive.
    pub fn words(&self) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let pid = |pid: &Option<u32>| match pid {
            Some(pid) => vec!["--pid".to_owned(), pid.to_string()],
            None => Vec::new(),
        };
        match self {
            Self::Look { topic, pids } if pids.is_empty() => words(&[topic.command()]),
            Self::Look { topic, pids } => {
                let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
                words(&[topic.command(), "--pid", &pids.join(",")])
            }
            Self::Anomalies { pid } => words(&["maps", "--pid", &pid.to_string(), "--anomalies"]),
            Self::Registers { pid } => words(&["threads", "--pid", &pid.to_string(), "--registers"]),
            Self::File(path) => words(&["rootfs", "cat", &path.escaped()]),
            Self::Hashes => words(&["rootfs", "--hash"]),
            Self::Base => words(&["rootfs", "--base", "IMAGE"]),
            Self::Queue(number) => words(&["queues", "--raw", &number.to_string()]),
            Self::Memory { pid, text, ignore_case } => {
                let mut all = words(&["grep-mem", "--pid", &pid.to_string()]);
                all.extend(ignore_case.then(|| "-i".to_owned()));
                all.push((*text).to_owned());
                all
            }
            Self::Secrets { pid: Some(pid), rule } => {
                words(&["secrets", "--pid", &pid.to_string(), "--rule", rule])
            }
            Self::Secrets { pid: None, rule } => words(&["secrets", "--source", "all", "--rule", rule]),
            Self::Yara { source, pid: of } => {
                [words(&["yara", "--strings", "--source", source.name(), "--rules", "RULES"]), pid(of)]
                    .concat()
            }
        }
    }
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_./,=:@%+".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

impl fmt::Display for NextStep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.words().iter().map(|word| quoted(word)).collect();
        formatter.write_str(&words.join(" "))
    }
}

impl Serialize for NextStep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for NextStep {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NextStep".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_command_that_a_shell_takes() {
        assert_eq!(Topic::Sockets.of(7).to_string(), "sockets --pid 7");
        assert_eq!(Topic::Files.of_both(7, 9).to_string(), "files --pid 7,9");
        assert_eq!(Topic::Mounts.all().to_string(), "mounts");
        let file = NextStep::File("/tmp/a b'; rm -rf $HOME".into());
        assert_eq!(file.to_string(), r"rootfs cat '/tmp/a b'\''; rm -rf $HOME'");
        let memory = NextStep::Memory { pid: 3, text: "history -c", ignore_case: false };
        assert_eq!(memory.to_string(), "grep-mem --pid 3 'history -c'");
    }
}
