//! How much anonymous storage takes, and where.

use std::{
    env, fs,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// What all anonymous storage together may take of memory, and where the rest goes: one for a whole process, however
/// many archives it opens at once.
#[derive(Debug)]
pub struct Budget {
    memory: OnceLock<u64>,
    scratch: PathBuf,
    taken: AtomicU64,
}

impl Default for Budget {
    /// A quarter of the memory that is free when the first of it is taken, and the system's directory of temporary
    /// files.
    fn default() -> Self {
        Self { memory: OnceLock::new(), scratch: usual_scratch(), taken: AtomicU64::new(0) }
    }
}

impl Budget {
    /// So many bytes of memory, or the usual part of it, and then files in a directory, or in the usual one.
    pub fn new(memory: Option<u64>, scratch: Option<PathBuf>) -> Self {
        Self {
            memory: memory.map_or_else(OnceLock::new, OnceLock::from),
            scratch: scratch.unwrap_or_else(usual_scratch),
            taken: AtomicU64::new(0),
        }
    }

    /// Bytes of memory that are taken.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// A file without a name in the scratch directory: it is gone however the program ends.
    pub(super) fn file(&self) -> io::Result<File> {
        tempfile::tempfile_in(&self.scratch).map_err(|error| {
            let directory = self.scratch.display();
            let message = format!(
                "there can be no file in the scratch directory {directory}: {error}; name another directory with \
                 --scratch DIR"
            );
            io::Error::new(error.kind(), message)
        })
    }

    /// What is said when a file in the scratch directory takes no more.
    pub(super) fn explain(&self, error: io::Error) -> io::Error {
        if !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return error;
        }
        let directory = self.scratch.display();
        let message = format!(
            "the scratch directory {directory} is full: name one with more room with --scratch DIR, or allow more \
             memory with --memory GIB"
        );
        io::Error::new(error.kind(), message)
    }
}

/// Where large temporary files go: `/tmp` may be memory itself.
fn usual_scratch() -> PathBuf {
    let large = Path::new("/var/tmp");
    if env::var_os("TMPDIR").is_none() && large.is_dir() { large.to_path_buf() } else { env::temp_dir() }
}

/// A part of a budget, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    pub budget: Arc<Budget>,
    bytes: u64,
}

impl Share {
    pub fn new(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), bytes: 0 }
    }

    /// Makes it so many bytes; false, and nothing changes, when there are not so many left.
    pub fn set(&mut self, bytes: u64) -> bool {
        if let Some(less) = self.bytes.checked_sub(bytes) {
            self.budget.taken.fetch_sub(less, Ordering::Relaxed);
            self.bytes = bytes;
            return true;
        }
        let most = *self.budget.memory.get_or_init(|| spare_memory().unwrap_or(0));
        let more = bytes - self.bytes;
        let add = |taken: u64| taken.checked_add(more).filter(|taken| *taken <= most);
        let is_there = self.budget.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok();
        if is_there {
            self.bytes = bytes;
        }
        is_there
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A quarter of the memory that can be had without swapping, or of what a control group leaves if that is less.
fn spare_memory() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let available = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = available.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limit = limits(&own)
        .into_iter()
        .filter_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok())
        .min()
        .unwrap_or(u64::MAX);
    Some(kibibytes.saturating_mul(1024).min(limit) / 4)
}

/// The files that limit the memory of the control groups that a process is in, which `/proc/self/cgroup` lists.
fn limits(own: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            one if one.split(',').any(|one| one == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let group = Path::new(group.trim_start_matches('/'));
        files.extend(group.ancestors().map(|group| Path::new(root).join(group).join(name)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_take_no_more_than_there_is_and_are_given_back() {
        let budget = Arc::new(Budget::new(Some(100), None));
        let (mut one, mut other) = (Share::new(&budget), Share::new(&budget));
        assert!(one.set(60) && !other.set(41) && other.set(40));
        assert!(!one.set(61) && one.set(10) && other.set(90) && budget.taken() == 100);
        drop(other);
        assert_eq!(budget.taken(), 10);
        drop(one);
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn the_limits_of_all_groups_above_count() {
        let shown = |own: &str| -> Vec<String> {
            limits(own).iter().map(|path| path.display().to_string()).collect()
        };
        let unified =
            ["/sys/fs/cgroup/a/b/memory.max", "/sys/fs/cgroup/a/memory.max", "/sys/fs/cgroup/memory.max"];
        assert_eq!(shown("0::/a/b\n"), unified);
        assert_eq!(shown("3:cpu:/x\n2:memory:/\n"), ["/sys/fs/cgroup/memory/memory.limit_in_bytes"]);
        assert!(shown("").is_empty());
    }

    #[test]
    fn a_full_directory_says_so_and_what_to_do() {
        let budget = Budget::new(Some(0), Some("/nowhere/at/all".into()));
        assert!(budget.file().unwrap_err().to_string().contains("/nowhere/at/all"));
        let full = budget.explain(io::ErrorKind::StorageFull.into()).to_string();
        assert!(full.contains("is full") && full.contains("--scratch DIR"), "{full}");
    }
}
