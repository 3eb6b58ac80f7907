//! Asking for a checkpoint, and whether the workload still runs.

use std::time::Duration;

use http::Method;
use jiff::Timestamp;

use super::{
    access::{Access, Via},
    target::{self, Target, check_name},
};
use crate::{
    answer::archive_path,
    error::Error,
    manifest::{After, Exchange},
};

/// How often two checkpoints that got in each other's way are tried again.
const TRIES: u32 = 3;
/// Time between tries.
const PAUSE: Duration = Duration::from_secs(1);
/// What the kubelet allows a runtime when no more is asked for.
const KUBELET_DEFAULT: u64 = 120;
/// Time for the way there and back.
const SLACK: u64 = 30;

/// A checkpoint that lies on the node.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Path of the archive there.
    pub node_path: String,
    /// Just before it was asked for.
    pub requested: Timestamp,
    /// When the answer was there.
    pub answered: Timestamp,
    /// All requests, those that failed too.
    pub exchanges: Vec<Exchange>,
}

/// Asks the kubelet for a checkpoint and waits until it is written.
///
/// # Errors
/// When it is refused; the error says why in plain words where they are known.
pub async fn take(access: &Access, target: &Target, timeout: Option<u64>) -> Result<Taken, Error> {
    let subject = &target.subject;
    let mut path = match (access.via, &target.node) {
        (Via::Kubelet, _) => "/checkpoint".to_owned(),
        (Via::ApiServer, Some(node)) => {
            check_name(node)?;
            format!("/api/v1/nodes/{node}/proxy/checkpoint")
        }
        (Via::ApiServer, None) => return Err(Error::Usage(format!("{} has no node yet", target.name()))),
    };
    for part in [&subject.namespace, &subject.pod, &subject.container] {
        let part = part.as_deref().unwrap_or_default();
        check_name(part)?;
        path.push('/');
        path.push_str(part);
    }
    if let Some(seconds) = timeout {
        path.push_str(&format!("?timeout={seconds}"));
    }
    // A smaller timeout than its own has no effect on the kubelet.
    let limit = Duration::from_secs(timeout.unwrap_or(0).max(KUBELET_DEFAULT).saturating_add(SLACK));
    let requested = Timestamp::now();
    let mut exchanges = Vec::new();
    for attempt in 1..=TRIES {
        let answer = access.send(Method::POST, &path, None, limit).await?;
        exchanges.push(answer.exchange.clone());
        if answer.status == 200 {
            let node_path = archive_path(&answer.body).map_err(|reason| Error::Refused {
                step: answer.exchange.request.clone(),
                status: answer.exchange.status.clone(),
                body: reason.into_bytes(),
            })?;
            return Ok(Taken { node_path, requested, answered: Timestamp::now(), exchanges });
        }
        let error = answer.refused();
        let collided = error.explanations().iter().any(|known| known.code == "concurrent-checkpoint");
        if !collided || attempt == TRIES {
            return Err(error);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Error::Usage("no attempt was made".to_owned()))
}

/// Looks whether the container that was checkpointed still runs.
///
/// # Errors
/// When the server does not tell.
pub async fn after(access: &Access, target: &Target) -> Result<After, Error> {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let subject = &target.subject;
    let pod = target::get_pod(access, &part(&subject.namespace), &part(&subject.pod)).await?;
    let status = target::statuses(&pod).find(|status| Some(&status.name) == subject.container.as_ref());
    let checked = Timestamp::now();
    let Some(status) = status else {
        let state = "not in the pod's status".to_owned();
        return Ok(After { checked, running: Some(false), state, container_id: None });
    };
    let container_id = target::bare_id(status);
    let same = container_id == subject.container_id;
    let state = match status.state.as_ref() {
        Some(state) if state.running.is_some() && same => "running".to_owned(),
        Some(state) if state.running.is_some() => {
            "running, as another container: it was restarted".to_owned()
        }
        Some(state) => {
            let waiting = state.waiting.as_ref().map(|state| ("waiting", state.reason.clone()));
            let ended = state.terminated.as_ref().map(|state| ("terminated", state.reason.clone()));
            waiting.or(ended).map_or_else(
                || "unknown".to_owned(),
                |(word, reason)| reason.map_or_else(|| word.to_owned(), |reason| format!("{word}: {reason}")),
            )
        }
        None => "unknown".to_owned(),
    };
    let running = status.state.as_ref().map(|_| target::is_running(status) && same);
    Ok(After { checked, running, state, container_id })
}
