//! Which processes are meant.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::{Case, Task};
use ckptfx_report::untrusted::show;
use clap::Args;

use crate::operands::list;

/// Which processes are meant.
#[derive(Debug, Clone, Default, Args)]
pub struct ProcessFilter {
    /// Only these PIDs (as seen in the container), comma-separated.
    #[arg(long, value_delimiter = ',', value_name = "PID")]
    pub pid: Vec<u32>,
    /// Only processes with these names.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub comm: Vec<String>,
    /// Only processes with these executables (full path or file name).
    #[arg(long, value_delimiter = ',', value_name = "EXE")]
    pub exe: Vec<String>,
}

impl ProcessFilter {
    /// Whether a process is meant.
    pub fn accepts(&self, task: &Task<'_>) -> bool {
        let process = &task.process;
        let is_named = |name: &String, bytes: &[u8]| name.as_bytes() == bytes;
        (self.pid.is_empty() || self.pid.contains(&process.pid))
            && (self.comm.is_empty()
                || process
                    .comm
                    .as_ref()
                    .is_some_and(|comm| self.comm.iter().any(|name| is_named(name, &comm.0))))
            && (self.exe.is_empty()
                || process.exe.as_ref().is_some_and(|exe| {
                    let last = exe.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
                    self.exe.iter().any(|name| is_named(name, &exe.0) || is_named(name, last))
                }))
    }

    /// Whether any process is left out.
    pub fn is_set(&self) -> bool {
        !self.pid.is_empty() || !self.comm.is_empty() || !self.exe.is_empty()
    }

    /// Fails when no process is meant, or a pid was asked for that there is not.
    pub fn check(&self, case: &Case<'_>) -> Result<()> {
        for pid in &self.pid {
            case.task(*pid).with_context(|| no_such_process(*pid, case))?;
        }
        if self.is_set() && !case.tasks.iter().any(|task| self.accepts(task)) {
            let mut names: Vec<String> = case
                .tasks
                .iter()
                .filter_map(|task| task.process.comm.as_ref())
                .map(|comm| show(&comm.0))
                .collect();
            names.sort();
            names.dedup();
            bail!("no process matches --comm, --exe and --pid; there are {}", list(&names));
        }
        Ok(())
    }
}

/// What is said of a process that is not there.
pub fn no_such_process(pid: u32, case: &Case<'_>) -> String {
    let pids: Vec<String> = case.tasks.iter().map(|task| task.process.pid.to_string()).collect();
    format!(
        "there is no process {pid} in the checkpoint; there are {} (pids as seen in the container)",
        list(&pids)
    )
}

/// What commands take that show something of each process.
#[derive(Debug, Args)]
pub struct ViewArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub filter: ProcessFilter,
}
