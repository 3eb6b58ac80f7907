//! What can be said on the command line to more than one command.

mod common;
mod format;
mod process;
mod scan;
mod value;

pub use self::{
    common::{Common, Workers},
    format::Format,
    process::{ProcessFilter, ViewArgs, no_such_process},
    scan::{ScanArgs, SourceArg},
    value::{Attack, EncodingArg, Level, parse_range},
};
