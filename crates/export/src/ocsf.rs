//! Events of the Open Cybersecurity Schema Framework, one a line: findings as Detection Finding, the inventory as
//! results of queries for processes, files and connections, with the profiles
//! `container` and `linux_users`.

use std::io::Write;

use ckptfx_analysis::{
    Text,
    files::{
        file::{Kind, OpenFile},
        rootfs::{Change, ChangeKind},
    },
    finding::{Finding, Origin, Severity, Technique},
    network::socket::{Endpoint, Socket},
    process::Process,
    secret::{self, Secret},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    attack,
    common::{rank, ruleset, shown, split, sureness},
    dossier::Dossier,
    export::{Export, Result},
    flow::{Direction, Flow},
    hashes::Hashes,
    id,
    index::Index,
    record::{Record, clipped},
};
use ckptfx_report::json;

/// The last version in which no class used here is deprecated.
const VERSION: &str = "1.4.0";

/// A class of events: its number, which ends in that of its only activity used here.
#[derive(Clone, Copy)]
struct Class {
    uid: u32,
    category: u32,
    activity: u32,
}

/// What no other class is for: limits of the result.
const BASE_EVENT: Class = Class { uid: 0, category: 0, activity: OTHER };
const DETECTION_FINDING: Class = Class { uid: 2004, category: 2, activity: 1 };
const DATA_SECURITY_FINDING: Class = Class { uid: 2006, category: 2, activity: 1 };
const FILE_QUERY: Class = Class { uid: 5007, category: 5, activity: 1 };
const CONNECTION_QUERY: Class = Class { uid: 5012, category: 5, activity: 1 };
const PROCESS_QUERY: Class = Class { uid: 5015, category: 5, activity: 1 };
/// What a query found is there.
const EXISTS: u32 = 1;
const INFORMATIONAL: u8 = 1;
/// An activity that has no number of its own.
const OTHER: u32 = 99;

/// Events of OCSF.
pub struct Ocsf;

impl Export for Ocsf {
    fn checkpoint(&mut self, dossier: &Dossier<'_>, out: &mut dyn Write) -> Result<()> {
        let (hashes, index) = (Hashes::new(dossier), Index::new(dossier));
        let writer = Writer { dossier, checkpoint: id::checkpoint(dossier.head), hashes, index };
        let mut line = |event: Value| {
            json::write_compact(out, &event)?;
            out.write_all(b"\n")
        };
        for found in dossier.findings {
            line(writer.finding(found))?;
        }
        for secret in dossier.secrets {
            line(writer.secret(secret))?;
        }
        if dossier.inventory {
            for process in dossier.processes {
                line(writer.process_query(process))?;
            }
            for (index, file) in dossier.files.iter().enumerate() {
                line(writer.file_query(index, file))?;
            }
            for change in dossier.changes {
                line(writer.change_query(change))?;
            }
            for (index, socket) in dossier.sockets.iter().enumerate() {
                line(writer.connection_query(index, socket))?;
            }
        }
        for item in dossier.not_examined {
            line(writer.note("not-examined", &item.what, &item.why, None))?;
        }
        for warning in dossier.warnings {
            line(writer.note(warning.code, &warning.subject, &warning.message, Some(warning.partial)))?;
        }
        Ok(())
    }
}

/// Makes events of one checkpoint.
struct Writer<'d> {
    dossier: &'d Dossier<'d>,
    checkpoint: Uuid,
    hashes: Hashes<'d>,
    index: Index<'d>,
}

impl Writer<'_> {
    fn begin(&self, class: Class, severity: u8, what: &[&[u8]]) -> Record {
        let head = self.dossier.head;
        let mut record = Record::new("unmapped");
        record.set("category_uid", class.category);
        record.set("class_uid", class.uid);
        record.set("activity_id", class.activity);
        record.set("type_uid", class.uid * 100 + class.activity);
        record.set("severity_id", severity);
        match head.container.checkpointed {
            Some(time) => {
                record.set("time", time.as_millisecond());
                record.set("metadata.original_time", time.to_string());
            }
            // The schema wants a number; that it is none is said beside it.
            None => {
                record.set("time", 0);
                record.set("unmapped.time", "not recorded");
            }
        }
        record.set("metadata.version", VERSION);
        record.list("metadata.profiles", ["container", "linux/linux_users"]);
        record.set("metadata.product.name", "ckptfx");
        record.set("metadata.product.vendor_name", "ckptfx");
        record.set("metadata.product.version", head.document.tool.version);
        record.set("metadata.log_name", clipped(head.evidence.name.as_bytes()));
        let parts: Vec<&[u8]> = std::iter::once(b"ocsf".as_slice()).chain(what.iter().copied()).collect();
        record.set("metadata.uid", id::of(self.checkpoint, &parts).to_string());
        record.set("metadata.correlation_uid", self.checkpoint.to_string());
        record.set("unmapped.archive.format", clipped(head.evidence.format.as_bytes()));
        record.set("unmapped.archive.bytes", head.evidence.bytes);
        record.put("unmapped.archive.sha256", head.evidence.sha256.clone());
        record.put("unmapped.archive.part", head.evidence.part.as_ref().map(|part| clipped(part.as_bytes())));
        record.put("unmapped.image", head.container.image.as_ref().map(|image| clipped(image.as_bytes())));
        record.put("unmapped.pod", head.container.pod.as_ref().map(|pod| clipped(pod.as_bytes())));
        record.put(
            "unmapped.namespace",
            head.container.namespace.as_ref().map(|name| clipped(name.as_bytes())),
        );
        record
    }

    fn begin_query(&self, class: Class, query: &str, what: &[&[u8]]) -> Record {
        let mut record = self.begin(class, INFORMATIONAL, what);
        record.set("query_result_id", EXISTS);
        record.set("query_info.name", query);
        record.set("query_info.query_string", format!("ckptfx {query}"));
        record
    }

    /// The container, below a path.
    fn container(&self, record: &mut Record, path: &str) {
        let head = &self.dossier.head.container;
        let engine = self.dossier.container;
        let text = |text: &Option<String>| text.as_ref().map(|text| clipped(text.as_bytes()));
        let at = |key: &str| format!("{path}.{key}");
        record.put(&at("uid"), text(&head.id));
        record.put(&at("name"), text(&head.name));
        record.put(&at("runtime"), text(&head.runtime));
        // An image without an id has no place in the schema.
        if let Some(uid) = text(&head.image_digest).or_else(|| text(&engine?.image_id)) {
            record.set(&at("image.uid"), uid);
            record.put(&at("image.name"), text(&head.image));
        }
        if head.namespace.is_some() {
            record.set(&at("orchestrator"), "kubernetes");
        }
        let pod = engine.and_then(|engine| engine.pod_uid.as_ref());
        record.put(&at("pod_uuid"), pod.filter(|uid| Uuid::parse_str(uid).is_ok()).cloned());
    }

    /// A process, below a path.
    fn process(&self, record: &mut Record, path: &str, process: &Process) {
        let at = |key: &str| format!("{path}.{key}");
        record.set(&at("pid"), process.pid);
        record.set(&at("namespace_pid"), process.pid);
        record.set(&at("uid"), id::of(self.checkpoint, &["process", &process.pid.to_string()]).to_string());
        record.text(&at("name"), process.comm.as_ref());
        record.text(&at("cmd_line"), process.cmdline.as_ref().map(|_| Text(process.command())).as_ref());
        record.text(&at("working_directory"), process.cwd.as_ref());
        if let Some(exe) = &process.exe {
            file_object(record, &at("file"), exe, 1);
            record.put(&at("file.is_deleted"), process.exe_deleted);
            record.list(&at("file.hashes"), self.hashes.of_program(process).map(fingerprint));
        }
        let ids = process.uid;
        record.put(&at("user.uid"), ids.and_then(|ids| ids.real).map(|uid| uid.to_string()));
        record.put(&at("euid"), ids.and_then(|ids| ids.effective));
        let groups = process.gid;
        record.put(&at("group.uid"), groups.and_then(|ids| ids.real).map(|gid| gid.to_string()));
        record.put(&at("egid"), groups.and_then(|ids| ids.effective));
        record.put(&at("session.uid"), process.sid.map(|sid| sid.to_string()));
        if let Some(parent) = process.ppid.filter(|pid| *pid != 0) {
            record.set(&at("parent_process.pid"), parent);
            let name = self.index.process(parent).and_then(|found| found.comm.as_ref());
            record.text(&at("parent_process.name"), name);
        }
        self.container(record, &at("container"));
    }

    fn finding(&self, finding: &Finding) -> Value {
        let subject = &finding.subject;
        let pid = subject.pid.map(|pid| pid.to_string()).unwrap_or_default();
        let path = subject.path.as_ref().map_or(b"".as_slice(), |path| &path.0);
        let address = subject.address.as_deref().unwrap_or_default();
        let what: [&[u8]; 4] = [finding.id.as_bytes(), pid.as_bytes(), path, address.as_bytes()];
        let mut record = self.begin(DETECTION_FINDING, rank(finding.severity), &what);
        record.set("activity_name", "Create");
        record.set("severity", caption(finding.severity));
        record.set("status_id", 1);
        record.set("confidence_id", sureness(finding.confidence));
        record.set("risk_score", finding.score);
        record.set("is_alert", finding.severity >= Severity::Medium);
        record.set("message", clipped(format!("{}: {}", finding.title, finding.why).as_bytes()));
        record.set("metadata.event_code", clipped(finding.id.as_bytes()));
        record.set("finding_info.uid", id::of(self.checkpoint, &what).to_string());
        record.set("finding_info.title", clipped(finding.title.as_bytes()));
        record.set("finding_info.desc", clipped(finding.why.as_bytes()));
        record.list("finding_info.types", [clipped(finding.id.as_bytes())]);
        record.set("finding_info.analytic.type_id", 1);
        record.set("finding_info.analytic.uid", clipped(finding.id.as_bytes()));
        record.set("finding_info.analytic.name", clipped(finding.title.as_bytes()));
        record.set("finding_info.analytic.category", ruleset(&finding.origin));
        record.put(
            "finding_info.analytic.version",
            match &finding.origin {
                Origin::Rule => Some(self.dossier.head.document.tool.version.to_owned()),
                Origin::Sigma { version, .. } => version.as_ref().map(|version| clipped(version.as_bytes())),
                Origin::Yara { .. } => None,
            },
        );
        record.list("finding_info.attacks", finding.attack.iter().map(attack_object));

        let facts: Vec<Value> = finding
            .evidence
            .iter()
            .map(|fact| {
                let place = clipped(fact.r#where.as_bytes());
                json!({"what": fact.what, "where": place, "value": clipped(&fact.value.0)})
            })
            .collect();
        let mut evidence = Record::new("data");
        if let Some(process) = finding.subject.pid.and_then(|pid| self.index.process(pid)) {
            self.process(&mut evidence, "process", process);
        }
        if let Some(path) = subject.path.as_ref().filter(|path| path.0.starts_with(b"/")) {
            file_object(&mut evidence, "file", path, 0);
            evidence.list("file.hashes", self.hashes.of(&path.0).map(fingerprint));
        }
        evidence.list("data.facts", facts);
        evidence.put("data.address", subject.address.clone());
        evidence.text("data.subject", subject.path.as_ref());
        record.list("evidences", [evidence.finish()]);
        record.set("unmapped.story", finding.story.to_string());
        record.put("unmapped.caveat", finding.caveat.as_ref().map(|text| clipped(text.as_bytes())));
        record.put("unmapped.more", finding.more.as_ref().map(|more| clipped(more.to_string().as_bytes())));
        record.finish()
    }

    /// A secret: what it is, where it is first, its masked text and its fingerprint.
    fn secret(&self, secret: &Secret) -> Value {
        let what: [&[u8]; 3] = [b"secret", secret.rule.as_bytes(), secret.fingerprint.as_bytes()];
        let mut record = self.begin(DATA_SECURITY_FINDING, rank(Severity::Medium), &what);
        record.set("activity_name", "Create");
        record.set("status_id", 1);
        record.set(
            "confidence_id",
            match secret.confidence {
                secret::Confidence::Low => 1,
                secret::Confidence::Medium => 2,
                secret::Confidence::High => 3,
            },
        );
        record.set("is_alert", true);
        record.set("message", clipped(secret.title.as_bytes()));
        record.set("metadata.event_code", clipped(secret.rule.as_bytes()));
        record.set("finding_info.uid", id::of(self.checkpoint, &what).to_string());
        record.set("finding_info.title", clipped(secret.title.as_bytes()));
        record.list("finding_info.types", [clipped(secret.rule.as_bytes())]);
        record.set("finding_info.analytic.type_id", 1);
        record.set("finding_info.analytic.uid", clipped(secret.rule.as_bytes()));
        record.set("finding_info.analytic.name", clipped(secret.title.as_bytes()));
        let place = &secret.first;
        if let Some(process) = place.pid.and_then(|pid| self.index.process(pid)) {
            self.process(&mut record, "actor.process", process);
        }
        record.set("unmapped.secret.fingerprint", secret.fingerprint.clone());
        record.set("unmapped.secret.length", secret.length);
        record.text("unmapped.secret.masked", shown(secret));
        record.set("unmapped.secret.count", secret.count);
        record.set("unmapped.secret.source", place.source.name());
        record.put("unmapped.secret.address", place.address.clone());
        record.put("unmapped.secret.member", place.member.as_ref().map(|name| clipped(name.as_bytes())));
        record.finish()
    }

    /// What the analyst must know of the result: what was not looked at, or could not be read.
    fn note(&self, code: &str, what: &str, why: &str, partial: Option<bool>) -> Value {
        let mut record =
            self.begin(BASE_EVENT, INFORMATIONAL, &[code.as_bytes(), what.as_bytes(), why.as_bytes()]);
        record.set("activity_name", code);
        record.set("message", clipped(format!("{what}: {why}").as_bytes()));
        record.set("metadata.event_code", code);
        record.set("unmapped.subject", clipped(what.as_bytes()));
        record.put("unmapped.partial", partial);
        record.finish()
    }

    fn process_query(&self, process: &Process) -> Value {
        let mut record = self.begin_query(PROCESS_QUERY, "ps", &[b"ps", process.pid.to_string().as_bytes()]);
        let name = process.comm.as_ref().map_or_else(|| "?".into(), |comm| comm.escaped());
        record.set("message", format!("process {} {name}", process.pid));
        self.process(&mut record, "process", process);
        record.finish()
    }

    fn file_query(&self, index: usize, file: &OpenFile) -> Value {
        let mut record = self.begin_query(FILE_QUERY, "files", &[b"files", index.to_string().as_bytes()]);
        let unnamed = Text(b"?".to_vec());
        let name = file.path.as_ref().or(file.link.as_ref()).unwrap_or(&unnamed);
        record.text("message", file.link.as_ref());
        file_object(&mut record, "file", name, file.kind.map_or(0, file_type));
        record.put("file.size", file.size);
        record.put("file.is_deleted", file.deleted);
        record.put("file.owner.uid", file.uid.map(|uid| uid.to_string()));
        record.put("file.uid", file.inode.map(|inode| inode.to_string()));
        record.put("unmapped.pid", file.pid);
        record.put("unmapped.fd", file.fd);
        record.set("unmapped.role", file.role.name());
        record.put("unmapped.kind", file.kind.map(Kind::name));
        record.put("unmapped.position", file.position);
        record.list("unmapped.flags", file.flags.iter().flatten().map(String::as_str));
        record.put("unmapped.mode", file.mode.clone());
        record.set("unmapped.content", file.content.name());
        self.container(&mut record, "unmapped.container");
        record.finish()
    }

    fn change_query(&self, change: &Change) -> Value {
        let what: [&[u8]; 3] = [b"rootfs", &change.origin.0, &change.path.0];
        let mut record = self.begin_query(FILE_QUERY, "rootfs", &what);
        record.text("message", Some(&change.path));
        let kind = match change.kind {
            Some("regular" | "hardlink") => 1,
            Some("directory") => 2,
            Some("char-device") => 3,
            Some("block-device") => 4,
            Some("fifo") => 6,
            Some("symlink") => 7,
            Some(_) => 99,
            None => 0,
        };
        file_object(&mut record, "file", &change.path, kind);
        record.put("file.size", change.size);
        record.set("file.is_deleted", change.change == ChangeKind::Deleted);
        record.put("file.modified_time", change.mtime.map(|time| time.as_millisecond()));
        record.put("file.owner.uid", change.uid.map(|uid| uid.to_string()));
        let hash = change.sha256.clone().or_else(|| self.hashes.of(&change.path.0));
        record.list("file.hashes", hash.map(fingerprint));
        record.set("unmapped.change", change.change.name());
        record.text("unmapped.origin", Some(&change.origin));
        record.list("unmapped.flags", change.flags.iter().copied());
        record.put("unmapped.mode", change.mode.clone());
        self.container(&mut record, "unmapped.container");
        record.finish()
    }

    fn connection_query(&self, index: usize, socket: &Socket) -> Value {
        let number = index.to_string();
        let mut record = self.begin_query(CONNECTION_QUERY, "sockets", &[b"sockets", number.as_bytes()]);
        let flow = Flow::of(socket, &self.index);
        record.set("message", flow.sentence());
        let (state, caption) = state(socket.state);
        record.set("state_id", state);
        record.set("state", caption);
        record.set("connection_info.direction_id", direction(flow.direction));
        record.put(
            "connection_info.protocol_name",
            flow.transport.clone().or(socket.family.map(str::to_owned)),
        );
        record.put("connection_info.protocol_num", flow.protocol_number());
        record.put(
            "connection_info.protocol_ver_id",
            match socket.family {
                Some("inet") => Some(4),
                Some("inet6") => Some(6),
                _ => None,
            },
        );
        record.put("connection_info.community_uid", flow.community_id());
        record.put("connection_info.uid", socket.inode.map(|inode| inode.to_string()));
        match socket.holders.first().and_then(|holder| self.index.process(holder.pid)) {
            Some(process) => self.process(&mut record, "process", process),
            // The schema wants a process; that there is none is said.
            None => record.set("process.uid", "none"),
        }
        if flow.is_ip() {
            for (side, endpoint) in [("local", &socket.local), ("remote", &socket.remote)] {
                if let Some(Endpoint { address, port }) = endpoint {
                    record.put(&format!("unmapped.{side}.ip"), address.clone());
                    record.put(&format!("unmapped.{side}.port"), *port);
                }
            }
        }
        record.text("unmapped.path", socket.path.as_ref());
        record.put("unmapped.family", socket.family);
        record.list("unmapped.holders", socket.holders.iter().map(|one| format!("{}/{}", one.pid, one.fd)));
        record.put("unmapped.receive_queue_bytes", socket.receive_queue.map(|queue| queue.bytes));
        record.put("unmapped.send_queue_bytes", socket.send_queue.map(|queue| queue.bytes));
        record.finish()
    }
}

/// A file by its path; a type of 0 is not known.
fn file_object(record: &mut Record, at: &str, path: &Text, kind: u32) {
    let (directory, name) = match split(&path.0) {
        Some((directory, name)) if !name.is_empty() => (Some(Text(directory.to_vec())), Text(name.to_vec())),
        _ => (None, path.clone()),
    };
    record.text(&format!("{at}.name"), Some(&name));
    record.text(&format!("{at}.path"), Some(path));
    record.text(&format!("{at}.parent_folder"), directory.as_ref());
    record.set(&format!("{at}.type_id"), kind);
}

fn fingerprint(sha256: String) -> Value {
    json!({"algorithm_id": 3, "algorithm": "SHA-256", "value": sha256})
}

fn file_type(kind: Kind) -> u32 {
    match kind {
        Kind::Regular | Kind::Memfd => 1,
        Kind::Directory => 2,
        Kind::CharDevice | Kind::Tty => 3,
        Kind::BlockDevice => 4,
        Kind::Socket => 5,
        Kind::Pipe | Kind::Fifo => 6,
        Kind::Symlink => 7,
        _ => 99,
    }
}

/// The words of the schema.
fn caption(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "Informational",
        Severity::Low => "Low",
        Severity::Medium => "Medium",
        Severity::High => "High",
        Severity::Critical => "Critical",
    }
}

fn direction(direction: Direction) -> u32 {
    match direction {
        Direction::Listens | Direction::Unknown => 0,
        Direction::Ingress => 1,
        Direction::Egress => 2,
    }
}

fn state(state: Option<&'static str>) -> (u32, &'static str) {
    let Some(state) = state else { return (0, "Unknown") };
    let number = match state {
        "ESTABLISHED" => 1,
        "SYN-SENT" => 2,
        "SYN-RECV" => 3,
        "FIN-WAIT-1" => 4,
        "FIN-WAIT-2" => 5,
        "TIME-WAIT" => 6,
        "CLOSE" | "CLOSED" => 7,
        "CLOSE-WAIT" => 8,
        "LAST-ACK" => 9,
        "LISTEN" => 10,
        "CLOSING" => 11,
        _ => 99,
    };
    (number, state)
}

fn attack_object(technique: &Technique) -> Value {
    let mut record = Record::new("unmapped");
    record.set("version", technique.version);
    if let Some((id, name)) = attack::tactic(technique) {
        record.set("tactic.uid", id);
        record.set("tactic.name", name);
    }
    let parent = attack::parent(&technique.technique);
    record.set("technique.uid", parent);
    record.put("technique.name", attack::name(parent));
    if parent != technique.technique {
        record.set("sub_technique.uid", technique.technique.as_ref());
        record.put("sub_technique.name", attack::name(&technique.technique));
    }
    record.finish()
}
