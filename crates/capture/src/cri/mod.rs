//! Checkpoints on the node itself, over the runtime's own socket. Neither Kubernetes' permissions nor its audit
//! log are in the way.

mod log;
#[allow(missing_docs, reason = "the fields have the interface's own names")]
pub mod message;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use prost::Message;
use tokio::net::UnixStream;
use tonic::{Code, Request, transport::Endpoint};
use tonic_prost::ProstCodec;

use self::message::{
    CheckpointContainerRequest, CheckpointContainerResponse, Container, ContainerState,
    ContainerStatusRequest, ContainerStatusResponse, ListContainersRequest, ListContainersResponse,
    VersionRequest, VersionResponse,
};
use crate::{
    captured::{Captured, Place},
    error::Error,
    manifest::{After, Archive, Exchange, Source, Subject},
    seal,
    stop::Stop,
};

/// Sockets that are looked for when none is named.
pub const SOCKETS: [&str; 3] =
    ["/run/containerd/containerd.sock", "/run/crio/crio.sock", "/var/run/crio/crio.sock"];
/// Longest answer: all containers of a node.
const MAX_ANSWER: usize = 64 << 20;
/// Time for what takes none.
const SHORT: Duration = Duration::from_secs(30);
/// How often two checkpoints that got in each other's way are tried again.
const TRIES: u32 = 3;

/// A runtime that answers.
pub struct Runtime {
    grpc: tonic::client::Grpc<tonic::transport::Channel>,
    socket: PathBuf,
    /// Name and version, as in `containerd://2.1.9`.
    pub version: String,
}

impl Runtime {
    /// Connects to a socket, or to the first usual one that is there.
    ///
    /// # Errors
    /// When there is none, or nobody answers on it.
    pub async fn connect(socket: Option<&Path>) -> Result<Self, Error> {
        let socket = match socket {
            Some(socket) => socket.to_path_buf(),
            None => SOCKETS.iter().map(PathBuf::from).find(|path| path.exists()).ok_or_else(|| {
                Error::Usage(format!("no runtime's socket is here: looked for {}", SOCKETS.join(", ")))
            })?,
        };
        let connected = {
            let path = socket.clone();
            let connect = tower::service_fn(move |_| {
                let path = path.clone();
                async move { UnixStream::connect(path).await.map(TokioIo::new) }
            });
            // The authority means nothing on a socket.
            Endpoint::from_static("http://localhost").connect_with_connector(connect).await
        };
        let step = format!("connecting to {}", socket.display());
        let channel = connected.map_err(|error| Error::connection(step, &error))?;
        let grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(MAX_ANSWER);
        let mut runtime = Self { grpc, socket, version: String::new() };
        let request = VersionRequest { version: "v1".to_owned() };
        let answer: VersionResponse = runtime.call("Version", request, SHORT).await?;
        runtime.version = format!("{}://{}", answer.runtime_name, answer.runtime_version);
        Ok(runtime)
    }

    /// The containers that a word means: an id or the beginning of one, a name, `pod/name` or
    /// `namespace/pod/name`; of a pod all that run.
    ///
    /// # Errors
    /// When there is none, or a container's name is not unique.
    pub async fn find(&mut self, word: &str, is_pod: bool) -> Result<Vec<Container>, Error> {
        let answer: ListContainersResponse =
            self.call("ListContainers", ListContainersRequest::default(), SHORT).await?;
        let mut found: Vec<Container> =
            answer.containers.into_iter().filter(|container| is_meant(container, word, is_pod)).collect();
        found.sort_by(|one, other| name(one).cmp(&name(other)).then_with(|| one.id.cmp(&other.id)));
        let running: Vec<Container> =
            found.iter().filter(|container| container.state() == ContainerState::Running).cloned().collect();
        // Those that ended share names with those that replaced them.
        let chosen = if running.is_empty() && !is_pod { found } else { running };
        match chosen.as_slice() {
            [] => Err(Error::Usage(format!("no running container of the runtime is meant by {word:?}"))),
            [_] => Ok(chosen),
            _ if is_pod => Ok(chosen),
            several => Err(Error::Usage(format!(
                "{word} means {} containers: {}",
                several.len(),
                several
                    .iter()
                    .map(|container| format!("{} ({})", name(container), short(&container.id)))
                    .collect::<Vec<_>>()
                    .join(", ")
            ))),
        }
    }

    /// Captures a container. The runtime writes the archive, so `place` must be a directory that it sees under
    /// the same path.
    ///
    /// # Errors
    /// When the runtime refuses, or its archive cannot be found.
    pub async fn capture(
        &mut self,
        container: &Container,
        timeout: Duration,
        place: &Place<'_>,
        stop: &Stop,
    ) -> Result<Captured, Error> {
        let at = |source| Error::file(place.directory, source);
        // A directory of its own: runtimes do not truncate what they find.
        let scratch =
            tempfile::Builder::new().prefix(".ckptfx-capture").tempdir_in(place.directory).map_err(at)?;
        let location = scratch.path().canonicalize().map_err(at)?.join("archive.tar");
        let request = CheckpointContainerRequest {
            container_id: container.id.clone(),
            location: location.to_string_lossy().into_owned(),
            timeout: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        };
        let digest = self.image_by_digest(&container.id).await;
        let requested = Timestamp::now();
        let label = |key: &str| container.labels.get(&format!("io.kubernetes.{key}")).cloned();
        let subject = Subject {
            namespace: label("pod.namespace"),
            pod: label("pod.name"),
            pod_uid: label("pod.uid"),
            container: container.metadata.as_ref().map(|metadata| metadata.name.clone()),
            container_id: Some(container.id.clone()),
            image: container.image.as_ref().map(|image| image.image.clone()),
            image_id: [digest.as_ref(), Some(&container.image_ref), Some(&container.image_id)]
                .into_iter()
                .flatten()
                .find(|text| !text.is_empty())
                .cloned(),
        };
        let stem = seal::stem(
            &[subject.namespace.as_deref(), subject.pod.as_deref(), subject.container.as_deref()],
            requested,
        );
        let mut exchanges = Vec::new();
        let taken = tokio::select! {
            biased;
            // Without its directory the runtime has nowhere to write to, so that nothing is left behind.
            () = stop.insisted() => Err(Error::Interrupted(format!(
                "the container {} may be left paused: look at it on this node",
                container.id
            ))),
            taken = self.checkpoint(&request, timeout, &mut exchanges) => taken,
        };
        let answered = Timestamp::now();
        // However that ended: does the workload run?
        let after = self.after(&container.id).await;
        taken.map_err(|error| log::with_cause(error, &container.id).with_workload(after.as_ref().ok()))?;
        let kept = seal::adopt(&location, place.directory, &stem)?;
        let mut notes = Vec::new();
        let after =
            after.map_err(|error| notes.push(format!("the workload could not be looked at: {error}"))).ok();
        let stem = kept.name.strip_suffix(".tar").unwrap_or(&stem).to_owned();
        let archive = Archive {
            name: Some(kept.name),
            bytes: Some(kept.bytes),
            sha256: Some(kept.sha256),
            node_path: None,
        };
        let source = Source {
            via: "cri".to_owned(),
            endpoint: format!("unix://{}", self.socket.display()),
            runtime: Some(self.version.clone()),
            ..Source::default()
        };
        place.seal(&stem, Some(kept.path), |manifest| {
            manifest.archive = archive;
            manifest.subject = subject;
            manifest.source = source;
            manifest.times.requested = requested;
            manifest.times.answered = answered;
            manifest.exchanges = exchanges;
            manifest.after = after;
            manifest.notes = notes;
        })
    }

    async fn checkpoint(
        &mut self,
        request: &CheckpointContainerRequest,
        timeout: Duration,
        exchanges: &mut Vec<Exchange>,
    ) -> Result<(), Error> {
        for attempt in 1..=TRIES {
            let at = Timestamp::now();
            let answer: Result<CheckpointContainerResponse, Error> =
                self.call("CheckpointContainer", request.clone(), timeout).await;
            let (status, body) = match &answer {
                Ok(_) => ("OK".to_owned(), None),
                Err(Error::Refused { status, body, .. }) => {
                    (status.clone(), Some(String::from_utf8_lossy(body).into_owned()))
                }
                Err(error) => ("no answer".to_owned(), Some(error.to_string())),
            };
            let request = format!("CheckpointContainer {}", request.container_id);
            exchanges.push(Exchange { at, request, status, body });
            match answer {
                Ok(_) => return Ok(()),
                Err(error) => {
                    let collided =
                        error.explanations().iter().any(|known| known.code == "concurrent-checkpoint");
                    if !collided || attempt == TRIES {
                        return Err(error);
                    }
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }

    /// The image as `repository@sha256:…`, which only the status of a container tells; none when it does not.
    async fn image_by_digest(&mut self, id: &str) -> Option<String> {
        let request = ContainerStatusRequest { container_id: id.to_owned() };
        let answer: Result<ContainerStatusResponse, Error> =
            self.call("ContainerStatus", request, SHORT).await;
        answer.ok()?.status.map(|status| status.image_ref)
    }

    async fn after(&mut self, id: &str) -> Result<After, Error> {
        let filter = message::ContainerFilter { id: id.to_owned(), ..message::ContainerFilter::default() };
        let request = ListContainersRequest { filter: Some(filter) };
        let answer: ListContainersResponse = self.call("ListContainers", request, SHORT).await?;
        let container = answer.containers.into_iter().find(|container| container.id == id);
        let state = container.as_ref().map(Container::state);
        Ok(After {
            checked: Timestamp::now(),
            running: Some(state == Some(ContainerState::Running)),
            state: state.map_or_else(|| "gone".to_owned(), |state| format!("{state:?}").to_lowercase()),
            container_id: container.map(|container| container.id),
        })
    }

    async fn call<A: Message + 'static, B: Message + Default + 'static>(
        &mut self,
        method: &'static str,
        message: A,
        limit: Duration,
    ) -> Result<B, Error> {
        let step = format!("{method} on {}", self.socket.display());
        let path = PathAndQuery::try_from(format!("/runtime.v1.RuntimeService/{method}"))
            .map_err(|error| Error::connection(step.as_str(), &error))?;
        self.grpc.ready().await.map_err(|error| Error::connection(step.as_str(), &error))?;
        let mut request = Request::new(message);
        // Servers ignore the timeout in the message; the deadline of the call is what they keep to.
        request.set_timeout(limit);
        let codec: ProstCodec<A, B> = ProstCodec::default();
        let work = self.grpc.unary(request, path, codec);
        match tokio::time::timeout(limit.saturating_add(Duration::from_secs(5)), work).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            // This end of the connection keeps to the deadline, too.
            Ok(Err(status)) if status.code() == Code::Cancelled && status.message() == "Timeout expired" => {
                Err(deadline(step))
            }
            Ok(Err(status)) => Err(Error::Refused {
                step,
                status: format!("{:?}", status.code()),
                // As Go programs write it, which is how it is known.
                body: format!("rpc error: code = {:?} desc = {}", status.code(), status.message())
                    .into_bytes(),
            }),
            Err(_) => Err(deadline(step)),
        }
    }
}

/// What a runtime says of a call that took too long.
fn deadline(step: String) -> Error {
    let body = b"rpc error: code = DeadlineExceeded desc = context deadline exceeded".to_vec();
    Error::Refused { step, status: "DeadlineExceeded".to_owned(), body }
}

/// `namespace/pod/container`.
pub fn name(container: &Container) -> String {
    let label = |key: &str| container.labels.get(&format!("io.kubernetes.{key}")).map_or("", String::as_str);
    let own = container.metadata.as_ref().map_or("", |metadata| metadata.name.as_str());
    format!("{}/{}/{own}", label("pod.namespace"), label("pod.name"))
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

fn is_meant(container: &Container, word: &str, is_pod: bool) -> bool {
    let full = name(container);
    let mut parts = full.splitn(3, '/');
    let (namespace, pod) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if is_pod {
        return word == pod || word == format!("{namespace}/{pod}") || word == container.pod_sandbox_id;
    }
    let own = parts.next().unwrap_or_default();
    // As short as tools show ids, and no shorter.
    let is_id = word.len() >= 8 && container.id.starts_with(word);
    is_id || word == own || word == format!("{pod}/{own}") || word == full
}
