//! `ckptfx rootfs`.

use anyhow::{Result, bail};

use super::Outcome;
use crate::args::{Common, RootfsArgs};

pub fn run(_args: &RootfsArgs, _common: &Common) -> Result<Outcome> {
    bail!("not built yet")
}
