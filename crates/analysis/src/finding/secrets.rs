//! Keys and tokens, judged by who holds them (`format.md §16.2`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Confidence, Facts, Hit, Severity, Subject,
    holder::{self, is_setting, suspicion},
    known,
    next_step::NextStep,
    record::about,
};
use crate::{
    Text,
    secret::{Confidence as Certainty, Secret, SecretPlace},
};

/// Rules for private keys.
const PRIVATE_KEYS: [&str; 9] = [
    "private-key",
    "private-key-der",
    "rsa-private-key-der",
    "ec-private-key-der",
    "putty-private-key",
    "age-secret-key",
    "wireguard-private-key",
    "bip32-private-key",
    "kubeconfig-key",
];
/// What begins the names of rules for the keys of clouds.
const CLOUDS: [&str; 4] = ["aws-", "gcp-", "azure-", "digitalocean-"];
/// Places of one secret in one process that are given as facts.
const MAX_PLACES: usize = 3;

/// A secret in one process, or in files that no process uses.
struct Holding<'f> {
    secret: &'f Secret,
    /// The process; none for what belongs to none.
    pid: Option<u32>,
    places: Vec<&'f SecretPlace>,
}

impl Holding<'_> {
    /// The process, or the file.
    fn subject(&self, facts: &Facts<'_>) -> Subject {
        match self.pid.and_then(|pid| facts.process(pid)) {
            Some(process) => about(process),
            None => {
                let region = self.places.first().and_then(|place| place.region.as_ref());
                Subject { path: region.map(|region| region.path.clone()), ..Subject::default() }
            }
        }
    }

    fn hit(&self, facts: &Facts<'_>, why: impl Into<String>) -> Hit {
        let mut hit = Hit::new(self.subject(facts), why);
        for place in self.places.iter().take(MAX_PLACES) {
            hit = hit.fact("secret", name(place), masked(self.secret));
        }
        if let Some(claims) = claims(self.secret) {
            hit = hit.fact("claims", "token", claims);
        }
        let rule = &self.secret.rule;
        hit.more(NextStep::Secrets { pid: self.pid, rule: rule.clone() })
    }
}

/// What can be shown of a secret: its kind, the masked text and the fingerprint.
fn masked(secret: &Secret) -> Text {
    let tail = format!(" (fingerprint {})", secret.fingerprint);
    Text([secret.title.as_bytes(), b" ", &secret.text.0, tail.as_bytes()].concat())
}

/// Address, or where in a file or queue.
fn name(place: &SecretPlace) -> String {
    let role = place.role.map(|role| format!(", {role}")).unwrap_or_default();
    let at = place.address.clone().or_else(|| {
        let offset = place.offset.map(|offset| format!("+{offset:#x}"))?;
        Some(place.member.as_ref().map_or(offset.clone(), |member| format!("{member} {offset}")))
    });
    format!("{}{role}", at.unwrap_or_else(|| place.source.to_string()))
}

/// The secrets that are meant, by who holds them; those that lie where `wanted` says.
fn holdings<'f>(
    facts: &'f Facts<'_>,
    is_meant: impl Fn(&Secret) -> bool,
    wanted: impl Fn(&SecretPlace) -> bool,
) -> Vec<Holding<'f>> {
    let mut all = Vec::new();
    for secret in facts.memory.secrets.iter().filter(|secret| is_meant(secret)) {
        let mut by_pid: BTreeMap<(Option<u32>, Option<&Text>), Vec<&SecretPlace>> = BTreeMap::new();
        for place in secret.places.iter().filter(|place| wanted(place)) {
            let pids: BTreeSet<u32> = holder::pids(place).collect();
            if pids.is_empty() {
                let path = place.region.as_ref().map(|region| &region.path);
                by_pid.entry((None, path)).or_default().push(place);
            }
            for pid in pids {
                by_pid.entry((Some(pid), None)).or_default().push(place);
            }
        }
        all.extend(by_pid.into_iter().map(|((pid, _), places)| Holding { secret, pid, places }));
    }
    all
}

fn flag(secret: &Secret, key: &str) -> bool {
    secret.details.get(key).and_then(Value::as_bool) == Some(true)
}

fn word<'s>(value: &'s Value, key: &str) -> Option<&'s str> {
    value.get(key).and_then(Value::as_str)
}

/// Documented examples, and fragments without proof that they were a secret.
fn is_vague(secret: &Secret) -> bool {
    flag(secret, "placeholder") || secret.confidence == Certainty::Low
}

const fn lower(severity: Severity) -> Severity {
    match severity {
        Severity::Critical => Severity::High,
        Severity::High => Severity::Medium,
        Severity::Medium => Severity::Low,
        Severity::Low | Severity::Info => Severity::Info,
    }
}

/// What a service account token says of itself.
fn kubernetes(secret: &Secret) -> Option<&Value> {
    secret.details.get("kubernetes")
}

fn is_service_account(secret: &Secret) -> bool {
    kubernetes(secret).is_some()
}

/// The claims that tell whose token it is and until when.
fn claims(secret: &Secret) -> Option<String> {
    let bound = kubernetes(secret)?;
    let mut parts = Vec::new();
    for (key, label) in [("namespace", "namespace"), ("service_account", "service account"), ("pod", "pod")] {
        if let Some(value) = word(bound, key) {
            parts.push(format!("{label} {value}"));
        }
    }
    if let Some(Value::String(time)) = secret.details.get("exp") {
        let what = if flag(secret, "expired") { "expired" } else { "expires" };
        parts.push(format!("{what} {time}"));
    }
    Some(parts.join(", "))
}

/// Namespace and service account of a token.
fn account(secret: &Secret) -> Option<(&str, &str)> {
    let bound = kubernetes(secret)?;
    Some((word(bound, "namespace")?, word(bound, "service_account")?))
}

/// Why a token is not this pod's. A pod has one service account: that of a token that names the pod.
fn foreign(facts: &Facts<'_>, secret: &Secret) -> Option<&'static str> {
    match secret.details.get("identity").and_then(Value::as_str) {
        Some("foreign") => Some("holds the service account token of another pod or namespace"),
        Some("own") | None => None,
        Some(_) => {
            let own = facts.memory.secrets.iter().find(|other| {
                other.details.get("identity").and_then(Value::as_str) == Some("own")
                    && account(other).is_some()
            })?;
            let theirs = account(secret)?;
            (account(own) != Some(theirs))
                .then_some("holds the token of a service account that is not the pod's")
        }
    }
}

/// Tokens of Kubernetes that are not for this pod.
pub fn foreign_token(facts: &Facts<'_>) -> Vec<Hit> {
    let all = holdings(facts, |secret| foreign(facts, secret).is_some(), |_| true);
    all.iter()
        .map(|holding| {
            let secret = holding.secret;
            let mut hit = holding.hit(facts, foreign(facts, secret).unwrap_or_default());
            for (key, what) in [("namespace", "namespace of this pod"), ("pod", "this pod")] {
                let own = if key == "pod" { &facts.container.pod } else { &facts.container.namespace };
                if let Some(own) = own {
                    hit = hit.fact(what, "metadata of the engine", own.as_str());
                }
            }
            if is_vague(secret) {
                hit.harmless(Severity::Info, "it is a part of a token, without a signature")
            } else if flag(secret, "expired") {
                hit.severity(lower(Severity::Critical))
                    .caveat("the token had expired when the checkpoint was made")
            } else {
                hit
            }
        })
        .collect()
}

/// Tokens of Kubernetes in processes that do not talk to Kubernetes.
pub fn unexpected_token(facts: &Facts<'_>) -> Vec<Hit> {
    let is_meant = |secret: &Secret| is_service_account(secret) && foreign(facts, secret).is_none();
    let mut hits = Vec::new();
    for holding in holdings(facts, is_meant, |place| !place.source.is_queue()) {
        let Some(process) = holding.pid.and_then(|pid| facts.process(pid)) else { continue };
        let secret = holding.secret;
        hits.push(match suspicion(facts, process) {
            _ if is_vague(secret) => holding
                .hit(facts, "holds part of a service account token")
                .harmless(Severity::Info, "it is a part of a token, without a signature"),
            Some(who) => {
                let hit = holding.hit(facts, format!("{who} holds a service account token"));
                if flag(secret, "expired") {
                    hit.severity(lower(Severity::High))
                        .caveat("the token had expired when the checkpoint was made")
                } else {
                    hit
                }
            }
            None => {
                let severity = if known::is_web_server(process) { Severity::Low } else { Severity::Info };
                holding
                    .hit(facts, "holds a service account token")
                    .harmless(severity, "programs that talk to Kubernetes keep the token of their pod")
            }
        });
    }
    hits
}

/// Private keys in memory.
pub fn private_key(facts: &Facts<'_>) -> Vec<Hit> {
    by_holder(
        facts,
        |secret| PRIVATE_KEYS.contains(&secret.rule.as_str()),
        "a private key",
        |secret| {
            if flag(secret, "encrypted") { lower(Severity::High) } else { Severity::High }
        },
    )
}

/// Keys of clouds in memory.
pub fn cloud_key(facts: &Facts<'_>) -> Vec<Hit> {
    let is_meant = |secret: &Secret| CLOUDS.iter().any(|beginning| secret.rule.starts_with(beginning));
    by_holder(facts, is_meant, "a key of a cloud", |_| Severity::High)
}

fn by_holder(
    facts: &Facts<'_>,
    is_meant: impl Fn(&Secret) -> bool,
    what: &str,
    severity: impl Fn(&Secret) -> Severity,
) -> Vec<Hit> {
    let mut hits = Vec::new();
    for holding in holdings(facts, is_meant, |place| place.source.is_memory()) {
        let Some(process) = holding.pid.and_then(|pid| facts.process(pid)) else { continue };
        let why = |who: &str| format!("{who} holds {what}");
        hits.push(match suspicion(facts, process) {
            _ if is_vague(holding.secret) => holding
                .hit(facts, why("it"))
                .harmless(Severity::Info, "it is a documented example, or a part of a key"),
            Some(who) if is_setting(facts, holding.secret, process.pid) => holding
                .hit(facts, why(who))
                .harmless(Severity::Info, "the first process has it too: a setting of the container"),
            Some(who) => holding.hit(facts, why(who)).severity(severity(holding.secret)),
            None => holding
                .hit(facts, why("it"))
                .harmless(Severity::Info, "services keep the keys that they work with in memory"),
        });
    }
    hits
}

/// Secrets that everybody sees who lists processes.
pub fn command_line(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for holding in holdings(facts, |_| true, |place| place.role == Some("command-line")) {
        let hit = holding.hit(facts, "secret on its command line, readable by every process");
        hits.push(match holding.secret.confidence {
            _ if is_vague(holding.secret) => {
                hit.harmless(Severity::Info, "it is a documented example, or a part of a secret")
            }
            Certainty::High => hit.severity(Severity::Medium),
            _ => hit,
        });
    }
    hits
}

/// Secrets that nobody had read yet.
pub fn queued(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for secret in &facts.memory.secrets {
        for place in secret.places.iter().filter(|place| place.source.is_queue()) {
            let Some(queue) = facts.queues.iter().find(|queue| {
                let name = place.region.as_ref().map(|region| &region.path);
                Some(queue.member.as_str()) == place.member.as_deref()
                    && name == Some(&crate::search::queue_name(queue))
            }) else {
                continue;
            };
            let why = format!("unread data contains a secret: {}", secret.title);
            let hit = super::queues::hit(facts, queue, why, &masked(secret).0);
            hits.push(if flag(secret, "placeholder") {
                hit.harmless(Severity::Info, "it is a documented example")
            } else if secret.confidence == Certainty::Low {
                hit.severity(Severity::Low).confidence(Confidence::Low)
            } else {
                hit
            });
        }
    }
    hits
}
