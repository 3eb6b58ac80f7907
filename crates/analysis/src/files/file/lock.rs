//! Locks on files (`format.md §8.6`). CRIU writes each once, with one process and descriptor that it found it by.

use std::collections::HashMap;

use ckptfx_parser::{
    Diagnostic,
    dynamic::{Show, number_name},
    proto,
};

use super::record::Lock;
use crate::{
    Case,
    files::descriptor::{Descriptors, FileKey},
};

const FLOCK: u32 = 2;
const OFD: u32 = 4;
const LEASE: u32 = 8;
/// Added to the type that a lease is to become.
const LEASE_BREAKING: u32 = 4;

/// The locks of a checkpoint.
pub(super) struct Locks {
    /// Those of one descriptor of one process.
    of_descriptor: HashMap<(u32, u32), Vec<Lock>>,
    /// Those of every descriptor that refers to the same open file description.
    of_description: HashMap<FileKey, Vec<Lock>>,
}

impl Locks {
    pub fn read(case: &Case<'_>, descriptors: &Descriptors, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let name = |show, value: u32| {
            let known = number_name(show, u64::from(value), descriptors.numbering);
            known.map_or_else(|| value.to_string(), str::to_owned)
        };
        let mut locks = Self { of_descriptor: HashMap::new(), of_description: HashMap::new() };
        let images = &case.checkpoint.images;
        for entry in images.read::<proto::FileLockEntry>("filelocks.img", diagnostics) {
            let entry = entry.value;
            let number = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
            let (Some(pid), Some(fd)) = (number(entry.pid), number(entry.fd)) else { continue };
            let (kind, of) = (entry.flag.unwrap_or(0), entry.r#type.unwrap_or(0));
            let breaking = kind == LEASE && of & LEASE_BREAKING != 0;
            let lock = Lock {
                kind: name(Show::LockKind, kind),
                r#type: name(Show::LockType, if breaking { of & !LEASE_BREAKING } else { of }),
                breaking,
                start: entry.start.unwrap_or(0),
                length: entry.len.filter(|length| *length != 0),
            };
            let held = descriptors.of(pid).iter().find(|descriptor| descriptor.fd == fd);
            let list = match held {
                Some(held) if matches!(kind, FLOCK | OFD | LEASE) => {
                    locks.of_description.entry(held.key).or_default()
                }
                _ => locks.of_descriptor.entry((pid, fd)).or_default(),
            };
            if held.is_none() {
                let message = format!(
                    "a lock ({} {}) is held through descriptor {fd} of process {pid}, which is not known",
                    lock.kind, lock.r#type
                );
                diagnostics.push(Diagnostic::note("unknown-holder", "filelocks.img", message));
            }
            if !list.contains(&lock) {
                list.push(lock);
            }
        }
        locks
    }

    /// The locks that a descriptor of a process stands for.
    pub fn of(&self, pid: u32, fd: u32, key: FileKey) -> Vec<Lock> {
        let own = self.of_descriptor.get(&(pid, fd)).map(Vec::as_slice).unwrap_or_default();
        [own, self.of_description(key)].concat()
    }

    /// The locks of an open file description.
    pub fn of_description(&self, key: FileKey) -> &[Lock] {
        self.of_description.get(&key).map(Vec::as_slice).unwrap_or_default()
    }
}
