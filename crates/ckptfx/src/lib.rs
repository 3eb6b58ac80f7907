//! Reads container checkpoints: processes, memory, files and findings.
//!
//! ```
//! # let file = tempfile::NamedTempFile::new()?;
//! # let sample = ckptfx_testkit::Container::sample().podman(ckptfx_testkit::PodmanVersion::V5);
//! # std::fs::write(file.path(), sample.to_tar())?;
//! # let path = file.path();
//! let evidence = ckptfx::open(path)?;
//! for checkpoint in evidence.checkpoints() {
//!     for process in checkpoint.processes() {
//!         let name = process.comm.as_ref().map(|name| name.escaped().into_owned());
//!         println!("{} {}", process.pid, name.as_deref().unwrap_or("unknown"));
//!     }
//!     for hit in checkpoint.search("worker memory")?.hits {
//!         println!("process {:?} at {:x?}", hit.pid, hit.address);
//!     }
//!     for finding in checkpoint.findings()? {
//!         println!("{} {}: {}", finding.severity.name(), finding.id, finding.why);
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`open`] takes everything that the `ckptfx` program takes: archives of Podman, CRI-O and containerd, compressed or not,
//! unpacked directories, OCI images, and bare images of CRIU. A plain tar is mapped and never extracted; nothing is written
//! to the path of the evidence.
//!
//! # What to expect
//!
//! * Whoever made an archive may be an attacker. No archive makes a call here panic or take memory without a bound; text in
//!   it is bytes ([`Text`]) and must be escaped before it gets to a terminal.
//! * What could not be read is not an [`Error`] but a [`Diagnostic`]: look at [`Checkpoint::diagnostics`] last, since calls
//!   add to it. One of severity [`Severity::Loss`] means that something is missing in what they gave.
//! * `None` is "not recorded". It is never zero.
//!
//! The crates below are here as modules, for what this one has no call for: [`parser`] for images and memory, [`analysis`] for
//! everything that is made of them, [`report`] for records as JSON and their schemas, [`scan`] for patterns, [`export`] for forms of
//! other systems.
#![forbid(unsafe_code)]

mod checkpoint;
mod error;
mod evidence;
mod pattern;
mod search;

pub use ckptfx_analysis as analysis;
pub use ckptfx_analysis::{
    Text,
    examination::{Examination, Wish},
    files::file::OpenFile,
    finding::{Confidence, Finding},
    memory::mapping::Mapping,
    network::socket::Socket,
    process::Process,
    search::{Coverage, RegionFacts, Source},
};
pub use ckptfx_export as export;
pub use ckptfx_parser as parser;
pub use ckptfx_parser::{
    Diagnostic, Limits, Severity,
    input::{Input, OpenOptions},
};
pub use ckptfx_report as report;
pub use ckptfx_scan as scan;

pub use self::{
    checkpoint::Checkpoint,
    error::{Error, Result},
    evidence::{Evidence, open, open_with, read},
    pattern::Pattern,
    search::{Found, Hit},
};
