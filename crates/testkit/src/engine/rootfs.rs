//! Changes to the root file system, in both encodings.

use crate::member::{Member, Members};
use std::collections::BTreeSet;

/// What the container changed in its root file system.
#[derive(Debug, Clone, Default)]
pub struct RootfsDiff {
    /// Added and changed entries; names without a leading slash.
    pub members: Vec<Member>,
    /// Deleted paths, absolute.
    pub deleted: Vec<String>,
}

impl RootfsDiff {
    /// One added file, one changed one, one deleted.
    pub fn sample() -> Self {
        Self::default()
            .add("etc/crontab", 0o644, "* * * * * root /tmp/.x\n")
            .add("tmp/.x", 0o755, "#!/bin/sh\n")
            .delete("/var/log/app.log")
    }

    /// Adds a file.
    pub fn add(mut self, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) -> Self {
        self.members.push(Member::file(path, mode, bytes.into()));
        self
    }

    /// Adds any member.
    pub fn member(mut self, member: Member) -> Self {
        self.members.push(member);
        self
    }

    /// Deletes an absolute path.
    pub fn delete(mut self, path: &str) -> Self {
        self.deleted.push(path.to_owned());
        self
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.deleted.is_empty()
    }

    /// The tar of CRI-O and Podman, unless it would be empty.
    pub fn plain(&self) -> Option<Vec<u8>> {
        let list = self.members.clone();
        let members = Members { list, ..Members::new() };
        (!self.members.is_empty()).then(|| members.to_tar())
    }

    /// `deleted.files` of CRI-O and Podman, unless it would be empty.
    pub fn deleted_files(&self) -> Option<Vec<u8>> {
        let list = serde_json::to_vec_pretty(&self.deleted).expect("strings");
        (!self.deleted.is_empty()).then_some(list)
    }

    /// The layer of containerd: lexical order, parents, whiteouts.
    pub fn layer(&self) -> Members {
        let mut all = self.members.clone();
        for path in &self.deleted {
            let path = path.trim_start_matches('/');
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            let slash = if parent.is_empty() { "" } else { "/" };
            let whiteout = format!("{parent}{slash}.wh.{name}");
            all.push(Member::file(whiteout, 0, "").mtime(0));
        }
        let known: BTreeSet<Vec<u8>> = all.iter().map(|member| member.path.clone()).collect();
        let mut parents = BTreeSet::new();
        for path in &known {
            let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
            parents.extend(ends.map(|(at, _)| path[..=at].to_vec()));
        }
        for path in parents.difference(&known) {
            all.push(Member::directory(path.clone(), 0o755));
        }
        all.sort_by(|one, other| one.path.cmp(&other.path));
        Members { list: all, ..Members::new() }
    }
}
