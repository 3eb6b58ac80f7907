//! The engines' files, one function per engine.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::model::{Container, Engine};

/// The engine's JSON files, each if it is there and readable.
pub(super) struct Files {
    pub spec: Option<Value>,
    pub config: Option<Value>,
    pub status: Option<Value>,
    pub status_dump: Option<Value>,
    pub network_status: Option<Value>,
    pub has_cri_o_log: bool,
}

/// Follows keys into nested objects.
fn at<'a>(value: Option<&'a Value>, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value?, |value, key| value.get(key))
}

fn text(value: Option<&Value>, path: &[&str]) -> Option<String> {
    at(value, path)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A time as Go writes it; its zero time means "never".
fn time(value: Option<&Value>, path: &[&str]) -> Option<Timestamp> {
    let time: Timestamp = at(value, path)?.as_str()?.parse().ok()?;
    (time > Timestamp::UNIX_EPOCH).then_some(time)
}

fn nanoseconds(value: Option<&Value>, path: &[&str]) -> Option<Timestamp> {
    let nanoseconds = at(value, path)?.as_i64().filter(|time| *time > 0)?;
    Timestamp::from_nanosecond(i128::from(nanoseconds)).ok()
}

fn strings(value: Option<&Value>, path: &[&str]) -> BTreeMap<String, String> {
    let Some(Value::Object(map)) = at(value, path) else { return BTreeMap::new() };
    map.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// `name@sha256:…` names a manifest; a bare `sha256:…` or hex is the id of the configuration.
fn digest_of(reference: &str) -> Option<String> {
    reference.split_once('@').map(|(_, digest)| digest.to_owned())
}

fn bare_id(reference: &str) -> Option<String> {
    (!reference.contains('@')).then(|| reference.strip_prefix("sha256:").unwrap_or(reference).to_owned())
}

fn engine(files: &Files, annotations: &BTreeMap<String, String>) -> Engine {
    let config = files.config.as_ref();
    match annotations.get("io.container.manager").map(String::as_str) {
        Some("libpod") => Engine::Podman,
        Some("cri-o") => Engine::CriO,
        _ if annotations.keys().any(|key| key.starts_with("io.kubernetes.cri.")) => Engine::Containerd,
        _ if annotations.keys().any(|key| key.starts_with("io.kubernetes.cri-o.")) => Engine::CriO,
        // The specification may be lost: the other files have shapes of their own.
        _ if at(config, &["rootfsImageID"]).is_some() || at(config, &["staticDir"]).is_some() => {
            Engine::Podman
        }
        _ if files.has_cri_o_log => Engine::CriO,
        _ if files.status.is_some() || files.status_dump.is_some() => Engine::Containerd,
        _ if text(config, &["runtime"]).is_some_and(|name| name.starts_with("io.containerd.")) => {
            Engine::Containerd
        }
        _ if text(config, &["name"]).is_some_and(|name| name.starts_with("k8s_")) => Engine::CriO,
        // Only containerd writes a specification without saying who it is (archives.md §1.11).
        _ if files.spec.is_some() && config.is_some_and(|config| config.get("id").is_some()) => {
            Engine::Containerd
        }
        _ => Engine::Unknown,
    }
}

/// Builds the model from whichever files are there.
pub(super) fn container(files: Files) -> Container {
    let spec = files.spec.as_ref();
    let annotations = strings(spec, &["annotations"]);
    let command = at(spec, &["process", "args"]).and_then(Value::as_array);
    let mut container = Container {
        engine: engine(&files, &annotations),
        id: text(files.config.as_ref(), &["id"]),
        created: time(files.config.as_ref(), &["createdTime"]),
        checkpointed: time(files.config.as_ref(), &["checkpointedTime"]),
        restored: time(files.config.as_ref(), &["restoredTime"]),
        runtime: text(files.config.as_ref(), &["runtime"]),
        hostname: text(spec, &["hostname"]),
        command: command.into_iter().flatten().filter_map(|arg| arg.as_str().map(str::to_owned)).collect(),
        annotations,
        ..Container::default()
    };
    match container.engine {
        Engine::Podman => podman(&mut container, &files),
        Engine::CriO => cri_o(&mut container, &files),
        Engine::Containerd => containerd(&mut container, &files),
        Engine::Docker | Engine::Unknown => {
            container.name = text(files.config.as_ref(), &["name"]);
            container.image = text(files.config.as_ref(), &["rootfsImageName"]);
        }
    }
    container.spec = files.spec;
    container.config = files.config;
    container
}

fn podman(container: &mut Container, files: &Files) {
    let config = files.config.as_ref();
    container.name = text(config, &["name"]);
    container.pod = text(config, &["pod"]);
    container.image = text(config, &["rootfsImageName"]).or_else(|| text(config, &["RawImageName"]));
    container.image_id = text(config, &["rootfsImageID"]);
    container.privileged = at(config, &["privileged"]).and_then(Value::as_bool);
    container.log_path = text(config, &["logPath"]);
    container.labels = strings(config, &["labels"]);
    container.addresses = podman_addresses(files.network_status.as_ref());
}

/// Podman 4 and later: networks by name; 3 and earlier: an array of CNI results.
fn podman_addresses(status: Option<&Value>) -> Vec<String> {
    let mut addresses = Vec::new();
    let items = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    match status {
        Some(Value::Object(networks)) => {
            for interface in networks
                .values()
                .filter_map(|network| network.get("interfaces")?.as_object())
                .flat_map(|interfaces| interfaces.values())
            {
                let subnets = items(interface.get("subnets"));
                addresses.extend(subnets.iter().filter_map(|subnet| text(Some(subnet), &["ipnet"])));
            }
        }
        Some(Value::Array(results)) => {
            for result in results {
                let ips = items(result.get("ips"));
                addresses.extend(ips.iter().filter_map(|ip| text(Some(ip), &["address"])));
            }
        }
        _ => {}
    }
    addresses
}

fn cri_o(container: &mut Container, files: &Files) {
    let config = files.config.as_ref();
    let get = |key: &str| container.annotations.get(key).filter(|value| !value.is_empty()).cloned();
    let get_json = |key: &str| get(key).and_then(|value| serde_json::from_str::<Value>(&value).ok());
    let labels = get_json("io.kubernetes.cri-o.Labels");
    let digests = get("io.kubernetes.cri-o.ImageRepoDigests");
    let image_ref = text(config, &["rootfsImageRef"]).or_else(|| get("io.kubernetes.cri-o.ImageRef"));
    let engine_name = text(config, &["name"]).or_else(|| get("io.kubernetes.cri-o.Name"));
    let addresses =
        (0..16).map_while(|index| get(&format!("io.kubernetes.cri-o.IP.{index}"))).collect::<Vec<_>>();
    let update = Container {
        id: container.id.clone().or_else(|| get("io.kubernetes.cri-o.ContainerID")),
        name: get("io.kubernetes.container.name")
            .or_else(|| text(labels.as_ref(), &["io.kubernetes.container.name"]))
            .or_else(|| engine_name_part(engine_name.as_deref(), 0)),
        pod: get("io.kubernetes.pod.name").or_else(|| engine_name_part(engine_name.as_deref(), 1)),
        namespace: get("io.kubernetes.pod.namespace").or_else(|| engine_name_part(engine_name.as_deref(), 2)),
        pod_uid: get("io.kubernetes.pod.uid").or_else(|| engine_name_part(engine_name.as_deref(), 3)),
        sandbox_id: get("io.kubernetes.cri-o.SandboxID"),
        image: text(config, &["rootfsImageName"])
            .or_else(|| text(config, &["rootfsImage"]))
            .or_else(|| get("io.kubernetes.cri-o.ImageName")),
        image_digest: digests
            .as_deref()
            .and_then(|digests| digests.split(',').next())
            .and_then(digest_of)
            .or_else(|| image_ref.as_deref().and_then(digest_of)),
        image_id: image_ref.as_deref().and_then(bare_id),
        created: container
            .created
            .or_else(|| get("io.kubernetes.cri-o.Created").and_then(|time| time.parse().ok())),
        log_path: get("io.kubernetes.cri-o.LogPath"),
        labels: strings(labels.as_ref(), &[]),
        addresses,
        engine_name,
        ..std::mem::take(container)
    };
    *container = update;
}

/// CRI engines name containers `<container>_<pod>_<namespace>_<uid>_<attempt>`, CRI-O with `k8s_`
/// before it; none of the parts can hold an underscore.
fn engine_name_part(name: Option<&str>, part: usize) -> Option<String> {
    let name = name?;
    let parts: Vec<&str> = name.strip_prefix("k8s_").unwrap_or(name).split('_').collect();
    if parts.len() != 5 {
        return None;
    }
    parts.get(part).filter(|part| !part.is_empty()).map(|part| (*part).to_owned())
}

fn containerd(container: &mut Container, files: &Files) {
    let config = files.config.as_ref();
    let status = files.status.as_ref();
    let status_dump = files.status_dump.as_ref();
    let get = |key: &str| container.annotations.get(key).filter(|value| !value.is_empty()).cloned();
    let label = |key: &str| text(status_dump, &["labels", key]);
    let engine_name = text(config, &["name"]);
    let part = |index| engine_name_part(engine_name.as_deref(), index);
    let image_ref = text(config, &["rootfsImageRef"]).or_else(|| text(status_dump, &["image_ref"]));
    let update = Container {
        id: container.id.clone().or_else(|| text(status_dump, &["id"])),
        name: get("io.kubernetes.cri.container-name")
            .or_else(|| text(status_dump, &["metadata", "name"]))
            .or_else(|| part(0)),
        pod: get("io.kubernetes.cri.sandbox-name")
            .or_else(|| label("io.kubernetes.pod.name"))
            .or_else(|| part(1)),
        namespace: get("io.kubernetes.cri.sandbox-namespace")
            .or_else(|| label("io.kubernetes.pod.namespace"))
            .or_else(|| part(2)),
        pod_uid: get("io.kubernetes.cri.sandbox-uid")
            .or_else(|| label("io.kubernetes.pod.uid"))
            .or_else(|| part(3)),
        sandbox_id: get("io.kubernetes.cri.sandbox-id"),
        image: text(config, &["rootfsImageName"])
            .or_else(|| text(config, &["rootfsImage"]))
            .or_else(|| text(status_dump, &["image", "image"]))
            .or_else(|| get("io.kubernetes.cri.image-name")),
        image_digest: image_ref.as_deref().and_then(digest_of),
        image_id: image_ref.as_deref().and_then(bare_id).or_else(|| text(status_dump, &["image_id"])),
        created: container
            .created
            .or_else(|| nanoseconds(status_dump, &["created_at"]))
            .or_else(|| nanoseconds(status, &["CreatedAt"])),
        started: nanoseconds(status_dump, &["started_at"]).or_else(|| nanoseconds(status, &["StartedAt"])),
        host_pid: at(status, &["Pid"]).and_then(Value::as_u64).filter(|pid| *pid > 0),
        log_path: text(status_dump, &["log_path"]),
        labels: strings(status_dump, &["labels"]),
        engine_name,
        ..std::mem::take(container)
    };
    *container = update;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn files(spec: Value, config: Value) -> Files {
        Files {
            spec: (!spec.is_null()).then_some(spec),
            config: (!config.is_null()).then_some(config),
            status: None,
            status_dump: None,
            network_status: None,
            has_cri_o_log: false,
        }
    }

    #[test]
    fn an_image_id_is_no_digest() {
        let config = json!({"id": "c", "rootfsImageRef": "sha256:abc"});
        let spec = json!({"annotations": {"io.kubernetes.cri.sandbox-name": "p"}});
        let container = container(files(spec, config));
        assert_eq!(container.engine, Engine::Containerd);
        assert_eq!((container.image_digest, container.image_id.as_deref()), (None, Some("abc")));
    }

    #[test]
    fn without_a_specification_the_name_tells_the_pod() {
        let config = json!({"id": "c", "name": "k8s_web_shop-7_prod-eu_0b7c_0", "restoredTime": "0001-01-01T00:00:00Z"});
        let container = container(files(Value::Null, config));
        assert_eq!(container.engine, Engine::CriO);
        assert_eq!(container.pod.as_deref(), Some("shop-7"));
        assert_eq!(container.namespace.as_deref(), Some("prod-eu"));
        assert_eq!(container.restored, None);
    }

    #[test]
    fn both_shapes_of_network_status_give_addresses() {
        let new = json!({"podman": {"interfaces": {"eth0": {"subnets": [{"ipnet": "10.88.0.9/16"}]}}}});
        let old = json!([{"ips": [{"address": "10.88.0.9/16"}]}]);
        for status in [new, old] {
            assert_eq!(podman_addresses(Some(&status)), ["10.88.0.9/16"]);
        }
        assert!(podman_addresses(Some(&Value::Null)).is_empty());
    }
}
