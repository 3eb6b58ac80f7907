//! Opening evidence: whatever the responder has, told by its content, becomes checkpoints.
//!
//! Each kind of input is a file with a `KIND`: how it is told, and how the archives in it are found. `table` lists them
//! in the order in which they are asked for; a new one is a file and a line there.

mod bare;
mod base_image;
mod containerd;
mod decompress;
mod docker;
mod evidence;
mod folder;
mod found;
mod given;
mod kind;
mod layers;
mod layout;
mod look;
mod nested;
mod oci;
mod options;
mod pod;
mod source;
mod stream;
mod table;

pub use self::{
    base_image::{BaseImage, open_base_image},
    evidence::{Evidence, open, open_source},
    folder::{Survey, survey},
    given::Given,
    look::{Look, look},
    nested::open_nested,
    options::OpenOptions,
    source::Input,
};
pub(crate) use self::{
    found::IndexFacts,
    layout::{Place, find as find_places},
};
pub use crate::archive::Sieve;
