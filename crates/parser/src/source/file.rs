//! Files that may have been put in place of others.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use bytes::Bytes;

use super::map::map_file;

/// Neither a link nor a FIFO put in place of the file can lead astray.
const OPEN_FLAGS: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK;

/// Maps a regular file, following no link at its end.
///
/// # Errors
/// When it cannot be opened or mapped, or is no regular file.
pub fn map_regular(path: &Path) -> io::Result<Bytes> {
    let file: File = OpenOptions::new().read(true).custom_flags(OPEN_FLAGS).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    map_file(&file)
}
