//! `ckptfx timers`.

use anyhow::{Result, bail};

use super::Outcome;
use crate::args::{Common, TimersArgs};

pub fn run(_args: &TimersArgs, _common: &Common) -> Result<Outcome> {
    bail!("not built yet")
}
