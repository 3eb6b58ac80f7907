//! Bytes of a member: held in memory, or made page by page while they are written.

use crate::rng::Rng;
use std::io::{self, Write};

/// What a generated page looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    /// English-like prose.
    Prose,
    /// JSON records.
    Json,
    /// Web-server and service log lines.
    Log,
    /// Something with the byte statistics of machine code.
    Code,
    /// Random bytes, as compressed or encrypted data.
    Random,
    /// Heap-like: pointers into user space between small numbers.
    Pointers,
    /// Zero bytes.
    Zero,
}

/// One page that is present in a pages image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// These bytes (shorter than a page: zero-filled).
    Data(Vec<u8>),
    /// Bytes that follow from flavour and seed.
    Generated(Flavor, u64),
}

impl Cell {
    /// Writes the page into `page`, which is one page long.
    pub fn render(&self, page: &mut [u8]) {
        match self {
            Self::Data(bytes) => {
                page[..bytes.len()].copy_from_slice(bytes);
                page[bytes.len()..].fill(0);
            }
            Self::Generated(flavor, seed) => generate(*flavor, *seed, page),
        }
    }
}

/// The content of a regular file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Bytes in memory.
    Bytes(Vec<u8>),
    /// Whole pages, rendered while they are written.
    Pages {
        /// Length of each page.
        page_size: usize,
        /// The pages in order.
        cells: Vec<Cell>,
    },
    /// A length in the header with nothing behind it but zeros, for huge members.
    Zeros(u64),
}

impl Body {
    /// Number of bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Pages { page_size, cells } => (*page_size as u64) * cells.len() as u64,
            Self::Zeros(length) => *length,
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the bytes out.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Bytes(bytes) => out.write_all(bytes),
            Self::Pages { page_size, cells } => {
                let mut page = vec![0; *page_size];
                for cell in cells {
                    cell.render(&mut page);
                    out.write_all(&page)?;
                }
                Ok(())
            }
            Self::Zeros(length) => {
                let block = vec![0; 1 << 16];
                let mut left = *length;
                while left > 0 {
                    let step = left.min(block.len() as u64);
                    out.write_all(&block[..step as usize])?;
                    left -= step;
                }
                Ok(())
            }
        }
    }

    /// All bytes in memory.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_to(&mut out).expect("writing to memory");
        out
    }
}

impl<T: Into<Vec<u8>>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self::Bytes(bytes.into())
    }
}

const WORDS: &[&str] = &[
    "the",
    "of",
    "and",
    "to",
    "in",
    "a",
    "is",
    "that",
    "for",
    "it",
    "as",
    "was",
    "with",
    "be",
    "by",
    "on",
    "not",
    "request",
    "server",
    "memory",
    "process",
    "container",
    "address",
    "signal",
    "kernel",
    "session",
    "account",
    "customer",
    "order",
    "payment",
    "network",
    "failed",
    "accepted",
    "timeout",
    "connection",
    "between",
    "under",
    "small",
    "green",
    "house",
    "river",
    "morning",
    "window",
    "letter",
    "number",
    "question",
    "answer",
    "paper",
    "evening",
    "garden",
    "winter",
    "mountain",
];

fn generate(flavor: Flavor, seed: u64, page: &mut [u8]) {
    let mut rng = Rng::new(seed);
    match flavor {
        Flavor::Zero => page.fill(0),
        Flavor::Random => rng.fill(page),
        Flavor::Code => code(&mut rng, page),
        Flavor::Pointers => {
            for word in page.chunks_mut(8) {
                let value = match rng.below(4) {
                    0 => 0x5555_5600_0000 | (rng.word() & 0xff_fff8),
                    1 => 0x7f12_3400_0000 | (rng.word() & 0xfff_fff8),
                    2 => rng.below(4096),
                    _ => 0,
                };
                word.copy_from_slice(&value.to_le_bytes()[..word.len()]);
            }
        }
        Flavor::Prose => text(page, |line| prose(&mut rng, line)),
        Flavor::Json => text(page, |line| json(&mut rng, line)),
        Flavor::Log => text(page, |line| log(&mut rng, line)),
    }
}

fn text(page: &mut [u8], mut next: impl FnMut(&mut Vec<u8>)) {
    let mut buffer = Vec::with_capacity(page.len() + 256);
    while buffer.len() < page.len() {
        next(&mut buffer);
    }
    page.copy_from_slice(&buffer[..page.len()]);
}

fn prose(rng: &mut Rng, out: &mut Vec<u8>) {
    for position in 0..6 + rng.below(10) {
        if position > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(rng.pick(WORDS).as_bytes());
    }
    out.extend_from_slice(b".\n");
}

fn json(rng: &mut Rng, out: &mut Vec<u8>) {
    let line = format!(
        "{{\"id\":{},\"{}\":\"{}\",\"{}\":{},\"tags\":[\"{}\",\"{}\"]}},",
        rng.below(1_000_000),
        rng.pick(WORDS),
        rng.pick(WORDS),
        rng.pick(WORDS),
        rng.below(2) == 0,
        rng.pick(WORDS),
        rng.pick(WORDS),
    );
    out.extend_from_slice(line.as_bytes());
}

fn log(rng: &mut Rng, out: &mut Vec<u8>) {
    let line = format!(
        "10.{}.{}.{} - - [01/Jun/2024:12:{:02}:{:02} +0000] \"GET /{}/{} HTTP/1.1\" {} {} \"-\" \"client/{}\"\n",
        rng.below(256),
        rng.below(256),
        rng.below(256),
        rng.below(60),
        rng.below(60),
        rng.pick(WORDS),
        rng.pick(WORDS),
        rng.pick(&["200", "200", "200", "304", "404", "500"]),
        rng.below(100_000),
        rng.below(10),
    );
    out.extend_from_slice(line.as_bytes());
}

fn code(rng: &mut Rng, page: &mut [u8]) {
    const OPERATIONS: &[&[u8]] = &[
        b"\x48\x89\xe5",
        b"\x48\x83\xec\x18",
        b"\x48\x8b\x45\xf8",
        b"\x0f\x1f\x44\x00\x00",
        b"\x31\xc0",
        b"\x5d\xc3",
        b"\x48\x8d\x3d",
        b"\xe8",
        b"\x74",
        b"\x0f\x84",
        b"\xf3\x0f\x1e\xfa",
        b"\x41\x57\x41\x56",
    ];
    text(page, |line| {
        let operation = rng.pick(OPERATIONS);
        line.extend_from_slice(operation);
        let operand = (rng.word() & rng.word()) as u32;
        let width = rng.below(5) as usize;
        line.extend_from_slice(&operand.to_le_bytes()[..width.min(4)]);
    });
}
