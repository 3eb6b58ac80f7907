//! Compression around an archive.

use std::io::Write;

/// How an archive is compressed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outer {
    /// Not at all.
    None,
    /// One gzip member.
    Gzip,
    /// Several gzip members one after another.
    GzipMembers(usize),
    /// One zstd frame.
    Zstd,
    /// Several zstd frames.
    ZstdFrames(usize),
    /// xz.
    Xz,
    /// bzip2.
    Bzip2,
    /// lz4 frame.
    Lz4,
}

impl Outer {
    /// Compresses bytes.
    pub fn pack(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::None => bytes.to_vec(),
            Self::Gzip => gzip(bytes),
            Self::GzipMembers(count) => pieces(bytes, count, gzip),
            Self::Zstd => zstd(bytes),
            Self::ZstdFrames(count) => pieces(bytes, count, zstd),
            Self::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
                encoder.write_all(bytes).expect("writing to memory");
                encoder.finish().expect("writing to memory")
            }
            Self::Bzip2 => {
                let level = bzip2::Compression::fast();
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).expect("writing to memory");
                encoder.finish().expect("writing to memory")
            }
            Self::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(bytes).expect("writing to memory");
                encoder.finish().expect("writing to memory")
            }
        }
    }
}

fn pieces(bytes: &[u8], count: usize, pack: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let size = bytes.len().div_ceil(count.max(1)).max(1);
    bytes.chunks(size).flat_map(pack).collect()
}

/// One gzip member, without name or time.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::bulk::compress(bytes, 3).expect("compressing in memory")
}
