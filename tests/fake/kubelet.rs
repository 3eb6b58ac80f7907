//! A kubelet, in the order in which a real one checks a request.

use serde_json::json;

use super::{
    Script, Shared,
    http::{Reply, Request},
};

/// Path of the archive on the node, in the time zone of a node two hours east.
pub const NODE_PATH: &str =
    "/var/lib/kubelet/checkpoints/checkpoint-web_shop-app-2026-06-01T14:00:00+02:00.tar";
/// The token that is known.
pub const TOKEN: &str = "token-of-the-tests";

/// How it behaves.
#[derive(Clone)]
pub struct Kubelet {
    /// Feature gate.
    pub gate: bool,
    /// Who is asking may take checkpoints.
    pub allowed: bool,
    /// Kubelets before 1.32 told refusals in other words.
    pub old_words: bool,
    /// What the runtime makes of each request that gets through.
    pub runtime: Shared<Script<Made>>,
    /// Requests for checkpoints that it saw.
    pub asked: Shared<Vec<String>>,
}

/// What comes of a checkpoint.
#[derive(Debug, Clone)]
pub enum Made {
    /// It is taken.
    Taken,
    /// The runtime says this.
    Failed(&'static str),
    /// Whatever this is.
    Other(Reply),
}

impl Kubelet {
    pub fn new(made: impl IntoIterator<Item = Made>) -> Self {
        Self {
            gate: true,
            allowed: true,
            old_words: false,
            runtime: Shared::new(Script::new(made)),
            asked: Shared::default(),
        }
    }

    /// `path` is that at the kubelet, which is not that of the request when it comes through the API server.
    pub fn answer(&self, request: &Request, path: &str, is_known: bool) -> Reply {
        let place = path.split('?').next().unwrap_or_default();
        if place == "/checkpoint" && self.gate {
            return Reply::Full(301, vec![("Location", "/checkpoint/".to_owned())], Vec::new());
        }
        let route = place.strip_prefix("/checkpoint/").filter(|_| self.gate);
        if route.is_none() && place != "/pods" {
            // The routes are registered before anybody is asked for credentials.
            let headers = vec![("X-Content-Type-Options", "nosniff".to_owned())];
            return Reply::Full(404, headers, b"404 page not found\n".to_vec());
        }
        if !is_known {
            return Reply::text(401, "Unauthorized");
        }
        let Some(route) = route else { return Reply::json(200, json!({"items": [pod()]})) };
        self.asked.lock().push(path.to_owned());
        if !self.allowed {
            let what = "user=responder, verb=create, resource=nodes";
            return Reply::text(
                403,
                match self.old_words {
                    true => format!("Forbidden ({what}, subresource=checkpoint)"),
                    false => format!("Forbidden ({what}, subresource(s)=[checkpoint])\n"),
                },
            );
        }
        let parts: Vec<&str> = route.split('/').collect();
        let [namespace, pod, container] = parts.as_slice() else {
            return Reply::text(404, "404: Page Not Found");
        };
        if request.method != "POST" {
            let headers = vec![("Allow", "POST".to_owned())];
            return Reply::Full(405, headers, b"405: Method Not Allowed".to_vec());
        }
        let accept = request.header("accept").unwrap_or("*/*");
        if !accept.contains("*/*") && !accept.contains("application/json") {
            return Reply::text(
                415,
                "415: Unsupported Media Type\n\nAvailable representations: application/json",
            );
        }
        if (*namespace, *pod) != ("shop", "web") {
            return Reply::text(404, "pod does not exist");
        }
        if !["app", "sidecar"].contains(container) {
            return Reply::text(404, format!("container {container} does not exist"));
        }
        let query = path.split_once("?timeout=").map(|(_, value)| value);
        if query.is_some_and(|value| value.parse::<i64>().is_err()) {
            return Reply::text(404, "cannot parse value of timeout parameter");
        }
        match self.runtime.lock().next() {
            Made::Taken => Reply::json(200, format!(r#"{{"items":["{NODE_PATH}"]}}"#)),
            Made::Failed(error) => {
                Reply::text(500, format!("checkpointing of shop/web/{container} failed ({error})"))
            }
            Made::Other(reply) => reply,
        }
    }

    /// The same straight, with a token or a certificate.
    pub fn serve(&self, request: &Request) -> Reply {
        let bearer = format!("Bearer {TOKEN}");
        let is_known = request.has_certificate || request.header("authorization") == Some(&bearer);
        self.answer(request, &request.path, is_known)
    }
}

/// The pod that runs: a container that is up, and one that is not.
pub fn pod() -> serde_json::Value {
    let status = |name: &str, state: serde_json::Value| {
        json!({"name": name, "ready": true, "restartCount": 0, "image": "web:1", "imageID": "web@sha256:12",
            "containerID": format!("containerd://id-of-{name}"), "state": state})
    };
    json!({"metadata": {"name": "web", "namespace": "shop", "uid": "u-1"},
    "spec": {"nodeName": "n1", "containers": [{"name": "app"}, {"name": "sidecar"}]},
    "status": {"containerStatuses": [
        status("app", json!({"running": {"startedAt": "2026-06-01T10:00:00Z"}})),
        status("sidecar", json!({"terminated": {"exitCode": 0, "reason": "Completed"}})),
    ]}})
}
