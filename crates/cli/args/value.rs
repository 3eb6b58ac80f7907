//! Values of options.

use ckptfx_analysis::finding::{AttackVersion, Severity};
use clap::ValueEnum;

/// A severity, as it is given on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Everything.
    Info,
    /// Usually harmless.
    Low,
    /// Needs review.
    Medium,
    /// Rare in ordinary containers.
    High,
    /// No plausible benign cause.
    Critical,
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Info => Self::Info,
            Level::Low => Self::Low,
            Level::Medium => Self::Medium,
            Level::High => Self::High,
            Level::Critical => Self::Critical,
        }
    }
}

/// A version of ATT&CK.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Attack {
    /// Version 18.
    #[value(name = "18")]
    V18,
    /// Version 19.
    #[default]
    #[value(name = "19")]
    V19,
}

impl From<Attack> for AttackVersion {
    fn from(version: Attack) -> Self {
        match version {
            Attack::V18 => Self::V18,
            Attack::V19 => Self::V19,
        }
    }
}

/// Text encodings to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EncodingArg {
    /// ASCII, which is UTF-8.
    Ascii,
    /// UTF-8, and other bytes as given.
    #[value(name = "utf-8", alias = "utf8")]
    Utf8,
    /// UTF-16, low byte first.
    #[value(name = "utf-16le", alias = "utf16le")]
    Utf16Le,
    /// UTF-16, high byte first.
    #[value(name = "utf-16be", alias = "utf16be")]
    Utf16Be,
    /// All of them.
    All,
}

/// Two addresses in hexadecimal, as `/proc/PID/maps` has them; `0x` may stand before each.
pub fn parse_range(text: &str) -> Result<(u64, u64), String> {
    let number = |text: &str| {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        u64::from_str_radix(digits, 16).map_err(|_| format!("{text} is no hexadecimal address"))
    };
    let (from, to) = text.split_once('-').ok_or("two addresses with - between them are needed")?;
    let (from, to) = (number(from)?, number(to)?);
    if from < to {
        Ok((from, to))
    } else {
        Err("the second address must be greater than the first".to_owned())
    }
}
