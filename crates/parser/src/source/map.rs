//! The one place with `unsafe`: mapping a file read-only.
#![allow(unsafe_code)]

use std::{fs::File, io};

use bytes::Bytes;

/// Maps a whole file read-only. An empty file gives no bytes.
///
/// # Errors
/// What the system says when the file cannot be mapped.
pub fn map_file(file: &File) -> io::Result<Bytes> {
    if file.metadata()?.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: the map is private and read-only, so nothing here can change it. Another process that
    // rewrites the file while it is mapped can change the bytes under us; that gives other values,
    // which every reader already treats as hostile, and no memory unsafety in practice. One that
    // truncates it makes later reads fault; the program ends with a message then.
    let map = unsafe { memmap2::Mmap::map(file)? };
    Ok(Bytes::from_owner(map))
}
