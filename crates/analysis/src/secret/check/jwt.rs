//! JSON Web Tokens: what they claim, and whether a Kubernetes token is that of this pod.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Candidate, Confidence, Context, Verdict};

const URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Longest token that is decoded.
const LONGEST: usize = 64 << 10;
/// Claims that are given as they are.
const CLAIMS: [&str; 6] = ["iss", "sub", "aud", "azp", "client_id", "jti"];
/// Claims that are times.
const TIMES: [&str; 3] = ["iat", "nbf", "exp"];
/// What begins the subject of a Kubernetes service account.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// Decodes a token; its signature cannot be verified without a key and is not.
pub fn jwt(candidate: &Candidate<'_>, context: &Context) -> Option<Verdict> {
    let token = candidate.secret();
    if token.len() > LONGEST {
        return None;
    }
    let mut parts = token.splitn(3, |byte| *byte == b'.');
    let mut object = || -> Option<Map<String, Value>> {
        let json = URL_SAFE.decode(parts.next()?).ok()?;
        serde_json::from_slice(&json).ok()
    };
    let (header, claims) = (object()?, object()?);
    let signature = parts.next().unwrap_or_default();
    let algorithm = header.get("alg").and_then(Value::as_str)?;
    let mut verdict = Verdict::default().note("alg", algorithm);
    for (from, name) in [(&header, "kid")].into_iter().chain(CLAIMS.map(|name| (&claims, name))) {
        if let Some(value) = from.get(name).filter(|value| is_short(value)) {
            verdict = verdict.note(name, value.clone());
        }
    }
    for name in TIMES {
        if let Some(time) = claims.get(name).and_then(time) {
            verdict = verdict.note(name, time.to_string());
        }
    }
    // By the checkpoint's time: that of the analyst says nothing.
    let expires = claims.get("exp").and_then(time);
    if let Some((expires, at)) = expires.zip(context.checkpointed) {
        verdict = verdict.note("expired", expires <= at);
    }
    if let Some(kubernetes) = Kubernetes::read(&claims) {
        let identity = kubernetes.identity(context);
        verdict.title = Some("Kubernetes service account token");
        verdict = verdict.note("kubernetes", kubernetes.facts()).note("identity", identity);
    }
    let signed = !signature.is_empty();
    verdict = verdict.note("signed", signed);
    // Without a signature it is a part of a token, or one that nobody should accept.
    Some(if signed || algorithm.eq_ignore_ascii_case("none") {
        verdict
    } else {
        verdict.with(Confidence::Low)
    })
}

fn is_short(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() <= 512,
        Value::Array(items) => {
            items.len() <= 16 && items.iter().all(|item| item.is_string() && is_short(item))
        }
        Value::Number(_) => true,
        _ => false,
    }
}

/// Seconds since 1970, which may have a fraction.
fn time(value: &Value) -> Option<Timestamp> {
    let seconds = value.as_i64().or_else(|| {
        let text = value.as_f64()?.trunc();
        format!("{text:.0}").parse().ok()
    })?;
    Timestamp::from_second(seconds).ok()
}

/// Who a Kubernetes token says that it is for.
struct Kubernetes {
    namespace: Option<String>,
    service_account: Option<String>,
    pod: Option<String>,
    pod_uid: Option<String>,
    node: Option<String>,
}

impl Kubernetes {
    fn read(claims: &Map<String, Value>) -> Option<Self> {
        let bound = claims.get("kubernetes.io");
        let get = |path: &[&str]| {
            let found = path.iter().try_fold(bound?, |value, key| value.get(key));
            found.and_then(Value::as_str).map(str::to_owned)
        };
        // Tokens of secrets, before 1.24, have claims of one level.
        let legacy = |name: &str| {
            claims
                .get(&format!("kubernetes.io/serviceaccount/{name}"))
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let subject = claims.get("sub").and_then(Value::as_str);
        let subject = subject.and_then(|text| text.strip_prefix(SERVICE_ACCOUNT)?.split_once(':'));
        let kubernetes = Self {
            namespace: get(&["namespace"])
                .or_else(|| legacy("namespace"))
                .or_else(|| subject.map(|(namespace, _)| namespace.to_owned())),
            service_account: get(&["serviceaccount", "name"])
                .or_else(|| legacy("service-account.name"))
                .or_else(|| subject.map(|(_, name)| name.to_owned())),
            pod: get(&["pod", "name"]),
            pod_uid: get(&["pod", "uid"]),
            node: get(&["node", "name"]),
        };
        (bound.is_some() || kubernetes.service_account.is_some()).then_some(kubernetes)
    }

    fn facts(&self) -> Value {
        let fields = [
            ("namespace", &self.namespace),
            ("service_account", &self.service_account),
            ("pod", &self.pod),
            ("pod_uid", &self.pod_uid),
            ("node", &self.node),
        ];
        fields
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.clone().into()))
            .collect::<Map<_, _>>()
            .into()
    }

    /// `own`: this pod's; `foreign`: of another pod or namespace; `unknown`: it does not say, or the container's
    /// metadata do not. A token that names the right namespace and no pod may be this one's or a stolen one.
    fn identity(&self, context: &Context) -> &'static str {
        let compare =
            |mine: &Option<String>, theirs: &Option<String>| Some(mine.as_ref()? == theirs.as_ref()?);
        let namespace = compare(&context.namespace, &self.namespace);
        let pod = compare(&context.pod_uid, &self.pod_uid).or_else(|| compare(&context.pod, &self.pod));
        match (namespace, pod) {
            (Some(false), _) | (_, Some(false)) => "foreign",
            (_, Some(true)) => "own",
            _ => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::{super::ask, *};

    fn token(claims: &Value, signature: &str) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{signature}", part(&json!({"alg": "RS256", "kid": "k1"})), part(claims))
    }

    fn shop() -> Context {
        Context {
            namespace: Some("prod".to_owned()),
            pod: Some("shop-7".to_owned()),
            pod_uid: Some("u-1".to_owned()),
            checkpointed: Timestamp::from_second(2_000).ok(),
        }
    }

    #[test]
    fn a_token_of_another_pod_is_foreign() {
        let claims = |namespace: &str, pod: &str, uid: &str| {
            json!({"iss": "https://kubernetes.default.svc", "exp": 1_500, "iat": 1_000.5,
                   "sub": format!("system:serviceaccount:{namespace}:web"),
                   "kubernetes.io": {"namespace": namespace, "pod": {"name": pod, "uid": uid},
                                     "serviceaccount": {"name": "web"}}})
        };
        let look = |claims: &Value, context: &Context| {
            ask(jwt, token(claims, "c2ln").as_bytes(), context).unwrap().details
        };
        let own = look(&claims("prod", "shop-7", "u-1"), &shop());
        assert_eq!(own["identity"], "own");
        assert_eq!(own["expired"], true);
        assert_eq!(own["iat"], "1970-01-01T00:16:40Z");
        assert_eq!(own["kubernetes"]["service_account"], "web");
        assert_eq!(look(&claims("prod", "shop-7", "u-2"), &shop())["identity"], "foreign");
        assert_eq!(look(&claims("kube-system", "shop-7", "u-1"), &shop())["identity"], "foreign");
        assert_eq!(look(&claims("prod", "shop-7", "u-1"), &Context::default())["identity"], "unknown");
        assert!(!look(&claims("prod", "shop-7", "u-1"), &Context::default()).contains_key("expired"));
        let bare = json!({"sub": "system:serviceaccount:prod:web"});
        assert_eq!(look(&bare, &shop())["identity"], "unknown");
        let legacy = json!({"kubernetes.io/serviceaccount/namespace": "dev",
                            "kubernetes.io/serviceaccount/service-account.name": "ci"});
        assert_eq!(look(&legacy, &shop())["identity"], "foreign");
    }

    #[test]
    fn parts_and_strangers() {
        let verdict = ask(jwt, token(&json!({"sub": "a"}), "").as_bytes(), &Context::default()).unwrap();
        assert_eq!(verdict.confidence, Some(Confidence::Low));
        assert!(ask(jwt, b"eyJhbGciOiJIUzI1NiJ9.eyJicm9rZW4.sig", &Context::default()).is_none());
        assert!(ask(jwt, b"e30.e30.x", &Context::default()).is_none());
    }
}
