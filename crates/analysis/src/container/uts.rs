//! Host and domain names (`format.md §11.1`).

use ckptfx_parser::proto;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Case, Task, Text};

/// One UTS namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Uts {
    /// CRIU's number for the namespace.
    pub namespace: u32,
    /// Host name.
    pub nodename: Option<Text>,
    /// NIS domain name.
    pub domainname: Option<Text>,
    /// Processes in it.
    pub pids: Vec<u32>,
}

/// The UTS namespaces of the processes that `wanted` accepts. The host's own has no image.
pub fn namespaces(case: &mut Case<'_>, wanted: &dyn Fn(&Task<'_>) -> bool) -> Vec<Uts> {
    let images = &case.checkpoint.images;
    let mut found = Vec::new();
    for (name, _) in images.files() {
        let number = name.strip_prefix("utsns-").and_then(|rest| rest.strip_suffix(".img")?.parse().ok());
        let Some(namespace) = number else { continue };
        let entry: Option<proto::UtsnsEntry> = images.read_one(name, &mut case.diagnostics);
        let Some(entry) = entry else { continue };
        let inside = |task: &&Task<'_>| {
            wanted(task) && task.process.namespaces.get("uts").is_some_and(|uts| uts.id == namespace)
        };
        found.push(Uts {
            namespace,
            nodename: entry.nodename.map(Text),
            domainname: entry.domainname.map(Text),
            pids: case.tasks.iter().filter(inside).map(|task| task.process.pid).collect(),
        });
    }
    found.sort_by_key(|uts| uts.namespace);
    found
}
