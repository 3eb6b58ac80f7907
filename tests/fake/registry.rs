//! A registry: blobs by their digest, manifests by their tag.

use std::collections::BTreeMap;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{
    Shared,
    http::{self, Reply, Request},
};

/// What it has, and how it behaves.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    pub blobs: Shared<BTreeMap<String, Vec<u8>>>,
    /// `repository:tag` and the manifest.
    pub manifests: Shared<BTreeMap<String, Vec<u8>>>,
    /// The value of `Authorization` that it wants.
    pub wants: Option<&'static str>,
    /// It takes no blobs.
    pub full: bool,
    /// Requests that it saw.
    pub seen: Shared<Vec<String>>,
}

pub fn digest(bytes: &[u8]) -> String {
    let hash: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hash}")
}

impl Registry {
    /// Serves, and gives `127.0.0.1:PORT`.
    pub fn serve(&self) -> String {
        let this = self.clone();
        let port = http::listen(None, move |request, stream| this.answer(request).write(stream));
        format!("127.0.0.1:{port}")
    }

    fn answer(&self, request: &Request) -> Reply {
        self.seen.lock().push(format!("{} {}", request.method, request.place()));
        if self.wants.is_some() && request.header("authorization") != self.wants {
            let headers = vec![("WWW-Authenticate", "Basic realm=\"tests\"".to_owned())];
            return Reply::Full(401, headers, error("UNAUTHORIZED", "authentication required"));
        }
        let place = request.place();
        let Some(path) = place.strip_prefix("/v2/") else { return Reply::text(404, "") };
        if path.is_empty() {
            return Reply::json(200, json!({}));
        }
        if let Some((_, digest)) = path.split_once("/blobs/sha256:") {
            let is_there = self.blobs.lock().contains_key(&format!("sha256:{digest}"));
            return Reply::Full(if is_there { 200 } else { 404 }, Vec::new(), Vec::new());
        }
        if path.contains("/blobs/uploads/") {
            return self.upload(request);
        }
        let Some((repository, tag)) = path.split_once("/manifests/") else { return Reply::text(404, "") };
        let name = format!("{repository}:{tag}");
        if request.method == "PUT" {
            let digest = digest(&request.body);
            self.manifests.lock().insert(name, request.body.clone());
            let headers = vec![("Location", format!("{place}@{digest}")), ("Docker-Content-Digest", digest)];
            return Reply::Full(201, headers, Vec::new());
        }
        match self.manifests.lock().get(&name) {
            None => Reply::Full(404, Vec::new(), error("MANIFEST_UNKNOWN", "manifest unknown")),
            Some(manifest) => Reply::Full(
                200,
                vec![
                    ("Content-Type", "application/vnd.oci.image.manifest.v1+json".to_owned()),
                    ("Docker-Content-Digest", digest(manifest)),
                ],
                manifest.clone(),
            ),
        }
    }

    fn upload(&self, request: &Request) -> Reply {
        if self.full {
            return Reply::Full(507, Vec::new(), error("DENIED", "no space left"));
        }
        if request.method == "POST" {
            return Reply::Full(202, vec![("Location", format!("{}1", request.place()))], Vec::new());
        }
        let claimed = request.query("digest").pop().unwrap_or_default();
        if digest(&request.body) != claimed {
            return Reply::Full(400, Vec::new(), error("DIGEST_INVALID", "the digest does not match"));
        }
        self.blobs.lock().insert(claimed.clone(), request.body.clone());
        Reply::Full(201, vec![("Location", format!("/v2/x/blobs/{claimed}"))], Vec::new())
    }
}

fn error(code: &str, message: &str) -> Vec<u8> {
    json!({"errors": [{"code": code, "message": message}]}).to_string().into_bytes()
}
