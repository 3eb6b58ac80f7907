//! What `timeline` takes.

use std::path::PathBuf;

use ckptfx_analysis::timeline::Kind;
use clap::{Args, ValueEnum};
use jiff::{Timestamp, civil, tz::TimeZone};

use crate::args::ProcessFilter;

/// What `timeline` takes.
#[derive(Debug, Args)]
pub struct TimelineArgs {
    /// Archives, their manifests, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    /// Only these kinds of events.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND")]
    pub kind: Vec<EventKind>,
    /// Only events at this time or later: RFC 3339, or a date or time in UTC.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub from: Option<Timestamp>,
    /// Only events before this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub to: Option<Timestamp>,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

/// A kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventKind(pub Kind);

impl ValueEnum for EventKind {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [EventKind; Kind::ALL.len()] = {
            let mut all = [EventKind(Kind::NodeBooted); Kind::ALL.len()];
            let mut index = 0;
            while index < all.len() {
                all[index] = EventKind(Kind::ALL[index]);
                index += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.0.name()))
    }
}

/// A moment; a date or a time without offset is UTC, whatever the machine's time zone is.
fn parse_time(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let date_time = text.parse::<civil::DateTime>();
    let moment = date_time.ok().and_then(|time| TimeZone::UTC.to_timestamp(time).ok());
    moment.ok_or_else(|| format!("{text} is no time; write 2026-11-23T22:00:00Z or 2026-11-23"))
}

#[cfg(test)]
mod tests {
    use super::parse_time;

    #[test]
    fn times_without_offset_are_utc() {
        for (text, expected) in [
            ("2026-11-23", "2026-11-23T00:00:00Z"),
            ("2026-11-23 22:01", "2026-11-23T22:01:00Z"),
            ("2026-11-23T22:01:02+02:00", "2026-11-23T20:01:02Z"),
        ] {
            assert_eq!(parse_time(text).map(|time| time.to_string()).as_deref(), Ok(expected));
        }
        assert!(parse_time("yesterday").is_err());
    }
}
