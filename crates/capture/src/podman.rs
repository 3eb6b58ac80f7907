//! Checkpoints of Podman's containers over its REST socket. The container is left running, always.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming as Body;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::net::UnixStream;

use crate::{
    captured::{Captured, Place},
    error::Error,
    manifest::{After, Archive, Exchange, Source, Subject},
    seal::{self, Incoming},
    stop::Stop,
};

/// Socket of root's Podman.
pub const SOCKET: &str = "/run/podman/podman.sock";
/// Version of the API that Podman 4 to 6 serve.
const API: &str = "/v4.0.0/libpod";
/// Options of the checkpoint: without leaveRunning the container would be stopped; connections and locks are
/// what a compromised container has.
const OPTIONS: &str = "export=true&leaveRunning=true&tcpEstablished=true&fileLocks=true";
/// Options of CRIU among them.
pub const GIVEN: [&str; 2] = ["tcp-established", "file-locks"];
/// Longest answer that is no archive.
const MAX_ANSWER: usize = 4 << 20;
/// Longest error that is read.
const MAX_ERROR: usize = 64 << 10;

/// How to capture.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Socket of the service.
    pub socket: PathBuf,
    /// Time until the archive begins to arrive, and between its pieces.
    pub timeout: Duration,
}

/// What Podman says of a container.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    name: Option<String>,
    image_name: Option<String>,
    image_digest: Option<String>,
    image: Option<String>,
    #[serde(rename = "OCIRuntime")]
    oci_runtime: Option<String>,
    state: State,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: Option<String>,
    running: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    version: Option<String>,
}

/// Captures a container by name or id.
///
/// # Errors
/// When Podman cannot be reached, refuses, or the archive does not arrive whole.
pub async fn capture(plan: &Plan, name: &str, place: &Place<'_>, stop: &Stop) -> Result<Captured, Error> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || !name.bytes().all(is_plain) {
        return Err(Error::Usage(format!("{name:?} is no name or id of a container")));
    }
    let version: Option<Version> = get(plan, &format!("{API}/version")).await.ok();
    let before: Inspected = get(plan, &format!("{API}/containers/{name}/json")).await?;
    let requested = Timestamp::now();
    let stem = seal::stem(&[before.name.as_deref().or(Some(name))], requested);
    let received = tokio::select! {
        biased;
        () = stop.insisted() => Err(Error::Interrupted(format!("Podman may still be checkpointing {name}"))),
        received = receive(plan, &before.id, place.directory) => received,
    };
    // However that ended: does the workload run?
    let looked: Result<Inspected, Error> = get(plan, &format!("{API}/containers/{}/json", before.id)).await;
    let after = looked.map(|now| After {
        checked: Timestamp::now(),
        running: Some(now.state.running && now.id == before.id),
        state: now.state.status.unwrap_or_default(),
        container_id: Some(now.id),
    });
    let (incoming, exchange) = received.map_err(|error| error.with_workload(after.as_ref().ok()))?;
    let answered = Timestamp::now();
    let kept = incoming.keep(&stem)?;
    let stem = kept.name.strip_suffix(".tar").unwrap_or(&stem).to_owned();
    let archive = Archive {
        name: Some(kept.name),
        bytes: Some(kept.bytes),
        sha256: Some(kept.sha256),
        node_path: None,
    };
    let mut notes = Vec::new();
    if place.chain.as_ref().is_some_and(Option::is_some) {
        notes.push(
            "Podman packs again what an earlier checkpoint left in the container's directory: processes that are not in \
             the tree are of that one"
                .to_owned(),
        );
    }
    let after =
        after.map_err(|error| notes.push(format!("the workload could not be looked at: {error}"))).ok();
    let version = version.and_then(|version| version.version);
    place.seal(&stem, Some(kept.path), |manifest| {
        manifest.archive = archive;
        manifest.subject = Subject {
            container: before.name,
            container_id: Some(before.id),
            image: before.image_name,
            image_id: before.image_digest.filter(|digest| !digest.is_empty()).or(before.image),
            ..Subject::default()
        };
        manifest.source = Source {
            via: "podman".to_owned(),
            endpoint: format!("unix://{}", plan.socket.display()),
            runtime: Some(format!(
                "podman://{}{}",
                version.as_deref().unwrap_or("unknown"),
                before.oci_runtime.map(|runtime| format!(" ({runtime})")).unwrap_or_default()
            )),
            ..Source::default()
        };
        manifest.times.requested = requested;
        manifest.times.answered = answered;
        manifest.exchanges = vec![exchange];
        manifest.after = after;
        manifest.notes = notes;
    })
}

/// Takes the checkpoint and writes what arrives.
async fn receive(plan: &Plan, id: &str, directory: &Path) -> Result<(Incoming, Exchange), Error> {
    let path = format!("{API}/containers/{id}/checkpoint?{OPTIONS}");
    let step = format!("POST {path}");
    let at = Timestamp::now();
    let response = send(plan, Method::POST, &path).await?;
    let status = response.status();
    if !status.is_success() {
        return Err(refused(step, response).await);
    }
    let mut incoming = Incoming::new(directory)?;
    let mut body = response.into_body();
    loop {
        let frame = tokio::time::timeout(plan.timeout, body.frame()).await;
        match frame {
            Err(_) => {
                return Err(Error::Transfer(format!(
                    "nothing came for {} s after {} bytes of the archive; nothing is kept",
                    plan.timeout.as_secs(),
                    incoming.len()
                )));
            }
            Ok(None) => break,
            Ok(Some(Err(error))) => {
                return Err(Error::Transfer(format!(
                    "the archive broke off after {} bytes ({error}); nothing is kept",
                    incoming.len()
                )));
            }
            Ok(Some(Ok(frame))) => {
                if let Some(bytes) = frame.data_ref() {
                    incoming.add(bytes)?;
                }
            }
        }
    }
    if incoming.is_empty() {
        return Err(Error::Transfer("Podman reports success and sends no archive".to_owned()));
    }
    let exchange = Exchange { at, request: step, status: status.as_u16().to_string(), body: None };
    Ok((incoming, exchange))
}

async fn get<T: for<'de> Deserialize<'de>>(plan: &Plan, path: &str) -> Result<T, Error> {
    let step = format!("GET {path}");
    let response = send(plan, Method::GET, path).await?;
    if !response.status().is_success() {
        return Err(refused(step, response).await);
    }
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    let body = body.map_err(|error| Error::connection(step.as_str(), error.as_ref()))?.to_bytes();
    serde_json::from_slice(&body)
        .map_err(|error| Error::Connection { step, reason: format!("the answer is not Podman's: {error}") })
}

async fn refused(step: String, response: Response<Body>) -> Error {
    let status = response.status().as_u16().to_string();
    let body = Limited::new(response.into_body(), MAX_ERROR).collect().await;
    Error::Refused { step, status, body: body.map(|body| body.to_bytes().to_vec()).unwrap_or_default() }
}

/// One request on a connection of its own.
async fn send(plan: &Plan, method: Method, path: &str) -> Result<Response<Body>, Error> {
    let step = format!("{method} {path}");
    let at = |error: &(dyn std::error::Error + 'static)| Error::connection(step.as_str(), error);
    let request = Request::builder().method(method).uri(path).header(http::header::HOST, "podman");
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| at(&error))?;
    let work = async {
        let stream = UnixStream::connect(&plan.socket).await.map_err(|error| {
            let reason = format!("{}: {error}", plan.socket.display());
            Error::Connection { step: step.clone(), reason }
        })?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| at(&error))?;
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(|error| at(&error))
    };
    tokio::time::timeout(plan.timeout, work).await.unwrap_or_else(|_| {
        Err(Error::Connection {
            step: step.clone(),
            reason: format!(
                "no answer within {} s; the checkpoint may still be running",
                plan.timeout.as_secs()
            ),
        })
    })
}
