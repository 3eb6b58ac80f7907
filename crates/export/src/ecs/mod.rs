//! Events in the Elastic Common Schema, one a line, each complete in itself. Fields that the schema does not have are
//! below `ckptfx`. `process.start` is never there: a checkpoint does not record it.

mod finding;
mod inventory;
mod network;

use std::io::Write;

use ckptfx_analysis::{Text, process::Process, timeline::Event};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    common::split,
    dossier::Dossier,
    export::{Export, Result},
    hashes::Hashes,
    id,
    index::Index,
    record::{Record, clipped},
};
use ckptfx_report::json;

/// Version of the schema that field names and types are of.
const VERSION: &str = "9.4.0";

/// Events of the Elastic Common Schema.
pub struct Ecs;

impl Export for Ecs {
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
        for (index, event) in dossier.events.iter().enumerate() {
            line(writer.event(index, event))?;
        }
        if dossier.inventory {
            for process in dossier.processes {
                line(writer.process(process))?;
            }
            for (index, file) in dossier.files.iter().enumerate() {
                line(writer.file(index, file))?;
            }
            for change in dossier.changes {
                line(writer.change(change))?;
            }
            for (index, socket) in dossier.sockets.iter().enumerate() {
                line(writer.socket(index, socket))?;
            }
        }
        for item in dossier.not_examined {
            line(writer.note("coverage", "not-examined", &item.what, &item.why, None))?;
        }
        for warning in dossier.warnings {
            line(writer.note(
                "warning",
                warning.code,
                &warning.subject,
                &warning.message,
                Some(warning.partial),
            ))?;
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
    /// What every event has. The time is that of the checkpoint; without one the event has none.
    fn begin(&self, kind: &str, dataset: &str, event_id: &[&[u8]]) -> Record {
        let (head, engine) = (self.dossier.head, self.dossier.container);
        let mut record = Record::new("ckptfx");
        record.put("@timestamp", head.container.checkpointed.map(|time| time.to_string()));
        record.set("ecs.version", VERSION);
        record.set("event.kind", kind);
        record.set("event.module", "ckptfx");
        record.set("event.dataset", format!("ckptfx.{dataset}"));
        let parts: Vec<&[u8]> = [dataset.as_bytes()].into_iter().chain(event_id.iter().copied()).collect();
        record.set("event.id", id::of(self.checkpoint, &parts).to_string());
        record.set("observer.product", "ckptfx");
        record.set("observer.version", head.document.tool.version);
        record.set("log.file.path", clipped(head.evidence.name.as_bytes()));

        let container = &head.container;
        record.put("container.id", container.id.as_deref().map(field));
        record.put("container.name", container.name.as_deref().map(field));
        if let Some((name, tag)) = container.image.as_deref().map(image) {
            record.set("container.image.name", field(name));
            record.list("container.image.tag", tag.map(field));
        }
        record.list("container.image.hash.all", container.image_digest.as_deref().map(field));
        record.put("container.runtime", container.runtime.as_deref().map(field));
        record.put("container.security_context.privileged", engine.and_then(|engine| engine.privileged));
        if container.namespace.is_some() {
            record.set("orchestrator.type", "kubernetes");
            record.put("orchestrator.namespace", container.namespace.as_deref().map(field));
            if container.pod.is_some() {
                record.set("orchestrator.resource.type", "pod");
                record.put("orchestrator.resource.name", container.pod.as_deref().map(field));
                record.put(
                    "orchestrator.resource.id",
                    engine.and_then(|engine| engine.pod_uid.as_deref()).map(field),
                );
            }
        }

        record.set("ckptfx.checkpoint", self.checkpoint.to_string());
        record.set("ckptfx.engine", container.engine);
        record.set("ckptfx.archive.format", field(&head.evidence.format));
        record.set("ckptfx.archive.bytes", head.evidence.bytes);
        record.put("ckptfx.archive.sha256", head.evidence.sha256.clone());
        record.put("ckptfx.archive.part", head.evidence.part.as_deref().map(field));
        record
    }

    /// The id of a process, which is the same in all events about it.
    fn entity(&self, pid: u32) -> String {
        id::of(self.checkpoint, &["process", &pid.to_string()]).to_string()
    }

    /// What is known of a process, below `process`.
    fn about(&self, record: &mut Record, process: &Process) {
        // What pids mean: those of the container, not of the node.
        record.set("ckptfx.pid_scope", "container");
        record.set("process.pid", process.pid);
        record.set("process.vpid", process.pid);
        record.set("process.entity_id", self.entity(process.pid));
        record.text("process.name", process.comm.as_ref());
        record.text("process.executable", process.exe.as_ref());
        if let Some(arguments) = process.cmdline.as_ref().filter(|arguments| !arguments.is_empty()) {
            record.text("process.command_line", Some(&Text(process.command())));
            record.texts("process.args", arguments);
            record.set("process.args_count", arguments.len());
        }
        record.text("process.working_directory", process.cwd.as_ref());
        record.put("process.exit_code", process.exit_code);
        // 0 is a process outside of the container, of which nothing is known.
        if let Some(parent) = process.ppid.filter(|pid| *pid != 0) {
            record.set("process.parent.pid", parent);
            record.set("process.parent.entity_id", self.entity(parent));
            record.text(
                "process.parent.name",
                self.index.process(parent).and_then(|found| found.comm.as_ref()),
            );
        }
        record.put("process.group_leader.pid", process.pgid.filter(|pid| *pid != 0));
        record.put("process.session_leader.pid", process.sid.filter(|pid| *pid != 0));
        let number = |value: Option<u32>| value.map(|value| value.to_string());
        if let Some(uid) = process.uid {
            record.put("process.user.id", number(uid.effective));
            record.put("process.real_user.id", number(uid.real));
            record.put("process.saved_user.id", number(uid.saved));
        }
        if let Some(gid) = process.gid {
            record.put("process.real_group.id", number(gid.real));
            record.put("process.saved_group.id", number(gid.saved));
            record.put("ckptfx.process.effective_group_id", number(gid.effective));
        }
        record.list("process.supplemental_groups.id", process.groups.iter().flatten().map(u32::to_string));
        if let Some(sets) = &process.capabilities {
            record.list("process.thread.capabilities.effective", sets.effective.iter().map(String::as_str));
            record.list("process.thread.capabilities.permitted", sets.permitted.iter().map(String::as_str));
        }
        record.put("process.hash.sha256", self.hashes.of_program(process));
        record.put("ckptfx.process.exe_deleted", process.exe_deleted);
        record.put("ckptfx.process.exe_memfd", process.exe_memfd);
    }

    /// What the analyst must know of the result: what was not looked at, or could not be read.
    fn note(&self, dataset: &str, action: &str, what: &str, why: &str, partial: Option<bool>) -> Value {
        let mut record = self.begin("event", dataset, &[action.as_bytes(), what.as_bytes(), why.as_bytes()]);
        record.set("event.action", action);
        record.set("message", field(&format!("{what}: {why}")));
        record.set("event.reason", field(why));
        record.set("ckptfx.note.subject", field(what));
        record.put("ckptfx.note.partial", partial);
        record.finish()
    }

    /// A dated fact, at its own time.
    fn event(&self, index: usize, event: &Event) -> Value {
        let (kind, number) = (event.kind.name(), index.to_string());
        let mut record = self.begin("event", "timeline", &[kind.as_bytes(), number.as_bytes()]);
        record.set("@timestamp", event.time.to_string());
        record.set("event.action", kind);
        record.text("message", Some(&event.message));
        if let Some(pid) = event.subject.pid {
            record.set("ckptfx.pid_scope", "container");
            record.set("process.pid", pid);
            record.set("process.vpid", pid);
            record.set("process.entity_id", self.entity(pid));
            record.text("process.name", event.subject.comm.as_ref());
        }
        if let Some(path) = &event.subject.path {
            path_fields(&mut record, path);
            record.put("file.size", event.subject.size);
        }
        record.set("ckptfx.timeline.meaning", event.meaning);
        record.set("ckptfx.timeline.reliability", event.reliability.name());
        record.text("ckptfx.timeline.source", Some(&event.source));
        record.finish()
    }
}

/// Text of the engine, with bounds.
fn field(text: &str) -> String {
    clipped(text.as_bytes())
}

/// Name and tag of an image reference; a digest belongs to neither.
fn image(reference: &str) -> (&str, Option<&str>) {
    let name = reference.split_once('@').map_or(reference, |(name, _)| name);
    match name.rsplit_once(':') {
        // A colon before the last slash begins a port.
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (name, None),
    }
}

/// The path of a file with its parts.
fn path_fields(record: &mut Record, path: &Text) {
    record.text("file.path", Some(path));
    let Some((directory, name)) = split(&path.0) else { return };
    record.text("file.directory", Some(&Text(directory.to_vec())));
    if name.is_empty() {
        return;
    }
    record.text("file.name", Some(&Text(name.to_vec())));
    if let Some(dot) = name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0)
        && let Some(extension) = name.get(dot + 1..).filter(|rest| !rest.is_empty())
    {
        record.text("file.extension", Some(&Text(extension.to_vec())));
    }
}

#[cfg(test)]
mod tests {
    use super::image;

    #[test]
    fn image_references_are_taken_apart() {
        assert_eq!(image("registry.local:5000/shop:1.4"), ("registry.local:5000/shop", Some("1.4")));
        assert_eq!(image("registry.local:5000/shop"), ("registry.local:5000/shop", None));
        assert_eq!(image("shop@sha256:00"), ("shop", None));
        assert_eq!(image("shop:1@sha256:00"), ("shop", Some("1")));
    }
}
