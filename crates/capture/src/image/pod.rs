//! The manifest of a pod that restores the image.

use std::fmt::Write as _;

use super::{parts::Origin, restorable::mounts_of};
use ckptfx_parser::plain::yaml_string;

/// Longest name of a Kubernetes object.
const MAX_NAME: usize = 63;

/// A Pod in YAML. It has no service-account token, is never restarted, and declares an empty volume for each
/// mount that CRI-O insists on.
pub fn pod_manifest(origin: &Origin, image: &str) -> String {
    let container = label(origin.container.as_deref().unwrap_or("checkpoint"));
    let name = label(&format!("{}-restored", origin.pod.as_deref().unwrap_or(&container)));
    let mut text = format!(
        "# Restores a checkpoint. What ran in it runs again: use a node that is cut off from the network and from\n\
         # everything of value.\n\
         apiVersion: v1\n\
         kind: Pod\n\
         metadata:\n  name: {}\n  labels:\n    app.kubernetes.io/managed-by: ckptfx\n\
         spec:\n  restartPolicy: Never\n  automountServiceAccountToken: false\n  enableServiceLinks: false\n  \
         nodeSelector:\n    kubernetes.io/arch: {}\n  containers:\n  - name: {}\n    image: {}\n    \
         imagePullPolicy: IfNotPresent\n",
        yaml_string(&name),
        yaml_string(&origin.architecture),
        yaml_string(&container),
        yaml_string(image),
    );
    let mounts: Vec<String> = mounts_of(origin)
        .into_iter()
        .filter(|point| point != "/etc/hosts" && point != "/dev/termination-log")
        .collect();
    if !mounts.is_empty() {
        let _ = writeln!(
            text,
            "    # Empty in the place of what was mounted; CRI-O wants each declared.\n    volumeMounts:"
        );
        for (index, point) in mounts.iter().enumerate() {
            let _ = writeln!(text, "    - name: mount-{index}\n      mountPath: {}", yaml_string(point));
        }
        text.push_str("  volumes:\n");
        for index in 0..mounts.len() {
            let _ = writeln!(text, "  - name: mount-{index}\n    emptyDir: {{}}");
        }
    }
    text
}

/// What Kubernetes takes for a name: lower-case letters, digits and dashes.
fn label(text: &str) -> String {
    let plain = text.chars().map(|character| match character.to_ascii_lowercase() {
        character @ ('a'..='z' | '0'..='9') => character,
        _ => '-',
    });
    let name: String = plain.take(MAX_NAME).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "checkpoint".to_owned() } else { name.to_owned() }
}
