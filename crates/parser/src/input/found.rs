//! What is found in evidence before anybody looks for checkpoints in it.

use std::sync::Arc;

use crate::archive::Archive;

/// Archives that may each hold checkpoints.
pub(super) type Archives = Vec<Found>;

/// One of them.
pub(super) struct Found {
    /// What tells it from others of the same evidence.
    pub label: Option<String>,
    /// What the index that lists it says of it.
    pub index: Option<IndexFacts>,
    pub archive: Arc<Archive>,
}

impl Found {
    pub fn whole(archive: Archive) -> Self {
        Self { label: None, index: None, archive: Arc::new(archive) }
    }
}

/// What an index says of the checkpoint that lies in it as raw blobs (`ctr checkpoint`).
#[derive(Debug, Clone, Default)]
pub(crate) struct IndexFacts {
    /// The image that the container was made of.
    pub image: Option<String>,
    /// The OCI runtime.
    pub runtime: Option<String>,
}
