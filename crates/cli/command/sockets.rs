//! `ckptfx sockets`.

use anyhow::{Result, bail};

use super::Outcome;
use crate::args::{Common, SocketsArgs};

pub fn run(_args: &SocketsArgs, _common: &Common) -> Result<Outcome> {
    bail!("not built yet")
}
