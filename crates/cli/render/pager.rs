//! A pager between a table and a terminal, as git has it.

use std::{
    env, io,
    io::{BufWriter, Write},
    process::{Child, ChildStdin, Command, Stdio},
};

/// A running pager. It is waited for when the output ends, whatever ends it.
pub struct Pager {
    child: Child,
    input: Option<BufWriter<ChildStdin>>,
}

impl Pager {
    /// Starts the pager that the user has chosen ($CKPTFX_PAGER, else $PAGER, else less); none when that is `cat` or empty,
    /// or it is not there.
    pub fn start() -> Option<Self> {
        let chosen = ["CKPTFX_PAGER", "PAGER"].iter().find_map(env::var_os);
        let line = chosen.map_or_else(|| "less".to_owned(), |chosen| chosen.to_string_lossy().into_owned());
        let mut words = line.split_whitespace();
        let program = words.next().filter(|program| *program != "cat")?;
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::piped());
        if env::var_os("LESS").is_none() {
            // Leave at once when it fits, keep colours, and leave the text on the screen.
            command.env("LESS", "FRX");
        }
        let mut child = command.spawn().ok()?;
        let input = child.stdin.take().map(|input| BufWriter::with_capacity(1 << 16, input));
        Some(Self { child, input })
    }
}

impl Write for Pager {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.input.as_mut().map_or(Ok(buffer.len()), |input| input.write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.input.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        // Its input must end before it can.
        self.input = None;
        let _ = self.child.wait();
    }
}
