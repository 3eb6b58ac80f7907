//! An image on its way into a registry. The client is that of `oci-client`; here are the name, the credentials
//! and what must hold before anything is sent.

use std::{
    io::{self, Read as _, Seek as _, SeekFrom},
    net::IpAddr,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use oci_client::{
    Client, Reference, RegistryOperation,
    client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol},
    errors::OciDistributionError,
    secrets::RegistryAuth,
};
use serde_json::Value;

use crate::{
    error::Error,
    image::{Descriptor, Image, MANIFEST_TYPE},
    stop::Stop,
};

/// Bytes of the layer that are sent at once.
const PIECE: usize = 1 << 20;
/// Longest file of credentials.
const MAX_AUTH: u64 = 1 << 20;

/// Where an image goes, and how.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// `REGISTRY/REPOSITORY:TAG`.
    pub name: String,
    /// Speak HTTP: only with a registry on this machine.
    pub plain_http: bool,
    /// Speak HTTP with a registry on another machine, too, and take any certificate.
    pub insecure: bool,
    /// Authority that signed the registry's certificate, PEM, beside those of the system.
    pub ca: Option<PathBuf>,
    /// File with credentials, as `podman login` and `docker login` write it.
    pub auth_file: Option<PathBuf>,
}

/// What a registry has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Name and digest, by which nothing else can be pulled: `REGISTRY/REPOSITORY@sha256:…`.
    pub reference: String,
    /// Blobs that it had already.
    pub already_there: usize,
}

impl Registry {
    /// Checks the name and gives it apart.
    ///
    /// # Errors
    /// When it does not name a registry, a repository and a tag.
    pub fn reference(&self) -> Result<Reference, Error> {
        let wrong = |why: &str| Error::Usage(format!("{} is no REGISTRY/REPOSITORY:TAG: {why}", self.name));
        let (host, _) = self.name.split_once('/').ok_or_else(|| wrong("it has no registry"))?;
        // Without this the name would silently mean a public registry.
        if !host.contains(['.', ':']) && host != "localhost" {
            return Err(wrong("a registry has a dot or a port in its name, or is localhost"));
        }
        let reference: Reference = self.name.parse().map_err(|error| wrong(&format!("{error}")))?;
        if reference.digest().is_some() {
            return Err(wrong("the digest is that of the image, and is not chosen"));
        }
        if self.plain_http && !self.insecure && !is_loopback(host) {
            return Err(Error::Usage(format!(
                "{host} is not this machine, and without TLS anybody in between can read the secrets of the \
                 checkpoint; --insecure does it all the same"
            )));
        }
        Ok(reference)
    }
}

/// Whether a registry, `host` or `host:port`, is on this machine.
fn is_loopback(registry: &str) -> bool {
    let host = match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => registry,
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Sends an image: blobs that the registry lacks, and then the manifest under its tag.
///
/// # Errors
/// When the name or the credentials cannot be used, the registry refuses, or the user ends it.
pub async fn push(image: &Image, registry: &Registry, stop: &Stop) -> Result<Pushed, Error> {
    tokio::select! {
        sent = send_all(image, registry) => sent,
        () = stop.requested() => {
            Err(Error::Interrupted(format!("nothing of this image is at {} by that name", registry.name)))
        }
    }
}

async fn send_all(image: &Image, registry: &Registry) -> Result<Pushed, Error> {
    let reference = registry.reference()?;
    let auth = credentials(registry, reference.registry())?;
    // Without a provider of its own rustls looks for the one that the process has.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = client(registry)?;
    let step = format!("pushing to {}", reference.whole());
    let at = |error| failure(&step, error);
    client.auth(&reference, &auth, RegistryOperation::Push).await.map_err(at)?;
    let mut already_there = 0;
    for (descriptor, bytes) in
        [(&image.config_descriptor, Some(&image.config)), (&image.layer_descriptor, None)]
    {
        if client.blob_exists(&reference, &descriptor.digest).await.map_err(at)? {
            already_there += 1;
            continue;
        }
        let pieces = match bytes {
            Some(bytes) => Pieces::Memory(Some(Bytes::copy_from_slice(bytes))),
            None => Pieces::File(rewound(image)?),
        };
        let stream = futures::stream::iter(pieces);
        send(&client, &reference, descriptor, stream).await.map_err(at)?;
    }
    let content_type = http::HeaderValue::from_static(MANIFEST_TYPE);
    client.push_manifest_raw(&reference, image.manifest.clone(), content_type).await.map_err(at)?;
    // What is under the tag must be what was sent.
    let (_, digest) = client.pull_manifest_raw(&reference, &auth, &[MANIFEST_TYPE]).await.map_err(at)?;
    if digest != image.descriptor.digest {
        return Err(Error::Transfer(format!(
            "{}: the registry has {digest} under that tag, and {} was sent",
            reference.whole(),
            image.descriptor.digest
        )));
    }
    let repository = format!("{}/{}", reference.registry(), reference.repository());
    Ok(Pushed { reference: format!("{repository}@{digest}"), already_there })
}

async fn send(
    client: &Client,
    reference: &Reference,
    descriptor: &Descriptor,
    stream: impl futures::Stream<Item = Result<Bytes, OciDistributionError>> + Send + 'static,
) -> Result<(), OciDistributionError> {
    client.push_blob_stream(reference, stream, &descriptor.digest, Some(descriptor.size)).await.map(drop)
}

fn client(registry: &Registry) -> Result<Client, Error> {
    let mut config = ClientConfig {
        protocol: if registry.plain_http { ClientProtocol::Http } else { ClientProtocol::Https },
        accept_invalid_certificates: registry.insecure,
        // A blob is one request: its length is known, and every registry takes it.
        use_monolithic_push: true,
        user_agent: concat!("ckptfx/", env!("CARGO_PKG_VERSION")),
        connect_timeout: Some(std::time::Duration::from_secs(15)),
        ..ClientConfig::default()
    };
    if let Some(path) = &registry.ca {
        let data = std::fs::read(path).map_err(|source| Error::file(path, source))?;
        config.extra_root_certificates = vec![Certificate { encoding: CertificateEncoding::Pem, data }];
    }
    Client::try_from(config).map_err(|error| failure("the connection to the registry", error))
}

/// The layer from its beginning.
fn rewound(image: &Image) -> Result<std::fs::File, Error> {
    let work = || {
        let mut file = image.layer.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    };
    work().map_err(|source| Error::File { path: "the layer".to_owned(), source })
}

/// A blob in pieces.
enum Pieces {
    Memory(Option<Bytes>),
    File(std::fs::File),
}

impl Iterator for Pieces {
    type Item = Result<Bytes, OciDistributionError>;

    fn next(&mut self) -> Option<Self::Item> {
        let file = match self {
            Self::Memory(bytes) => return bytes.take().map(Ok),
            Self::File(file) => file,
        };
        let mut piece = vec![0; PIECE];
        loop {
            match file.read(&mut piece) {
                Ok(0) => return None,
                Ok(count) => {
                    piece.truncate(count);
                    return Some(Ok(piece.into()));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Some(Err(error.into())),
            }
        }
    }
}

/// What the registry said, in plain words where they are known.
fn failure(step: &str, error: OciDistributionError) -> Error {
    let refused = |status: &str, body: String| Error::Refused {
        step: step.to_owned(),
        status: status.to_owned(),
        body: body.into_bytes(),
    };
    match error {
        OciDistributionError::UnauthorizedError { .. } => refused("401", "Unauthorized".to_owned()),
        OciDistributionError::AuthenticationFailure(text) => refused("401", format!("Unauthorized: {text}")),
        OciDistributionError::ServerError { code, message, .. } => refused(&code.to_string(), message),
        OciDistributionError::RegistryError { envelope, .. } => {
            let said: Vec<String> = envelope.errors.iter().map(ToString::to_string).collect();
            refused("refused", said.join("; "))
        }
        OciDistributionError::RequestError(error) => match error.status() {
            Some(status) if status.as_u16() == 401 => refused("401", "Unauthorized".to_owned()),
            Some(status) => refused(status.as_str(), error.to_string()),
            None => Error::connection(step, &error),
        },
        other => Error::connection(step, &other),
    }
}

/// The credentials of a registry; anonymous where there are none.
fn credentials(registry: &Registry, host: &str) -> Result<RegistryAuth, Error> {
    let Some(path) = registry.auth_file.clone().or_else(usual_auth_file) else {
        return Ok(RegistryAuth::Anonymous);
    };
    let at = |source| Error::file(&path, source);
    let mut text = Vec::new();
    std::fs::File::open(&path).map_err(at)?.take(MAX_AUTH).read_to_end(&mut text).map_err(at)?;
    let wrong = |why: &str| Error::Usage(format!("{}: {why}", path.display()));
    let file: Value = serde_json::from_slice(&text).map_err(|_| wrong("it is no JSON"))?;
    let entry = file.get("auths").and_then(|auths| {
        [host.to_owned(), format!("https://{host}"), format!("https://{host}/v2/")]
            .iter()
            .find_map(|key| auths.get(key))
    });
    let Some(encoded) = entry.and_then(|entry| entry.get("auth")?.as_str()) else {
        let helper = file.get("credHelpers").and_then(|helpers| helpers.get(host));
        if helper.or_else(|| file.get("credsStore")).is_some() && entry.is_some() {
            return Err(wrong(
                "the credentials are kept by another program, which is not started from here; log in with an \
                 --auth-file of its own",
            ));
        }
        return Ok(RegistryAuth::Anonymous);
    };
    let decoded = BASE64_STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let decoded = decoded.ok_or_else(|| wrong("the credentials are not in Base64"))?;
    let (user, password) =
        decoded.split_once(':').ok_or_else(|| wrong("the credentials have no password"))?;
    Ok(RegistryAuth::Basic(user.to_owned(), password.to_owned()))
}

/// Where `podman login` and `docker login` put credentials.
fn usual_auth_file() -> Option<PathBuf> {
    let below = |variable: &str, rest: &str| Some(Path::new(&std::env::var_os(variable)?).join(rest));
    let places = [
        std::env::var_os("REGISTRY_AUTH_FILE").map(PathBuf::from),
        below("XDG_RUNTIME_DIR", "containers/auth.json"),
        below("DOCKER_CONFIG", "config.json"),
        below("HOME", ".docker/config.json"),
    ];
    places.into_iter().flatten().find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(name: &str) -> Registry {
        Registry { name: name.to_owned(), ..Registry::default() }
    }

    #[test]
    fn a_name_says_where_to() {
        for name in ["127.0.0.1:5000/a/b:1", "localhost/a:1", "registry.example/a", "[::1]:5000/a:1"] {
            assert!(registry(name).reference().is_ok() || name.starts_with('['), "{name}");
        }
        for name in ["shop:1", "library/shop:1", "registry.example/UPPER:1", ""] {
            assert!(registry(name).reference().is_err(), "{name}");
        }
    }

    #[test]
    fn secrets_do_not_travel_in_the_clear_unasked() {
        let plain = |name: &str| Registry { plain_http: true, ..registry(name) };
        assert!(plain("127.0.0.1:5000/a:1").reference().is_ok());
        assert!(plain("localhost:5000/a:1").reference().is_ok());
        assert!(plain("registry.example:5000/a:1").reference().is_err());
        assert!(Registry { insecure: true, ..plain("registry.example:5000/a:1") }.reference().is_ok());
    }

    #[test]
    fn credentials_are_those_of_the_registry() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("auth.json");
        let file = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Registry { auth_file: Some(path.clone()), ..registry("r.example/a:1") }
        };
        let known = file(r#"{"auths":{"r.example":{"auth":"dXNlcjpwYXNz"}}}"#);
        assert_eq!(
            credentials(&known, "r.example").unwrap(),
            RegistryAuth::Basic("user".to_owned(), "pass".to_owned())
        );
        assert_eq!(credentials(&known, "other.example").unwrap(), RegistryAuth::Anonymous);
        for text in
            ["x", r#"{"auths":{"r.example":{"auth":"!"}}}"#, r#"{"auths":{"r.example":{}},"credsStore":"x"}"#]
        {
            assert!(credentials(&file(text), "r.example").is_err(), "{text}");
        }
    }
}
