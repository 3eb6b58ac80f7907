//! Real checkpoints, damaged in every way that can be counted out: never a panic, never a hang, and what is left is
//! still told.
//!
//! A part of the cases, told by a seed, runs each time. `CKPTFX_DAMAGE=all` runs all of them on every archive, and
//! `CKPTFX_DAMAGE=N` N times as many as usual on every archive.

use std::{
    fs,
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use ckptfx_parser::archive::{MemberKind, index_tar};
use ckptfx_testkit::{Members, Rng, damage};

use crate::{
    exercise::{self, Outcome},
    mutate,
    support::{ARCHIVES, codes, members, on_bytes, plain},
};

/// Longest that one case may take in a debug build on a busy machine. The slowest takes a twentieth of it. Who runs all
/// of them for hours may have other things done meanwhile.
fn limit() -> Duration {
    Duration::from_secs(if factor().is_some() { 60 } else { 1200 })
}

/// How many times as many cases as usual are wanted; none for all there are.
fn factor() -> Option<usize> {
    match std::env::var("CKPTFX_DAMAGE") {
        Ok(value) if value == "all" => None,
        Ok(value) => Some(value.parse().expect("CKPTFX_DAMAGE is `all` or a number")),
        Err(_) => Some(1),
    }
}

/// A number of cases, of at most `most`.
fn cases(usual: u64, most: u64) -> u64 {
    factor().map_or(most, |factor| most.min(usual * factor as u64))
}

/// Cases that were run and the slowest of them.
#[derive(Default)]
struct Tally {
    cases: usize,
    slowest: (Duration, String),
}

impl Tally {
    /// Looks at damaged evidence in every way.
    #[track_caller]
    fn run(&mut self, what: &str, bytes: Vec<u8>) -> Outcome {
        self.time(what, || exercise::evidence(Bytes::from(bytes)))
    }

    #[track_caller]
    fn time(&mut self, what: &str, look: impl FnOnce() -> Outcome) -> Outcome {
        let started = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(look));
        let took = started.elapsed();
        assert!(took < limit(), "{what}: took {took:?}");
        self.cases += 1;
        if took > self.slowest.0 {
            self.slowest = (took, what.to_owned());
        }
        outcome.unwrap_or_else(|_| panic!("{what}: a panic"))
    }

    /// Looks at several things, with all cores when all cases are wanted.
    fn over<T: Sync>(&mut self, items: &[T], look: impl Fn(&T, &mut Self) + Sync) {
        let workers = factor().map_or_else(|| thread::available_parallelism().map_or(1, NonZero::get), |_| 1);
        let next = AtomicUsize::new(0);
        let work = || {
            let mut tally = Self::default();
            while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                look(item, &mut tally);
            }
            tally
        };
        thread::scope(|scope| {
            let started: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            for worker in started {
                let tally = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
                self.cases += tally.cases;
                if tally.slowest.0 > self.slowest.0 {
                    self.slowest = tally.slowest;
                }
            }
        });
    }

    /// For the figures of `docs/reliability.md`, with `--nocapture`.
    fn report(&self, what: &str) {
        let (took, slowest) = &self.slowest;
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default().trim();
        println!(
            "{what}: {} cases, the slowest took {took:.2?} ({slowest}), peak of memory {peak}",
            self.cases
        );
        assert!(self.cases > 0, "{what}: no case was run");
    }
}

/// Archives without the gigabytes that say nothing more: pages are kept up to 64 KiB.
fn small(name: &str) -> Members {
    brief(members(&plain(name)), |path| path.contains("pages-"), 64 << 10)
}

/// Leaves no more than so many bytes of each member of such a path.
fn brief(mut members: Members, path: impl Fn(&str) -> bool, length: usize) -> Members {
    for member in &mut members.list {
        let body = member.body.to_vec();
        if body.len() > length && path(&String::from_utf8_lossy(&member.path)) {
            member.body = damage::cut(&body, length).into();
        }
    }
    members
}

/// The archives that are damaged: two engines each time, or all.
fn archives() -> &'static [&'static str] {
    if factor() != Some(1) { &ARCHIVES } else { &["scenarios/log", "webserver-crio"] }
}

/// Of `count` cases those that are run, at most `wanted` unless all are.
fn chosen(count: usize, wanted: usize, seed: u64) -> Vec<usize> {
    let wanted = factor().map_or(count, |factor| wanted * factor);
    if count <= wanted {
        return (0..count).collect();
    }
    let mut rng = Rng::new(seed);
    (0..wanted).map(|_| rng.below(count as u64) as usize).collect()
}

#[test]
fn cut_at_every_border_and_at_random_bytes() {
    let mut tally = Tally::default();
    for name in archives() {
        let members = small(name);
        let cuts = damage::cuts(&members);
        let whole = tally.run(name, members.to_tar());
        assert!(whole.opened && !whole.pids.is_empty(), "{name}: {whole:?}");
        tally.over(&chosen(cuts.len(), 40, 1), |index, tally| {
            tally.run(&format!("{name} cut at border {index}"), cuts[*index].clone());
        });
        let tar = members.to_tar();
        let mut rng = Rng::new(2);
        let lengths: Vec<usize> = (0..cases(20, 200)).map(|_| rng.below(tar.len() as u64) as usize).collect();
        tally.over(&lengths, |length, tally| {
            let cut = tally.run(&format!("{name} cut at {length}"), damage::cut(&tar, *length));
            // What the rest of an archive tells is never taken for the whole.
            if cut.opened && length + 1024 < tar.len() {
                assert!(!cut.losses.is_empty(), "{name} cut at {length} without a word");
            }
        });
    }
    tally.report("cuts");
}

#[test]
fn bytes_of_images_flipped() {
    let mut tally = Tally::default();
    for name in archives() {
        // The logs have tests of their own, and no flip here is in one.
        let members = brief(small(name), |path| path.ends_with("dump.log"), 16 << 10);
        let tar = Bytes::from(members.to_tar());
        let archive = index_tar(&tar, name, &exercise::LIMITS);
        let mut places = Vec::new();
        for member in archive.members().iter().filter(|member| member.kind == MemberKind::File) {
            // Pages are not interpreted.
            if member.path.ends_with(b".img") && member.size <= 4096 {
                let start = member.bytes().as_ptr().addr() - tar.as_ptr().addr();
                places.extend((0..member.bytes().len()).map(|at| (start + at, at, &member.path)));
            }
        }
        tally.over(&chosen(places.len(), 150, 3), |place, tally| {
            let (place, at, path) = places[*place];
            let what = format!("{name}: byte {at} of {}", String::from_utf8_lossy(path));
            // The other images are decoded as they were before.
            tally.time(&what, || {
                exercise::evidence_and(damage::flip(&tar, place).into(), &|member| member.path == *path)
            });
        });
        println!("{name}: {} places, {} cases so far", places.len(), tally.cases);
    }
    tally.report("flips");
}

#[test]
fn members_removed_doubled_and_permuted() {
    let mut tally = Tally::default();
    for name in archives() {
        let members = small(name);
        let whole = tally.run(name, members.to_tar());
        tally.over(&chosen(members.list.len(), 60, 5), |index, tally| {
            let mut without = members.clone();
            let gone = without.list.remove(*index);
            let path = String::from_utf8_lossy(&gone.path).into_owned();
            let outcome = tally.run(&format!("{name} without {path}"), without.to_tar());
            // The process tree survives the loss of anything but itself.
            if !path.ends_with("pstree.img") {
                assert_eq!(outcome.pids, whole.pids, "{name} without {path}");
            }
            let is_core = path.contains("/core-") || path.contains("/mm-") || path.contains("/pagemap-");
            if is_core {
                let missing = |outcome: &Outcome| {
                    outcome.losses.iter().filter(|code| **code == "missing-image").count()
                };
                assert!(missing(&outcome) > missing(&whole), "{name} without {path}: not a word");
            }
            let mut doubled = members.clone();
            let at = Rng::new(*index as u64).below(members.list.len() as u64) as usize;
            doubled.list.insert(at, members.list[*index].clone());
            let outcome = tally.run(&format!("{name} with {path} twice"), doubled.to_tar());
            assert_eq!(outcome.pids, whole.pids, "{name} with {path} twice");
        });
        let seeds: Vec<u64> = (0..cases(5, 50)).collect();
        tally.over(&seeds, |seed, tally| {
            let permuted = damage::permute(members.clone(), *seed).to_tar();
            let outcome = tally.run(&format!("{name} permuted by {seed}"), permuted);
            assert_eq!(outcome, whole, "{name}: the order of members makes a difference (seed {seed})");
        });
    }
    tally.report("members");
}

#[test]
fn scribbled_and_compressed() {
    let mut tally = Tally::default();
    for name in archives() {
        let tar = small(name).to_tar();
        let packed =
            [ckptfx_testkit::Outer::Gzip, ckptfx_testkit::Outer::Zstd].map(|packer| packer.pack(&tar));
        let seeds: Vec<u64> = (0..cases(15, 200)).collect();
        tally.over(&seeds, |seed, tally| {
            tally.run(&format!("{name} scribbled by {seed}"), damage::scribble(&tar, 40, *seed));
            let packed = &packed[*seed as usize % 2];
            tally.run(&format!("{name} packed, scribbled by {seed}"), damage::scribble(packed, 2, *seed));
        });
    }
    tally.report("scribbles");
}

#[test]
fn the_program_tells_each_loss_and_still_shows_the_tree() {
    let members = members(&plain("scenarios/webshell"));
    let pids = |document: &serde_json::Value| -> Vec<u64> {
        let processes = document["processes"].as_array().expect("processes");
        processes.iter().map(|process| process["pid"].as_u64().expect("pid")).collect()
    };
    let whole = pids(&on_bytes("ps -o json", members.to_tar()).status(0).json());
    // A process whose table of descriptors is lost is not one without descriptors.
    let tables: Vec<String> = members
        .list
        .iter()
        .map(|member| String::from_utf8_lossy(&member.path).into_owned())
        .filter(|path| path.contains("/fdinfo-"))
        .collect();
    assert!(!tables.is_empty());
    for path in tables {
        let ended = on_bytes("files -o json", damage::without(members.clone(), &path).to_tar()).status(3);
        assert!(ended.stderr.contains("which descriptors"), "{path}: {}", ended.stderr);
    }
    for image in ["core-1.img", "mm-1.img", "pagemap-1.img", "files.img", "inventory.img", "pstree.img"] {
        let path = format!("checkpoint/{image}");
        let document =
            on_bytes("ps -o json", damage::without(members.clone(), &path).to_tar()).status(3).json();
        let warnings = document["warnings"].to_string();
        assert!(warnings.contains(image), "{image}: {warnings}");
        assert!(codes(&document, true).contains(&"missing-image"), "{warnings}");
        assert_eq!(pids(&document).len(), whole.len(), "{image}");
    }
}

#[test]
fn messages_changed_as_messages() {
    let mut tally = Tally::default();
    let samples = [
        ckptfx_testkit::Container::sample().crio(ckptfx_testkit::CrioVersion::V1_29),
        ckptfx_testkit::Container::new(ckptfx_testkit::rich()).podman(ckptfx_testkit::PodmanVersion::V5),
        small("scenarios/log"),
    ];
    let seeds: Vec<u64> = (0..cases(300, 20_000)).collect();
    tally.over(&seeds, |seed, tally| {
        let mut choices = [0; 64];
        Rng::new(*seed).fill(&mut choices);
        let mut members = samples[*seed as usize % samples.len()].clone();
        mutate::members(&mut members, &mut mutate::Choices::of(&choices));
        tally.run(&format!("messages changed by {seed}"), members.to_tar());
    });
    tally.report("messages");
}
