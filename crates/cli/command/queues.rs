//! `ckptfx queues`.

use anyhow::{Result, bail};

use super::Outcome;
use crate::args::{Common, QueuesArgs};

pub fn run(_args: &QueuesArgs, _common: &Common) -> Result<Outcome> {
    bail!("not built yet")
}
