//! `ckptfx decode`: any CRIU image as JSON.

use anyhow::{Result, bail};

use super::Outcome;
use crate::args::{Common, DecodeArgs};

pub fn run(_args: &DecodeArgs, _common: &Common) -> Result<Outcome> {
    bail!("to come")
}
