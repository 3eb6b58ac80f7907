//! When tokens were issued and expire, and from when to when certificates are valid.

use std::{collections::BTreeSet, io, sync::LazyLock};

use ckptfx_parser::Diagnostic;
use ckptfx_scan::{Hit, Options, Region};
use jiff::Timestamp;

use super::{Event, Kind, Reliability, Subject, Wish};
use crate::{
    Case, Task, Text,
    search::{self, Source},
    secret::{Confidence, Filter, Hunt, Rules, Secret, SecretPlace, certificate, tell},
};

/// Most certificates that are told; the lists of authorities that programs load have some hundreds.
const MOST_CERTIFICATES: usize = 10_000;

/// What is searched for, compiled once.
static RULES: LazyLock<Result<Rules, String>> = LazyLock::new(|| {
    let beside = certificate::EXPRESSIONS.map(str::to_owned);
    Rules::load_beside(&[], &["json-web-token".to_owned()], &beside).map_err(|error| error.to_string())
});

/// Times of tokens and certificates, of each once.
pub(super) fn times(case: &mut Case<'_>, wish: &Wish<'_>, list: &mut Vec<Event>) -> io::Result<()> {
    let found = search::all_content(case, wish.sources)?;
    let regions: Vec<Region<'_>> = found.iter().map(|it| Region::new(it.base(), it.bytes())).collect();
    let rules = RULES.as_ref().map_err(|error| io::Error::other(error.clone()))?;
    let hunt = Hunt { rules, least: Confidence::Low, show: false };
    let prefers = |task: &Task<'_>, _: Option<&_>, _: Option<u64>| (wish.wanted)(task);
    let accepts = |task: Option<&Task<'_>>| !wish.filtered || task.is_some_and(|task| (wish.wanted)(task));
    let filter = Filter { prefers: &prefers, accepts: &|place| accepts(place.task) };
    let mut seen = BTreeSet::new();
    let mut certificates = Vec::new();
    let mut overflow = false;
    let mut take = |hit: &Hit| {
        let (Some(owner), Some(region)) = (found.get(hit.region), regions.get(hit.region)) else { return };
        let end = hit.offset.saturating_add(hit.length);
        let Some(certificate) = certificate::read(region.bytes, hit.offset..end) else { return };
        if seen.contains(&certificate.fingerprint) {
            return;
        }
        let address = region.address(hit.offset);
        let place = owner.place(case, address, &prefers);
        if !accepts(place.task) {
            return;
        }
        overflow |= seen.len() >= MOST_CERTIFICATES;
        if !overflow {
            seen.insert(certificate.fingerprint);
            certificates.push((tell(&place, owner, address), certificate));
        }
    };
    let secrets = hunt.run_beside(case, &found, &regions, &Options::default(), &filter, &mut take);
    for secret in &secrets.secrets {
        token(secret, list);
    }
    for (place, certificate) in &certificates {
        let text = |end: &str| {
            let parts: [&[u8]; 5] =
                [b"certificate of ", &certificate.subject.0, b" by ", &certificate.issuer.0, end.as_bytes()];
            Text(parts.concat())
        };
        list.push(event(certificate.not_before, Kind::CertificateValid, place, text(" becomes valid")));
        list.push(event(certificate.not_after, Kind::CertificateExpires, place, text(" expires")));
    }
    if overflow || secrets.overflow {
        let message = "there are more tokens or certificates than are held; the others are left out";
        case.diagnostics.push(Diagnostic::loss("too-many-findings", "timeline", message));
    }
    Ok(())
}

fn event(time: Timestamp, kind: Kind, place: &SecretPlace, message: Text) -> Event {
    let region = place.region.as_ref();
    let named = region.map(|region| &region.path).filter(|path| !path.0.is_empty());
    let is_file = place.source.is_file();
    let source = match (place.pid, place.source) {
        (Some(pid), Source::Memory) => Text::from(format!("memory of process {pid}")),
        (_, source) => match named {
            Some(name) => Text([source.name().as_bytes(), b" ", &name.0].concat()),
            None => Text::from(source.name()),
        },
    };
    let subject = Subject {
        pid: place.pid,
        comm: place.comm.clone(),
        path: named.filter(|_| is_file).cloned(),
        ..Subject::default()
    };
    Event::new(time, kind, source, Reliability::Claimed).saying(message).about(subject)
}

/// What a JSON Web Token says of its times. The token itself is not told.
fn token(secret: &Secret, list: &mut Vec<Event>) {
    let text = |key: &str| secret.details.get(key).and_then(serde_json::Value::as_str);
    let whose = text("sub").map(|whose| format!(" of {whose}")).unwrap_or_default();
    for (claim, kind, what) in
        [("iat", Kind::TokenIssued, "was issued"), ("exp", Kind::TokenExpires, "expires")]
    {
        let Some(time) = text(claim).and_then(|time| time.parse().ok()) else { continue };
        let message = format!("{}{whose} {what} (fingerprint {})", secret.title, secret.fingerprint);
        list.push(event(time, kind, &secret.first, message.into()));
    }
}
