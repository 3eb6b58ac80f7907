//! `decode` reads every image of every real checkpoint.

use ckptfx_testkit::{Arch, Checkpoint, Container, PodmanVersion, RECIPES, rich};
use serde_json::Value;

use crate::support::{ARCHIVES, Scratch, ckptfx, members, on_bytes, plain};

fn images(tar: &[u8]) -> Vec<String> {
    let members = members(tar);
    let names = members.list.iter().filter(|member| !member.body.is_empty());
    let names = names.map(|member| String::from_utf8(member.path.clone()).expect("a plain name"));
    names.filter(|name| name.ends_with(".img") || name.ends_with("stats-dump")).collect()
}

#[test]
fn every_image_of_every_real_checkpoint() {
    let scratch = Scratch::new();
    for archive in ARCHIVES {
        let tar = plain(archive);
        let path = scratch.put("archive.tar", &tar);
        let names = images(&tar);
        assert!(names.len() > 20, "{archive}");
        let words = ["decode".into(), path.into_os_string()].into_iter();
        let ended = ckptfx(words.chain(names.iter().map(Into::into))).status(0);
        assert_eq!(ended.stderr, "", "{archive}");
        let documents = ended.json();
        let documents = documents.as_array().expect("several documents");
        assert_eq!(documents.len(), names.len(), "{archive}");
        for (document, name) in documents.iter().zip(&names) {
            assert_eq!(document["warnings"].as_array().map(Vec::len), Some(0), "{name} of {archive}");
            let entries = document["entries"].as_array().expect("entries");
            // Only an image of raw pages has no entries.
            assert!(!entries.is_empty() || document["image"]["message"].is_null(), "{name} of {archive}");
            let text = document["entries"].to_string();
            for word in ["unknown_fields", "missing_fields", "undecodable"] {
                assert!(!text.contains(word), "{word} in {name} of {archive}");
            }
        }
    }
}

#[test]
fn golden_images() {
    let scratch = Scratch::new();
    let path = scratch.put("log.tar", plain("scenarios/log"));
    let decode =
        |image: &str| ckptfx(["decode".into(), path.clone().into_os_string(), image.into()]).status(0).text();
    for image in ["inventory.img", "pstree.img", "core-1.img", "fs-1.img", "files.img", "pagemap-1.img"] {
        insta::assert_snapshot!(format!("decode-{}", image.trim_end_matches(".img")), decode(image));
    }
}

#[test]
fn an_image_by_itself_says_the_same() {
    for (name, tar) in [
        ("log", plain("scenarios/log")),
        ("rich", Container::new(rich()).podman(PodmanVersion::V5).to_tar()),
        ("s390x", Container::new(Checkpoint::sample().arch(Arch::S390x)).podman(PodmanVersion::V5).to_tar()),
    ] {
        let scratch = Scratch::new();
        let path = scratch.put("archive.tar", &tar);
        let unpacked = scratch.path("unpacked");
        members(&tar).to_dir(&unpacked).expect("unpacked");
        for image in images(&tar) {
            // Flags have other numbers on other machines, which an image by itself does not tell.
            if name == "s390x" && !image.ends_with("pstree.img") && !image.contains("pagemap") {
                continue;
            }
            let inside =
                ckptfx(["decode".into(), path.clone().into_os_string(), (&image).into()]).status(0).json();
            let alone = ckptfx(["decode".into(), unpacked.join(&image).into_os_string()]).status(0).json();
            assert_eq!(alone["entries"], inside["entries"], "{image} of {name}");
            assert_eq!(alone["image"], inside["image"], "{image} of {name}");
        }
    }
}

#[test]
fn images_of_all_releases_and_machines() {
    for (name, make) in RECIPES.iter().filter(|(name, _)| {
        name.starts_with("criu-") || ["s390x", "aarch64", "arm", "ppc64le", "x86-compat"].contains(name)
    }) {
        let tar = make();
        let scratch = Scratch::new();
        let path = scratch.put("archive.tar", &tar);
        let words = ["decode".into(), path.into_os_string()].into_iter();
        let ended = ckptfx(words.chain(images(&tar).iter().map(Into::into)));
        assert_eq!(ended.status, Some(0), "{name}: {}", ended.stderr);
    }
}

#[test]
fn fields_of_the_future_are_kept() {
    let (_, make) = RECIPES.iter().find(|(name, _)| *name == "unknown-fields").expect("a recipe");
    let scratch = Scratch::new();
    let path = scratch.put("archive.tar", make()).into_os_string();
    let ended = ckptfx(["decode".into(), path, "pstree.img".into()]);
    assert!(ended.text().contains("77"), "{}", ended.text());
}

#[test]
fn what_cannot_be_decoded() {
    let tar = plain("scenarios/log");
    let scratch = Scratch::new();
    let path = scratch.put("archive.tar", &tar).into_os_string();
    let missing = ckptfx(["decode".into(), path.clone(), "nothing.img".into()]).status(2);
    assert!(missing.stderr.contains("no member nothing.img"), "{}", missing.stderr);
    ckptfx(["decode".into(), path, "config.dump".into()]).status(2);
    on_bytes("decode -o csv", "x").status(2);
    on_bytes("decode", "this is no image").status(2);
    let pstree = members(&tar).find("checkpoint/pstree.img").expect("an image").body.to_vec();
    let cut = scratch.put("pstree.img", &pstree[..pstree.len() - 1]).into_os_string();
    let ended = ckptfx(["decode".into(), cut]).status(3);
    assert_ne!(ended.json()["warnings"], Value::Array(Vec::new()));
}
