//! `ckptfx signals`.

use anyhow::{Result, bail};

use super::Outcome;
use crate::args::{Common, SignalsArgs};

pub fn run(_args: &SignalsArgs, _common: &Common) -> Result<Outcome> {
    bail!("not built yet")
}
