//! Compression formats: recognising and undoing them.

use std::{
    io::{self, BufRead as _, Read},
    sync::mpsc::{channel, sync_channel},
    thread,
};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use liblzma::bufread::XzDecoder;
use lz4_flex::frame::FrameDecoder;

use super::progress::Progress;
use crate::Limits;

/// Bytes decoded at a time.
const BLOCK: usize = 256 << 10;
/// Blocks that may wait for the other thread: where the machine is busy it gets its turn only every few milliseconds.
const BLOCKS_UNDER_WAY: usize = 64;
/// Below this many compressed bytes a second thread is not worth starting.
const ONE_THREAD_BELOW: usize = 1 << 18;

/// A compression format, told by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952, one or more members.
    Gzip,
    /// RFC 8878, one or more frames.
    Zstd,
    /// The .xz container.
    Xz,
    /// One or more bzip2 streams.
    Bzip2,
    /// The LZ4 frame format.
    Lz4,
}

/// Takes decoded blocks in order, and gives a block to decode into in return: the same one, or another that is done with.
/// The fewer there are, the better they stay in the cache.
pub type Sink<'a> = dyn FnMut(Vec<u8>) -> io::Result<Vec<u8>> + 'a;

impl Compression {
    /// Tells the format from the first bytes.
    pub fn detect(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            // A zstd or LZ4 stream may begin with a skippable frame; what follows it decides.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => after_skippable(bytes).and_then(Self::detect),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] => Some(Self::Bzip2),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Self::Lz4),
            _ => None,
        }
    }

    /// The name used in output: `gzip`, `zstd`, …
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
            Self::Lz4 => "lz4",
        }
    }

    /// Decompresses everything, in a thread of its own while this one calls `sink`. Damage ends it early, and so does
    /// giving more than `limits.decompressed_bytes`: why it did is returned. Zero bytes between streams and behind the
    /// last one are padding; anything else there that is no stream is damage.
    ///
    /// # Errors
    /// What `sink` says.
    pub fn decompress(
        self,
        input: &[u8],
        limits: &Limits,
        progress: &dyn Progress,
        sink: &mut Sink<'_>,
    ) -> io::Result<Option<io::Error>> {
        let limit = limits.decompressed_bytes;
        if input.len() < ONE_THREAD_BELOW {
            return self.decode(input, limit, &mut |block, _| sink(block).map(Some));
        }
        progress.begin("decompressing", Some(input.len() as u64));
        let outcome = self.decode_beside(input, limit, progress, sink);
        progress.end();
        outcome
    }

    fn decode_beside(
        self,
        input: &[u8],
        limit: u64,
        progress: &dyn Progress,
        sink: &mut Sink<'_>,
    ) -> io::Result<Option<io::Error>> {
        thread::scope(|scope| {
            let (sender, receiver) = sync_channel::<(Vec<u8>, u64)>(BLOCKS_UNDER_WAY);
            let (give_back, given_back) = channel();
            let decoder = scope.spawn(move || {
                self.decode(input, limit, &mut |block, produced| {
                    // The receiver hangs up only when it has a reason, which it says itself.
                    let goes_on = sender.send((block, produced)).is_ok();
                    Ok(goes_on.then(|| given_back.try_recv().unwrap_or_default()))
                })
            });
            let mut taken = Ok(None);
            for (block, produced) in receiver {
                match sink(block) {
                    // A decoder that is done wants no more blocks.
                    Ok(block) => drop(give_back.send(block)),
                    Err(error) => {
                        taken = Err(error);
                        break;
                    }
                }
                progress.advance_to(produced.min(input.len() as u64));
                if !progress.goes_on() {
                    taken = Ok(Some(io::Error::other("interrupted, or the time is over")));
                    break;
                }
            }
            if let Some(stopped) = taken? {
                return Ok(Some(stopped));
            }
            decoder.join().unwrap_or_else(|_| Err(io::Error::other("the decoder stopped unexpectedly")))
        })
    }

    /// Gives decoded blocks to `sink`, with the number of bytes decoded so far, until the end, damage, the limit, or
    /// `sink` giving no block to go on with.
    fn decode(
        self,
        input: &[u8],
        limit: u64,
        sink: &mut dyn FnMut(Vec<u8>, u64) -> io::Result<Option<Vec<u8>>>,
    ) -> io::Result<Option<io::Error>> {
        let mut reader: Box<dyn Read + '_> = match self {
            Self::Gzip => Streams::read(self, input, |input| Ok(GzDecoder::new(input)), |it| it.get_ref()),
            Self::Zstd => Streams::read(self, input, zstd_decoder, |it| it.get_ref()),
            Self::Xz => Streams::read(self, input, xz_decoder, |it| it.get_ref()),
            Self::Bzip2 => Streams::read(self, input, |input| Ok(BzDecoder::new(input)), |it| it.get_ref()),
            Self::Lz4 => {
                Streams::read(self, input, |input| Ok(Box::new(FrameDecoder::new(input))), |it| it.get_ref())
            }
        };
        let mut block = Vec::new();
        let mut produced = 0_u64;
        loop {
            block.resize(BLOCK, 0);
            let mut filled = 0;
            let mut outcome = Ok(1);
            while let Some(space) = block.get_mut(filled..).filter(|space| !space.is_empty()) {
                outcome = reader.read(space);
                match outcome {
                    Ok(0) | Err(_) => break,
                    Ok(count) => filled += count,
                }
            }
            block.truncate(filled);
            if filled > 0 {
                produced += filled as u64;
                let next = sink(std::mem::take(&mut block), produced)?;
                match next.filter(|_| produced < limit) {
                    Some(next) => block = next,
                    None => {
                        return Ok(Some(io::Error::other(
                            "it gives more than is believed (limit decompressed-bytes; --limit decompressed-bytes=N raises it)",
                        )));
                    }
                }
            }
            match outcome {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(Some(error)),
            }
        }
    }
}

/// An .xz decoder that uses all cores where the file has several blocks.
fn xz_decoder(input: &[u8]) -> io::Result<XzDecoder<&[u8]>> {
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let stream = liblzma::stream::MtStreamBuilder::new()
        .threads(u32::try_from(threads).unwrap_or(1))
        .memlimit_threading(256 << 20)
        .memlimit_stop(1 << 30)
        .decoder()?;
    Ok(XzDecoder::new_stream(input, stream))
}

/// A decoder of one zstd frame.
fn zstd_decoder(input: &[u8]) -> io::Result<zstd::stream::read::Decoder<'static, &[u8]>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?.single_frame();
    // Windows up to 2 GiB, as `zstd --long=31` writes them.
    decoder.window_log_max(31)?;
    Ok(decoder)
}

/// What follows a skippable frame of zstd or LZ4 that the bytes begin with.
fn after_skippable(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d, rest @ ..] => {
            rest.get(u32::from_le_bytes([*a, *b, *c, *d]) as usize..)
        }
        _ => None,
    }
}

/// Streams one after another, each with a decoder of its own, and the padding between and after them.
struct Streams<'a, D> {
    format: Compression,
    input: &'a [u8],
    is_first: bool,
    decoder: Option<D>,
    start: fn(&'a [u8]) -> io::Result<D>,
    rest: fn(&D) -> &&'a [u8],
}

impl<'a, D: Read + 'a> Streams<'a, D> {
    fn read(
        format: Compression,
        input: &'a [u8],
        start: fn(&'a [u8]) -> io::Result<D>,
        rest: fn(&D) -> &&'a [u8],
    ) -> Box<dyn Read + 'a> {
        Box::new(Self { format, input, is_first: true, decoder: None, start, rest })
    }

    /// Steps over what is between streams; whether another one follows.
    fn follows(&mut self) -> io::Result<bool> {
        if !self.is_first {
            let padding = self.input.iter().position(|byte| *byte != 0).unwrap_or(self.input.len());
            self.input.consume(padding);
        }
        if matches!(self.format, Compression::Zstd | Compression::Lz4) {
            while let Some(rest) = after_skippable(self.input) {
                self.input = rest;
            }
        }
        if self.input.is_empty() {
            return Ok(false);
        }
        // An empty bzip2 stream has no block whose mark would tell it.
        let is_stream = Compression::detect(self.input) == Some(self.format)
            || self.format == Compression::Bzip2 && self.input.starts_with(b"BZh");
        if !self.is_first && !is_stream {
            let what = format!("{} bytes follow that are no {} stream", self.input.len(), self.format.name());
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(true)
    }
}

impl<'a, D: Read + 'a> Read for Streams<'a, D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.decoder.is_none() {
                if !self.follows()? {
                    return Ok(0);
                }
                self.decoder = Some((self.start)(self.input)?);
            }
            let Some(decoder) = &mut self.decoder else { return Ok(0) };
            let count = decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let rest = *(self.rest)(decoder);
            if rest.len() == self.input.len() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "no further stream"));
            }
            self.input = rest;
            self.is_first = false;
            self.decoder = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::source::Silent;

    fn decompress(format: Compression, input: &[u8], limits: &Limits) -> (Vec<u8>, Option<io::Error>) {
        let mut bytes = Vec::new();
        let mut sink = |block: Vec<u8>| {
            bytes.extend_from_slice(&block);
            Ok(block)
        };
        let cut_short = format.decompress(input, limits, &Silent, &mut sink).unwrap();
        (bytes, cut_short)
    }

    fn text() -> Vec<u8> {
        (0..400_000_u32).flat_map(|i| format!("line {}\n", i % 977).into_bytes()).collect()
    }

    fn compress(format: Compression, data: &[u8]) -> Vec<u8> {
        match format {
            Compression::Gzip => {
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                writer.write_all(data).unwrap();
                writer.finish().unwrap()
            }
            Compression::Zstd => zstd::encode_all(data, 1).unwrap(),
            Compression::Xz => {
                let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 0);
                writer.write_all(data).unwrap();
                writer.finish().unwrap()
            }
            Compression::Bzip2 => {
                let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                writer.write_all(data).unwrap();
                writer.finish().unwrap()
            }
            Compression::Lz4 => {
                let mut writer = lz4_flex::frame::FrameEncoder::new(Vec::new());
                writer.write_all(data).unwrap();
                writer.finish().unwrap()
            }
        }
    }

    const ALL: [Compression; 5] =
        [Compression::Gzip, Compression::Zstd, Compression::Xz, Compression::Bzip2, Compression::Lz4];

    #[test]
    fn undoes_every_format_in_one_piece_and_in_two() {
        let text = text();
        let (first, second) = text.split_at(text.len() / 3);
        for format in ALL {
            let whole = compress(format, &text);
            let mut pieces = compress(format, first);
            pieces.extend(compress(format, second));
            for input in [whole, pieces] {
                assert_eq!(Compression::detect(&input), Some(format));
                let (bytes, cut_short) = decompress(format, &input, &Limits::DEFAULT);
                assert!(cut_short.is_none(), "{format:?}: {cut_short:?}");
                assert!(bytes == text, "{format:?}");
            }
        }
    }

    #[test]
    fn zeros_between_and_after_streams_are_padding_and_other_bytes_are_told() {
        let text = text();
        let (first, second) = text.split_at(text.len() / 3);
        for format in ALL {
            let pieces = [compress(format, first), compress(format, second)];
            for padding in [1, 4, 512, 300_000] {
                let zeros = vec![0; padding];
                let input = [pieces[0].as_slice(), &zeros, &pieces[1], &zeros].concat();
                let (bytes, cut_short) = decompress(format, &input, &Limits::DEFAULT);
                assert!(cut_short.is_none(), "{format:?} {padding}: {cut_short:?}");
                assert!(bytes == text, "{format:?} {padding}");
            }
            for tail in [b"x".as_slice(), b"\0\0\0\0tail", b"\x1f", b"BZ"] {
                let input = [pieces[0].as_slice(), tail].concat();
                let (bytes, cut_short) = decompress(format, &input, &Limits::DEFAULT);
                assert!(cut_short.is_some(), "{format:?} {tail:?}");
                assert!(bytes == first, "{format:?} {tail:?}");
            }
        }
    }

    #[test]
    fn skippable_frames_and_empty_streams_hold_nothing() {
        let text = text();
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        for format in ALL {
            let whole = compress(format, &text);
            let mut input = [whole.as_slice(), &compress(format, b""), &whole].concat();
            if matches!(format, Compression::Zstd | Compression::Lz4) {
                input = [skippable.as_slice(), &input, &skippable].concat();
            }
            assert_eq!(Compression::detect(&input), Some(format));
            let (bytes, cut_short) = decompress(format, &input, &Limits::DEFAULT);
            assert!(cut_short.is_none(), "{format:?}: {cut_short:?}");
            assert!(bytes == text.repeat(2), "{format:?}");
        }
    }

    #[test]
    fn a_cut_stream_gives_its_beginning_and_says_so() {
        let text = text();
        for format in ALL {
            let whole = compress(format, &text);
            let (bytes, cut_short) = decompress(format, &whole[..whole.len() / 2], &Limits::DEFAULT);
            assert!(cut_short.is_some(), "{format:?}");
            assert!(text.starts_with(&bytes), "{format:?}");
        }
    }

    #[test]
    fn stops_at_the_limit() {
        let bomb = compress(Compression::Gzip, &vec![0; 64 << 20]);
        let limits = Limits { decompressed_bytes: 1 << 20, ..Limits::DEFAULT };
        let (bytes, cut_short) = decompress(Compression::Gzip, &bomb, &limits);
        assert!(cut_short.is_some());
        assert!(bytes.len() <= 2 << 20);
    }
}
