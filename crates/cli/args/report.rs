//! What `report` takes.

use std::path::PathBuf;

use clap::Args;

use crate::command::triage::Attack;

pub const REPORT_HELP: &str = "Forms: -o html (one page that needs nothing else and loads nothing), -o markdown (the default, for tickets) and \
-o json (all of it, for programs; verify reads its record of custody).
-o ecs, ocsf, sarif and stix are those of triage, with all processes, files and sockets, and without secrets in their text.
Passwords, tokens and keys are taken out unless --show-secrets is given. The evidence is hashed, member by member, and never
written to. The record of custody has the arguments and, unless --no-times is given, the time by the clock of this machine.

Examples:
  ckptfx report -o html archive.tar --out-file report.html
  ckptfx report -o html --case 2026-17 --examiner 'J. Doe' archive.tar --out-file report.html
  ckptfx report archive.tar | less
  ckptfx report -o json archive.tar --out-file report.json; ckptfx verify report.json archive.tar";

/// What `report` takes.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The archive or directory.
    #[arg(value_name = "ARCHIVE")]
    pub archive: PathBuf,
    /// Name or number of the case, for the record of custody.
    #[arg(long, value_name = "ID")]
    pub case: Option<String>,
    /// Who examines the evidence, for the record of custody.
    #[arg(long, value_name = "NAME")]
    pub examiner: Option<String>,
    /// On which machine, for the record of custody.
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Leave passwords, tokens and keys in.
    #[arg(long)]
    pub show_secrets: bool,
    /// Take passwords, tokens and keys out, which is the default.
    #[arg(long, conflicts_with = "show_secrets")]
    pub redact: bool,
    /// Record no start and end: the same input then gives the same bytes.
    #[arg(long)]
    pub no_times: bool,
    /// Version of MITRE ATT&CK that techniques are named after.
    #[arg(long, value_enum, default_value_t = Attack::V19, value_name = "VERSION")]
    pub attack: Attack,
}
