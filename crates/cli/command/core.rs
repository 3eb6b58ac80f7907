//! `ckptfx core`.

use anyhow::{Result, bail};

use super::Outcome;
use crate::args::{Common, CoreArgs};

pub fn run(_args: &CoreArgs, _common: &Common) -> Result<Outcome> {
    bail!("not built yet")
}
