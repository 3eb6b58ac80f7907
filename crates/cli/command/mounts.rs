//! `ckptfx mounts`.

use anyhow::{Result, bail};

use super::Outcome;
use crate::args::{Common, MountsArgs};

pub fn run(_args: &MountsArgs, _common: &Common) -> Result<Outcome> {
    bail!("not built yet")
}
