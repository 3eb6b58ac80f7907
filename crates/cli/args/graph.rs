//! What `graph` takes.

use std::path::PathBuf;

use clap::Args;

use super::ProcessFilter;

pub const GRAPH_HELP: &str = "Arrows go from writer to reader, from client to server, from parent to child. A dashed line has no direction.
An address or socket outside of the container is a node of its own.

Examples:
  ckptfx graph archive.tar
  ckptfx graph -o dot archive.tar | dot -Tsvg > graph.svg
  ckptfx graph -o mermaid --no-parents archive.tar
  ckptfx graph --may-trace -o json archive.tar | jq '.edges[] | select(.kind == \"may-trace\")'";

/// What `graph` takes.
#[derive(Debug, Args)]
pub struct GraphArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    /// Leave out who is whose parent.
    #[arg(long)]
    pub no_parents: bool,
    /// Show which processes may trace which others by the kernel's rules.
    #[arg(long)]
    pub may_trace: bool,
    #[command(flatten)]
    pub filter: ProcessFilter,
}
