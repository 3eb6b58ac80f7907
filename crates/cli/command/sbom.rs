//! `ckptfx sbom`.

use anyhow::{Result, bail};

use super::Outcome;
use crate::args::{Common, SbomArgs};

pub fn run(_args: &SbomArgs, _common: &Common) -> Result<Outcome> {
    bail!("not built yet")
}
