//! The evidence as it is searched: every byte once, and whose it is.

mod collect;
mod content;
mod coverage;
pub mod pattern;
mod region;
mod source;
pub mod strings;
pub mod yara;

pub(crate) use self::content::{is_gpu_memory, queue_name};
pub use self::{
    collect::{all_content, finds_all_in_what_is_stored, regions, regions_with},
    coverage::{Coverage, Scanned, Stop, Unscanned},
    region::{Place, RegionFacts, SearchRegion, Wanted},
    source::Source,
};
pub use crate::memory::location::kind_name;
