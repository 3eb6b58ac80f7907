//! What can be said about the root file system, recovered files and programs.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ProcessFilter;

pub const ROOTFS_HELP: &str = "Listed are changes of the root file system (rootfs-diff.tar, deleted.files and whiteouts), and all \
files of Podman volumes, /dev/shm and tmpfs mounts; contents of other mounts are not in a checkpoint. With the image \
that the container was made of, --base tells added from modified files, and --diff shows how text changed.

Examples:
  ckptfx rootfs archive.tar
  ckptfx rootfs --hash -o json archive.tar | jq '.changes[] | select(.flags | index(\"setuid\"))'
  ckptfx rootfs --base image.tar --diff archive.tar
  ckptfx rootfs ls /etc archive.tar
  ckptfx rootfs cat /etc/crontab archive.tar";

/// What `rootfs` takes.
#[derive(Debug, Args)]
pub struct RootfsArgs {
    /// Only list or show a part.
    #[command(subcommand)]
    pub action: Option<RootfsAction>,
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub options: RootfsOptions,
}

/// How changes are listed.
#[derive(Debug, Clone, Args)]
pub struct RootfsOptions {
    /// The image that the container was made of: an OCI layout, an OCI or docker archive, or a tar of its files.
    #[arg(long, value_name = "IMAGE")]
    pub base: Option<PathBuf>,
    /// Show how small text files changed.
    #[arg(long, requires = "base")]
    pub diff: bool,
    /// In the table, also show what runtimes put into every container.
    #[arg(short, long)]
    pub all: bool,
    /// Hash no more than this many GiB of holes.
    #[arg(long, default_value_t = 4, value_name = "GIB")]
    pub max_size: u64,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

/// Parts of `rootfs`.
#[derive(Debug, Subcommand)]
pub enum RootfsAction {
    /// List what the archive has at a path and below it
    #[command(
        override_usage = "ckptfx rootfs ls [OPTIONS] [PATH] ARCHIVE",
        after_help = "Examples:\n  ckptfx rootfs ls /etc archive.tar\n  ckptfx rootfs ls archive.tar"
    )]
    Ls {
        /// A path in the container, all of it by default; then the archive.
        #[arg(required = true, num_args = 1..=2, value_name = "PATH ARCHIVE")]
        operands: Vec<PathBuf>,
        #[command(flatten)]
        options: RootfsOptions,
    },
    /// Write the content of one file
    #[command(after_help = "Examples:\n  ckptfx rootfs cat /etc/crontab archive.tar")]
    Cat {
        /// A path in the container.
        #[arg(value_name = "PATH")]
        path: PathBuf,
        /// The archive, a directory, or - for standard input.
        #[arg(value_name = "ARCHIVE")]
        archive: PathBuf,
        /// Write holes as zeros up to this many GiB.
        #[arg(long, default_value_t = 4, value_name = "GIB")]
        max_size: u64,
    },
}

pub const RECOVER_HELP: &str = "Without -O what can be recovered is listed: deleted files that were in use, memfds, and files of \
tmpfs mounts. With -O the files named by id, or --all, are written to a directory: with mode 0600, under names made of \
id and file name. Nothing that exists is replaced, and no path of the archive is followed.

Examples:
  ckptfx recover archive.tar
  ckptfx recover --pid 14 -o json archive.tar
  ckptfx recover ghost-2 memfd-253 -O recovered archive.tar
  ckptfx recover --all -O recovered archive.tar";

/// What `recover` takes.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// With -O the ids of files, then the archive; else archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ID ARCHIVE")]
    pub operands: Vec<PathBuf>,
    /// Write files to this directory, which is made if need be.
    #[arg(short = 'O', long, value_name = "DIR")]
    pub out_dir: Option<PathBuf>,
    /// Write all files that are complete.
    #[arg(long, requires = "out_dir")]
    pub all: bool,
    /// Write what there is of files of which some content is missing, with holes in its place.
    #[arg(long, requires = "out_dir")]
    pub partial: bool,
    /// Shared anonymous and System V memory, too.
    #[arg(long)]
    pub shared_memory: bool,
    /// Write no file of more GiB than this, and hash no more holes.
    #[arg(long, default_value_t = 4, value_name = "GIB")]
    pub max_size: u64,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

/// What `sbom` takes.
#[derive(Debug, Args)]
pub struct SbomArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    /// Write a CycloneDX 1.6 document (JSON).
    #[arg(long, conflicts_with = "output")]
    pub cyclonedx: bool,
    #[command(flatten)]
    pub filter: ProcessFilter,
}
