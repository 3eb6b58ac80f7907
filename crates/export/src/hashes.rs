//! SHA-256 of files whose content is in the archive, each calculated once and only when it is asked for.

use std::{cell::RefCell, collections::BTreeMap};

use ckptfx_analysis::{finding::DroppedFile, process::Process};

use crate::dossier::Dossier;

/// Zeros of holes that are hashed in all, in bytes; a file that is all hole must not take hours.
const ZEROS: u64 = 1 << 30;

/// Hashes of what changed in the root file system, of volumes and of tmpfs files, by path.
pub struct Hashes<'d> {
    files: BTreeMap<&'d [u8], Option<&'d DroppedFile>>,
    known: RefCell<Known>,
}

/// What was calculated, and how many zeros may still be hashed.
struct Known {
    by_path: BTreeMap<Vec<u8>, Option<String>>,
    zeros: u64,
}

impl<'d> Hashes<'d> {
    /// Nothing is calculated yet.
    pub fn new(dossier: &Dossier<'d>) -> Self {
        let mut files = BTreeMap::new();
        for file in dossier.dropped {
            // Two files of one path, of which one hides the other, are not told apart here.
            files.entry(file.path.0.as_slice()).and_modify(|known| *known = None).or_insert(Some(file));
        }
        Self { files, known: RefCell::new(Known { by_path: BTreeMap::new(), zeros: ZEROS }) }
    }

    /// Of the file with a path; none when its content is not in the archive, or not all of it.
    pub fn of(&self, path: &[u8]) -> Option<String> {
        let Known { by_path, zeros } = &mut *self.known.borrow_mut();
        if let Some(hash) = by_path.get(path) {
            return hash.clone();
        }
        let hash = self.files.get(path).copied().flatten().and_then(|file| file.contents.sha256(zeros));
        by_path.insert(path.to_vec(), hash.clone());
        hash
    }

    /// Of the program that a process runs, as far as its path still leads to it.
    pub fn of_program(&self, process: &Process) -> Option<String> {
        let exe = process.exe.as_ref().filter(|_| process.exe_deleted == Some(false))?;
        self.of(&exe.0)
    }
}
