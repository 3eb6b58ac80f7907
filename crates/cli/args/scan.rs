//! What `scan` takes.

use std::path::PathBuf;

use clap::Args;

use crate::command::triage::Level;

pub const SCAN_HELP: &str = "Directories are searched for archives, and patterns with *, ? or [] that the shell left alone are expanded. \
An archive that cannot be read is named on standard error and costs itself only; the exit status is then 3.
SHARED lists what more than one checkpoint has: the same recovered or dropped program, program of a finding, address of \
another host, or finding about the same file.

Examples:
  ckptfx scan /var/lib/kubelet/checkpoints
  ckptfx scan --fail-on high 'cases/*.tar'
  ckptfx scan -o json cases | jq '.shared[] | select(.kind == \"sha256\")'
  ckptfx scan -o csv cases > verdicts.csv";

/// What `scan` takes.
#[derive(Debug, Args)]
pub struct FleetArgs {
    /// Archives, directories, or patterns.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// End with status 1 when there is a finding of this severity or above.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub fail_on: Option<Level>,
}
