//! The annotations by which engines recognise a checkpoint. An image that carries all of them restores with
//! each engine that can read the archive at all.

use super::parts::Origin;

/// Keys and values of the manifest's annotations, in order of key.
pub fn annotations(origin: &Origin) -> Vec<(String, String)> {
    let config = |key: &str| Some(origin.config.as_ref()?.get(key)?.as_str()?.to_owned());
    let container = origin.container.clone().unwrap_or_else(|| "checkpoint".to_owned());
    let image_name = config("rootfsImageName").or_else(|| origin.image.clone());
    let image_id = config("rootfsImageRef").or_else(|| config("rootfsImageID"));
    let engine = match origin.engine.as_str() {
        "podman" => Some("Podman"),
        "cri-o" => Some("CRI-O"),
        "containerd" => Some("containerd"),
        _ => None,
    };
    let runtime = oci_runtime(origin);
    let criu = |key: &str| format!("org.criu.checkpoint.{key}");
    let podman = |key: &str| format!("io.podman.annotations.checkpoint.{key}");
    let crio = |key: &str| format!("io.kubernetes.cri-o.annotations.checkpoint.{key}");
    let all = [
        // CRI-O restores an image that has this one, whatever its value.
        (crio("name"), Some(container.clone())),
        (crio("rootfsImageName"), image_name.clone()),
        (crio("rootfsImageID"), image_id.clone()),
        // containerd restores an image that has this one.
        (criu("container.name"), Some(container.clone())),
        (criu("engine.name"), engine.map(str::to_owned)),
        (criu("pod.name"), origin.pod.clone()),
        (criu("pod.namespace"), origin.namespace.clone()),
        (criu("rootfsImageUserRequested"), origin.image.clone()),
        (criu("rootfsImageName"), image_name.clone()),
        (criu("rootfsImageID"), image_id.clone()),
        (criu("runtime.name"), origin.runtime.clone()),
        (criu("host.arch"), Some(origin.architecture.clone())),
        // Podman restores an image whose value here is the name of the host's OCI runtime.
        (podman("runtime.name"), runtime.map(str::to_owned)),
        (podman("name"), Some(container)),
        (podman("rawImageName"), config("RawImageName")),
        (podman("rootfsImageName"), image_name),
        (podman("rootfsImageID"), image_id),
        (podman("host.arch"), Some(origin.architecture.clone())),
    ];
    let mut known: Vec<(String, String)> = all
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.filter(|value| !value.is_empty())?)))
        .collect();
    known.sort_unstable();
    known
}

/// The OCI runtime below the engine, as Podman calls it.
pub fn oci_runtime(origin: &Origin) -> Option<&str> {
    let runtime = origin.runtime.as_deref()?;
    // containerd names its shim, io.containerd.runc.v2.
    runtime.strip_prefix("io.containerd.").map_or(Some(runtime), |shim| shim.split('.').next())
}
