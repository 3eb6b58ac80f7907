//! Lists the processes of checkpoints: `cargo run --example processes -- ARCHIVE`.

use std::{error::Error, io::Write, path::Path};

/// Lists them.
pub fn run(path: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    for process in ckptfx::open(path)?.processes() {
        // Text of the evidence is shown escaped: it may have been written to deceive a terminal.
        let name = process.comm.map(|name| ckptfx::report::untrusted::show(&name.0));
        writeln!(out, "{:>8} {}", process.pid, name.as_deref().unwrap_or("(unknown)"))?;
    }
    Ok(())
}

#[allow(dead_code, reason = "the tests call run")]
fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("an archive is needed")?;
    run(path.as_ref(), &mut std::io::stdout())
}
