//! YARA rules over the memory of processes and over files.
//!
//! [`collect`] finds rule files, [`compile`] makes a [`RuleSet`] of them, and [`RuleSet::scan`] holds it against
//! [`Unit`]s. The engine is boreal.
//!
//! # What a scan promises
//!
//! * A unit is what one evaluation of a condition sees: all regions of a process with their addresses, or one file with
//!   offsets from 0. Strings of two units never add up to a match.
//! * A region is searched as a whole, so that no border of pages or chunks hides a string; no string bridges two regions.
//! * The results are in the order of the units, of the rules and of the addresses, whatever the number of threads.
//! * What was not done is said: a string with more places than are counted, a unit that was stopped, a module that does
//!   not apply to memory, a rule that does not compile.

mod compile;
mod files;
mod fragments;
mod modules;
mod rule;
mod scan;

pub use compile::{Compiled, Rejected, Value, compile};
pub use files::{FileError, RuleFile, collect};
pub use modules::ModuleNote;
pub use rule::{Meta, MetaValue, RuleFacts, RuleSet};
pub use scan::{Content, End, Limited, MAX_PLACES, Options, Place, RuleMatch, StringHits, Unit, UnitResult};
