//! What a kubelet answers to a request for a checkpoint: the path of the archive on the node.

use serde::Deserialize;

/// What the kubelet answers.
#[derive(Deserialize)]
struct Items {
    items: Vec<String>,
}

/// The one path in the answer.
///
/// # Errors
/// What is wrong with the answer, when it does not name one archive.
pub fn archive_path(body: &[u8]) -> Result<String, String> {
    let quoted = String::from_utf8_lossy(body.get(..body.len().min(300)).unwrap_or_default());
    let items: Items = serde_json::from_slice(body)
        .map_err(|_| format!("the kubelet reports success, but its answer is not understood: {quoted}"))?;
    match items.items.as_slice() {
        [path] if is_archive_path(path) => Ok(path.clone()),
        _ => Err(format!("the kubelet reports success, but does not name one archive: {quoted}")),
    }
}

/// An absolute path without surprises: it is used in commands on the node.
fn is_archive_path(path: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b':' | b'+');
    path.starts_with('/')
        && path.len() < 4096
        && path.bytes().all(is_plain)
        && !path.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_plain_path_is_an_archive() {
        let good =
            br#"{"items":["/var/lib/kubelet/checkpoints/checkpoint-a_b-c-2024-06-01T14:00:00+02:00.tar"]}"#;
        assert!(archive_path(good).unwrap().ends_with("+02:00.tar"));
        for bad in [
            &br#"{"items":[]}"#[..],
            br#"{"items":["/a","/b"]}"#,
            br#"{"items":["relative.tar"]}"#,
            br#"{"items":["/a/../b"]}"#,
            br#"{"items":["/a;reboot"]}"#,
            b"not json",
            b"",
        ] {
            assert!(archive_path(bad).is_err());
        }
    }
}
