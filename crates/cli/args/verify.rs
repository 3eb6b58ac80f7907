//! What `verify` takes.

use std::path::PathBuf;

use clap::Args;

pub const VERIFY_HELP: &str = "The first file is what report -o json wrote, or the manifest of a captured archive. All differences are listed: size \
and SHA-256 of the archive and, where the report has them, its members that are missing, were added, or have another content.
Of a manifest in a chain the ones before it are checked, too, back to the first; without ARCHIVE the archive beside it is meant.
Neither file says who wrote it: keep it, or its SHA-256, where nobody else can write.

Exit status: 0 the same; 1 something differs; 2 one of the files cannot be read.

Examples:
  ckptfx verify report.json archive.tar
  ckptfx verify archive.manifest.json
  ckptfx verify -o json report.json archive.tar | jq '.differences[]'";

/// What `verify` takes.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A report in JSON, or a manifest.
    #[arg(value_name = "REPORT")]
    pub record: PathBuf,
    /// The archive or directory; that beside a manifest may be left out.
    #[arg(value_name = "ARCHIVE")]
    pub archive: Option<PathBuf>,
}
