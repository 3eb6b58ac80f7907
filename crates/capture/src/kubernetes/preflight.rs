//! What can be known to be missing before a checkpoint is asked for.

use std::time::Duration;

use http::Method;
use k8s_openapi::api::core::v1::Node;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::access::{Access, Via};
use crate::{error::Error, kubernetes::target::check_name, manifest::Source};

/// Oldest runtimes that take checkpoints, by the scheme of their version string.
const RUNTIMES: [(&str, (u64, u64)); 2] = [("containerd", (2, 0)), ("cri-o", (1, 25))];
/// First kubelet with the feature, and first with it on by default.
const KUBELET: (u64, u64) = (1, 25);
const KUBELET_ON: (u64, u64) = (1, 30);

/// What CRIU must be told before it is needed.
pub(crate) const CRIU_OPTIONS: &str = "Have tcp-established, ghost-limit 64M, link-remap, ext-unix-sk and file-locks, one a \
                                       line, in /etc/criu/runc.conf (crun: crun.conf) on the nodes before they are needed.";

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it must be.
    Ok,
    /// In the way of a checkpoint.
    Missing,
    /// Cannot be seen from here.
    Unknown,
}

impl State {
    /// The word used in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        }
    }
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Stable name.
    pub code: &'static str,
    /// How it came out.
    pub state: State,
    /// What was found, in a plain sentence.
    pub message: String,
    /// What to do about it.
    pub fix: Option<String>,
}

impl Check {
    pub(crate) fn new(code: &'static str, state: State, message: impl Into<String>, fix: &str) -> Self {
        let fix = (state != State::Ok && !fix.is_empty()).then(|| fix.to_owned());
        Self { code, state, message: message.into(), fix }
    }
}

/// A permission that is needed.
#[derive(Debug, Clone, Copy)]
struct Permission {
    verb: &'static str,
    resource: &'static str,
    subresource: &'static str,
}

const TRIGGER: [Permission; 1] = [Permission { verb: "create", resource: "nodes", subresource: "proxy" }];
// Which of the two verbs a command in a pod takes depends on the version of the API server.
const FETCH: [Permission; 5] = [
    Permission { verb: "create", resource: "pods", subresource: "" },
    Permission { verb: "get", resource: "pods", subresource: "" },
    Permission { verb: "create", resource: "pods", subresource: "exec" },
    Permission { verb: "get", resource: "pods", subresource: "exec" },
    Permission { verb: "delete", resource: "pods", subresource: "" },
];

/// What the API server tells of a node, for the manifest.
///
/// # Errors
/// When it does not tell.
pub async fn node_facts(access: &Access, name: &str) -> Result<(Node, Source), Error> {
    check_name(name)?;
    let node: Node = access.get(&format!("/api/v1/nodes/{name}")).await?;
    let info = node.status.as_ref().and_then(|status| status.node_info.as_ref());
    let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let source = Source {
        via: "api-server".to_owned(),
        endpoint: access.endpoint.clone(),
        node: Some(name.to_owned()),
        kubelet: info.and_then(|info| text(&info.kubelet_version)),
        runtime: info.and_then(|info| text(&info.container_runtime_version)),
        os_image: info.and_then(|info| text(&info.os_image)),
        kernel: info.and_then(|info| text(&info.kernel_version)),
    };
    Ok((node, source))
}

/// Checks what can be seen from here. `fetch_namespace` is where the pod for the copy would be made.
pub async fn check(access: &Access, node: &str, fetch_namespace: Option<&str>) -> Vec<Check> {
    let mut checks = Vec::new();
    if access.via == Via::Kubelet {
        return checks;
    }
    for permission in TRIGGER {
        checks.push(allowed(access, permission, None).await);
    }
    if let Some(namespace) = fetch_namespace {
        for permission in FETCH {
            checks.push(allowed(access, permission, Some(namespace)).await);
        }
    }
    match node_facts(access, node).await {
        Ok((facts, source)) => {
            checks.push(ready(&facts, node));
            checks.push(runtime(source.runtime.as_deref()));
            checks.push(disk(&facts, node));
            checks.push(feature_gate(access, node, source.kubelet.as_deref()).await);
        }
        Err(error) => checks.push(Check::new(
            "node",
            State::Unknown,
            format!("the node {node} cannot be looked at: {error}"),
            "Allow get on nodes, as docs/capture/trigger-rbac.yaml does.",
        )),
    }
    checks.push(Check::new(
        "criu-options",
        State::Unknown,
        "whether the node's CRIU dumps established TCP connections, large deleted files and sockets to the node \
         cannot be seen from here",
        CRIU_OPTIONS,
    ));
    checks
}

async fn allowed(access: &Access, permission: Permission, namespace: Option<&str>) -> Check {
    #[derive(Deserialize)]
    struct Review {
        status: Option<ReviewStatus>,
    }
    #[derive(Deserialize)]
    struct ReviewStatus {
        #[serde(default)]
        allowed: bool,
    }
    let Permission { verb, resource, subresource } = permission;
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {
            "verb": verb,
            "resource": resource,
            "subresource": subresource,
            "namespace": namespace.unwrap_or_default(),
        }},
    });
    let what = if subresource.is_empty() {
        format!("{verb} {resource}")
    } else {
        format!("{verb} {resource}/{subresource}")
    };
    let place = namespace.map(|namespace| format!(" in {namespace}")).unwrap_or_default();
    let fix = if namespace.is_some() {
        "Bind the role of docs/capture/fetch-rbac.yaml, or leave --fetch out."
    } else {
        "Bind the role of docs/capture/trigger-rbac.yaml."
    };
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    match access.post::<Review>(path, review.to_string().into_bytes()).await {
        Ok(Review { status: Some(ReviewStatus { allowed: true }) }) => {
            Check::new("permission", State::Ok, format!("may {what}{place}"), "")
        }
        Ok(Review { status: Some(_) }) => {
            Check::new("permission", State::Missing, format!("may not {what}{place}"), fix)
        }
        Ok(Review { status: None }) => {
            Check::new("permission", State::Unknown, format!("no answer whether it may {what}{place}"), fix)
        }
        Err(error) => Check::new("permission", State::Unknown, format!("may {what}{place}? {error}"), fix),
    }
}

fn condition<'n>(node: &'n Node, name: &str) -> Option<&'n str> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    Some(conditions.iter().find(|condition| condition.type_ == name)?.status.as_str())
}

fn ready(node: &Node, name: &str) -> Check {
    match condition(node, "Ready") {
        Some("True") => Check::new("node-ready", State::Ok, format!("the node {name} is ready"), ""),
        Some(_) => Check::new(
            "node-ready",
            State::Missing,
            format!("the node {name} is not ready, so the API server may not reach its kubelet"),
            "Go to the node itself: ckptfx capture --cri needs neither.",
        ),
        None => Check::new(
            "node-ready",
            State::Unknown,
            format!("the node {name} does not say whether it is ready"),
            "",
        ),
    }
}

fn disk(node: &Node, name: &str) -> Check {
    let advice =
        "An archive needs about as much room as the container's memory: make room below /var/lib/kubelet.";
    match condition(node, "DiskPressure") {
        Some("False") => {
            Check::new("disk", State::Ok, format!("the node {name} has disk space by its own account"), "")
        }
        Some(_) => {
            Check::new("disk", State::Missing, format!("the node {name} is short of disk space"), advice)
        }
        None => Check::new("disk", State::Unknown, "how much disk space is free is not known", advice),
    }
}

/// Major and minor number of a version such as `v1.33.2-eks-1`.
fn version(text: &str) -> Option<(u64, u64)> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts = text.split(|character: char| !character.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn runtime(runtime: Option<&str>) -> Check {
    let unknown = |message: String| Check::new("runtime", State::Unknown, message, "");
    let Some(text) = runtime else { return unknown("the node does not name its runtime".to_owned()) };
    let known = text.split_once("://").and_then(|(name, rest)| {
        let (_, oldest) = RUNTIMES.iter().find(|(known, _)| *known == name)?;
        Some((version(rest)?, *oldest))
    });
    match known {
        None => unknown(format!("it is not known whether {text} takes checkpoints")),
        Some((version, oldest)) if version >= oldest => {
            Check::new("runtime", State::Ok, format!("{text} takes checkpoints"), "")
        }
        Some(_) => Check::new(
            "runtime",
            State::Missing,
            format!("{text} is too old: containerd takes checkpoints since 2.0, CRI-O since 1.25"),
            "Update the runtime of the node.",
        ),
    }
}

async fn feature_gate(access: &Access, node: &str, kubelet: Option<&str>) -> Check {
    const FIX: &str = "Start the kubelet with --feature-gates=ContainerCheckpoint=true.";
    // The kubelet's own configuration, for those who may read it.
    let path = format!("/api/v1/nodes/{node}/proxy/configz");
    let configuration = access.send(Method::GET, &path, None, Duration::from_secs(15)).await;
    let configuration: Option<Value> = configuration
        .ok()
        .filter(|answer| answer.status == 200)
        .and_then(|answer| serde_json::from_slice(&answer.body).ok());
    let configuration = configuration.as_ref().and_then(|value| value.get("kubeletconfig"));
    let gate =
        configuration.and_then(|value| value.get("featureGates")?.get("ContainerCheckpoint")?.as_bool());
    let handlers = configuration.and_then(|value| value.get("enableDebuggingHandlers")?.as_bool());
    if handlers == Some(false) {
        let message = "the kubelet's debugging handlers are off, and the checkpoint endpoint is one of them";
        return Check::new("feature-gate", State::Missing, message, "Set enableDebuggingHandlers: true.");
    }
    match (gate, kubelet.and_then(version)) {
        (Some(true), _) => Check::new("feature-gate", State::Ok, "the gate ContainerCheckpoint is on", ""),
        (Some(false), _) => {
            Check::new("feature-gate", State::Missing, "the gate ContainerCheckpoint is off", FIX)
        }
        (None, Some(version)) if version < KUBELET => Check::new(
            "feature-gate",
            State::Missing,
            "the kubelet is older than 1.25 and has no checkpoint endpoint",
            "On the node itself ckptfx capture --cri works without the kubelet.",
        ),
        (None, Some(version)) if version >= KUBELET_ON => {
            let message = "the gate ContainerCheckpoint is on by default in this kubelet";
            Check::new("feature-gate", State::Ok, message, "")
        }
        (None, Some(_)) => Check::new(
            "feature-gate",
            if configuration.is_some() { State::Missing } else { State::Unknown },
            "the gate ContainerCheckpoint is off by default in this kubelet",
            FIX,
        ),
        (None, None) => Check::new("feature-gate", State::Unknown, "the kubelet's version is not known", FIX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert_eq!(version("v1.33.2-eks-1"), Some((1, 33)));
        assert_eq!(version("2.1.9"), Some((2, 1)));
        assert_eq!(version("main"), None);
        for (text, state) in [
            ("containerd://1.7.27", State::Missing),
            ("containerd://2.1.9", State::Ok),
            ("cri-o://1.9.0", State::Missing),
            ("cri-o://1.33.0", State::Ok),
            ("docker://27.0", State::Unknown),
            ("containerd://main", State::Unknown),
        ] {
            assert_eq!(runtime(Some(text)).state, state, "{text}");
        }
        assert_eq!(runtime(None).state, State::Unknown);
    }
}
