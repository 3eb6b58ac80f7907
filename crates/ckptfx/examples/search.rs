//! Finds a text in the memory of processes: `cargo run --example search -- ARCHIVE TEXT`.

use std::{error::Error, io::Write, path::Path};

/// Finds it.
pub fn run(path: &Path, text: &str, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let evidence = ckptfx::open(path)?;
    for checkpoint in evidence.checkpoints() {
        let found = checkpoint.search(text)?;
        for hit in &found.hits {
            // What no process maps has neither pid nor address.
            let pid = hit.pid.map_or("nobody".to_owned(), |pid| pid.to_string());
            let address = hit.address.map_or("no address".to_owned(), |address| format!("{address:#x}"));
            writeln!(out, "{pid} {address} {}", hit.member.as_deref().unwrap_or("no member"))?;
        }
        // No match in memory that was not captured says nothing.
        for gap in found.coverage.not_scanned.iter().filter(|gap| gap.why != "not-asked-for") {
            writeln!(out, "not searched: {}", gap.why)?;
        }
        for diagnostic in checkpoint.diagnostics() {
            writeln!(out, "note: {}", ckptfx::report::untrusted::show(diagnostic.message.as_bytes()))?;
        }
    }
    Ok(())
}

#[allow(dead_code, reason = "the tests call run")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (path, text) = arguments.next().zip(arguments.next()).ok_or("an archive and a text are needed")?;
    run(path.as_ref(), text.to_str().ok_or("the text is not UTF-8")?, &mut std::io::stdout())
}
