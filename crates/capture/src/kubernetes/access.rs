//! One way to speak HTTP to an API server or to a kubelet. kube's client does the connection, the TLS and the
//! credentials of a kubeconfig; requests and answers stay plain, so that each can be recorded as it was.

use std::{io::Read as _, path::PathBuf, time::Duration};

use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Limited};
use jiff::Timestamp;
use kube::{
    Client, Config,
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::de::DeserializeOwned;

use crate::{error::Error, manifest::Exchange};

/// Longest answer that is read: a list of many pods.
const MAX_ANSWER: usize = 64 << 20;
/// Longest refusal that is read; what is beyond is no explanation any more.
const MAX_REFUSAL: usize = 64 << 10;
/// Longest answer that a manifest repeats.
pub const MAX_RECORDED: usize = 4 << 10;
/// Longest token that is read.
const MAX_TOKEN: u64 = 1 << 20;
/// Time for requests that take none.
const SHORT: Duration = Duration::from_secs(30);

/// Whom the requests go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The API server, and through it the kubelets.
    ApiServer,
    /// One kubelet.
    Kubelet,
}

/// Where the API server is.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    /// Kubeconfig file; without one that of the environment, or the pod that this runs in.
    pub kubeconfig: Option<PathBuf>,
    /// Context of it.
    pub context: Option<String>,
}

/// How to get at a kubelet without the API server.
#[derive(Debug, Clone, Default)]
pub struct Direct {
    /// `https://NODE:10250`.
    pub url: String,
    /// Authority that signed the kubelet's certificate, PEM.
    pub ca: Option<PathBuf>,
    /// Client certificate and key, PEM.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// File with a bearer token.
    pub token_file: Option<PathBuf>,
    /// Name that the certificate must have, where it is not that of the URL.
    pub server_name: Option<String>,
    /// Take any certificate.
    pub insecure: bool,
}

/// A server that answers.
#[derive(Clone)]
pub struct Access {
    /// kube's client.
    pub client: Client,
    /// What it is.
    pub via: Via,
    /// Its URL, for the record.
    pub endpoint: String,
    /// Namespace of the context.
    pub namespace: String,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
    /// The exchange for the manifest.
    pub exchange: Exchange,
}

impl Access {
    /// Gets ready to speak to the API server.
    ///
    /// # Errors
    /// When there is no configuration, or it cannot be used.
    pub async fn cluster(cluster: &Cluster) -> Result<Self, Error> {
        let options = KubeConfigOptions { context: cluster.context.clone(), ..KubeConfigOptions::default() };
        let unusable = |error: &(dyn std::error::Error + 'static)| {
            let Error::Connection { reason, .. } = Error::connection("", error) else { return String::new() };
            reason
        };
        let config = if let Some(path) = &cluster.kubeconfig {
            let file = Kubeconfig::read_from(path)
                .map_err(|error| Error::Usage(format!("{}: {}", path.display(), unusable(&error))))?;
            Config::from_custom_kubeconfig(file, &options).await.map_err(|error| unusable(&error))
        } else if cluster.context.is_some() {
            Config::from_kubeconfig(&options).await.map_err(|error| unusable(&error))
        } else {
            Config::infer().await.map_err(|error| unusable(&error))
        };
        let config = config
            .map_err(|reason| Error::Usage(format!(
                "no way to the API server is configured (name a file with --kubeconfig, or set KUBECONFIG): {reason}"
            )))?;
        Self::new(config, Via::ApiServer)
    }

    /// Gets ready to speak to a kubelet.
    ///
    /// # Errors
    /// When the URL is none, or a file cannot be used.
    pub fn kubelet(direct: &Direct) -> Result<Self, Error> {
        let url: http::Uri = direct
            .url
            .parse()
            .ok()
            .filter(|url: &http::Uri| url.scheme_str() == Some("https") && url.host().is_some())
            .ok_or_else(|| Error::Usage(format!("{} is no https://NODE:10250", direct.url)))?;
        let mut config = Config::new(url);
        config.accept_invalid_certs = direct.insecure;
        config.tls_server_name = direct.server_name.clone();
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        if let Some((certificate, key)) = &direct.certificate {
            config.auth_info.client_certificate = Some(text(certificate));
            config.auth_info.client_key = Some(text(key));
        }
        config.auth_info.token_file = direct.token_file.as_ref().map(text);
        for path in direct.ca.iter().chain(&direct.token_file) {
            // A missing file must not turn into a weaker check later.
            std::fs::metadata(path).map_err(|source| Error::file(path, source))?;
        }
        config.root_cert_file = direct.ca.clone();
        Self::new(config, Via::Kubelet)
    }

    fn new(mut config: Config, via: Via) -> Result<Self, Error> {
        // A checkpoint must not be asked for twice behind our back, and may take minutes.
        config.default_retry = false;
        config.read_timeout = None;
        config.write_timeout = None;
        config.connect_timeout = Some(Duration::from_secs(15));
        trim_token(&mut config)?;
        let endpoint = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let namespace = config.default_namespace.clone();
        let client = Client::try_from(config).map_err(|error| Error::connection("the connection", &error))?;
        Ok(Self { client, via, endpoint, namespace })
    }

    /// Sends a request; any answer is one, whatever its status.
    ///
    /// # Errors
    /// When there is no answer in time, or it is too long.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        limit: Duration,
    ) -> Result<Answer, Error> {
        let step = format!("{method} {path}");
        let mut request =
            Request::builder().method(method).uri(path).header(header::ACCEPT, "application/json");
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Body::from(body.unwrap_or_default()))
            .map_err(|error| Error::Usage(format!("{path}: {error}")))?;
        let at = Timestamp::now();
        let work = async {
            let response =
                self.client.send(request).await.map_err(|error| Error::connection(step.as_str(), &error))?;
            let status = response.status();
            let body = if status.is_success() {
                let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
                let body = body.map_err(|error| Error::connection(step.as_str(), error.as_ref()))?;
                body.to_bytes().to_vec()
            } else if let Some(place) = response.headers().get(header::LOCATION) {
                // Not followed: the credentials would go along.
                format!("redirected to {}", String::from_utf8_lossy(place.as_bytes())).into_bytes()
            } else {
                beginning(response.into_body()).await
            };
            Ok((status.as_u16(), body))
        };
        let (status, body) = tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            Err(Error::Connection {
                step: step.clone(),
                reason: format!("no answer within {} s", limit.as_secs()),
            })
        })?;
        let recorded = body.get(..body.len().min(MAX_RECORDED)).unwrap_or_default();
        let exchange = Exchange {
            at,
            request: step,
            status: status.to_string(),
            body: Some(String::from_utf8_lossy(recorded).into_owned()),
        };
        Ok(Answer { status, body, exchange })
    }

    /// Gets a resource.
    ///
    /// # Errors
    /// When the server refuses or its answer is not understood.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.send(Method::GET, path, None, SHORT).await?.parse()
    }

    /// Creates a resource, or asks for a review.
    ///
    /// # Errors
    /// As for [`Access::get`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: Vec<u8>) -> Result<T, Error> {
        self.send(Method::POST, path, Some(body), SHORT).await?.parse()
    }

    /// Deletes a resource. That it is gone already is fine.
    ///
    /// # Errors
    /// When it is still there.
    pub async fn delete(&self, path: &str) -> Result<(), Error> {
        let answer = self.send(Method::DELETE, path, None, SHORT).await?;
        if answer.status == 404 { Ok(()) } else { answer.ok().map(drop) }
    }
}

impl Answer {
    /// The answer if it is a success.
    ///
    /// # Errors
    /// When it is not.
    pub fn ok(self) -> Result<Self, Error> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(self.refused()) }
    }

    /// The answer as an error.
    pub fn refused(self) -> Error {
        Error::Refused { step: self.exchange.request, status: self.status.to_string(), body: self.body }
    }

    fn parse<T: DeserializeOwned>(self) -> Result<T, Error> {
        let answer = self.ok()?;
        serde_json::from_slice(&answer.body).map_err(|error| Error::Refused {
            step: answer.exchange.request,
            status: answer.exchange.status,
            body: format!("the answer is not what such a server gives: {error}").into_bytes(),
        })
    }
}

/// Takes the line end off a token in a file, as kubectl does. Such a file is read here, once for each checkpoint; any
/// other is left to kube's client, which reads it again when it changes.
fn trim_token(config: &mut Config) -> Result<(), Error> {
    let Some(path) = config.auth_info.token_file.as_ref().map(PathBuf::from) else { return Ok(()) };
    let file = std::fs::File::open(&path).map_err(|source| Error::file(&path, source))?;
    let mut text = String::new();
    file.take(MAX_TOKEN).read_to_string(&mut text).map_err(|source| Error::file(&path, source))?;
    let token = text.trim_end_matches(['\n', '\r']);
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::Usage(format!("{} holds no bearer token", path.display())));
    }
    if token.len() < text.len() {
        config.auth_info.token = Some(token.to_owned().into());
        config.auth_info.token_file = None;
    }
    Ok(())
}

/// The beginning of a refusal, as far as it came.
async fn beginning(mut body: Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let left = MAX_REFUSAL.saturating_sub(bytes.len());
        if let Some(data) = frame.data_ref() {
            bytes.extend(data.iter().take(left));
        }
        if bytes.len() >= MAX_REFUSAL {
            break;
        }
    }
    bytes
}

/// Escapes what must not stand in the query of a URL.
pub fn query(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte))
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}
