//! `ckptfx logs`.

use anyhow::{Result, bail};

use super::Outcome;
use crate::args::{Common, LogsArgs};

pub fn run(_args: &LogsArgs, _common: &Common) -> Result<Outcome> {
    bail!("not built yet")
}
