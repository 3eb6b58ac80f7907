//! The stored form of `criu dump --stream`: images cut into marked records over shards.

use crate::compress::Outer;
use crate::member::{Kind, Members};
use crate::rng::Rng;
use crate::wire::Message;

/// How a stream is written.
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    /// Number of shards.
    pub shards: usize,
    /// Bytes of a file in one record at most.
    pub record: usize,
    /// Interleaves the files instead of writing one after the other.
    pub interleave: bool,
    /// Leaves the final record out.
    pub truncated: bool,
    /// Seed of the choice of shards.
    pub seed: u64,
    /// Compression of each shard.
    pub outer: Outer,
}

impl Default for Stream {
    fn default() -> Self {
        Self { shards: 1, record: 65536, interleave: false, truncated: false, seed: 1, outer: Outer::None }
    }
}

impl Stream {
    /// So many shards.
    pub fn shards(count: usize) -> Self {
        Self { shards: count, ..Self::default() }
    }

    /// The shards. Records carry a global number; every shard holds a rising subset.
    pub fn write(self, members: &Members) -> Vec<Vec<u8>> {
        let mut open: Vec<(String, Vec<u8>, usize)> = members
            .list
            .iter()
            .filter(|member| member.kind == Kind::File)
            .map(|member| {
                let name = String::from_utf8_lossy(&member.path).into_owned();
                (name, member.body.to_vec(), 0)
            })
            .collect();
        let mut rng = Rng::new(self.seed);
        let mut sequence = 0_u64;
        let mut out = vec![Vec::new(); self.shards];
        let mut emit = |body: Message, data: &[u8]| {
            let marker = Message::new().uint(1, sequence).raw(body.as_bytes());
            let shard = &mut out[rng.below(self.shards as u64) as usize];
            shard.extend((marker.as_bytes().len() as u32).to_le_bytes());
            shard.extend_from_slice(marker.as_bytes());
            shard.extend_from_slice(data);
            sequence += 1;
        };
        let mut turn = 0;
        let mut current = None;
        while !open.is_empty() {
            turn %= open.len();
            let (name, bytes, at) = &mut open[turn];
            if current.as_ref() != Some(name) {
                emit(Message::new().bytes(2, &*name), &[]);
                current = Some(name.clone());
            }
            let end = bytes.len().min(*at + self.record);
            if end > *at {
                emit(Message::new().uint(3, (end - *at) as u64), &bytes[*at..end]);
            }
            *at = end;
            if end == bytes.len() {
                emit(Message::new().flag(4, true), &[]);
                open.remove(turn);
                current = None;
            } else if self.interleave {
                turn += 1;
            }
        }
        if !self.truncated {
            emit(Message::new().flag(5, true), &[]);
        }
        out.iter().map(|shard| self.outer.pack(shard)).collect()
    }
}
