//! A detection of your own: processes that listen on a port below 10000 on every address.
//! `cargo run --example detection -- ARCHIVE`.

use std::{error::Error, io::Write, path::Path};

use ckptfx::{
    Confidence, Wish,
    analysis::finding::{Detection, Facts, Hit, Severity, Subject},
};

/// What is known of it; those that ckptfx has are such values in one table.
const LISTENS: Detection = Detection {
    id: "OWN-LISTENS",
    title: "Listens on every address",
    severity: Severity::Low,
    confidence: Confidence::Medium,
    attack: &[],
    caveat: Some("a service is there to listen"),
    harmless: &[],
    run: listens,
};

/// A pure function over the facts: it reads nothing else.
fn listens(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for socket in facts.sockets.iter().filter(|socket| socket.state == Some("LISTEN")) {
        let Some(local) = &socket.local else { continue };
        let is_everywhere = matches!(local.address.as_deref(), Some("0.0.0.0" | "::"));
        let Some(port) = local.port.filter(|port| is_everywhere && *port < 10_000) else { continue };
        for holder in &socket.holders {
            let subject = Subject { pid: Some(holder.pid), ..Subject::default() };
            let why = format!("process {} takes connections on port {port} from anywhere", holder.pid);
            hits.push(Hit::new(subject, why));
        }
    }
    hits
}

/// Runs it beside those that ckptfx has.
pub fn run(path: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let evidence = ckptfx::open(path)?;
    for checkpoint in evidence.checkpoints() {
        let examination = checkpoint.examine(&Wish::default())?;
        for hit in (LISTENS.run)(&examination.facts) {
            writeln!(out, "{} {}: {}", LISTENS.severity.name(), LISTENS.id, hit.why)?;
        }
        for finding in &examination.findings {
            writeln!(out, "{} {}: {}", finding.severity.name(), finding.id, finding.title)?;
        }
    }
    Ok(())
}

#[allow(dead_code, reason = "the tests call run")]
fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("an archive is needed")?;
    run(path.as_ref(), &mut std::io::stdout())
}
