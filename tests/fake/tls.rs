//! An authority, a server's and a client's certificate.

use std::{path::PathBuf, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};

use crate::support::Scratch;

/// What a server is set up with, and the files that a client needs.
pub struct Pki {
    pub server: Arc<ServerConfig>,
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// An authority that signed nothing of this.
    pub other_ca: PathBuf,
}

impl Pki {
    /// The server is `localhost` and 127.0.0.1.
    pub fn new(scratch: &Scratch) -> Self {
        let authority = || {
            let mut params = CertificateParams::new(Vec::new()).expect("no names");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
        };
        let (ours, other) = (authority(), authority());
        let issue = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(names).expect("names");
            (params.signed_by(&key, &ours).expect("signed").pem(), key.serialize_pem())
        };
        let (server, server_key) = issue(&["localhost", "127.0.0.1"]);
        let (client, client_key) = issue(&["responder"]);
        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(der(&ours.pem())).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .expect("a verifier");
        let key = PrivateKeyDer::from_pem_slice(server_key.as_bytes()).expect("a key");
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![der(&server)], key)
            .expect("a certificate with its key");
        Self {
            server: Arc::new(config),
            ca: scratch.put("ca.crt", ours.pem()),
            certificate: scratch.put("client.crt", client),
            key: scratch.put("client.key", client_key),
            other_ca: scratch.put("other.crt", other.pem()),
        }
    }
}
