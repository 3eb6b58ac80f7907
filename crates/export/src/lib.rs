//! Results in the forms of other systems. A [`Dossier`] has what is known of a checkpoint, a [`Form`] writes of it what
//! it has a place for. Nothing here has a clock or draws random numbers: ids are UUIDs (version 5) of the checkpoint
//! and of what they name.
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
