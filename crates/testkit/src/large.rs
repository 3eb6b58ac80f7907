//! Big checkpoints for benchmarks, written as a stream.

use crate::body::Flavor;
use crate::checkpoint::Checkpoint;
use crate::engine::{Container, PodmanVersion};
use crate::memory::Vma;
use crate::process::Process;
use crate::rng::Rng;
use serde_json::{Value, json};
use std::io::{self, Write};

/// What a big checkpoint holds.
#[derive(Debug, Clone)]
pub struct Large {
    /// Bytes of memory, about.
    pub size: u64,
    /// Number of processes.
    pub processes: u32,
    /// Planted string.
    pub needle: Vec<u8>,
    /// How often it is planted.
    pub count: u32,
    /// Seed of everything.
    pub seed: u64,
}

impl Default for Large {
    fn default() -> Self {
        Self { size: 64 << 20, processes: 8, needle: b"ckptfx-needle-5d1e0c".to_vec(), count: 16, seed: 1 }
    }
}

const PAGE: u64 = 4096;
const PIECE: u64 = 64 << 20;

/// Shares of a hundred pages: about what a busy container holds.
const MIX: [(u64, Flavor); 7] = [
    (22, Flavor::Zero),
    (18, Flavor::Pointers),
    (15, Flavor::Code),
    (15, Flavor::Random),
    (10, Flavor::Prose),
    (10, Flavor::Json),
    (10, Flavor::Log),
];

impl Large {
    /// The checkpoint and where the needles are.
    pub fn build(&self) -> (Container, Value) {
        let mut rng = Rng::new(self.seed);
        let share = (self.size / u64::from(self.processes.max(1))).next_multiple_of(PAGE);
        let mut maps: Vec<(u32, Vec<Vma>)> = Vec::new();
        for index in 0..self.processes.max(1) {
            maps.push((10 + index, mappings(share, &mut rng)));
        }
        let mut found = Vec::new();
        let mut tries = 0;
        while found.len() < self.count as usize && tries < 100 * self.count {
            tries += 1;
            let (pid, vmas) = &mut maps[rng.below(u64::from(self.processes.max(1))) as usize];
            let pick = rng.below(vmas.len() as u64) as usize;
            let vma = &mut vmas[pick];
            let room = vma.length / PAGE;
            // Every fourth one lies across a page border.
            let inside = if found.len() % 4 == 3 { PAGE - 7 } else { 64 + rng.below(2048) };
            let offset = rng.below(room.saturating_sub(2).max(1)) * PAGE + inside;
            let area = offset..offset + self.needle.len() as u64;
            let taken = found.iter().any(|(other, at, _): &(u32, u64, u64)| {
                *other == *pid && at.abs_diff(vma.start + offset) < 2 * PAGE
            });
            if taken || area.end > vma.length {
                continue;
            }
            found.push((*pid, vma.start + offset, offset % PAGE));
            vma.contents.bytes(offset, self.needle.clone());
        }
        let mut root = Process::new(1).comm("supervisor").cmdline(["/sbin/supervisor"]);
        for (pid, vmas) in maps {
            let mut child = Process::new(pid)
                .comm(format!("worker-{pid}"))
                .cmdline([format!("/usr/bin/worker-{pid}")])
                .exe("/usr/bin/worker");
            child.vmas = vmas;
            root = root.child(child);
        }
        found.sort_unstable();
        let needles: Vec<Value> = found
            .iter()
            .map(|(pid, address, _)| json!({"pid": pid, "address": format!("{address:#x}")}))
            .collect();
        let truth = json!({
            "needle": String::from_utf8_lossy(&self.needle),
            "size": self.size,
            "seed": self.seed,
            "needles": needles,
        });
        (Container::new(Checkpoint::new().process(root).max_run(4096)), truth)
    }

    /// Writes the checkpoint as an uncompressed Podman archive; returns where the needles are.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<Value> {
        let (container, truth) = self.build();
        container.podman(PodmanVersion::V5).write_tar(out)?;
        Ok(truth)
    }
}

/// Mappings of one process: runs of one kind of page, with holes between.
fn mappings(share: u64, rng: &mut Rng) -> Vec<Vma> {
    let mut out = Vec::new();
    let mut left = share;
    let mut start = 0x7f00_0000_0000;
    while left > 0 {
        let wanted = left.min(PIECE / 4 + rng.below(PIECE));
        let wanted = wanted.next_multiple_of(PAGE).min(left);
        let holes = 1 + wanted / (4 << 20);
        let length = wanted + holes * 16 * PAGE;
        let mut vma = Vma::anonymous(start, length);
        let (mut offset, mut filled) = (0, 0);
        while filled < wanted {
            let pages = (1 + rng.below(400)).min((wanted - filled) / PAGE);
            let mut roll = rng.below(100);
            let flavor = MIX.iter().find(|(weight, _)| {
                let hit = roll < *weight;
                roll = roll.saturating_sub(*weight);
                hit
            });
            let flavor = flavor.map_or(Flavor::Random, |(_, flavor)| *flavor);
            vma = vma.generated(offset, pages * PAGE, flavor, rng.word());
            offset += pages * PAGE;
            filled += pages * PAGE;
            if rng.below(8) == 0 && offset + PAGE + (wanted - filled) <= length {
                offset += PAGE;
            }
        }
        out.push(vma);
        start += length + 0x10_0000;
        left -= wanted;
    }
    out
}
