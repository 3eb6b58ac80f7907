//! A whole checkpoint of the test kit in which fields of messages are changed, doubled, removed and nested: what every
//! analysis makes of images that decode well and mean nonsense.
#![no_main]

#[path = "../../tests/exercise.rs"]
#[allow(dead_code)]
mod exercise;
#[path = "../../tests/mutate.rs"]
mod mutate;

use std::sync::LazyLock;

use ckptfx_testkit::{Container, CrioVersion, Members, PodmanVersion, rich};

static SAMPLES: LazyLock<[Members; 2]> = LazyLock::new(|| {
    [Container::sample().crio(CrioVersion::V1_29), Container::new(rich()).podman(PodmanVersion::V5)]
});

libfuzzer_sys::fuzz_target!(|choices: &[u8]| {
    let Some((first, rest)) = choices.split_first() else { return };
    let mut members = SAMPLES[usize::from(*first) % SAMPLES.len()].clone();
    mutate::members(&mut members, &mut mutate::Choices::of(rest));
    exercise::evidence(members.to_tar().into());
});
