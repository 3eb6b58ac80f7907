//! `ckptfx recover`.

use anyhow::{Result, bail};

use super::Outcome;
use crate::args::{Common, RecoverArgs};

pub fn run(_args: &RecoverArgs, _common: &Common) -> Result<Outcome> {
    bail!("not built yet")
}
