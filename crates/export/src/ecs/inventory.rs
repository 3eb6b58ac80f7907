//! Processes and files as states.

use ckptfx_analysis::{
    files::{
        file::{Kind, OpenFile},
        rootfs::{Change, ChangeKind},
    },
    process::{Process, State},
};
use serde_json::Value;

use super::{Writer, path_fields};

impl Writer<'_> {
    /// A process.
    pub fn process(&self, process: &Process) -> Value {
        let mut record = self.begin("state", "process", &[process.pid.to_string().as_bytes()]);
        record.list("event.category", ["process"]);
        record.list("event.type", ["info"]);
        record.set("event.action", "process-in-checkpoint");
        let name = process.comm.as_ref().map_or_else(|| "?".into(), |comm| comm.escaped());
        record.set("message", format!("process {} {name}", process.pid));
        self.about(&mut record, process);
        record.put(
            "ckptfx.process.state",
            process.state.map(|state| match state {
                State::Running => "running",
                State::Stopped => "stopped",
                State::Zombie => "zombie",
            }),
        );
        record.set("ckptfx.process.threads", process.threads.len());
        record.put("ckptfx.process.captured_bytes", process.captured_bytes);
        record.put("ckptfx.process.no_new_privs", process.no_new_privs);
        record.put("ckptfx.process.seccomp", process.seccomp);
        record.text("ckptfx.process.lsm_label", process.lsm_label.as_ref());
        record.finish()
    }

    /// A file that a process refers to. Files have no id of their own in a checkpoint: the event's is made of its place
    /// in the list.
    pub fn file(&self, index: usize, file: &OpenFile) -> Value {
        let mut record = self.begin("state", "file", &[index.to_string().as_bytes()]);
        record.list("event.category", ["file"]);
        // Only what the images say is deleted.
        record.list("event.type", [if file.deleted == Some(true) { "deletion" } else { "info" }]);
        record.set("event.action", "file-in-use");
        record.text("message", file.link.as_ref());
        if let Some(path) = &file.path {
            path_fields(&mut record, path);
        }
        record.put("file.type", file.kind.map(kind));
        record.put("file.inode", file.inode.map(|inode| inode.to_string()));
        record.put("file.size", file.size);
        record.put("file.mode", file.mode.clone());
        record.put("file.uid", file.uid.map(|uid| uid.to_string()));
        record.put("file.gid", file.gid.map(|gid| gid.to_string()));
        match file.pid.and_then(|pid| self.index.process(pid)) {
            Some(process) => self.about(&mut record, process),
            None => record.put("process.pid", file.pid),
        }
        record.put("ckptfx.fd.number", file.fd);
        record.set("ckptfx.fd.role", file.role.name());
        record.put("ckptfx.fd.kind", file.kind.map(Kind::name));
        record.put("ckptfx.fd.position", file.position);
        record.list("ckptfx.fd.flags", file.flags.iter().flatten().map(String::as_str));
        record.put("ckptfx.fd.deleted", file.deleted);
        record.set("ckptfx.fd.content", file.content.name());
        record.put("ckptfx.build_id", file.build_id.clone());
        record.finish()
    }

    /// What became of a file in the root file system, a volume or a tmpfs since the container was created.
    pub fn change(&self, change: &Change) -> Value {
        let mut record = self.begin("state", "rootfs", &[&change.origin.0, &change.path.0]);
        record.list("event.category", ["file"]);
        record.list(
            "event.type",
            [match change.change {
                ChangeKind::Deleted => "deletion",
                ChangeKind::Added => "creation",
                ChangeKind::Unchanged => "info",
                _ => "change",
            }],
        );
        record.set("event.action", change.change.name());
        record.text("message", Some(&change.path));
        path_fields(&mut record, &change.path);
        record.put(
            "file.type",
            change.kind.map(|kind| match kind {
                "regular" | "hardlink" => "file",
                "directory" => "dir",
                other => other,
            }),
        );
        record.put("file.size", change.size);
        record.put("file.mode", change.mode.clone());
        record.put("file.uid", change.uid.map(|uid| uid.to_string()));
        record.put("file.gid", change.gid.map(|gid| gid.to_string()));
        record.put("file.mtime", change.mtime.map(|time| time.to_string()));
        record.text("file.target_path", change.link_target.as_ref());
        if let Some(hash) = change.sha256.clone().or_else(|| self.hashes.of(&change.path.0)) {
            record.set("file.hash.sha256", hash.clone());
            record.list("related.hash", [hash]);
        }
        record.text("ckptfx.rootfs.origin", Some(&change.origin));
        record.list("ckptfx.rootfs.flags", change.flags.iter().copied());
        record.list("ckptfx.rootfs.pids", change.pids.iter().copied());
        record.finish()
    }
}

/// `file`, `dir` and `symlink` are the schema's words; it leaves others open.
fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Regular | Kind::Memfd => "file",
        Kind::Directory => "dir",
        other => other.name(),
    }
}
