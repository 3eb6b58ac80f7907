//! Bringing an archive home from a node: a short-lived pod that sees nothing but the checkpoint directory, a
//! stream that is resumed where it broke, and a hash on both sides.

use std::{cell::Cell, path::Path, time::Duration};

use http::Method;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::AttachParams};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{
    access::{Access, Answer, Via},
    target::{check_name, get_pod},
};
use crate::{
    error::Error,
    manifest::{Exchange, Fetch},
    seal::{Incoming, Kept},
    stop::Stop,
};

/// How often a broken stream is taken up again without any byte of progress.
const TRIES: u32 = 5;
/// Time between tries.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a stream may stand still.
const STALL: Duration = Duration::from_secs(60);
/// How long making the pod may take.
const CREATE: Duration = Duration::from_secs(30);
/// How long the pod may take to start.
const START: Duration = Duration::from_secs(120);
/// How long hashing on the node may take.
const HASH: Duration = Duration::from_secs(3600);
/// Where kubelets put archives, unless their root directory is another.
pub const DIRECTORY: &str = "/var/lib/kubelet/checkpoints";
/// The most that a copy may take, whatever was asked for: the pod must outlive it.
pub const MAX_TIME: Duration = Duration::from_secs(5 * 3600);
/// After this the node ends the pod by itself, should nobody else be able to.
const POD_SECONDS: u64 = 6 * 3600;
/// Longest output of a command other than the archive.
const MAX_OUTPUT: u64 = 64 << 10;

/// How to fetch.
#[derive(Debug, Clone)]
pub struct Options {
    /// Image of the pod: sh, sleep, tail and sha256sum are all that it needs.
    pub image: String,
    /// Namespace of the pod; its Pod Security level must allow hostPath volumes.
    pub namespace: String,
    /// Run the pod privileged, as hosts with SELinux need it.
    pub privileged: bool,
    /// Put a `.keep` file beside the archive, which retention operators honour.
    pub keep: bool,
    /// Delete the archive on the node when the hashes agree.
    pub delete: bool,
    /// Directory of the checkpoints on the node. Nothing outside of it is copied, whatever the kubelet answers.
    pub directory: String,
    /// Largest archive that is copied, in bytes.
    pub max_bytes: u64,
    /// How long the copy may take in all, hashing included; never more than [`MAX_TIME`].
    pub time: Duration,
}

/// An archive that came home.
#[derive(Debug)]
pub struct Fetched {
    /// The file here.
    pub kept: Kept,
    /// How it came.
    pub fetch: Fetch,
    /// Requests that made and removed the pod.
    pub exchanges: Vec<Exchange>,
    /// What went wrong after the archive was safe.
    pub notes: Vec<String>,
}

/// Copies `node_path` of `node` into `directory` as `STEM.tar`. The pod is removed in every case.
///
/// # Errors
/// When the archive did not arrive whole, or its hash is not that on the node.
pub async fn fetch(
    access: &Access,
    node: &str,
    node_path: &str,
    options: &Options,
    (directory, stem): (&Path, &str),
    stop: &Stop,
) -> Result<Fetched, Error> {
    if access.via == Via::Kubelet {
        return Err(Error::Usage("--fetch makes a pod, which needs the API server".to_owned()));
    }
    check_name(&options.namespace)?;
    check_name(node)?;
    let file = name_in(node_path, &options.directory)?;
    let mut exchanges = Vec::new();
    let pods = format!("/api/v1/namespaces/{}/pods", options.namespace);
    // The name is chosen here, so that the pod can be removed even if no answer to its creation came.
    let name = format!("ckptfx-fetch-{}", unique());
    let manifest = pod(&name, node, options);
    let created = access.send(Method::POST, &pods, Some(manifest.to_string().into_bytes()), CREATE).await;
    if let Ok(answer) = &created {
        exchanges.push(Exchange { body: None, ..answer.exchange.clone() });
    }
    let created = match created {
        // Refused: there is nothing to remove.
        Ok(answer) if (400..500).contains(&answer.status) => return Err(answer.refused()),
        other => other.and_then(Answer::ok).map(drop),
    };
    let progress = Cell::new((0, None));
    let copy = Copy { access, namespace: &options.namespace, pod: &name, file, progress: &progress };
    let time = options.time.min(MAX_TIME);
    let copied = match created {
        Err(error) => Err(error),
        Ok(()) => tokio::select! {
            biased;
            () = stop.requested() => Err(Error::Interrupted("the archive is still on the node".to_owned())),
            copied = copy.run(options, directory, stem) => copied,
            () = tokio::time::sleep(time) => Err(too_long(time, progress.get())),
        },
    };
    // Whatever happened, the pod goes; twice, since nobody else would do it.
    let path = format!("{pods}/{name}?gracePeriodSeconds=0");
    let mut removed = access.delete(&path).await;
    if removed.is_err() {
        tokio::time::sleep(PAUSE).await;
        removed = access.delete(&path).await;
    }
    let left = removed.as_ref().err().map(|error| {
        format!("the pod {}/{name} is still there: {error}; kubectl delete it", options.namespace)
    });
    match (copied, left) {
        (Ok((kept, mut fetch, mut notes)), left) => {
            fetch.pod_removed = left.is_none();
            notes.extend(left);
            Ok(Fetched { kept, fetch, exchanges, notes })
        }
        (Err(error), None) => Err(error),
        (Err(error), Some(left)) => Err(Error::Transfer(format!("{error}; {left}"))),
    }
}

/// A word that no other pod's name has.
fn unique() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    // Each state has keys of its own, from the system's random numbers.
    format!("{:016x}", RandomState::new().hash_one("pod"))
}

/// The pod: pinned to the node, without a token, without capabilities, with one directory of the node.
fn pod(name: &str, node: &str, options: &Options) -> serde_json::Value {
    let writes = options.keep || options.delete;
    let security = if options.privileged {
        json!({"runAsUser": 0, "privileged": true})
    } else {
        json!({
            "runAsUser": 0,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        })
    };
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/name": "ckptfx-fetch", "app.kubernetes.io/managed-by": "ckptfx"},
        },
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": POD_SECONDS,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{
                "name": "fetch",
                "image": options.image,
                "command": ["sleep", POD_SECONDS.to_string()],
                "securityContext": security,
                "volumeMounts": [{"name": "checkpoints", "mountPath": "/checkpoints", "readOnly": !writes}],
            }],
            "volumes": [{"name": "checkpoints", "hostPath": {"path": options.directory, "type": "Directory"}}],
        },
    })
}

/// Name of an archive that lies right in the directory of the checkpoints. A node that somebody has taken over can
/// answer any path, and would have its files copied, marked or deleted.
///
/// # Errors
/// When the path leads anywhere else, or is not called what kubelets call archives.
pub fn name_in<'p>(node_path: &'p str, directory: &str) -> Result<&'p str, Error> {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'+');
    let below = directory.trim_end_matches('/');
    node_path
        .strip_prefix(below)
        .filter(|_| below.starts_with('/') && !below.split('/').any(|part| part == ".."))
        .and_then(|rest| rest.strip_prefix('/'))
        .filter(|name| name.starts_with("checkpoint-") && name.ends_with(".tar") && name.bytes().all(is_plain))
        .ok_or_else(|| {
            Error::Usage(format!(
                "the kubelet names {node_path}, which is no archive (checkpoint-….tar) right in {directory}: it was not \
                 touched. If the kubelet has another root directory, name its checkpoints with --fetch-from; if not, the \
                 node may be under somebody else's control"
            ))
        })
}

fn too_long(time: Duration, (arrived, size): (u64, Option<u64>)) -> Error {
    let how_far = match size {
        Some(size) => format!("{arrived} of {size} bytes had come"),
        None => "nothing had come yet".to_owned(),
    };
    Error::Transfer(format!(
        "the copy was given up after {} s ({how_far}): nothing of it is kept here, and the archive is still on the node; \
         --fetch-timeout gives more time",
        time.as_secs()
    ))
}

/// One copy through a pod that exists.
struct Copy<'a> {
    access: &'a Access,
    namespace: &'a str,
    pod: &'a str,
    /// Name of the archive in the directory.
    file: &'a str,
    /// How many bytes have come, and of how many once that is known.
    progress: &'a Cell<(u64, Option<u64>)>,
}

impl Copy<'_> {
    async fn run(
        &self,
        options: &Options,
        directory: &Path,
        stem: &str,
    ) -> Result<(Kept, Fetch, Vec<String>), Error> {
        self.wait_until_it_runs().await?;
        let file = format!("/checkpoints/{}", self.file);
        let size = self.size(&file, options.max_bytes).await?;
        let mut notes = Vec::new();
        let mut kept_there = false;
        if options.keep {
            match self.output(&["sh", "-c", ": > \"$0.keep\"", &file], HASH).await {
                Ok(_) => kept_there = true,
                Err(error) => notes.push(format!("no .keep file could be put beside the archive: {error}")),
            }
        }
        let node_sha256 = self.hash(&file).await?;
        let mut incoming = Incoming::new(directory)?;
        let resumed = self.stream(&file, size, &mut incoming).await?;
        if incoming.sha256() != node_sha256 {
            return Err(Error::Transfer(format!(
                "the archive changed on its way or on the node: its SHA-256 there is {node_sha256}, here {}; nothing \
                 is kept here and nothing is deleted there",
                incoming.sha256()
            )));
        }
        let kept = incoming.keep(stem)?;
        let mut deleted_on_node = false;
        if options.delete {
            match self.output(&["rm", "--", &file], HASH).await {
                Ok(_) => deleted_on_node = true,
                Err(error) => notes.push(format!("the archive could not be deleted on the node: {error}")),
            }
        }
        let fetch = Fetch {
            pod: format!("{}/{}", self.namespace, self.pod),
            image: options.image.clone(),
            node_sha256,
            resumed,
            kept: kept_there,
            deleted_on_node,
            pod_removed: false,
        };
        Ok((kept, fetch, notes))
    }

    async fn wait_until_it_runs(&self) -> Result<(), Error> {
        let begun = tokio::time::Instant::now();
        let mut state = "unknown".to_owned();
        while begun.elapsed() < START {
            let pod = get_pod(self.access, self.namespace, self.pod).await?;
            let status = pod.status.unwrap_or_default();
            let container = status.container_statuses.iter().flatten().next();
            let waiting = container.and_then(|container| container.state.as_ref()?.waiting.as_ref());
            if container.is_some_and(super::target::is_running) {
                return Ok(());
            }
            state = status.phase.unwrap_or_default();
            if let Some(waiting) = waiting {
                state = waiting.reason.clone().unwrap_or_default();
                if matches!(
                    state.as_str(),
                    "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "CreateContainerConfigError"
                ) {
                    let message = waiting.message.clone().unwrap_or_default();
                    return Err(Error::Transfer(format!(
                        "the pod for the copy cannot start: {state}: {message} Name an image that the node has with \
                         --fetch-image."
                    )));
                }
            }
            if matches!(state.as_str(), "Failed" | "Succeeded") {
                let reason = status.message.or(status.reason).unwrap_or_default();
                return Err(Error::Transfer(format!("the pod for the copy ended at once: {state} {reason}")));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(Error::Transfer(format!(
            "the pod for the copy did not start within {} s: {state}",
            START.as_secs()
        )))
    }

    /// SHA-256 of the file, computed on the node.
    async fn hash(&self, file: &str) -> Result<String, Error> {
        let output = self.output(&["sha256sum", file], HASH).await?;
        let text = String::from_utf8_lossy(&output);
        // A name with odd characters makes some versions begin the line with a backslash.
        let hash = text.trim_start_matches('\\').split_whitespace().next().unwrap_or_default();
        if hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(hash.to_ascii_lowercase())
        } else {
            Err(Error::Transfer(format!("sha256sum in the pod gave no hash: {text}")))
        }
    }

    /// Size of the file, which must be one: no link, and nothing that never ends.
    async fn size(&self, file: &str, limit: u64) -> Result<u64, Error> {
        let script = "test -f \"$0\" && test ! -h \"$0\" || { echo 'it is no regular file' >&2; exit 1; }; wc -c < \"$0\"";
        let size = self.output(&["sh", "-c", script, file], HASH).await?;
        let size: u64 = String::from_utf8_lossy(&size)
            .trim()
            .parse()
            .map_err(|_| Error::Transfer("the size of the archive on the node cannot be read".to_owned()))?;
        if size > limit {
            return Err(Error::Transfer(format!(
                "the archive has {size} bytes, more than the {limit} that a copy may have: it is still on the node; \
                 --fetch-max-size allows more"
            )));
        }
        self.progress.set((0, Some(size)));
        Ok(size)
    }

    /// Streams the file; gives how often it was taken up again.
    async fn stream(&self, file: &str, size: u64, incoming: &mut Incoming) -> Result<u32, Error> {
        let mut resumed: u32 = 0;
        let mut failures = 0;
        while incoming.len() < size {
            let before = incoming.len();
            let first = before.saturating_add(1).to_string();
            let command = ["tail", "-c", &format!("+{first}"), file];
            let reason = match self.pour(&command, incoming, size).await {
                Ok(()) if incoming.len() >= size => break,
                Ok(()) => "the stream ended early".to_owned(),
                Err(error @ Error::File { .. }) => return Err(error),
                Err(error) => error.to_string(),
            };
            failures = if incoming.len() > before { 0 } else { failures + 1 };
            if failures >= TRIES {
                return Err(Error::Transfer(format!(
                    "the archive stopped at {} of {size} bytes, and {TRIES} attempts brought no more: {reason}",
                    incoming.len()
                )));
            }
            resumed = resumed.saturating_add(1);
            tokio::time::sleep(PAUSE).await;
        }
        Ok(resumed)
    }

    /// Runs a command and adds what it prints, up to `size` bytes in all.
    async fn pour(&self, command: &[&str], incoming: &mut Incoming, size: u64) -> Result<(), Error> {
        let mut process = self.exec(command).await?;
        let Some(mut out) = process.stdout() else {
            return Err(Error::Transfer("the pod gives no output".to_owned()));
        };
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = tokio::time::timeout(STALL, out.read(&mut buffer)).await;
            let count = match read {
                Err(_) => return Err(Error::Transfer(format!("nothing came for {} s", STALL.as_secs()))),
                Ok(Err(error)) => return Err(Error::connection("the stream", &error)),
                Ok(Ok(0)) => return Ok(()),
                Ok(Ok(count)) => count,
            };
            // A file that grows is not the one that was hashed; the hash will tell.
            let left = usize::try_from(size.saturating_sub(incoming.len())).unwrap_or(usize::MAX);
            incoming.add(buffer.get(..count.min(left)).unwrap_or_default())?;
            self.progress.set((incoming.len(), Some(size)));
            if count >= left {
                return Ok(());
            }
        }
    }

    async fn exec(&self, command: &[&str]) -> Result<kube::api::AttachedProcess, Error> {
        let api: Api<Pod> = Api::namespaced(self.access.client.clone(), self.namespace);
        let parameters = AttachParams::default()
            .stdin(false)
            .stdout(true)
            .stderr(true)
            .container("fetch")
            .max_stdout_buf_size(256 << 10);
        let opened =
            tokio::time::timeout(STALL, api.exec(self.pod, command.iter().copied(), &parameters)).await;
        match opened {
            Err(_) => Err(Error::Transfer("no answer to a command in the pod".to_owned())),
            Ok(Err(error)) => Err(Error::connection(format!("a command in the pod {}", self.pod), &error)),
            Ok(Ok(process)) => Ok(process),
        }
    }

    /// What a command prints; an error with what it complained of when it fails.
    async fn output(&self, command: &[&str], limit: Duration) -> Result<Vec<u8>, Error> {
        let work = async {
            let mut process = self.exec(command).await?;
            let (out, errors, status) = (process.stdout(), process.stderr(), process.take_status());
            let (out, errors) = tokio::join!(all(out), all(errors));
            let status = match status {
                Some(status) => status.await,
                None => None,
            };
            match status.as_ref().and_then(|status| status.status.as_deref()) {
                Some("Success") => Ok(out),
                _ => Err(Error::Transfer(format!(
                    "{} failed on the node: {} {}",
                    command.first().copied().unwrap_or_default(),
                    status
                        .and_then(|status| status.message)
                        .unwrap_or_else(|| "the connection broke".to_owned()),
                    String::from_utf8_lossy(&errors).trim()
                ))),
            }
        };
        tokio::time::timeout(limit, work)
            .await
            .unwrap_or_else(|_| Err(Error::Transfer(format!("no end within {} s", limit.as_secs()))))
    }
}

/// The beginning of a stream.
async fn all(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // What was read before an error is what there is; the status says how the command ended.
        let _ = stream.take(MAX_OUTPUT).read_to_end(&mut bytes).await;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_archives_right_in_the_directory_are_fetched() {
        let good = "/var/lib/kubelet/checkpoints/checkpoint-a_b-c-2024-06-01T14:00:00+02:00.tar";
        assert!(name_in(good, DIRECTORY).unwrap().ends_with("+02:00.tar"));
        assert!(name_in("/data/k/checkpoint-a.tar", "/data/k/").is_ok());
        for bad in [
            "/etc/shadow",
            "/var/lib/kubelet/checkpoints/x/checkpoint-a.tar",
            "/var/lib/kubelet/checkpoints/../checkpoint-a.tar",
            "/var/lib/kubelet/checkpoints//checkpoint-a.tar",
            "/var/lib/kubelet/checkpoints/checkpoint-a/../../../../etc/x.tar",
            "/var/lib/kubelet/checkpoints-other/checkpoint-a.tar",
            "/var/lib/kubelet/checkpoints/.tar",
            "/var/lib/kubelet/checkpoints/checkpoint-a.tar.keep",
            "/var/lib/kubelet/checkpoints/checkpoint-a;reboot.tar",
            "/var/lib/kubelet/pki/kubelet.key",
            "/var/lib/kubelet/checkpoints/",
            "",
        ] {
            assert!(name_in(bad, DIRECTORY).is_err(), "{bad}");
        }
        for directory in ["", "/", "etc", "/a/../b"] {
            assert!(name_in(&format!("{directory}/checkpoint-a.tar"), directory).is_err(), "{directory}");
        }
    }
}
