//! `ckptfx ipc`.

use anyhow::{Result, bail};

use super::Outcome;
use crate::args::{Common, IpcArgs};

pub fn run(_args: &IpcArgs, _common: &Common) -> Result<Outcome> {
    bail!("not built yet")
}
