//! A format of your own: findings as lines of tab-separated values.
//! `cargo run --example format -- ARCHIVE`.

use std::{error::Error, io::Write, path::Path};

use ckptfx::{
    Wish,
    export::{self, Dossier, Export},
};

/// One line for each finding.
struct Lines;

impl Export for Lines {
    fn begin(&mut self, _: &str, out: &mut dyn Write) -> export::Result<()> {
        Ok(writeln!(out, "score\tid\tpid\ttitle")?)
    }

    fn checkpoint(&mut self, dossier: &Dossier<'_>, out: &mut dyn Write) -> export::Result<()> {
        for finding in dossier.findings {
            // Of the container as a whole no process is told, which is not process 0.
            let pid = finding.subject.pid.map(|pid| pid.to_string()).unwrap_or_default();
            writeln!(out, "{}\t{}\t{pid}\t{}", finding.score, finding.id, finding.title)?;
        }
        Ok(())
    }
}

/// Writes it.
pub fn run(path: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let evidence = ckptfx::open(path)?;
    let mut lines = Lines;
    lines.begin(&evidence.parsed().name, out)?;
    for checkpoint in evidence.checkpoints() {
        let examination = checkpoint.examine(&Wish::default())?;
        let head = checkpoint.head("triage");
        let dossier = Dossier { findings: &examination.findings, ..Dossier::new(&head) };
        lines.checkpoint(&dossier.with_facts(&examination.facts), out)?;
    }
    Ok(lines.finish(out)?)
}

#[allow(dead_code, reason = "the tests call run")]
fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("an archive is needed")?;
    run(path.as_ref(), &mut std::io::stdout())
}
