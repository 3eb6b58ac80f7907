//! Bytes from the evidence on their way to a terminal: only plain text gets there.

use std::io::{self, Write};

use ckptfx_report::untrusted::is_plain;

/// Up to so many bytes nothing is shown before all of it is known to be plain text.
const MAX_HELD: usize = 1 << 20;

/// Passes plain text on and refuses everything else.
pub struct PlainText<W> {
    out: W,
    /// What was not passed on yet.
    held: Vec<u8>,
    /// How many of its last bytes are the beginning of a character.
    open: usize,
}

impl<W: Write> PlainText<W> {
    pub fn new(out: W) -> Self {
        Self { out, held: Vec::new(), open: 0 }
    }

    /// Passes on what is still held.
    pub fn finish(mut self) -> io::Result<()> {
        if self.open > 0 {
            return Err(refusal());
        }
        self.out.write_all(&self.held)?;
        self.out.flush()
    }
}

impl<W: Write> Write for PlainText<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let part = &buffer[..buffer.len().min(MAX_HELD)];
        let checked = self.held.len() - self.open;
        self.held.extend_from_slice(part);
        self.open = is_plain(&self.held[checked..]).ok_or_else(refusal)?;
        if self.held.len() > MAX_HELD {
            let whole = self.held.len() - self.open;
            self.out.write_all(&self.held[..whole])?;
            self.held.drain(..whole);
        }
        Ok(part.len())
    }

    /// What is held stays so until it is known to be plain.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn refusal() -> io::Error {
    io::Error::other(
        "this is not plain text, and it could act on the terminal: write it to a file with --out-file FILE, or pipe it \
         to a program (| xxd)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What gets through, and whether all did.
    fn passed(parts: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let mut text = PlainText::new(&mut out);
        let done = parts.iter().try_for_each(|part| text.write_all(part)).and_then(|()| text.finish());
        (out, done.is_ok())
    }

    #[test]
    fn text_passes_however_it_is_cut() {
        let text = "grün 日本\t1\n".as_bytes();
        for at in 0..text.len() {
            assert_eq!(passed(&[&text[..at], &text[at..]]), (text.to_vec(), true), "{at}");
        }
        let long = b"line\n".repeat(MAX_HELD);
        assert!(passed(&[&long]) == (long.clone(), true));
    }

    #[test]
    fn nothing_of_other_bytes_is_shown() {
        for parts in
            [&[&b"text\n"[..], b"\x1b]0;x\x07"][..], &[b"\x7fELF"], &[b"a", b"\xe6\x97"], &[b"\xe6", b"a"]]
        {
            assert_eq!(passed(parts), (Vec::new(), false));
        }
        let long = b"line\n".repeat(MAX_HELD);
        let (shown, all) = passed(&[&long, b"\0"]);
        assert!(!all && long.starts_with(&shown));
    }
}
