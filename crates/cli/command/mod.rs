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
    &scan::COMMAND,
    &list::COMMAND,
    &ps::COMMAND,
    &threads::COMMAND,
    &creds::COMMAND,
    &signals::COMMAND,
    &timers::COMMAND,
    &env::COMMAND,
    &limits::COMMAND,
    &history::COMMAND,
    &maps::COMMAND,
    &grep_mem::COMMAND,
    &strings::COMMAND,
    &secrets::COMMAND,
    &iocs::COMMAND,
    &yara::COMMAND,
    &dump::COMMAND,
    &core::COMMAND,
    &files::COMMAND,
    &rootfs::COMMAND,
    &recover::COMMAND,
    &sbom::COMMAND,
    &sockets::COMMAND,
    &queues::COMMAND,
    &net::COMMAND,
    &graph::COMMAND,
    &mounts::COMMAND,
    &ns::COMMAND,
    &ipc::COMMAND,
    &cgroups::COMMAND,
    &uts::COMMAND,
    &logs::COMMAND,
    &stats::COMMAND,
    &diff::COMMAND,
    &timeline::COMMAND,
    &verify::COMMAND,
    #[cfg(feature = "capture")]
    &capture::COMMAND,
    &explain::COMMAND,
    &image::COMMAND,
    &decode::COMMAND,
    &schema::COMMAND,
    &generate::COMMAND,
];
