//! `ckptfx cgroups`.

use anyhow::{Result, bail};

use super::Outcome;
use crate::args::{CgroupsArgs, Common};

pub fn run(_args: &CgroupsArgs, _common: &Common) -> Result<Outcome> {
    bail!("not built yet")
}
