//! `ckptfx files`.

use anyhow::{Result, bail};

use super::Outcome;
use crate::args::{Common, FilesArgs};

pub fn run(_args: &FilesArgs, _common: &Common) -> Result<Outcome> {
    bail!("not built yet")
}
