//! `ckptfx maps`.

use anyhow::{Result, bail};

use super::Outcome;
use crate::args::{Common, MapsArgs};

pub fn run(_args: &MapsArgs, _common: &Common) -> Result<Outcome> {
    bail!("not built yet")
}
