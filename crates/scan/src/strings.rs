//! Runs of printable text.
//!
//! A run belongs to the chunk in which it starts; the worker follows it past the chunk's end, and skips what runs into
//! its chunk from the one before. So the runs do not depend on how the regions are cut.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use fearless_simd::{Level, Simd, dispatch};

use crate::drive;
use crate::hit::{Outcome, Summary};
use crate::piece::{Chunks, Piece, count};
use crate::plan::Options;
use crate::region::Region;
use crate::tile::{BLOCK, Multibyte, Narrow, Wide, block, even_bits};

/// Bytes per chunk: smaller than for patterns, since text is common and all of a chunk's runs are held until it is done.
const CHUNK: usize = 1 << 20;

/// The encoding of a run of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TextEncoding {
    /// Printable ASCII, or tabs.
    Ascii,
    /// The same, with at least one character beyond ASCII.
    Utf8,
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
}

/// One maximal run of printable characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Text {
    /// Index of the region in the slice that was scanned.
    pub region: usize,
    /// Offset of the first byte within that region.
    pub offset: usize,
    /// Length in bytes.
    pub length: usize,
    /// How the bytes are to be read.
    pub encoding: TextEncoding,
}

/// What counts as text.
///
/// Printable are U+0020 to U+007E and the tab; in UTF-8, also every character beyond ASCII except controls and
/// noncharacters; in UTF-16, also U+00A0 to U+00FF, but nothing beyond: any two bytes would be a character. UTF-16
/// runs start at even and odd offsets. Since a zero byte before a little-endian run makes it look like a big-endian
/// one, shifted by a byte, a run may be reported in both byte orders if both are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strings {
    /// Fewest characters of a run; 0 counts as 1.
    pub minimum: usize,
    /// Look for single-byte text.
    pub bytes: bool,
    /// Let single-byte text hold UTF-8 beyond ASCII. Bytes that are not UTF-8 end a run.
    pub utf8: bool,
    /// Look for little-endian UTF-16.
    pub utf16le: bool,
    /// Look for big-endian UTF-16.
    pub utf16be: bool,
}

impl Default for Strings {
    /// ASCII and UTF-8, four characters or more.
    fn default() -> Self {
        Self { minimum: 4, bytes: true, utf8: true, utf16le: false, utf16be: false }
    }
}

impl Text {
    /// Texts of one region are told in this order.
    const fn order(&self) -> (usize, TextEncoding, usize) {
        (self.offset, self.encoding, self.length)
    }
}

/// Makes of consecutive texts of one region what the caller wants of them; called on any thread.
pub type Render<'r, T> = dyn Fn(&[Text]) -> T + Sync + 'r;

/// The runs of one chunk, and what was made of them.
struct Batch<T> {
    piece: Piece,
    texts: Vec<Text>,
    rendered: T,
}

impl Strings {
    /// Finds every run in every region.
    ///
    /// `sink` is called on the calling thread, in the order of region, offset and encoding. Threads, progress and
    /// cancellation are as in [`Plan::scan`](crate::Plan::scan); chunks are at most 1 MiB, and tiles do not matter.
    pub fn scan(
        &self,
        regions: &[Region<'_>],
        options: &Options<'_>,
        sink: &mut dyn FnMut(Text) -> ControlFlow<()>,
    ) -> Summary {
        let mut hits = 0;
        let summary = self.render(regions, options, &|_| (), &mut |texts, ()| {
            texts.iter().try_for_each(|text| {
                hits += 1;
                sink(*text)
            })
        });
        Summary { hits, ..summary }
    }

    /// As [`scan`](Self::scan), by the chunk: `render` makes something of the texts of one region on the thread that
    /// found them, and `sink` takes it with the texts, in order, on the calling thread. How the texts are grouped
    /// depends on the chunks; their order does not.
    pub fn render<T: Send>(
        &self,
        regions: &[Region<'_>],
        options: &Options<'_>,
        render: &Render<'_, T>,
        sink: &mut dyn FnMut(&[Text], T) -> ControlFlow<()>,
    ) -> Summary {
        let stopped = AtomicBool::new(false);
        let cancelled = || options.cancel.is_some_and(|flag| flag.load(Ordering::Relaxed));
        let work = |pieces: Vec<Piece>| -> Vec<Batch<T>> {
            let mut results = Vec::with_capacity(pieces.len());
            for piece in pieces {
                if cancelled() || stopped.load(Ordering::Relaxed) {
                    stopped.store(true, Ordering::Relaxed);
                    break;
                }
                let bytes = regions.get(piece.region).map_or(&[][..], |region| region.bytes);
                let texts = self.piece(bytes, piece);
                let rendered = render(&texts);
                results.push(Batch { piece, texts, rendered });
                if let Some(progress) = options.progress {
                    progress.fetch_add(count(piece.border - piece.from), Ordering::Relaxed);
                }
            }
            results
        };
        let mut summary = Summary { bytes_scanned: 0, hits: 0, outcome: Outcome::Complete };
        // Texts that start past the pieces accepted so far.
        let mut late: Vec<Text> = Vec::new();
        let mut accept = |results: Vec<Batch<T>>| {
            for Batch { piece, mut texts, mut rendered } in results {
                let before = late.len();
                if !late.is_empty() {
                    texts.append(&mut late);
                    texts.sort_by_key(Text::order);
                }
                let length = regions.get(piece.region).map_or(0, |region| region.bytes.len());
                if piece.border < length {
                    late = texts.split_off(texts.partition_point(|text| text.offset < piece.border));
                }
                if before > 0 || !late.is_empty() {
                    rendered = render(&texts);
                }
                summary.hits += count(texts.len());
                if sink(&texts, rendered).is_break() {
                    summary.outcome = Outcome::Stopped;
                    return ControlFlow::Break(());
                }
                summary.bytes_scanned += count(piece.border - piece.from);
            }
            if stopped.load(Ordering::Relaxed) || cancelled() {
                summary.outcome = Outcome::Cancelled;
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        let chunk = options.chunk_bytes.min(CHUNK);
        drive::run(Chunks::new(regions, chunk), &work, &mut accept, &|| {
            stopped.store(true, Ordering::Relaxed)
        });
        summary
    }

    /// The runs that start in one piece, sorted; parts of one stretch of UTF-8 may start past it.
    fn piece(&self, bytes: &[u8], piece: Piece) -> Vec<Text> {
        dispatch!(Level::new(), simd => self.runs(simd, bytes, piece))
    }

    #[inline(always)]
    fn runs<S: Simd>(&self, simd: S, bytes: &[u8], piece: Piece) -> Vec<Text> {
        let mut runs = Vec::new();
        let minimum = self.minimum.max(1);
        let view = |encoding| View { simd, bytes, encoding };
        if self.utf8 {
            view(TextEncoding::Utf8).runs(piece, minimum, &mut runs);
        } else if self.bytes {
            view(TextEncoding::Ascii).runs(piece, minimum, &mut runs);
        }
        if self.utf16le {
            view(TextEncoding::Utf16Le).runs(piece, minimum, &mut runs);
        }
        if self.utf16be {
            view(TextEncoding::Utf16Be).runs(piece, minimum, &mut runs);
        }
        // Those of one view are in order.
        if self.utf16le || self.utf16be {
            runs.sort_by_key(Text::order);
        }
        runs
    }
}

/// Where in a block characters are, and which of these bytes belong to characters of several bytes.
#[derive(Clone, Copy)]
struct Class {
    mask: u64,
    wide: u64,
    /// Bytes that go on with a character.
    rest: u64,
}

impl Class {
    #[inline(always)]
    const fn narrow(mask: u64) -> Self {
        Self { mask, wide: 0, rest: 0 }
    }
}

/// Bytes that a character may have outside the block, on either side; three would do.
const REACH: usize = 4;

/// Bytes, and how they are read.
#[derive(Clone, Copy)]
struct View<'b, S> {
    simd: S,
    bytes: &'b [u8],
    encoding: TextEncoding,
}

impl<S: Simd> View<'_, S> {
    /// Adds the runs that start in one piece.
    #[inline(always)]
    fn runs(self, piece: Piece, minimum: usize, runs: &mut Vec<Text>) {
        let (encoding, stride) = match self.encoding {
            TextEncoding::Ascii | TextEncoding::Utf8 => (TextEncoding::Ascii, 1),
            wide => (wide, 2),
        };
        stretches(self, piece, stride, minimum, &mut |start, end, wide| {
            let stretch = Text { region: piece.region, offset: start, length: end - start, encoding };
            if wide {
                split_utf8(self.bytes.get(start..end).unwrap_or(&[]), stretch, minimum, runs);
            } else {
                runs.push(stretch);
            }
        });
    }

    /// For each byte of the block that starts at an offset, whether a character is there.
    #[inline(always)]
    fn class(self, from: usize) -> Class {
        match self.encoding {
            TextEncoding::Ascii => Class::narrow(self.narrow(from).ascii),
            TextEncoding::Utf8 => self.utf8(from),
            TextEncoding::Utf16Le => {
                Class::narrow(self.wide(from).low & self.wide(from.saturating_add(1)).zero)
            }
            TextEncoding::Utf16Be => {
                Class::narrow(self.wide(from).zero & self.wide(from.saturating_add(1)).low)
            }
        }
    }

    #[inline(always)]
    fn narrow(self, from: usize) -> Narrow {
        Narrow::of(self.simd, block(self.bytes, from, 0, &mut [0; BLOCK]))
    }

    #[inline(always)]
    fn wide(self, from: usize) -> Wide {
        let wide = Wide::of(self.simd, block(self.bytes, from, 0, &mut [0; BLOCK]));
        // What is not there is no zero.
        Wide { zero: wide.zero & ones(self.bytes.len().saturating_sub(from)), ..wide }
    }

    /// Where printable ASCII is, and what may be a character of UTF-8: a first byte with as many others after it as it
    /// asks for. Everything that is one is among it; the answer for a byte does not depend on where blocks begin.
    #[inline(always)]
    fn utf8(self, from: usize) -> Class {
        let narrow = self.narrow(from);
        if narrow.high == 0 {
            return Class::narrow(narrow.ascii);
        }
        // Each half is seen with what lies beside it.
        let early = Multibyte::of(self.simd, block(self.bytes, from, REACH, &mut [0; BLOCK]));
        let late =
            Multibyte::of(self.simd, block(self.bytes, from.saturating_add(REACH), 0, &mut [0; BLOCK]));
        let half = ones(BLOCK / 2);
        let join = |early: u64, late: u64| early >> REACH & half | late << REACH & !half;
        let wide = join(several(early), several(late));
        Class { mask: narrow.ascii | wide, wide, rest: join(early.rest, late.rest) }
    }
}

/// The bytes of a block that belong to a first byte with as many others after it as it asks for. Not known of those that
/// are less than three bytes from an end of the block.
#[inline(always)]
const fn several(Multibyte { lead, lead_three, lead_four, rest }: Multibyte) -> u64 {
    let (one, two) = (rest >> 1, rest >> 1 & rest >> 2);
    let two_bytes = lead & !lead_three & one;
    let three_bytes = lead_three & !lead_four & two;
    let four_bytes = lead_four & two & rest >> 3;
    let three_or_more = three_bytes | four_bytes;
    let first = two_bytes | three_or_more;
    first | first << 1 | three_or_more << 2 | four_bytes << 3
}

/// Reports the maximal stretches of at least `minimum` characters, `stride` bytes each, that start in `piece`: of each its
/// start, its end, and whether it has characters of several bytes.
#[inline(always)]
fn stretches<S: Simd>(
    view: View<'_, S>,
    piece: Piece,
    stride: usize,
    minimum: usize,
    report: &mut impl FnMut(usize, usize, bool),
) {
    let bytes = view.bytes;
    let mut phases = [Phase::default(); 2];
    let phases = phases.get_mut(..stride).unwrap_or(&mut []);
    for (at, phase) in phases.iter_mut().enumerate() {
        // Whether a character right before the first of this phase makes it part of an earlier run.
        let before = (piece.from + at).checked_sub(stride);
        phase.foreign = before.is_some_and(|before| view.class(before).mask & 1 == 1);
    }
    let mut from = piece.from;
    while from < bytes.len() && (from < piece.border || phases.iter().any(|phase| phase.open.is_some())) {
        let Class { mask, wide, rest } = view.class(from);
        let block = bytes.len().min(from.saturating_add(BLOCK)) - from;
        for (at, phase) in phases.iter_mut().enumerate() {
            let (mask, places) = if stride == 1 { (mask, BLOCK) } else { (even_bits(mask >> at), BLOCK / 2) };
            if mask != 0 || phase.open.is_some() || phase.foreign {
                let line = Line { base: from + at, stride, places, border: piece.border, minimum };
                phase.feed(Class { mask, wide, rest }, line, report);
            }
        }
        from += block;
    }
    // A stretch that reaches the end of a full last block is still open.
    for phase in phases.iter() {
        if let Some((start, places, wide)) = phase.open.filter(|(_, places, _)| *places >= minimum) {
            report(start, start + places * stride, wide);
        }
    }
}

/// Where the bits of a mask lie.
#[derive(Clone, Copy)]
struct Line {
    base: usize,
    stride: usize,
    places: usize,
    border: usize,
    minimum: usize,
}

/// The stretch at hand: those of UTF-16 at even and at odd offsets do not meet.
#[derive(Clone, Copy, Default)]
struct Phase {
    /// Start and characters so far, and whether any has several bytes.
    open: Option<(usize, usize, bool)>,
    /// In a run of an earlier piece.
    foreign: bool,
}

impl Phase {
    #[inline(always)]
    fn feed(&mut self, class: Class, line: Line, report: &mut impl FnMut(usize, usize, bool)) {
        let Class { mut mask, wide, rest } = class;
        let is_wide = |place: usize, places: usize| wide >> place & ones(places) != 0;
        if self.foreign || self.open.is_some() {
            let more = length(mask.trailing_ones()).min(line.places);
            if let Some((_, places, is)) = &mut self.open {
                *places += more;
                *is |= is_wide(0, more);
            }
            if more == line.places {
                return;
            }
            self.foreign = false;
            if let Some((start, places, is)) =
                self.open.take().filter(|(_, places, _)| *places >= line.minimum)
            {
                report(start, start + places * line.stride, is);
            }
            // What was part of it is done with.
            mask &= u64::MAX << more;
        }
        if line.base >= line.border {
            return;
        }
        let mut starts = run_starts(mask, line.minimum.min(line.places));
        while starts != 0 {
            let place = length(starts.trailing_zeros());
            let start = line.base + place * line.stride;
            if start >= line.border {
                return;
            }
            let places = length((mask >> place).trailing_ones());
            if place + places >= line.places {
                // It may go on in the next block.
                let places = line.places - place;
                self.open = Some((start, places, is_wide(place, places)));
                return;
            }
            let is = is_wide(place, places);
            // Each character has one byte that does not go on with one.
            let most = places - length((rest >> place & ones(places)).count_ones());
            if !is || most >= line.minimum {
                report(start, start + places * line.stride, is);
            }
            starts &= u64::MAX << (place + places);
        }
        let last = length((mask << (BLOCK - line.places)).leading_ones()).min(line.places);
        let place = line.places - last;
        let start = line.base + place * line.stride;
        if last > 0 && start < line.border {
            self.open = Some((start, last, is_wide(place, last)));
        }
    }
}

/// A mask of so many low bits.
#[inline(always)]
const fn ones(count: usize) -> u64 {
    if count < BLOCK { !(u64::MAX << count) } else { u64::MAX }
}

/// The bits at which runs of at least `minimum` bits lie from there on: of each run the first is its start.
#[inline(always)]
const fn run_starts(mask: u64, minimum: usize) -> u64 {
    let mut runs = mask;
    let mut length = 1;
    while length * 2 <= minimum {
        runs &= runs >> length;
        length *= 2;
    }
    if length < minimum {
        runs &= runs >> (minimum - length);
    }
    runs
}

fn length(bits: u32) -> usize {
    usize::try_from(bits).unwrap_or(BLOCK)
}

/// Splits a stretch of printable ASCII and high bytes where it is not printable UTF-8.
fn split_utf8(bytes: &[u8], stretch: Text, minimum: usize, runs: &mut Vec<Text>) {
    let mut at = stretch.offset;
    let (mut start, mut characters, mut wide) = (at, 0_usize, false);
    let mut close = |start: usize, end: usize, characters: usize, wide: bool| {
        if characters >= minimum {
            let encoding = if wide { TextEncoding::Utf8 } else { TextEncoding::Ascii };
            runs.push(Text { offset: start, length: end - start, encoding, ..stretch });
        }
    };
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        // All ASCII in a stretch is printable.
        let (length, printable) = if first.is_ascii() { (1, true) } else { decode(*first, after) };
        if printable {
            characters += 1;
            wide |= length > 1;
        } else {
            close(start, at, characters, wide);
            (start, characters, wide) = (at + length, 0, false);
        }
        at += length;
        rest = rest.get(length..).unwrap_or(&[]);
    }
    close(start, at, characters, wide);
}

/// The length of the character that `first` and the bytes after it encode, and whether it is printable. A byte that
/// begins no character has length 1.
fn decode(first: u8, after: &[u8]) -> (usize, bool) {
    let (length, bits, least) = match first {
        0xc2..=0xdf => (2, first & 0x1f, 0x80),
        0xe0..=0xef => (3, first & 0x0f, 0x800),
        0xf0..=0xf4 => (4, first & 0x07, 0x1_0000),
        _ => return (1, false),
    };
    let mut value = u32::from(bits);
    let Some(tail) = after.get(..length - 1) else { return (1, false) };
    for byte in tail {
        if byte & 0xc0 != 0x80 {
            return (1, false);
        }
        value = value << 6 | u32::from(byte & 0x3f);
    }
    match char::from_u32(value).filter(|_| value >= least) {
        Some(character) => (length, is_printable(character)),
        None => (1, false),
    }
}

/// For characters beyond ASCII.
fn is_printable(character: char) -> bool {
    let value = u32::from(character);
    !(character.is_control() || value & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&value))
}
