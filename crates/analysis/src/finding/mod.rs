//! Findings: what in a checkpoint speaks for an intrusion, with the facts that prove it (`format.md §16.2`).
//!
//! [`Facts`] are read once; each [`Detection`] of the [`DETECTIONS`] table is a pure function over them; [`rank`]
//! ties their hits together to one story per process, the worst first.

mod asked;
mod attack;
mod conduct;
mod container_risk;
mod contradiction;
mod coverage;
mod dropped;
mod executable;
mod facts;
mod history;
mod holder;
mod index;
mod injection;
mod integrity;
mod known;
mod logs;
mod masquerade;
mod memory;
mod miner;
mod network;
mod next_step;
mod origin;
mod persistence;
mod persistence_rules;
mod preload;
mod queues;
mod rank;
mod record;
mod secrets;
mod shell;
pub mod sigma;
mod suppress;
mod table;
mod tags;
pub mod yara;
mod yara_rules;

pub use self::{
    attack::{AttackVersion, Technique},
    coverage::{NotExamined, not_examined},
    dropped::DroppedFile,
    facts::Facts,
    memory::{MemorySignals, StringHit},
    next_step::{NextStep, Topic, quoted},
    origin::{Origin, Story},
    rank::{rank, stories},
    record::{Confidence, Finding, Hit, Subject},
    suppress::{Ignore, Suppressed, suppress},
    table::{DETECTIONS, Detection, detection},
    yara_rules::YaraRules,
};
pub use crate::memory::anomaly::{Evidence, Severity};

#[cfg(test)]
mod tests;
