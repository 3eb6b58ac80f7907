//! Checkpoints that lie in a tar or a directory in the open.

use super::kind::{Kind, Subject};

pub(super) const KIND: Kind = Kind {
    of_directory: "directory",
    of_file: "tar",
    detect: |subject: &Subject| subject.archive().is_some(),
    open: |_, _, _, _| Ok(Some(Vec::new())),
    images: None,
};
