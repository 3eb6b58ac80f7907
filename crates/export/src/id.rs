//! Ids that are the same from run to run: UUIDs of version 5, which are hashes of a name.

use ckptfx_report::Head;
use sha1::{Digest as _, Sha1};
use uuid::Uuid;

/// What all ids of this program are derived from: the UUID of its name in no domain.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1c_9b52_4c0e_5d67_9a3b_7e21_c0de_f0a5);

/// The UUID of a name in a namespace.
pub fn uuid5(namespace: Uuid, name: &[u8]) -> Uuid {
    let hash = Sha1::new().chain_update(namespace.as_bytes()).chain_update(name).finalize();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    uuid::Builder::from_sha1_bytes(bytes).into_uuid()
}

/// What tells one checkpoint from all others: container and time, so that packing an archive in another way changes no
/// id; name and size where these are not recorded.
pub fn checkpoint(head: &Head) -> Uuid {
    let container = &head.container;
    let mut name = vec!["checkpoint", container.engine];
    let (time, bytes) = (
        container.checkpointed.map(|time| time.to_string()),
        head.evidence.bytes.unwrap_or_default().to_string(),
    );
    match (&container.id, &time) {
        (Some(id), Some(time)) => name.extend([id.as_str(), time]),
        _ => name.extend([head.evidence.name.as_str(), &bytes]),
    }
    name.extend(head.evidence.part.as_deref());
    of(NAMESPACE, &name)
}

/// The id of something in a checkpoint, by the parts of its name.
pub fn of(namespace: Uuid, parts: &[impl AsRef<[u8]>]) -> Uuid {
    let mut name = Vec::new();
    for part in parts {
        // Lengths keep parts apart whatever bytes are in them.
        name.extend_from_slice(&(part.as_ref().len() as u64).to_le_bytes());
        name.extend_from_slice(part.as_ref());
    }
    uuid5(namespace, &name)
}

/// The same id in the form of a UUID of version 4, where a format takes no other.
pub fn as_random(id: Uuid) -> Uuid {
    uuid::Builder::from_random_bytes(id.into_bytes()).into_uuid()
}

/// The id of something that is the same whatever the checkpoint.
pub fn constant(parts: &[&str]) -> Uuid {
    of(NAMESPACE, parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_version_5() {
        // The example of RFC 9562, appendix A.4.
        let dns = Uuid::parse_str("6ba7b810-9dad-11d1-80b4-00c04fd430c8").expect("a UUID");
        assert_eq!(uuid5(dns, b"www.example.com").to_string(), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(of(NAMESPACE, &["ab", "c"]), of(NAMESPACE, &["a", "bc"]));
    }
}
