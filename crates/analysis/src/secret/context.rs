//! What validators know of the checkpoint beside the bytes.

use jiff::Timestamp;

use crate::{Case, container::dated::checkpointed};

/// Whose checkpoint it is, and when it was made.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Kubernetes namespace of the container.
    pub namespace: Option<String>,
    /// Its pod; none unless a Kubernetes engine wrote the checkpoint.
    pub pod: Option<String>,
    /// UID of the pod.
    pub pod_uid: Option<String>,
    /// When the checkpoint was made.
    pub checkpointed: Option<Timestamp>,
}

impl Context {
    /// What the engine says of the container.
    pub fn of(case: &Case<'_>) -> Self {
        let container = &case.checkpoint.container;
        // What Podman calls a pod has no service accounts.
        let is_kubernetes = container.namespace.is_some() || container.pod_uid.is_some();
        Self {
            namespace: container.namespace.clone(),
            pod: container.pod.clone().filter(|_| is_kubernetes),
            pod_uid: container.pod_uid.clone(),
            checkpointed: checkpointed(case.checkpoint).map(|found| found.time),
        }
    }
}
