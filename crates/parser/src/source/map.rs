//! The one place with `unsafe`: mapping a file read-only, and what is said when such a file becomes shorter.
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
    // truncates it makes later reads fault: see `explain_faults`.
    let map = unsafe { memmap2::Mmap::map(file)? };
    Ok(Bytes::from_owner(map))
}

/// What is said when a mapped file became shorter, or its disk cannot be read.
const FAULT: &[u8] = b"ckptfx: the evidence became shorter while it was read, or its disk cannot be read; \
                       what was written so far is not complete\n";
/// Exit status for evidence that cannot be read.
const UNREADABLE: i32 = 2;

/// Makes the program end with a message and status 2, and not by a bare signal, when bytes of a mapped file cannot be
/// had. There is no going on from there: a slice promises all its bytes.
///
/// # Errors
/// When the system refuses the handler.
pub fn explain_faults() -> io::Result<()> {
    let action = || {
        // Nothing more can be done about a standard error that takes no bytes.
        // SAFETY: write(2) is async-signal-safe, and the buffer is a constant.
        let _ = unsafe { libc::write(libc::STDERR_FILENO, FAULT.as_ptr().cast(), FAULT.len()) };
        signal_hook::low_level::exit(UNREADABLE);
    };
    // SAFETY: the action calls async-signal-safe functions only, takes no lock and allocates nothing. It runs on the
    // thread that touched the bytes and never returns to it.
    unsafe { signal_hook::low_level::register(libc::SIGBUS, action) }.map(drop)
}
