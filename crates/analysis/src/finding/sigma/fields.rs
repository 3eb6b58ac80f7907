//! The fields of processes that rules ask for.

use crate::{finding::Facts, process::Process};

/// The fields of a process that rules ask for.
pub(super) struct Fields<'f> {
    pub facts: &'f Facts<'f>,
    pub process: &'f Process,
}

/// Names of the fields that a checkpoint has.
pub(super) const FIELDS: [&str; 8] = [
    "Image",
    "CommandLine",
    "ParentImage",
    "ParentCommandLine",
    "CurrentDirectory",
    "User",
    "ProcessId",
    "ParentProcessId",
];

impl Fields<'_> {
    /// The value of a field; none when it is not known.
    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        let parent = || self.facts.parent(self.process);
        let image = |process: &Process| process.exe.as_ref().map(|exe| exe.0.clone());
        let command = |process: &Process| process.cmdline.as_ref().map(|_| process.command());
        match name {
            "Image" => image(self.process),
            "CommandLine" => command(self.process),
            "ParentImage" => image(parent()?),
            "ParentCommandLine" => command(parent()?),
            "CurrentDirectory" => self.process.cwd.as_ref().map(|cwd| cwd.0.clone()),
            // Names of users are in files of the image; root is root everywhere.
            "User" => self.process.uid?.effective.map(|uid| match uid {
                0 => b"root".to_vec(),
                uid => uid.to_string().into_bytes(),
            }),
            "ProcessId" => Some(self.process.pid.to_string().into_bytes()),
            "ParentProcessId" => self.process.ppid.map(|pid| pid.to_string().into_bytes()),
            _ => None,
        }
    }
}
