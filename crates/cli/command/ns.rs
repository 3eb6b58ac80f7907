//! `ckptfx ns`.

use anyhow::{Result, bail};

use super::Outcome;
use crate::args::{Common, NsArgs};

pub fn run(_args: &NsArgs, _common: &Common) -> Result<Outcome> {
    bail!("not built yet")
}
