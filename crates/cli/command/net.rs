//! `ckptfx net`.

use anyhow::{Result, bail};

use super::Outcome;
use crate::args::{Common, NetArgs};

pub fn run(_args: &NetArgs, _common: &Common) -> Result<Outcome> {
    bail!("not built yet")
}
