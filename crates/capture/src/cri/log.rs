//! CRIU's log on this node: the runtime only says that CRIU failed, and the log says why.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use crate::{
    error::Error,
    explain::{Explanation, explain},
};

/// How much of a log is read, from its end.
const MAX_LOG: u64 = 8 << 20;
/// Where CRI-O leaves the log of a container whose checkpoint failed.
const CRI_O: &str = "/var/lib/containers/storage/overlay-containers";

/// Follow no link, and wait for nobody who should write to a pipe.
const NO_LINK: i32 = (OFlags::NOFOLLOW.bits() | OFlags::NONBLOCK.bits()).cast_signed();

/// A refusal with the lines of CRIU's log that tell the cause, where the log is on this node and can be read.
pub fn with_cause(error: Error, container_id: &str) -> Error {
    match error {
        Error::Refused { step, status, mut body } => {
            if let Some(cause) = log_of(&body, container_id).and_then(|path| cause(&path)) {
                body.push(b'\n');
                body.extend(cause);
            }
            Error::Refused { step, status, body }
        }
        other => other,
    }
}

/// The log that containerd names, or where CRI-O keeps its own.
fn log_of(body: &[u8], container_id: &str) -> Option<PathBuf> {
    let body = String::from_utf8_lossy(body);
    if let Some((_, rest)) = body.split_once("path= ") {
        let path = rest.split_whitespace().next()?;
        return (path.starts_with('/') && path.ends_with("dump.log")).then(|| path.into());
    }
    let is_hex = container_id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let failed = is_hex && body.contains("failed to checkpoint container");
    failed.then(|| Path::new(CRI_O).join(container_id).join("userdata/dump.log"))
}

/// The lines that are understood, or else the error that ended the dump, with those that belong to them.
fn cause(path: &Path) -> Option<Vec<u8>> {
    let mut file = File::options().read(true).custom_flags(NO_LINK).open(path).ok()?;
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    file.seek(SeekFrom::Start(metadata.len().saturating_sub(MAX_LOG))).ok()?;
    let mut log = Vec::new();
    file.take(MAX_LOG).read_to_end(&mut log).ok()?;
    let quote = |known: Explanation| std::iter::once(known.matched).chain(known.context);
    let lines: Vec<Vec<u8>> = explain(&log).into_iter().flat_map(quote).collect();
    Some(lines.join(&b"\n"[..])).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> Error {
        Error::Refused { step: "x".to_owned(), status: "Unknown".to_owned(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn the_cause_stands_in_the_log() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("criu-dump.log");
        let text = "(00.1) Error (criu/x.c:1): Unseizable non-zombie 7 found, state S, err -1/10\n\
                    (00.2) Error (criu/sk-inet.c:1): inet: Connected TCP socket, consider using --tcp-established option.\n\
                    (00.3) Error (criu/cr-dump.c:1): Dumping FAILED.\n";
        std::fs::write(&log, text).unwrap();
        let body = format!(
            "checkpointing container \"x\" failed: criu failed: type NOTIFY errno 0 path= {}",
            log.display()
        );
        let codes = |error: Error| error.explanations().iter().map(|known| known.code).collect::<Vec<_>>();
        assert_eq!(codes(with_cause(refused(&body), "x")), ["already-traced", "established-tcp"]);
        // Nothing but a log is read, and without one the answer stays as it is.
        std::fs::remove_file(&log).unwrap();
        std::os::unix::fs::symlink("/proc/version", &log).unwrap();
        assert_eq!(codes(with_cause(refused(&body), "x")), ["criu-failed"]);
        assert_eq!(codes(with_cause(refused("x path= /etc/passwd"), "../x")), Vec::<&str>::new());
    }
}
