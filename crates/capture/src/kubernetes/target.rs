//! Which containers are meant, and where they run.

use k8s_openapi::{
    List,
    api::{
        apps::v1::Deployment,
        core::v1::{ContainerStatus, Pod},
    },
};

use super::access::{Access, Via, query};
use crate::{error::Error, manifest::Subject};

/// What was asked for.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// A pod: one of its containers, or all that run.
    Pod {
        /// Name of the pod.
        pod: String,
        /// Name of the container.
        container: Option<String>,
    },
    /// All pods that a label selector matches.
    Selector(String),
    /// All pods of a deployment.
    Deployment(String),
}

/// A container that can be checkpointed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where it runs; not known when a kubelet was asked directly.
    pub node: Option<String>,
    /// What it is.
    pub subject: Subject,
}

impl Target {
    /// `namespace/pod/container`.
    pub fn name(&self) -> String {
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        let subject = &self.subject;
        format!("{}/{}/{}", part(&subject.namespace), part(&subject.pod), part(&subject.container))
    }
}

/// Finds the containers, in order of pod and of the pod's status.
///
/// # Errors
/// When the server refuses, or there is no such pod or no running container.
pub async fn find(access: &Access, namespace: &str, wanted: &[Wanted]) -> Result<Vec<Target>, Error> {
    check_name(namespace)?;
    let mut targets: Vec<Target> = Vec::new();
    for wanted in wanted {
        let (pods, container) = match wanted {
            Wanted::Pod { pod, container } => {
                check_name(pod)?;
                (vec![get_pod(access, namespace, pod).await?], container.as_deref())
            }
            Wanted::Selector(selector) => (list(access, namespace, selector).await?, None),
            Wanted::Deployment(name) => {
                check_name(name)?;
                let selector = selector_of(access, namespace, name).await?;
                (list(access, namespace, &selector).await?, None)
            }
        };
        for pod in &pods {
            for target in containers(pod, namespace, container)? {
                if !targets.iter().any(|other| other.subject == target.subject) {
                    targets.push(target);
                }
            }
        }
    }
    if targets.is_empty() {
        return Err(Error::Usage("no running container is meant by that".to_owned()));
    }
    Ok(targets)
}

/// Names get into paths of requests, so they must be what Kubernetes takes for one.
pub fn check_name(name: &str) -> Result<(), Error> {
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    if !name.is_empty() && name.len() <= 253 && name.bytes().all(is_plain) && !name.contains("..") {
        Ok(())
    } else {
        Err(Error::Usage(format!("{name:?} is no name of a Kubernetes object")))
    }
}

/// The pod as it is now.
///
/// # Errors
/// When the server refuses or does not know it.
pub async fn get_pod(access: &Access, namespace: &str, pod: &str) -> Result<Pod, Error> {
    if access.via == Via::ApiServer {
        return access.get(&format!("/api/v1/namespaces/{namespace}/pods/{pod}")).await;
    }
    // A kubelet gives all its pods.
    let pods: List<Pod> = access.get("/pods").await?;
    let is_it = |one: &Pod| {
        one.metadata.namespace.as_deref() == Some(namespace) && one.metadata.name.as_deref() == Some(pod)
    };
    pods.items.into_iter().find(is_it).ok_or_else(|| Error::Refused {
        step: "GET /pods".to_owned(),
        status: "200".to_owned(),
        body: b"pod does not exist".to_vec(),
    })
}

async fn list(access: &Access, namespace: &str, selector: &str) -> Result<Vec<Pod>, Error> {
    if access.via == Via::Kubelet {
        return Err(Error::Usage("selectors and deployments need the API server; name the pod".to_owned()));
    }
    let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector={}", query(selector));
    let mut pods = access.get::<List<Pod>>(&path).await?.items;
    pods.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
    Ok(pods)
}

/// The selector of a deployment as a query has it.
async fn selector_of(access: &Access, namespace: &str, name: &str) -> Result<String, Error> {
    if access.via == Via::Kubelet {
        return Err(Error::Usage("selectors and deployments need the API server; name the pod".to_owned()));
    }
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    let deployment: Deployment = access.get(&path).await?;
    let selector = deployment.spec.map(|spec| spec.selector).unwrap_or_default();
    let mut terms: Vec<String> = selector
        .match_labels
        .unwrap_or_default()
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    for expression in selector.match_expressions.unwrap_or_default() {
        let values = expression.values.unwrap_or_default().join(",");
        terms.push(match expression.operator.as_str() {
            "In" => format!("{} in ({values})", expression.key),
            "NotIn" => format!("{} notin ({values})", expression.key),
            "DoesNotExist" => format!("!{}", expression.key),
            _ => expression.key,
        });
    }
    if terms.is_empty() {
        // Without a term every pod of the namespace would be meant.
        return Err(Error::Usage(format!("the deployment {name} selects no pods")));
    }
    Ok(terms.join(","))
}

/// The statuses of all containers of a pod: ordinary, init and ephemeral ones.
pub fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let of = |pick: fn(&k8s_openapi::api::core::v1::PodStatus) -> &Option<Vec<ContainerStatus>>| {
        status.and_then(|status| pick(status).as_ref()).into_iter().flatten()
    };
    of(|status| &status.container_statuses)
        .chain(of(|status| &status.init_container_statuses))
        .chain(of(|status| &status.ephemeral_container_statuses))
}

/// Whether a container runs.
pub fn is_running(status: &ContainerStatus) -> bool {
    status.state.as_ref().is_some_and(|state| state.running.is_some())
}

/// A container's id without the runtime's prefix.
pub fn bare_id(status: &ContainerStatus) -> Option<String> {
    let id = status.container_id.as_deref()?;
    Some(id.split_once("://").map_or(id, |(_, id)| id).to_owned()).filter(|id| !id.is_empty())
}

fn containers(pod: &Pod, namespace: &str, wanted: Option<&str>) -> Result<Vec<Target>, Error> {
    let name = pod.metadata.name.clone().unwrap_or_default();
    if let Some(container) = wanted
        && !statuses(pod).any(|status| status.name == container)
    {
        let names: Vec<&str> = statuses(pod).map(|status| status.name.as_str()).collect();
        return Err(Error::Usage(format!(
            "the pod {namespace}/{name} has no container {container}; it has {}",
            names.join(", ")
        )));
    }
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    let meant =
        statuses(pod).filter(|status| wanted.map_or_else(|| is_running(status), |name| status.name == name));
    Ok(meant
        .map(|status| Target {
            node: node.clone(),
            subject: Subject {
                namespace: Some(namespace.to_owned()),
                pod: Some(name.clone()),
                pod_uid: pod.metadata.uid.clone(),
                container: Some(status.name.clone()),
                container_id: bare_id(status),
                image: Some(status.image.clone()).filter(|image| !image.is_empty()),
                image_id: Some(status.image_id.clone()).filter(|image| !image.is_empty()),
            },
        })
        .collect())
}
