//! `ckptfx threads`.

use anyhow::{Result, bail};

use super::Outcome;
use crate::args::{Common, ThreadsArgs};

pub fn run(_args: &ThreadsArgs, _common: &Common) -> Result<Outcome> {
    bail!("not built yet")
}
