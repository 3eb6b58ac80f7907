//! `ckptfx creds`.

use anyhow::{Result, bail};

use super::Outcome;
use crate::args::{Common, CredsArgs};

pub fn run(_args: &CredsArgs, _common: &Common) -> Result<Outcome> {
    bail!("not built yet")
}
