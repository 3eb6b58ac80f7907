//! `ckptfx stats`.

use anyhow::{Result, bail};

use super::Outcome;
use crate::args::{Common, StatsArgs};

pub fn run(_args: &StatsArgs, _common: &Common) -> Result<Outcome> {
    bail!("not built yet")
}
