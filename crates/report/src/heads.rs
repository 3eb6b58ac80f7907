//! What begins results that say more than which checkpoint they are of.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    custody::Custody,
    envelope::{ContainerHead, DocumentHead, EvidenceHead, Head},
};

/// What was compared.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Verified {
    /// Name of the report or manifest, without path.
    pub record: String,
    /// Its schema.
    pub record_schema: String,
    /// Its own SHA-256.
    pub record_sha256: String,
    /// Name of the archive, without path.
    pub archive: String,
    /// Its size in bytes; of a directory that of all its files, null when it could not be read as a checkpoint.
    pub bytes: Option<u64>,
    /// Its SHA-256; null for a directory.
    pub sha256: Option<String>,
    /// Number of members that were compared.
    pub members: usize,
    /// Number of manifests before it in its chain that are as they were recorded.
    pub manifests: usize,
    /// Whether everything is as it was recorded.
    pub same: bool,
}

/// The head of `verify`.
#[derive(Debug, Serialize)]
pub struct VerifyHead<'v> {
    /// Schema and tool.
    #[serde(flatten)]
    pub document: DocumentHead,
    /// What was compared.
    pub verified: &'v Verified,
}

/// The other checkpoint of a document, beside the later one that its head is about.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Earlier {
    /// What was read.
    pub evidence: EvidenceHead,
    /// Of which container.
    pub container: ContainerHead,
}

/// The head of `diff`.
#[derive(Debug, Serialize)]
pub struct DiffHead {
    /// Of the later checkpoint.
    #[serde(flatten)]
    pub head: Head,
    /// The other one.
    pub earlier: Earlier,
}

/// The head of `decode`: what is said of the image before its entries.
#[derive(Debug, Serialize)]
pub struct ImageHead<'a> {
    /// Of the checkpoint, if the image is of one.
    #[serde(flatten)]
    pub document: Whence,
    /// The image.
    pub image: ImageFacts<'a>,
}

/// Where an image lies.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Whence {
    /// In a file by itself.
    Alone(DocumentHead),
    /// In a checkpoint.
    OfCheckpoint(Box<Head>),
}

/// The image itself.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ImageFacts<'a> {
    /// File name.
    pub name: &'a str,
    /// CRIU's name of the kind, such as `PSTREE`.
    pub kind: &'static str,
    /// CRIU's name of the message; null if the image has none.
    pub message: Option<&'static str>,
    /// Type magic in hexadecimal; null if the image has none.
    pub magic: Option<String>,
    /// `v1.1`, `v1.1 service`, `v1`, `plugin` or `raw`.
    pub framing: &'static str,
    /// Size of the image.
    pub bytes: usize,
}

/// The head of `report`.
#[derive(Debug, Serialize)]
pub struct ReportHead<'r> {
    /// Of the checkpoint.
    #[serde(flatten)]
    pub head: &'r Head,
    /// How the report came to be.
    pub custody: &'r Custody,
}
