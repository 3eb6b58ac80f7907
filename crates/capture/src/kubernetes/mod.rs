//! Checkpoints through Kubernetes: found by pod, triggered at the kubelet, brought home, sealed.

pub mod access;
pub mod fetch;
pub mod preflight;
pub mod target;
pub mod trigger;

use futures::StreamExt as _;

use self::{
    access::{Access, Via},
    target::Target,
    trigger::Taken,
};
use crate::{
    captured::{Captured, Place},
    error::Error,
    manifest::{Archive, Source},
    seal,
    stop::Stop,
};

/// How to capture.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Seconds that the runtime may take; the kubelet's own limit is used where it is longer.
    pub timeout: Option<u64>,
    /// How to bring archives home; none leaves them on the node.
    pub fetch: Option<fetch::Options>,
    /// Checkpoints at a time.
    pub jobs: usize,
}

/// Captures every target, at most `jobs` at a time; results in order of the targets.
pub async fn capture_all(
    access: &Access,
    targets: &[Target],
    plan: &Plan,
    places: &[Place<'_>],
    stop: &Stop,
) -> Vec<Result<Captured, Error>> {
    futures::stream::iter(targets.iter().zip(places))
        .map(|(target, place)| capture(access, target, plan, place, stop))
        .buffered(plan.jobs.max(1))
        .collect()
        .await
}

/// Captures one container.
async fn capture(
    access: &Access,
    target: &Target,
    plan: &Plan,
    place: &Place<'_>,
    stop: &Stop,
) -> Result<Captured, Error> {
    if stop.is_requested() {
        return Err(Error::Interrupted(format!("nothing was asked of {}", target.name())));
    }
    let taken = tokio::select! {
        biased;
        () = stop.insisted() => Err(Error::Interrupted(format!(
            "a checkpoint of {} may still be written on the node, or the container may be left paused",
            target.name()
        ))),
        taken = trigger::take(access, target, plan.timeout) => taken,
    };
    let taken = match taken {
        Ok(taken) => taken,
        Err(error @ Error::Interrupted(_)) => return Err(error),
        // A failed checkpoint may have done harm too.
        Err(error) => return Err(error.with_workload(trigger::after(access, target).await.ok().as_ref())),
    };
    let Taken { node_path, requested, answered, mut exchanges } = taken;
    let mut notes = Vec::new();
    // The workload first: it is what an operator worries about while a large archive is copied.
    let after = trigger::after(access, target).await;
    let after =
        after.map_err(|error| notes.push(format!("the workload could not be looked at: {error}"))).ok();
    let subject = &target.subject;
    let stem = seal::stem(
        &[subject.namespace.as_deref(), subject.pod.as_deref(), subject.container.as_deref()],
        requested,
    );
    let mut archive = Archive { name: None, bytes: None, sha256: None, node_path: Some(node_path.clone()) };
    if plan.fetch.is_none() && fetch::name_in(&node_path, fetch::DIRECTORY).is_err() {
        notes.push(format!(
            "the kubelet names {node_path}, which is no archive right in {}, where kubelets put them: it has another root \
             directory, or the node is under somebody else's control",
            fetch::DIRECTORY
        ));
    }
    let mut fetch = None;
    let mut path = None;
    let mut failure = None;
    if let (Some(options), Some(node)) = (&plan.fetch, &target.node) {
        match fetch::fetch(access, node, &node_path, options, (place.directory, &stem), stop).await {
            Ok(fetched) => {
                archive.name = Some(fetched.kept.name);
                archive.bytes = Some(fetched.kept.bytes);
                archive.sha256 = Some(fetched.kept.sha256);
                path = Some(fetched.kept.path);
                fetch = Some(fetched.fetch);
                exchanges.extend(fetched.exchanges);
                notes.extend(fetched.notes);
            }
            // The checkpoint is there, and its record must be too.
            Err(error) => {
                notes.push(format!("the archive is on the node only: {error}"));
                failure = Some(error);
            }
        }
    }
    let source = source(access, target, &mut notes).await;
    // The name of the archive, where it got a number, is that of the manifest.
    let stem = archive.name.as_deref().and_then(|name| name.strip_suffix(".tar")).unwrap_or(&stem).to_owned();
    let mut captured = place.seal(&stem, path, |manifest| {
        manifest.archive = archive;
        manifest.subject = subject.clone();
        manifest.source = source;
        manifest.times.requested = requested;
        manifest.times.answered = answered;
        manifest.exchanges = exchanges;
        manifest.after = after;
        manifest.fetch = fetch;
        manifest.notes = notes;
    })?;
    captured.failure = failure.map(|error| match error {
        Error::Interrupted(_) => error,
        error => Error::Transfer(format!(
            "the checkpoint was taken and is on the node at {node_path} (recorded in {}), but it did not come home: {error}",
            captured.manifest_path.display()
        )),
    });
    Ok(captured)
}

/// What is known of the node.
async fn source(access: &Access, target: &Target, notes: &mut Vec<String>) -> Source {
    let via = match access.via {
        Via::ApiServer => "api-server",
        Via::Kubelet => "kubelet",
    };
    let plain = Source {
        via: via.to_owned(),
        endpoint: access.endpoint.clone(),
        node: target.node.clone(),
        ..Source::default()
    };
    match (&target.node, access.via) {
        (Some(node), Via::ApiServer) => match preflight::node_facts(access, node).await {
            Ok((_, source)) => source,
            Err(error) => {
                notes.push(format!("the node could not be looked at: {error}"));
                plain
            }
        },
        _ => plain,
    }
}
