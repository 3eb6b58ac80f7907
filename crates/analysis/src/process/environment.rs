//! Environment variables, one record each.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Case, Task, Text};

/// One environment variable of one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Variable {
    /// The process.
    pub pid: u32,
    /// Its name.
    pub comm: Option<Text>,
    /// What stands before the first `=`; the whole entry if there is none.
    pub name: Text,
    /// What stands after it; none when the entry has no `=`.
    pub value: Option<Text>,
}

/// The variables of the processes that `wanted` accepts, in order of process and place. Empty entries, which
/// programs that rewrite their title leave behind, are not listed.
pub fn variables(case: &Case<'_>, wanted: &dyn Fn(&Task<'_>) -> bool) -> Vec<Variable> {
    let mut variables = Vec::new();
    for task in case.tasks.iter().filter(|task| wanted(task)) {
        for entry in task.process.environ.iter().flatten().filter(|entry| !entry.0.is_empty()) {
            let mut parts = entry.0.splitn(2, |byte| *byte == b'=');
            variables.push(Variable {
                pid: task.process.pid,
                comm: task.process.comm.clone(),
                name: parts.next().unwrap_or_default().into(),
                value: parts.next().map(Text::from),
            });
        }
    }
    variables
}
