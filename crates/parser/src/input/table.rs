//! All kinds of input, in the order in which they are asked for.

use super::{
    bare, docker,
    kind::{Kind, Subject},
    oci, pod, stream,
};

/// Each kind may take for granted that the subject is of none before it. What nobody else knows may hold checkpoints in
/// the open.
const KINDS: [&Kind; 5] = [&oci::KIND, &docker::KIND, &stream::KIND, &pod::KIND, &bare::KIND];

/// The kinds that a subject may be of, the likeliest first.
pub(super) fn kinds_of(subject: &Subject) -> impl Iterator<Item = &'static Kind> + '_ {
    KINDS.into_iter().filter(|kind| (kind.detect)(subject))
}
