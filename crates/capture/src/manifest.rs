//! The manifest that seals a captured archive: `ckptfx.manifest.v1`. `docs/capture.md` describes its keys.
//!
//! A manifest is written once, beside its archive, and never changed. Each names the SHA-256 of the one
//! before it, so that none of a chain can be replaced or left out unnoticed.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use ckptfx_parser::plain;

/// What `schema` says.
pub const SCHEMA: &str = "ckptfx.manifest.v1";

/// What is appended to an archive's name to name its manifest.
pub const SUFFIX: &str = ".manifest.json";

/// How an archive came to be, and what it must hash to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// What made it.
    pub tool: Tool,
    /// The archive.
    pub archive: Archive,
    /// What was checkpointed.
    pub subject: Subject,
    /// Where and by whom.
    pub source: Source,
    /// When.
    pub times: Times,
    /// What was asked and answered, in order.
    pub exchanges: Vec<Exchange>,
    /// How the workload was found afterwards; none when nothing could be asked.
    pub after: Option<After>,
    /// The copy from the node; none when the archive was streamed or stayed there.
    pub fetch: Option<Fetch>,
    /// Who ran the tool and for what.
    pub operator: Operator,
    /// Place in a chain; none outside one.
    pub chain: Option<Chain>,
    /// What a reader must know, in plain sentences.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// The program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// Always `ckptfx`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The archive that the manifest is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Archive {
    /// File name beside the manifest; none while the archive is on the node only.
    pub name: Option<String>,
    /// Size in bytes; null while the archive is on the node only.
    pub bytes: Option<u64>,
    /// SHA-256 in hexadecimal, computed while the file was written here.
    pub sha256: Option<String>,
    /// Path on the node, as the kubelet or the request gave it; null when it never was a file there.
    pub node_path: Option<String>,
}

/// What was checkpointed. Absent is what the source did not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    /// Kubernetes namespace.
    pub namespace: Option<String>,
    /// Pod name.
    pub pod: Option<String>,
    /// Pod UID.
    pub pod_uid: Option<String>,
    /// Container name.
    pub container: Option<String>,
    /// Full container id without the runtime's prefix.
    pub container_id: Option<String>,
    /// Image reference.
    pub image: Option<String>,
    /// Image by digest or id, as the runtime names it.
    pub image_id: Option<String>,
}

/// Who made the checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// `api-server`, `kubelet`, `cri` or `podman`.
    pub via: String,
    /// URL or socket that was spoken to.
    pub endpoint: String,
    /// Kubernetes node.
    pub node: Option<String>,
    /// Version of the kubelet.
    pub kubelet: Option<String>,
    /// Runtime and version, as in `containerd://2.1.9`.
    pub runtime: Option<String>,
    /// Operating system of the node.
    pub os_image: Option<String>,
    /// Kernel of the node.
    pub kernel: Option<String>,
}

/// Times, by the clock of the machine that ran the tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Times {
    /// Just before the checkpoint was asked for.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub requested: Timestamp,
    /// When the answer was complete.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub answered: Timestamp,
    /// When the archive had been hashed and the manifest was written.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub sealed: Timestamp,
}

/// A request and what came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exchange {
    /// When it was sent.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Method and path, or the name of the remote procedure. No credentials are ever in it.
    pub request: String,
    /// HTTP status or gRPC code.
    pub status: String,
    /// Body of the answer, cut at 4 KiB; none when it is the archive itself.
    pub body: Option<String>,
}

/// The workload after the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct After {
    /// When it was asked.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub checked: Timestamp,
    /// Whether the same container is running; null when the answer does not tell.
    pub running: Option<bool>,
    /// The state in the source's words.
    pub state: String,
    /// Container id then; another than before means that it was restarted.
    pub container_id: Option<String>,
}

/// The copy from the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fetch {
    /// Pod that was made for it, `namespace/name`.
    pub pod: String,
    /// Its image.
    pub image: String,
    /// SHA-256 computed on the node; the archive's own must be equal.
    pub node_sha256: String,
    /// How often the stream was resumed.
    pub resumed: u32,
    /// Whether a `.keep` file was put beside the archive on the node.
    pub kept: bool,
    /// Whether the archive was deleted on the node after the hashes agreed.
    pub deleted_on_node: bool,
    /// Whether the pod is gone.
    pub pod_removed: bool,
}

/// Who ran the tool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Operator {
    /// Name given by `--operator`.
    pub name: Option<String>,
    /// Case given by `--case`.
    pub case: Option<String>,
}

/// A place in a chain of checkpoints of one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Chain {
    /// Counted from 1.
    pub index: u32,
    /// File name of the manifest before it; none for the first.
    pub previous: Option<String>,
    /// SHA-256 of that file's bytes.
    pub previous_sha256: Option<String>,
}

impl Manifest {
    /// The bytes of the file; nothing in them acts on a terminal.
    ///
    /// # Errors
    /// When a value cannot be JSON, which none of these types allows.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        Ok(plain::json(&(serde_json::to_string_pretty(self)? + "\n")).into_bytes())
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// When it is no JSON, lacks a key, or is of another schema.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let manifest: Self = serde_json::from_slice(bytes)?;
        if manifest.schema == SCHEMA {
            Ok(manifest)
        } else {
            Err(serde::de::Error::custom(format!("the schema is {:?}, not {SCHEMA:?}", manifest.schema)))
        }
    }
}

/// SHA-256 of bytes in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn example() -> Manifest {
        let time = Timestamp::from_second(1_780_000_000).unwrap();
        Manifest {
            schema: SCHEMA.to_owned(),
            tool: Tool { name: "ckptfx".to_owned(), version: "0.1.0".to_owned() },
            archive: Archive {
                name: Some("a.tar".to_owned()),
                bytes: Some(3),
                sha256: Some(sha256_hex(b"abc")),
                node_path: None,
            },
            subject: Subject { pod: Some("shop".to_owned()), ..Subject::default() },
            source: Source { via: "podman".to_owned(), ..Source::default() },
            times: Times { requested: time, answered: time, sealed: time },
            exchanges: Vec::new(),
            after: None,
            fetch: None,
            operator: Operator::default(),
            chain: Some(Chain { index: 1, previous: None, previous_sha256: None }),
            notes: Vec::new(),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let manifest = example();
        let bytes = manifest.to_bytes().unwrap();
        assert_eq!(Manifest::from_bytes(&bytes).unwrap(), manifest);
        assert!(bytes.ends_with(b"}\n"));
    }

    #[test]
    fn nothing_in_it_acts_on_a_terminal() {
        let said = "\u{1b}[2J\u{9b}31m\u{202e}gpj\u{7f}\u{200b}";
        let manifest = Manifest { notes: vec![said.to_owned()], ..example() };
        let bytes = manifest.to_bytes().unwrap();
        assert!(bytes.iter().all(|byte| matches!(byte, b'\n' | b' '..=b'~')), "{}", bytes.escape_ascii());
        assert_eq!(Manifest::from_bytes(&bytes).unwrap(), manifest);
    }

    #[test]
    fn another_schema_is_refused() {
        let other = Manifest { schema: "ckptfx.manifest.v2".to_owned(), ..example() };
        let error = Manifest::from_bytes(&other.to_bytes().unwrap()).unwrap_err().to_string();
        assert!(error.contains("ckptfx.manifest.v2"), "{error}");
        assert!(Manifest::from_bytes(b"{}").is_err());
    }

    #[test]
    fn the_hash_is_the_well_known_one() {
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
