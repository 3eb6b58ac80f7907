//! Which crate knows which.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// The workspace's crates that each crate depends on, in the program and in its tests.
fn arrows() -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().expect("cargo metadata");
    let ours: BTreeSet<String> = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    let arrows = metadata.packages.iter().map(|package| {
        let of = |wanted: fn(DependencyKind) -> bool| {
            let all = package.dependencies.iter().filter(|dependency| wanted(dependency.kind));
            all.map(|dependency| dependency.name.clone()).filter(|name| ours.contains(name)).collect()
        };
        let normal = of(|kind| kind != DependencyKind::Development);
        (package.name.to_string(), (normal, of(|kind| kind == DependencyKind::Development)))
    });
    arrows.collect()
}

#[test]
fn crates_know_only_what_is_below_them() {
    let arrows = arrows();
    let allowed = BTreeMap::from([
        ("ckptfx", vec!["ckptfx-analysis", "ckptfx-export", "ckptfx-parser", "ckptfx-report", "ckptfx-scan"]),
        ("ckptfx-analysis", vec!["ckptfx-parser", "ckptfx-scan"]),
        ("ckptfx-capture", vec!["ckptfx-parser"]),
        (
            "ckptfx-cli",
            vec![
                "ckptfx-analysis",
                "ckptfx-capture",
                "ckptfx-export",
                "ckptfx-parser",
                "ckptfx-report",
                "ckptfx-scan",
            ],
        ),
        ("ckptfx-export", vec!["ckptfx-analysis", "ckptfx-parser", "ckptfx-report"]),
        ("ckptfx-parser", vec![]),
        ("ckptfx-report", vec!["ckptfx-analysis", "ckptfx-parser", "ckptfx-scan"]),
        ("ckptfx-scan", vec![]),
        ("ckptfx-testkit", vec![]),
    ]);
    assert_eq!(
        arrows.keys().map(String::as_str).collect::<Vec<_>>(),
        allowed.keys().copied().collect::<Vec<_>>()
    );
    for (name, (normal, tests)) in &arrows {
        for other in normal {
            assert!(allowed[name.as_str()].contains(&other.as_str()), "{name} must not know {other}");
        }
        for other in tests {
            assert_eq!(other, "ckptfx-testkit", "{name} must not know {other} in its tests");
        }
    }
    assert!(arrows["ckptfx-cli"].0.contains("ckptfx-analysis"));
    assert!(arrows["ckptfx-cli"].0.contains("ckptfx-capture"));
    assert!(arrows["ckptfx-analysis"].0.contains("ckptfx-parser"));
}
