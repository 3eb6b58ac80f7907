//! One file per command, and the table of all of them.

#[cfg(feature = "capture")]
mod capture;
mod cgroups;
mod core;
mod creds;
mod decode;
mod diff;
mod dump;
mod env;
mod explain;
mod files;
mod generate;
mod graph;
mod grep_mem;
mod history;
mod image;
mod info;
mod iocs;
mod ipc;
mod limits;
mod list;
mod logs;
mod maps;
mod mounts;
mod net;
mod ns;
mod ps;
mod queues;
mod recover;
mod report;
mod rootfs;
mod sbom;
mod scan;
mod schema;
mod secrets;
mod signals;
mod sockets;
mod stats;
mod strings;
mod threads;
mod timeline;
mod timers;
mod triage;
mod uts;
mod verify;
mod yara;

use crate::spec::Command;

/// Every command, in the order of help.
pub const ALL: &[&Command] = &[
    &info::COMMAND,
    &triage::COMMAND,
    &report::COMMAND,
    &verify::COMMAND,
    &scan::COMMAND,
    &ps::COMMAND,
    &grep_mem::COMMAND,
    &secrets::COMMAND,
    &iocs::COMMAND,
    &strings::COMMAND,
    &yara::COMMAND,
    &dump::COMMAND,
    &decode::COMMAND,
    &list::COMMAND,
    &files::COMMAND,
    &sockets::COMMAND,
    &queues::COMMAND,
    &maps::COMMAND,
    &threads::COMMAND,
    &creds::COMMAND,
    &signals::COMMAND,
    &timers::COMMAND,
    &core::COMMAND,
    &mounts::COMMAND,
    &ns::COMMAND,
    &net::COMMAND,
    &ipc::COMMAND,
    &cgroups::COMMAND,
    &logs::COMMAND,
    &stats::COMMAND,
    &rootfs::COMMAND,
    &recover::COMMAND,
    &sbom::COMMAND,
    &env::COMMAND,
    &limits::COMMAND,
    &uts::COMMAND,
    #[cfg(feature = "capture")]
    &capture::COMMAND,
    &explain::COMMAND,
    &image::COMMAND,
    &diff::COMMAND,
    &timeline::COMMAND,
    &graph::COMMAND,
    &history::COMMAND,
    &schema::COMMAND,
    &generate::COMMAND,
];
