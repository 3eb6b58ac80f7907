//! Pages that are stored in LZ4 blocks (`format.md §14`): what a pagemap says of them.

use prost::encoding::{DecodeContext, WireType, decode_key, skip_field};

use super::pagemap::{is_stored, normalise};
use crate::{
    Limits,
    archive::Member,
    image::Located,
    proto,
    source::{Block, Blocks},
};

/// Most bytes that are compressed together.
const LARGEST: u64 = 4 << 20;

/// What the fields of a pagemap's entries say beside addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Pages as they are.
    Plain,
    /// Sizes of compressed blocks.
    Blocks,
    /// Fields of no CRIU that is known, or of other types.
    Foreign,
}

impl Shape {
    /// The shape of entries, by the numbers and types of their fields.
    pub fn of<'e>(entries: impl Iterator<Item = &'e [u8]>) -> Self {
        let mut shape = Self::Plain;
        for mut body in entries {
            while !body.is_empty() {
                let Ok((number, kind)) = decode_key(&mut body) else { break };
                match (number, kind) {
                    (..=5, _) => {}
                    (6, WireType::LengthDelimited | WireType::Varint) | (7 | 8, WireType::Varint) => {
                        shape = Self::Blocks;
                    }
                    _ => return Self::Foreign,
                }
                if skip_field(kind, number, &mut body, DecodeContext::default()).is_err() {
                    break;
                }
            }
        }
        shape
    }
}

/// The blocks that the entries of a pagemap tell of, if these make up the pages image; or what is wrong.
pub(super) fn blocks_of(
    entries: &[Located<proto::PagemapEntry>],
    page_size: u64,
    pages: &Member,
    limits: &Limits,
) -> Result<Blocks, String> {
    let mut blocks = Vec::new();
    let (mut all, mut given) = (0_u64, 0_u64);
    for entry in entries.iter().map(|entry| &entry.value) {
        let (count, flags) = normalise(entry);
        if !is_stored(flags) {
            continue;
        }
        let at = entry.vaddr.unwrap_or(0);
        let length = entry.region_pages.unwrap_or(1).checked_mul(page_size);
        let length = length.filter(|length| *length > 0 && *length <= LARGEST);
        let length =
            length.ok_or_else(|| format!("the entry at {at:#x} has blocks of no size that CRIU writes"))?;
        let bytes =
            count.checked_mul(page_size).ok_or_else(|| format!("the entry at {at:#x} is too long"))?;
        if bytes.div_ceil(length) != entry.compressed_size.len() as u64 {
            let sizes = entry.compressed_size.len();
            return Err(format!("the entry at {at:#x} for {count} pages has the sizes of {sizes} blocks"));
        }
        let mut rest = bytes;
        let mut total = 0_u64;
        for stored in &entry.compressed_size {
            let length = rest.min(length);
            rest -= length;
            total += u64::from(*stored);
            let block = Block { length: u32::try_from(length).unwrap_or(u32::MAX), stored: *stored };
            if block.stored > block.length {
                return Err(format!("the entry at {at:#x} has a block that is longer than its pages"));
            }
            blocks.push(block);
        }
        if entry.total_compressed_size.is_some_and(|stated| stated != total) {
            return Err(format!("the sizes of the entry at {at:#x} do not add up to its total"));
        }
        all = all.saturating_add(total);
        given = given.saturating_add(bytes);
    }
    if all != pages.size {
        return Err(format!(
            "the sizes of the blocks add up to {all} bytes, and {} has {}",
            pages.name(),
            pages.size
        ));
    }
    if given > limits.decompressed_bytes {
        return Err(format!("{given} bytes are more than is believed (limit decompressed-bytes)"));
    }
    Blocks::new(pages.extent(), blocks).ok_or_else(|| "there is too much of it".to_owned())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ckptfx_testkit::Message;
    use prost::Message as _;

    use super::*;
    use crate::archive::Archive;

    #[test]
    fn fields_of_other_numbers_and_types_are_foreign() {
        let entry = || Message::new().uint(1, 0x1000_u32).uint(2, 0_u32).uint(4, 4_u32).uint(5, 2_u32);
        let shape = |message: Message| {
            let bytes = message.into_bytes();
            match Shape::of(std::iter::once(bytes.as_slice())) {
                Shape::Plain => "plain",
                Shape::Blocks => "blocks",
                Shape::Foreign => "foreign",
            }
        };
        assert_eq!(shape(entry()), "plain");
        let sizes = || entry().packed(6, [10_u32, 20]);
        assert_eq!(shape(sizes().uint(7, 30_u32).uint(8, 1_u32)), "blocks");
        assert_eq!(shape(entry().uint(6, 10_u32)), "blocks");
        assert_eq!(shape(sizes().bytes(7, b"x")), "foreign");
        assert_eq!(shape(sizes().uint(9, 1_u32)), "foreign");
    }

    /// What is said of two pages at one address in a pages image of a size.
    fn blocks(change: impl Fn(&mut proto::PagemapEntry), size: usize) -> Result<Blocks, String> {
        let mut value = proto::PagemapEntry {
            vaddr: Some(0x1000),
            flags: Some(4),
            nr_pages: Some(3),
            compressed_size: vec![100, 0, 4096],
            total_compressed_size: Some(4196),
            ..Default::default()
        };
        change(&mut value);
        let length = value.encoded_len() as u64;
        let entry = Located { value, body: 0..length, payload: length..length };
        let archive = Archive::of_files([(b"pages-1.img".to_vec(), Bytes::from(vec![0; size]))]);
        blocks_of(&[entry], 4096, archive.find(b"pages-1.img").unwrap(), &Limits::DEFAULT)
    }

    #[test]
    fn sizes_must_add_up_to_the_pages_image() {
        assert_eq!(blocks(|_| (), 4196).unwrap().length(), 3 * 4096);
        let two_a_block = |entry: &mut proto::PagemapEntry| {
            entry.region_pages = Some(2);
            entry.compressed_size = vec![100, 4096];
        };
        assert_eq!(blocks(two_a_block, 4196).unwrap().length(), 3 * 4096);
        type Change = fn(&mut proto::PagemapEntry);
        let wrong: [(&str, Change); 8] = [
            ("add up to 4196 bytes", |_| ()),
            ("add up to its total", |entry| entry.total_compressed_size = Some(5000)),
            ("sizes of 2 blocks", |entry| entry.compressed_size.truncate(2)),
            ("sizes of 0 blocks", |entry| entry.compressed_size.clear()),
            ("longer than its pages", |entry| entry.compressed_size = vec![99, 0, 4097]),
            ("no size that CRIU writes", |entry| entry.region_pages = Some(0)),
            ("no size that CRIU writes", |entry| entry.region_pages = Some(1025)),
            ("too long", |entry| entry.nr_pages = Some(u64::MAX)),
        ];
        for (what, change) in wrong {
            let said = blocks(change, if what.contains("4196") { 4197 } else { 4196 }).unwrap_err();
            assert!(said.contains(what), "{what}: {said}");
        }
    }
}
