//! Resource limits (`format.md §3.1`).

use ckptfx_parser::proto;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Case, Task, Text};

/// Names by number, as on every architecture but MIPS.
const NAMES: [&str; 16] = [
    "CPU",
    "FSIZE",
    "DATA",
    "STACK",
    "CORE",
    "RSS",
    "NPROC",
    "NOFILE",
    "MEMLOCK",
    "AS",
    "LOCKS",
    "SIGPENDING",
    "MSGQUEUE",
    "NICE",
    "RTPRIO",
    "RTTIME",
];

/// One resource limit of one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Limit {
    /// The process.
    pub pid: u32,
    /// Its name.
    pub comm: Option<Text>,
    /// `RLIMIT_` name without the prefix, or its number.
    pub limit: String,
    /// Limit in force; null is unlimited.
    pub soft: Option<u64>,
    /// Highest limit the process may set; null is unlimited.
    pub hard: Option<u64>,
}

/// The limits of the processes that `wanted` accepts.
pub fn limits(case: &mut Case<'_>, wanted: &dyn Fn(&Task<'_>) -> bool) -> Vec<Limit> {
    let images = &case.checkpoint.images;
    let mut limits = Vec::new();
    for task in case.tasks.iter().filter(|task| wanted(task)) {
        let pid = task.process.pid;
        let inline = task.core.as_ref().and_then(|core| core.tc.as_ref()?.rlimits.clone());
        // Before CRIU 1.3 they had an image of their own.
        let entries = inline.map_or_else(
            || {
                let name = format!("rlimit-{pid}.img");
                let entries = images.read::<proto::RlimitEntry>(&name, &mut case.diagnostics);
                entries.into_iter().map(|entry| entry.value).collect()
            },
            |inline| inline.rlimits,
        );
        limits.extend(entries.into_iter().enumerate().map(|(index, entry)| Limit {
            pid,
            comm: task.process.comm.clone(),
            limit: NAMES.get(index).map_or_else(|| index.to_string(), |name| (*name).to_owned()),
            soft: entry.cur.filter(|value| *value != u64::MAX),
            hard: entry.max.filter(|value| *value != u64::MAX),
        }));
    }
    limits
}
