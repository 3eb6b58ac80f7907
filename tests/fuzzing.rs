//! The fuzz targets of `fuzz/` without a fuzzer: their seeds, what is kept of long runs, and, told by a seed, what is
//! made of these by changing, cutting and joining them.

use std::{
    panic::catch_unwind,
    time::{Duration, Instant},
};

use ckptfx_testkit::{Rng, damage};

use crate::targets::{TARGETS, Target, corpus};

/// Longest that one input may take in a debug build on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// Inputs that are made up for each target.
const ENOUGH: usize = 60;

fn run(target: &Target, bytes: &[u8], what: &str) {
    let started = Instant::now();
    let outcome = catch_unwind(|| (target.run)(bytes));
    assert!(outcome.is_ok(), "{}: {what}: a panic over {} bytes", target.name, bytes.len());
    assert!(started.elapsed() < LIMIT, "{}: {what}: took {:?}", target.name, started.elapsed());
}

/// Something made of two inputs.
fn mutant(one: &[u8], other: &[u8], rng: &mut Rng) -> Vec<u8> {
    if one.is_empty() || other.is_empty() {
        return other.to_vec();
    }
    let at = |bytes: &[u8], rng: &mut Rng| rng.below(bytes.len() as u64) as usize;
    match rng.below(4) {
        0 => damage::cut(one, at(one, rng)),
        1 => {
            let (end, start) = (at(one, rng), at(other, rng));
            [&one[..end], &other[start..]].concat()
        }
        2 => damage::flip(one, at(one, rng)),
        _ => damage::scribble(one, 1 + rng.below(8) as usize, rng.word()),
    }
}

#[test]
fn every_target_survives_its_seeds_and_what_is_made_of_them() {
    for target in &TARGETS {
        let mut inputs = (target.seeds)();
        assert!(inputs.len() >= 2, "{}: {} seeds", target.name, inputs.len());
        inputs.extend(corpus(target.name));
        for (number, input) in inputs.iter().enumerate() {
            run(target, input, &format!("input {number}"));
        }
        let mut rng = Rng::new(7);
        for number in 0..ENOUGH {
            let (one, other) = (rng.pick(&inputs).clone(), rng.pick(&inputs).clone());
            run(target, &mutant(&one, &other, &mut rng), &format!("mutant {number}"));
        }
        println!("{}: {} inputs and {ENOUGH} made of them", target.name, inputs.len());
    }
}

/// Writes the seeds to where `CKPTFX_SEEDS` says, for `cargo fuzz`.
#[test]
fn seeds_are_written_where_they_are_wanted() {
    let Some(directory) = std::env::var_os("CKPTFX_SEEDS") else { return };
    for target in &TARGETS {
        let directory = std::path::Path::new(&directory).join(target.name);
        std::fs::create_dir_all(&directory).expect("made");
        for (number, seed) in (target.seeds)().into_iter().chain(corpus(target.name)).enumerate() {
            std::fs::write(directory.join(format!("seed-{number:03}")), seed).expect("written");
        }
    }
}

/// Each target is built by `fuzz/`, and each that is built is known here.
#[test]
fn the_targets_are_those_of_cargo_fuzz() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let mut files: Vec<String> = std::fs::read_dir(directory)
        .expect("readable")
        .map(|entry| {
            entry.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned()
        })
        .collect();
    let mut known = TARGETS.map(|target| target.name.to_owned()).to_vec();
    files.sort();
    known.sort();
    assert_eq!(files, known);
}
