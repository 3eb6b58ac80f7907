//! How many raw bytes follow a message and belong to it, told by the encoded message alone, so that readers with
//! and without the schema agree (`format.md §8.3`, `§8.4`, `§9.3`, `§9.5`, `§11.3`).

use std::ops::Range;

use super::{order::ByteOrder, registry::Payload};
use crate::wire::{self, Malformed};

/// The file type bits of `st_mode`.
const FILE_TYPE: u64 = 0o170_000;
/// A regular file in `st_mode`.
const REGULAR: u64 = 0o100_000;

/// The payload is not what its message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Bytes from the start of the payload that are there.
    pub(crate) usable: usize,
    /// Where the damage begins, in bytes from the start of the payload.
    pub(crate) offset: usize,
    /// A plain sentence.
    pub(crate) message: String,
}

/// A message inside a payload and the raw bytes that follow it; positions in the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// The encoded message.
    pub(crate) body: Range<usize>,
    /// The bytes after it, without padding; fewer than announced if the payload is cut.
    pub(crate) data: Range<usize>,
}

/// The length of the payload that the message `body` announces, out of the `rest` of the image.
pub(crate) fn measure(rule: Payload, body: &[u8], rest: &[u8], order: ByteOrder) -> Result<usize, Damage> {
    let announced = match rule {
        Payload::None => Ok(Some(0)),
        Payload::PipeData | Payload::SocketPacket => count(body, 2).map(Some),
        Payload::TcpQueues => sum(body, 1, 3),
        Payload::BpfMap => sum(body, 2, 3),
        Payload::SharedMemory => shared_memory(body),
        Payload::Semaphores => count(body, 2)
            .map(|values| values.checked_mul(2).and_then(|bytes| bytes.checked_next_multiple_of(8))),
        Payload::Messages | Payload::Ghost => return nested(rule, body, rest, order),
    };
    let announced = announced.map_err(|Malformed| unknown(0))?;
    let fits =
        announced.and_then(|length| usize::try_from(length).ok()).filter(|length| *length <= rest.len());
    fits.ok_or_else(|| Damage {
        usable: rest.len(),
        offset: rest.len(),
        message: match announced {
            Some(length) => {
                format!("the entry is followed by {} of the {length} bytes that it announces", rest.len())
            }
            None => "the entry announces more bytes than a file can hold".to_owned(),
        },
    })
}

/// The payload of a ghost or message queue entry.
fn nested(rule: Payload, body: &[u8], rest: &[u8], order: ByteOrder) -> Result<usize, Damage> {
    if rule == Payload::Ghost {
        let regular = is_regular(body).map_err(|Malformed| unknown(rest.len()))?;
        let chunked = is_chunked(body).map_err(|Malformed| unknown(rest.len()))?;
        if !regular {
            return Ok(0);
        }
        if !chunked {
            return Ok(rest.len());
        }
    }
    let mut parts = Parts::new(rule, body, rest, order).map_err(|Malformed| unknown(0))?;
    for part in &mut parts {
        part?;
    }
    Ok(parts.position)
}

/// Whether a ghost entry describes a regular file; one without `mode` is taken for one.
pub(crate) fn is_regular(body: &[u8]) -> Result<bool, Malformed> {
    Ok(wire::integer(body, 3)?.is_none_or(|mode| mode & FILE_TYPE == REGULAR))
}

/// Whether the content of a ghost is divided into chunks.
pub(crate) fn is_chunked(body: &[u8]) -> Result<bool, Malformed> {
    Ok(wire::integer(body, 9)?.is_some_and(|value| value != 0))
}

fn unknown(usable: usize) -> Damage {
    Damage {
        usable,
        offset: 0,
        message: "the entry is damaged, so that the length of what follows is unknown".to_owned(),
    }
}

/// A 32-bit field as a protobuf reader takes it: the low half of what is encoded.
fn count(body: &[u8], number: u32) -> Result<u64, Malformed> {
    Ok(wire::integer(body, number)?.unwrap_or(0) & u64::from(u32::MAX))
}

fn sum(body: &[u8], first: u32, second: u32) -> Result<Option<u64>, Malformed> {
    Ok(count(body, first)?.checked_add(count(body, second)?))
}

fn shared_memory(body: &[u8]) -> Result<Option<u64>, Malformed> {
    if wire::integer(body, 3)?.is_some_and(|in_pagemaps| in_pagemaps != 0) {
        return Ok(Some(0));
    }
    Ok(wire::integer(body, 2)?.unwrap_or(0).checked_next_multiple_of(4))
}

/// The messages inside the payload of a message queue or a ghost.
#[derive(Debug, Clone)]
pub(crate) struct Parts<'a> {
    payload: &'a [u8],
    order: ByteOrder,
    position: usize,
    /// Parts still to come; `None`: up to the end.
    left: Option<u64>,
    rule: Payload,
}

impl<'a> Parts<'a> {
    /// Walks over `payload`, which follows the message `body`.
    pub(crate) fn new(
        rule: Payload,
        body: &[u8],
        payload: &'a [u8],
        order: ByteOrder,
    ) -> Result<Self, Malformed> {
        let left = if rule == Payload::Messages { Some(count(body, 3)?) } else { None };
        Ok(Self { payload, order, position: 0, left, rule })
    }

    fn damage(&self, message: &str) -> Damage {
        Damage { usable: self.payload.len(), offset: self.position, message: message.to_owned() }
    }

    fn part(&mut self) -> Result<Part, Damage> {
        let start = self.position;
        let size =
            self.order.word(self.payload, start).ok_or_else(|| self.damage("the size of a part is cut"))?;
        let body = range(start.checked_add(4), u64::from(size))
            .filter(|body| body.end <= self.payload.len())
            .ok_or_else(|| self.damage("a part is cut or its size is wrong"))?;
        let encoded = self.payload.get(body.clone()).unwrap_or_default();
        let (announced, multiple) = match self.rule {
            Payload::Messages => (count(encoded, 2), 8),
            _ => (wire::integer(encoded, 1).map(Option::unwrap_or_default), 1),
        };
        let announced = announced.map_err(|Malformed| self.damage("a part is damaged"))?;
        let data = range(Some(body.end), announced).filter(|data| data.end <= self.payload.len());
        let padded =
            announced.checked_next_multiple_of(multiple).and_then(|length| range(Some(body.end), length));
        if let (Some(data), Some(padded)) = (data, padded)
            && padded.end <= self.payload.len()
        {
            self.position = padded.end;
            return Ok(Part { body, data });
        }
        // The bytes that are there are kept: the next step reports the damage.
        let data = body.end..self.payload.len();
        self.position = self.payload.len();
        self.left = Some(u64::MAX);
        Ok(Part { body, data })
    }
}

impl Iterator for Parts<'_> {
    type Item = Result<Part, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.left {
            None if self.position == self.payload.len() => return None,
            None => {}
            Some(0) => return None,
            Some(left) => *left -= 1,
        }
        let part = self.part();
        if part.is_err() {
            self.left = Some(0);
        }
        Some(part)
    }
}

fn range(start: Option<usize>, length: u64) -> Option<Range<usize>> {
    let start = start?;
    Some(start..start.checked_add(usize::try_from(length).ok()?)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::proto;

    const RULES: [Payload; 9] = [
        Payload::None,
        Payload::PipeData,
        Payload::SocketPacket,
        Payload::TcpQueues,
        Payload::BpfMap,
        Payload::SharedMemory,
        Payload::Messages,
        Payload::Semaphores,
        Payload::Ghost,
    ];

    fn measured(rule: Payload, body: &impl prost::Message, rest: &[u8]) -> Result<usize, usize> {
        measure(rule, &body.encode_to_vec(), rest, ByteOrder::Little).map_err(|damage| damage.usable)
    }

    #[test]
    fn counted() {
        let rest = [0; 100];
        let pipe = proto::PipeDataEntry { bytes: Some(7), ..Default::default() };
        assert_eq!(measured(Payload::PipeData, &pipe, &rest), Ok(7));
        assert_eq!(measured(Payload::PipeData, &pipe, &rest[..3]), Err(3));
        let stream = proto::TcpStreamEntry { inq_len: Some(3), outq_len: Some(4), ..Default::default() };
        assert_eq!(measured(Payload::TcpQueues, &stream, &rest), Ok(7));
        let map = proto::BpfmapDataEntry { keys_bytes: Some(3), values_bytes: Some(5), ..Default::default() };
        assert_eq!(measured(Payload::BpfMap, &map, &rest), Ok(8));
        let packet = proto::SkPacketEntry { length: Some(9), ..Default::default() };
        assert_eq!(measured(Payload::SocketPacket, &packet, &rest), Ok(9));
        let semaphores = proto::IpcSemEntry { nsems: Some(5), ..Default::default() };
        assert_eq!(measured(Payload::Semaphores, &semaphores, &rest), Ok(16));
    }

    #[test]
    fn shared_memory_is_inline_unless_in_pagemaps() {
        let mut segment = proto::IpcShmEntry { size: Some(5), ..Default::default() };
        assert_eq!(measured(Payload::SharedMemory, &segment, &[0; 8]), Ok(8));
        segment.in_pagemaps = Some(false);
        assert_eq!(measured(Payload::SharedMemory, &segment, &[0; 8]), Ok(8));
        segment.in_pagemaps = Some(true);
        assert_eq!(measured(Payload::SharedMemory, &segment, &[0; 8]), Ok(0));
        segment.in_pagemaps = None;
        segment.size = Some(u64::MAX);
        assert_eq!(measured(Payload::SharedMemory, &segment, &[0; 8]), Err(8));
    }

    #[test]
    fn ghosts() {
        let mut ghost = proto::GhostFileEntry { mode: Some(0o100_644), ..Default::default() };
        assert_eq!(measured(Payload::Ghost, &ghost, b"content"), Ok(7));
        ghost.mode = Some(0o120_777);
        assert_eq!(measured(Payload::Ghost, &ghost, b"content"), Ok(0));
        ghost.mode = Some(0o100_644);
        ghost.chunks = Some(true);
        assert_eq!(measured(Payload::Ghost, &ghost, b""), Ok(0));
        let chunk = proto::GhostChunkEntry { len: Some(3), off: Some(4096) }.encode_to_vec();
        let mut rest = u32::try_from(chunk.len()).unwrap().to_le_bytes().to_vec();
        rest.extend(&chunk);
        rest.extend(b"abc");
        assert_eq!(measured(Payload::Ghost, &ghost, &rest), Ok(rest.len()));
        rest.pop();
        assert_eq!(measured(Payload::Ghost, &ghost, &rest), Err(rest.len()));
        let parts: Vec<_> = Parts::new(Payload::Ghost, &[], &rest, ByteOrder::Little).unwrap().collect();
        assert_eq!(parts.len(), 2, "the cut part is kept");
        assert!(parts[1].is_err());
    }

    #[test]
    fn messages() {
        let queue = proto::IpcMsgEntry { qnum: Some(2), ..Default::default() };
        let mut rest = Vec::new();
        for (mtype, text) in [(1, &b"hello"[..]), (2, b"12345678")] {
            let message =
                proto::IpcMsg { mtype: Some(mtype), msize: Some(u32::try_from(text.len()).unwrap()) }
                    .encode_to_vec();
            rest.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
            rest.extend(message);
            rest.extend(text);
            rest.extend(vec![0; text.len().next_multiple_of(8) - text.len()]);
        }
        let length = rest.len();
        rest.extend(b"next entry");
        let body = queue.encode_to_vec();
        assert_eq!(measure(Payload::Messages, &body, &rest, ByteOrder::Big), Ok(length));
        let parts: Vec<_> = Parts::new(Payload::Messages, &body, &rest, ByteOrder::Big)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(&rest[parts[0].data.clone()], b"hello");
        assert_eq!(&rest[parts[1].data.clone()], b"12345678");
    }

    proptest! {
        #[test]
        fn never_more_than_there_is(
            body in proptest::collection::vec(any::<u8>(), 0..60),
            rest in proptest::collection::vec(any::<u8>(), 0..200),
            big in any::<bool>(),
        ) {
            let order = if big { ByteOrder::Big } else { ByteOrder::Little };
            for rule in RULES {
                match measure(rule, &body, &rest, order) {
                    Ok(length) => prop_assert!(length <= rest.len()),
                    Err(damage) => prop_assert!(damage.usable <= rest.len() && damage.offset <= rest.len()),
                }
            }
        }

        #[test]
        fn no_length_overflows(first in any::<u64>(), second in any::<u64>(), third in any::<u64>()) {
            let mut body = Vec::new();
            for (number, value) in [(1, first), (2, second), (3, third), (9, first)] {
                prost::encoding::uint64::encode(number, &value, &mut body);
            }
            for rule in RULES {
                let _ = measure(rule, &body, &[1; 64], ByteOrder::Little);
            }
        }
    }
}
