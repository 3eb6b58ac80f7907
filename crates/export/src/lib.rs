//! Results in the forms of other systems. A [`Dossier`] has what is known of a checkpoint, a [`Form`] writes of it what
//! it has a place for. Nothing here has a clock or draws random numbers: ids are UUIDs (version 5) of the checkpoint
//! and of what they name.
//!
//! ```
//! use ckptfx_analysis::{Case, finding::{self, Facts}};
//! use ckptfx_export::{Dossier, Form};
//! use ckptfx_parser::input::{Input, OpenOptions, open};
//! use ckptfx_report::Head;
//! use ckptfx_testkit::{Container, PodmanVersion};
//!
//! let archive = Container::sample().podman(PodmanVersion::V5).to_tar();
//! let evidence = open(&Input::Bytes(archive.into()), &OpenOptions::default())?;
//! let checkpoint = &evidence.checkpoints[0];
//! let facts = Facts::read(&mut Case::read(checkpoint), &[])?;
//! let findings = finding::rank(&facts, Default::default());
//! let head = Head::new("triage", &evidence, checkpoint, None);
//! let dossier = Dossier { findings: &findings, ..Dossier::new(&head).with_facts(&facts) };
//!
//! let mut out = Vec::new();
//! let mut exporter = Form::named("sarif").expect("a form").exporter();
//! exporter.write(&dossier, &mut out)?;
//! exporter.finish(&mut out)?;
//! assert!(out.starts_with(b"{"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod attack;
mod bodyfile;
mod common;
mod cyclonedx;
mod dossier;
mod dot;
mod ecs;
mod export;
mod flow;
mod form;
mod graph;
mod hashes;
mod html;
mod id;
mod index;
mod markdown;
mod mermaid;
mod ocsf;
mod record;
mod sarif;
mod section;
mod stix;
mod timesketch;
mod verdict;

pub use self::{
    dossier::Dossier,
    export::{Error, Export, Result},
    form::{Exporter, FORMS, Form},
    section::{MAX_ROWS, Section},
};
