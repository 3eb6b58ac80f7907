//! An API server: pods, nodes, reviews, the proxy to a kubelet, and commands in pods, which really run, on a
//! directory that stands for the node's.

use std::{
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket, handshake::derive_accept_key, protocol::Role};

use super::{
    Script, Shared,
    http::{self, Reply, Request, Stream},
    kubelet::{Kubelet, pod},
};
use crate::support::Scratch;

/// How it behaves.
#[derive(Clone)]
pub struct Cluster {
    pub kubelet: Kubelet,
    /// Answer to a request for a checkpoint before it reaches the kubelet.
    pub refusal: Option<Reply>,
    /// What may not be done, as `verb resource`.
    pub denied: Vec<&'static str>,
    pub runtime: &'static str,
    pub kubelet_version: &'static str,
    /// `DiskPressure` of the node.
    pub disk_pressure: &'static str,
    /// The kubelet's configuration, for those who may read it.
    pub configuration: Option<Value>,
    /// Pods of the deployment.
    pub replicas: usize,
    /// State of the pod for the copy.
    pub pod_state: PodState,
    /// Streams of the archive: after how many bytes each breaks off.
    pub breaks: Shared<Script<Option<usize>>>,
    /// Time between pieces of a stream.
    pub slow: Duration,
    /// The node says that the archive has another hash.
    pub wrong_hash: bool,
    /// Answer to a request for a new pod.
    pub create: Option<Reply>,
    /// What happened, in order.
    pub log: Shared<Vec<String>>,
    /// Pods that were made and are not gone.
    pub pods: Shared<Vec<Value>>,
    /// The node's directory.
    pub node: PathBuf,
}

/// What becomes of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodState {
    Runs,
    NoImage,
    Fails,
}

impl Cluster {
    pub fn new(kubelet: Kubelet) -> Self {
        Self {
            kubelet,
            refusal: None,
            denied: Vec::new(),
            runtime: "containerd://2.1.9",
            kubelet_version: "v1.33.2",
            disk_pressure: "False",
            configuration: None,
            replicas: 1,
            pod_state: PodState::Runs,
            breaks: Shared::new(Script::new([None])),
            slow: Duration::ZERO,
            wrong_hash: false,
            create: None,
            log: Shared::default(),
            pods: Shared::default(),
            node: PathBuf::new(),
        }
    }

    /// Serves, and gives the kubeconfig that leads there.
    pub fn serve(&self, scratch: &Scratch) -> PathBuf {
        let cluster = self.clone();
        let port = http::listen(None, move |request, stream| cluster.connection(request, stream));
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://127.0.0.1:{port}")}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {"token": "not-a-secret"}}],
        });
        scratch.put("kubeconfig", config.to_string())
    }

    fn connection(&self, request: &Request, stream: &mut dyn Stream) {
        if request.place().ends_with("/exec") {
            self.exec(request, stream);
        } else {
            self.answer(request).write(stream);
        }
    }

    fn answer(&self, request: &Request) -> Reply {
        let place = request.place();
        if let Some(path) = request.path.strip_prefix("/api/v1/nodes/n1/proxy") {
            if path == "/configz" {
                let configuration = self.configuration.as_ref();
                return configuration
                    .map_or_else(|| Reply::text(403, "Forbidden"), |value| Reply::json(200, value));
            }
            // What the kubelet answers passes through; towards it the API server is known.
            return self.refusal.clone().unwrap_or_else(|| self.kubelet.answer(request, path, true));
        }
        let pods_of_fetch = "/api/v1/namespaces/ckptfx-fetch/pods";
        match (request.method.as_str(), place) {
            ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews") => {
                let review: Value = serde_json::from_slice(&request.body).expect("a review");
                let of = &review["spec"]["resourceAttributes"];
                let text = |key: &str| of[key].as_str().expect("text").to_owned();
                let what = match text("subresource").as_str() {
                    "" => format!("{} {}", text("verb"), text("resource")),
                    sub => format!("{} {}/{sub}", text("verb"), text("resource")),
                };
                Reply::json(201, json!({"status": {"allowed": !self.denied.contains(&what.as_str())}}))
            }
            ("GET", "/api/v1/namespaces/shop/pods/web") => Reply::json(200, pod()),
            ("GET", "/api/v1/namespaces/shop/pods") => {
                Reply::json(200, json!({"metadata": {}, "items": vec![pod(); self.replicas]}))
            }
            ("GET", "/apis/apps/v1/namespaces/shop/deployments/web") => Reply::json(
                200,
                json!({"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"app": "web"}},
                    "template": {"metadata": {}, "spec": {"containers": []}}}}),
            ),
            ("GET", "/api/v1/nodes/n1") => Reply::json(200, self.node_object()),
            ("POST", place) if place == pods_of_fetch => self.make_pod(request),
            ("GET", place) if place.starts_with(pods_of_fetch) => {
                let name = place.rsplit('/').next().unwrap_or_default();
                let pods = self.pods.lock();
                let pod = pods.iter().find(|pod| pod["metadata"]["name"] == name);
                pod.map_or_else(|| not_found("pods", name), |pod| Reply::json(200, self.with_status(pod)))
            }
            ("DELETE", place) if place.starts_with(pods_of_fetch) => {
                let name = place.rsplit('/').next().unwrap_or_default();
                self.log.lock().push("delete pod".to_owned());
                self.pods.lock().retain(|pod| pod["metadata"]["name"] != name);
                Reply::json(200, json!({"kind": "Status", "status": "Success"}))
            }
            (_, place) => not_found("pods", place.rsplit('/').next().unwrap_or_default()),
        }
    }

    fn node_object(&self) -> Value {
        let info = json!({"kubeletVersion": self.kubelet_version, "containerRuntimeVersion": self.runtime,
            "architecture": "amd64", "bootID": "", "kernelVersion": "6.18", "kubeProxyVersion": "", "machineID": "",
            "operatingSystem": "linux", "osImage": "Linux", "systemUUID": ""});
        let condition = |name: &str, status: &str| json!({"type": name, "status": status});
        json!({"metadata": {"name": "n1"}, "status": {"nodeInfo": info,
            "conditions": [condition("Ready", "True"), condition("DiskPressure", self.disk_pressure)]}})
    }

    fn make_pod(&self, request: &Request) -> Reply {
        self.log.lock().push("create pod".to_owned());
        if let Some(reply) = &self.create {
            return reply.clone();
        }
        let pod: Value = serde_json::from_slice(&request.body).expect("a pod");
        self.pods.lock().push(pod.clone());
        Reply::json(201, pod)
    }

    fn with_status(&self, pod: &Value) -> Value {
        let mut pod = pod.clone();
        let status = |state: Value| json!({"name": "fetch", "ready": true, "restartCount": 0, "image": "x", "imageID": "x", "state": state});
        pod["status"] = match self.pod_state {
            PodState::Runs => json!({"phase": "Running", "containerStatuses":
                [status(json!({"running": {"startedAt": "2026-06-01T12:00:00Z"}}))]}),
            PodState::NoImage => json!({"phase": "Pending", "containerStatuses":
                [status(json!({"waiting": {"reason": "ErrImagePull", "message": "no such image."}}))]}),
            PodState::Fails => json!({"phase": "Failed", "message": "The node was low on resource: memory."}),
        };
        pod
    }

    /// Runs a command on the node's directory and streams what it prints.
    fn exec(&self, request: &Request, stream: &mut dyn Stream) {
        let mut command = request.query("command");
        self.log.lock().push(format!("exec {}", command.join(" ")));
        let key = request.header("sec-websocket-key").expect("a key");
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n",
            derive_accept_key(key.as_bytes())
        );
        stream.write_all(head.as_bytes()).expect("a client that listens");
        let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
        let is_archive = command[0] == "tail";
        let is_hash = command[0] == "sha256sum";
        for word in &mut command {
            if let Some(name) = word.strip_prefix("/checkpoints/") {
                *word = self.node.join(name).to_str().expect("plain").to_owned();
            }
        }
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let limit = if is_archive { self.breaks.lock().next() } else { None };
        let mut out = child.stdout.take().expect("piped");
        let mut buffer = vec![0; 1 << 20];
        let mut sent = 0;
        loop {
            let room = limit.map_or(buffer.len(), |limit| (limit - sent).min(buffer.len()));
            if room == 0 {
                // The connection is gone, and with it the command.
                let _ = child.kill();
                let _ = child.wait();
                return;
            }
            let count = out.read(&mut buffer[..room]).expect("readable");
            if count == 0 {
                break;
            }
            let mut bytes = buffer[..count].to_vec();
            if is_hash && self.wrong_hash {
                bytes[0] = if bytes[0] == b'0' { b'1' } else { b'0' };
            }
            sent += count;
            let message = [&[1_u8], bytes.as_slice()].concat();
            if socket.send(Message::Binary(message.into())).is_err() {
                let _ = child.kill();
                let _ = child.wait();
                return;
            }
            std::thread::sleep(self.slow);
        }
        let mut errors = Vec::new();
        child.stderr.take().expect("piped").read_to_end(&mut errors).expect("readable");
        let ended = child.wait().expect("it ends");
        let status = if ended.success() {
            json!({"metadata": {}, "status": "Success"})
        } else {
            json!({"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
                "message": format!("command terminated with non-zero exit code: exit status {}", ended.code().unwrap_or(-1))})
        };
        for (channel, bytes) in [(2_u8, errors), (3, status.to_string().into_bytes())] {
            if channel == 3 || !bytes.is_empty() {
                let _ = socket.send(Message::Binary([&[channel], bytes.as_slice()].concat().into()));
            }
        }
        let _ = socket.close(None);
        while socket.read().is_ok() {}
    }
}

/// The `Status` object of something that is not there.
fn not_found(kind: &str, name: &str) -> Reply {
    let message = format!("{kind} \"{name}\" not found");
    Reply::json(404, json!({"kind": "Status", "message": message, "reason": "NotFound", "code": 404}))
}

/// Puts an archive where the kubelet says that it is.
pub fn on_node(directory: &Path, bytes: &[u8]) -> PathBuf {
    let name = Path::new(super::kubelet::NODE_PATH).file_name().expect("a name");
    let path = directory.join(name);
    std::fs::File::create(&path).and_then(|mut file| file.write_all(bytes)).expect("written");
    path
}
