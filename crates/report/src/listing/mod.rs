//! Records of each kind that every checkpoint may have, as values in one table: commands show them, schemas describe them, and
//! whoever wants all facts of a checkpoint finds them here by name.

mod container;
mod files;
mod kind;
mod network;
mod process;

pub use self::{
    container::{CGROUPS, EVENTS, INFO, IPC, MOUNTS, NAMESPACES, STATS, UTS},
    files::{CHANGES, COMPONENTS, FILES, MAPS, RECOVERABLE},
    kind::{Ask, Give, Listed, Listing},
    network::{EDGES, QUEUES, SOCKETS},
    process::{COMMANDS, CREDENTIALS, LIMITS, PROCESSES, SIGNALS, THREADS, TIMERS, VARIABLES},
};

/// All of them, in the order in which they are best read.
pub static ALL: &[&dyn Listed] = &[
    &PROCESSES,
    &THREADS,
    &CREDENTIALS,
    &SIGNALS,
    &TIMERS,
    &VARIABLES,
    &LIMITS,
    &COMMANDS,
    &MAPS,
    &FILES,
    &CHANGES,
    &RECOVERABLE,
    &COMPONENTS,
    &SOCKETS,
    &QUEUES,
    &EDGES,
    &INFO,
    &MOUNTS,
    &NAMESPACES,
    &IPC,
    &CGROUPS,
    &STATS,
    &UTS,
    &EVENTS,
];

/// The listing of a command.
pub fn of(command: &str) -> Option<&'static dyn Listed> {
    ALL.iter().copied().find(|listing| listing.command() == command)
}
