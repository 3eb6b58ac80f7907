//! From the description to image files.

mod core;
mod files;
mod mm;
mod system;

use crate::body::Body;
use crate::checkpoint::Checkpoint;
use crate::image::Images;
use crate::memory::{LAZY, PRESENT, Pagemap, SharedKind};
use crate::process::State;
use crate::wire::Message;
use files::Files;
use std::collections::BTreeMap;

impl Checkpoint {
    /// The image files by name, without `stats-dump` and `descriptors.json`.
    pub fn images(&self) -> BTreeMap<String, Body> {
        images(self)
    }

    /// `stats-dump`.
    pub fn stats_dump(&self) -> Vec<u8> {
        stats(self)
    }

    /// `dump.log`.
    pub fn dump_log(&self) -> Vec<u8> {
        dump_log(self)
    }
}

/// Writes every image of a dump.
fn images(checkpoint: &Checkpoint) -> BTreeMap<String, Body> {
    let mut images = Images::new(checkpoint.style());
    let mut pages = BTreeMap::new();
    let mut files = Files::new(checkpoint);
    let processes = checkpoint.all_processes();
    // Of two processes with one pid the first counts.
    let mut numbers = BTreeMap::new();
    for (process, number) in processes.iter().zip(2..) {
        numbers.entry(process.pid).or_insert(number);
    }
    let mut pages_id = 0;
    if !checkpoint.pre_dump || checkpoint.criu.since(3, 10) {
        system::inventory(checkpoint, &mut images);
    }
    for process in &processes {
        let dead = matches!(process.state, State::Dead(_));
        if !checkpoint.pre_dump {
            system::pstree(process, &mut images);
            core::tasks(checkpoint, process, &mut images);
        }
        if dead {
            continue;
        }
        let (mm, pagemap) = mm::build(checkpoint, process, &mut files);
        pages_id += 1;
        let body = pagemap.write(
            &mut images,
            ("pagemap", process.pid.into()),
            pages_id,
            checkpoint.criu,
            checkpoint.storage,
        );
        pages.insert(format!("pages-{pages_id}.img"), body);
        if checkpoint.pre_dump {
            continue;
        }
        mm::write(checkpoint, process.pid, mm, &mut images);
        system::task(checkpoint, process, &numbers, &mut files, &mut images);
    }
    for object in checkpoint.shared.iter().filter(|object| object.dumped) {
        let inline = matches!(object.kind, SharedKind::SysV(..)) && !checkpoint.criu.since(3, 0);
        if inline {
            continue;
        }
        let mut pagemap = Pagemap::new(checkpoint.page_size);
        let natural = if checkpoint.criu.since(3, 5) { PRESENT } else { PRESENT & !LAZY };
        pagemap.insert(0, object.size.max(1), &object.contents, natural);
        pages_id += 1;
        let body = pagemap.write(
            &mut images,
            ("pagemap-shmem", files.shmid(&object.key)),
            pages_id,
            checkpoint.criu,
            checkpoint.storage,
        );
        pages.insert(format!("pages-{pages_id}.img"), body);
    }
    if !checkpoint.pre_dump {
        files.write(&mut images);
        system::namespaces(checkpoint, &mut images, &files);
    }
    for (stem, key, message, payload) in &checkpoint.extra_entries {
        images.add_with(stem, key, message, payload);
    }
    let mut out: BTreeMap<String, Body> =
        images.into_files().into_iter().map(|(name, bytes)| (name, Body::Bytes(bytes))).collect();
    out.extend(pages);
    for (name, bytes) in &checkpoint.extra_files {
        match bytes {
            Some(bytes) => out.insert(name.clone(), Body::Bytes(bytes.clone())),
            None => out.remove(name),
        };
    }
    out
}

/// Statistics that agree with the pages written.
fn stats(checkpoint: &Checkpoint) -> Vec<u8> {
    let pages: u64 = images(checkpoint)
        .iter()
        .filter(|(name, _)| name.starts_with("pages-"))
        .map(|(_, body)| body.len() / checkpoint.page_size)
        .sum();
    let dump = Message::new()
        .uint(1, 1470_u32)
        .uint(2, checkpoint.frozen_time)
        .uint(3, 7488_u32)
        .uint(4, 2827_u32)
        .uint(5, pages + 100)
        .uint(6, 0_u32)
        .uint(7, pages)
        .when(checkpoint.criu.since(1, 2), |dump| dump.uint(8, 0_u32))
        .when(checkpoint.criu.since(3, 5), |dump| dump.uint(9, 0_u32))
        .when(checkpoint.criu.since(3, 13), |dump| {
            dump.uint(10, 1_u32).uint(11, 1_u32).uint(12, 0_u32).uint(13, 0_u32).uint(14, 0_u32)
        });
    checkpoint.style().image("stats-dump", [&Message::new().message(1, &dump)])
}

/// A short log with the lines that carry facts.
fn dump_log(checkpoint: &Checkpoint) -> Vec<u8> {
    let mut log = format!(
        "(00.000024) Version: {}.{} (gitid 0)\n(00.000028) Running on {} Linux 6.1.0-test #1 SMP PREEMPT_DYNAMIC {}\n",
        checkpoint.criu.major,
        checkpoint.criu.minor,
        checkpoint.hostname,
        checkpoint.arch.machine()
    );
    for process in checkpoint.all_processes() {
        log += &format!(
            "(00.034445) Dumping task (pid: {} comm: {})\n",
            4000 + process.pid,
            process.comm.escape_ascii()
        );
    }
    log += "(00.201650) Dumping finished successfully\n";
    log.into_bytes()
}
