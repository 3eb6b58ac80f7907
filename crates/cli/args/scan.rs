//! What to scan, and for how long.

use std::time::Duration;

use ckptfx_analysis::search::Source;
use clap::{Args, ValueEnum, builder::PossibleValue};

use super::{process::ProcessFilter, value::parse_range};

/// What to scan, and for how long.
#[derive(Debug, Clone, Args)]
pub struct ScanArgs {
    /// Sources to scan.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "memory,shared-memory,memfd,unclaimed,gpu-memory"
    )]
    pub source: Vec<SourceArg>,
    #[command(flatten)]
    pub filter: ProcessFilter,
    /// Only mappings with these permissions: `x`, `rw-`, `rwxs`; ? for any.
    #[arg(long, value_name = "PERMS", allow_hyphen_values = true)]
    pub perms: Option<String>,
    /// Only matches that start in this address range.
    #[arg(long, value_name = "A-B", value_parser = parse_range)]
    pub range: Option<(u64, u64)>,
    /// Stop after this many seconds; results are marked as partial.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub timeout: Option<Duration>,
}

/// A source, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceArg {
    /// One.
    One(Source),
    /// All.
    All,
}

impl ValueEnum for SourceArg {
    fn value_variants<'a>() -> &'a [Self] {
        const VARIANTS: [SourceArg; Source::ALL.len() + 1] = {
            let mut variants = [SourceArg::All; Source::ALL.len() + 1];
            let mut index = 0;
            while index < Source::ALL.len() {
                variants[index] = SourceArg::One(Source::ALL[index]);
                index += 1;
            }
            variants
        };
        &VARIANTS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::One(source) => PossibleValue::new(source.name()),
            Self::All => PossibleValue::new("all"),
        })
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds is expected".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
