//! The validators by name.

use super::{checksum, jwt, key, text, verdict::Check};

/// Every validator by the name that rules use.
const CHECKS: &[(&str, Check)] = &[
    ("aws-id", checksum::aws_id),
    ("base58check", checksum::base58_key),
    ("basic", text::basic),
    ("bech32", checksum::bech32_key),
    ("crc32-base62", checksum::crc32_base62),
    ("crc32-hex", checksum::crc32_hex),
    ("der", key::der),
    ("gcp-service-account", key::gcp_service_account),
    ("jwt", jwt::jwt),
    ("password", text::password),
    ("pem", key::pem),
    ("pem-base64", key::pem_base64),
];

/// The validator of a name.
pub fn named(name: &str) -> Option<Check> {
    CHECKS.iter().find(|(of, _)| *of == name).map(|(_, check)| *check)
}

/// The names of all validators.
pub fn names() -> Vec<&'static str> {
    CHECKS.iter().map(|(name, _)| *name).collect()
}
