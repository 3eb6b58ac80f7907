//! Cyber-observable objects: the archive, processes, files, addresses and connections.

use std::collections::BTreeSet;

use ckptfx_analysis::{
    Text,
    files::{
        file::{Kind, OpenFile},
        rootfs::{Change, ChangeKind},
    },
    finding::Finding,
    network::socket::{Endpoint, Socket},
    process::Process,
};
use serde_json::{Map, Value};
use uuid::{Uuid, uuid};

use crate::{
    common::split,
    dossier::Dossier,
    flow::{Direction, Flow},
    hashes::Hashes,
    id,
    index::Index,
    record::{Record, clipped},
};

/// The namespace in which ids of observables are hashes of what they are (STIX 2.1, section 2.9).
const OBSERVABLES: Uuid = uuid!("00abedb4-aa42-466c-9c01-fed23315a9b7");
/// Makes observables, each once.
pub struct Observables<'d> {
    dossier: &'d Dossier<'d>,
    checkpoint: Uuid,
    hashes: Hashes<'d>,
    index: Index<'d>,
    known: BTreeSet<String>,
    made: Vec<Value>,
}

impl<'d> Observables<'d> {
    pub fn new(dossier: &'d Dossier<'d>, checkpoint: Uuid) -> Self {
        Self {
            dossier,
            checkpoint,
            hashes: Hashes::new(dossier),
            index: Index::new(dossier),
            known: BTreeSet::new(),
            made: Vec::new(),
        }
    }

    /// What was made since the last call.
    pub fn take(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.made)
    }

    fn add(&mut self, kind: &str, uuid: Uuid, make: impl FnOnce(&mut Record)) -> String {
        let id = format!("{kind}--{uuid}");
        if self.known.insert(id.clone()) {
            let mut object = Record::new("x");
            object.set("type", kind);
            object.set("spec_version", "2.1");
            object.set("id", id.clone());
            make(&mut object);
            self.made.push(object.finish());
        }
        id
    }

    /// The archive as a file.
    pub fn archive(&mut self) -> String {
        let evidence = &self.dossier.head.evidence;
        let uuid = id::of(self.checkpoint, &["stix", "archive"]);
        self.add("file", uuid, |object| {
            object.set("name", clipped(evidence.name.as_bytes()));
            object.set("size", evidence.bytes);
            object.put("hashes.SHA-256", evidence.sha256.clone());
        })
    }

    /// What a finding is about.
    pub fn subjects(&mut self, finding: &Finding) -> Vec<String> {
        let mut subjects = Vec::new();
        if let Some(process) = finding.subject.pid.and_then(|pid| self.index.process(pid)) {
            subjects.push(self.process(process));
        }
        if let Some(path) = finding.subject.path.as_ref().filter(|path| path.0.starts_with(b"/")) {
            subjects.push(self.path(path));
        }
        subjects
    }

    /// The process with a pid, if it is known.
    pub fn holder(&mut self, pid: Option<u32>) -> Option<String> {
        let process = self.index.process(pid?)?;
        Some(self.process(process))
    }

    /// Processes, files, changes and connections; gives the ids of those that are seen for themselves.
    pub fn inventory(&mut self) -> Vec<String> {
        let dossier = self.dossier;
        let mut seen = Vec::new();
        for process in dossier.processes {
            seen.push(self.process(process));
        }
        for file in dossier.files {
            seen.extend(self.open_file(file));
        }
        for change in dossier.changes {
            seen.extend(self.change(change));
        }
        for socket in dossier.sockets {
            seen.extend(self.traffic(socket));
        }
        let mut known = BTreeSet::new();
        seen.retain(|id| known.insert(id.clone()));
        seen
    }

    fn process_uuid(&self, pid: u32) -> Uuid {
        // Processes must have ids of version 4; this one is a hash all the same.
        id::as_random(id::of(self.checkpoint, &["process", &pid.to_string()]))
    }

    fn process_id(&self, pid: u32) -> String {
        format!("process--{}", self.process_uuid(pid))
    }

    /// A process; its parents come before it, so that it can refer to them.
    fn process(&mut self, process: &Process) -> String {
        let mut line = vec![process];
        let mut passed = BTreeSet::from([process.pid]);
        while let Some(parent) = line.last().and_then(|last| self.index.parent(last)) {
            // Parents that lead in a circle are damage.
            if !passed.insert(parent.pid) {
                break;
            }
            line.push(parent);
            if self.known.contains(&self.process_id(parent.pid)) {
                break;
            }
        }
        let mut parent = None;
        let mut id = String::new();
        for process in line.into_iter().rev() {
            id = self.one_process(process, parent.take());
            parent = Some(id.clone());
        }
        id
    }

    fn one_process(&mut self, process: &Process, parent: Option<String>) -> String {
        let uuid = self.process_uuid(process.pid);
        let known = self.process_id(process.pid);
        if self.known.contains(&known) {
            return known;
        }
        let image = self.program(process);
        let user = process.uid.and_then(|uid| uid.effective).map(|uid| self.user(uid));
        let held: Vec<&Socket> = self.index.sockets(process.pid).collect();
        let mut connections: Vec<String> =
            held.into_iter().filter_map(|socket| self.traffic(socket)).collect();
        connections.sort_unstable();
        connections.dedup();
        self.add("process", uuid, |object| {
            object.set("pid", process.pid);
            object.text("cwd", process.cwd.as_ref());
            object.text("command_line", Some(&Text(process.command())));
            object.put("image_ref", image);
            object.put("creator_user_ref", user);
            object.put("parent_ref", parent);
            object.list("opened_connection_refs", connections);
        })
    }

    fn user(&mut self, uid: u32) -> String {
        let fields = [("user_id", Value::from(uid.to_string()))];
        self.add("user-account", contributing(&fields), |object| object.set("user_id", uid.to_string()))
    }

    /// A file by its path and, if its content is in the archive, its hash.
    fn path(&mut self, path: &Text) -> String {
        let hash = self.hashes.of(&path.0);
        self.file(path, hash)
    }

    /// The program of a process, which another file of its path may have replaced.
    fn program(&mut self, process: &Process) -> Option<String> {
        let hash = self.hashes.of_program(process);
        process.exe.as_ref().map(|exe| self.file(exe, hash))
    }

    fn file(&mut self, path: &Text, hash: Option<String>) -> String {
        let (directory, name) = match split(&path.0) {
            Some((directory, name)) if !name.is_empty() => (Some(directory), name),
            _ => (None, path.0.as_slice()),
        };
        let directory = directory.map(|directory| self.directory(directory));
        let name = Value::from(clipped(name));
        let mut fields = Vec::new();
        if let Some(hash) = &hash {
            fields.push(("hashes", serde_json::json!({"SHA-256": hash})));
        }
        fields.push(("name", name.clone()));
        fields.extend(directory.clone().map(|id| ("parent_directory_ref", Value::from(id))));
        self.add("file", contributing(&fields), |object| {
            object.set("name", name);
            object.put("parent_directory_ref", directory);
            object.put("hashes.SHA-256", hash);
        })
    }

    fn directory(&mut self, path: &[u8]) -> String {
        let path = Value::from(clipped(path));
        self.add("directory", contributing(&[("path", path.clone())]), |object| object.set("path", path))
    }

    /// Files that have a name; pipes and their kind have none in STIX.
    fn open_file(&mut self, file: &OpenFile) -> Option<String> {
        let path = file.path.as_ref()?;
        match file.kind {
            Some(Kind::Directory) => Some(self.directory(&path.0)),
            Some(Kind::Socket) | None => None,
            Some(_) => Some(self.path(path)),
        }
    }

    /// What is in the archive; deleted files were not observed.
    fn change(&mut self, change: &Change) -> Option<String> {
        match (change.change, change.kind) {
            (ChangeKind::Deleted, _) => None,
            (_, Some("directory")) => Some(self.directory(&change.path.0)),
            _ => Some(self.path(&change.path)),
        }
    }

    fn address(&mut self, endpoint: Option<&Endpoint>) -> Option<String> {
        let text = endpoint?.address.as_ref()?;
        let address: std::net::IpAddr = text.split('%').next().unwrap_or_default().parse().ok()?;
        let kind = if address.is_ipv4() { "ipv4-addr" } else { "ipv6-addr" };
        let value = Value::from(address.to_string());
        Some(self.add(kind, contributing(&[("value", value.clone())]), |object| object.set("value", value)))
    }

    /// A connection, or a socket that waits for one. Sockets without an IP address have no form in STIX.
    fn traffic(&mut self, socket: &Socket) -> Option<String> {
        let flow = Flow::of(socket, &self.index);
        if !flow.is_ip() {
            return None;
        }
        let (from, to) = flow.ends();
        let (source, destination) = (self.address(from), self.address(to));
        if source.is_none() && destination.is_none() {
            return None;
        }
        let port = |endpoint: Option<&Endpoint>| {
            endpoint.and_then(|endpoint| endpoint.port).and_then(|port| u16::try_from(port).ok())
        };
        let (from, to) = (port(from), port(to));
        let network = if socket.family == Some("inet6") { "ipv6" } else { "ipv4" };
        let protocols: Vec<String> = [network.to_owned()].into_iter().chain(flow.transport.clone()).collect();
        let inode = socket.inode.map(|inode| inode.to_string()).unwrap_or_default();
        let ends = format!("{source:?} {destination:?} {from:?} {to:?}");
        let uuid = id::of(self.checkpoint, &["stix", "traffic", &inode, &ends, &protocols.join(" ")]);
        Some(self.add("network-traffic", uuid, |object| {
            object.put("src_ref", source);
            object.put("dst_ref", destination);
            object.put("src_port", from);
            object.put("dst_port", to);
            object.list("protocols", protocols);
            object.set("is_active", socket.state != Some("UNCONN") && flow.direction != Direction::Listens);
        }))
    }
}

/// The UUID of an observable from the properties that make it what it is, as canonical JSON.
fn contributing(fields: &[(&str, Value)]) -> Uuid {
    let mut fields = fields.to_vec();
    fields.sort_by_key(|(name, _)| *name);
    let map: Map<String, Value> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    id::uuid5(OBSERVABLES, Value::Object(map).to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::contributing;

    #[test]
    fn ids_of_addresses_are_those_of_every_tool() {
        // The example of the specification.
        let uuid = contributing(&[("value", "198.51.100.3".into())]);
        assert_eq!(uuid.to_string(), "28bb3599-77cd-5a82-a950-b5bc3caf07c4");
    }
}
