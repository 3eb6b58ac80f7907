//! What nobody had read, in words and as a dump.

use std::io::{self, Write};

use ckptfx_analysis::{
    Text,
    network::queue::{self, Direction, Queue},
};

use crate::{untrusted::show, words::endpoint};

/// Bytes in a line of the hexdump.
const LINE: usize = 16;

/// What the bytes are: `#2 tcp received, 36 bytes, 127.0.0.1:31337 <- 127.0.0.1:51216, python3(11) -> sh(24)`.
pub fn heading<'n>(queue: &Queue, comm: &dyn Fn(u32) -> Option<&'n Text>) -> String {
    let mut text = format!("#{} {}", queue.number, queue.kind.name());
    let mut add = |part: String| {
        text.push_str(", ");
        text.push_str(&part);
    };
    if let Some(direction) = queue.direction {
        add(direction.name().to_owned());
    }
    if let Some(id) = queue.id {
        add(match queue.kind {
            queue::Kind::Pipe => format!("pipe:[{id}]"),
            queue::Kind::SysvMessage => format!("queue {id}"),
            queue::Kind::Unix | queue::Kind::Tcp | queue::Kind::Socket => format!("socket:[{id}]"),
            queue::Kind::Fifo | queue::Kind::Tty => format!("inode {id}"),
        });
    }
    if let Some(path) = &queue.path {
        add(show(&path.0));
    }
    if let (Some(local), Some(remote)) = (&queue.local, &queue.remote) {
        let arrow = if queue.direction == Some(Direction::Sent) { "->" } else { "<-" };
        add(format!("{} {arrow} {}", endpoint(local), endpoint(remote)));
    }
    if let Some(message) = queue.message {
        add(match queue.message_type {
            Some(kind) => format!("message {message} of type {kind}"),
            None => format!("message {message}"),
        });
    }
    add(format!("{} bytes", queue.bytes));
    if let Some(sequence) = queue.first_sequence {
        add(format!("from sequence {sequence}"));
    }
    if let Some(unsent @ 1..) = queue.unsent_bytes {
        add(format!("the last {unsent} never sent"));
    }
    if queue.in_flight_fds > 0 {
        add(format!("with {} descriptors", queue.in_flight_fds));
    }
    add(format!("{} -> {}", names(&queue.writers, comm), names(&queue.readers, comm)));
    text
}

/// Processes with their names; `?` when they are not known or outside of the container.
fn names<'n>(pids: &[u32], comm: &dyn Fn(u32) -> Option<&'n Text>) -> String {
    let name =
        |pid: &u32| format!("{}({pid})", comm(*pid).map_or_else(|| "-".to_owned(), |comm| show(&comm.0)));
    if pids.is_empty() { "?".to_owned() } else { pids.iter().map(name).collect::<Vec<_>>().join(" ") }
}

/// Offset, sixteen bytes, and the same as ASCII, as `hexdump -C` prints them.
///
/// # Errors
/// When it cannot be written.
pub fn hexdump(bytes: &[u8], output: &mut dyn Write) -> io::Result<()> {
    for (index, line) in bytes.chunks(LINE).enumerate() {
        let mut hex = String::new();
        for (place, byte) in line.iter().enumerate() {
            hex.push_str(if place == LINE / 2 { "  " } else { " " });
            hex.push_str(&format!("{byte:02x}"));
        }
        let ascii: String = line
            .iter()
            .map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' })
            .collect();
        writeln!(output, "{:08x} {hex:<49}  |{ascii}|", index * LINE)?;
    }
    Ok(())
}
