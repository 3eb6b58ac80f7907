//! Text in memory: all of it, once, and where it is.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Ended, address, ckptfx, codes, fixture, on};

fn strings(words: &str, archive: &str) -> Ended {
    on(&format!("strings {words}"), fixture(archive))
}

/// Maximal runs of printable ASCII in some bytes.
fn runs(bytes: &[u8], minimum: usize) -> Vec<(usize, String)> {
    let printable = |byte: u8| byte == b'\t' || (0x20..0x7f).contains(&byte);
    let mut found = Vec::new();
    let mut start = 0;
    for at in 0..=bytes.len() {
        if bytes.get(at).copied().is_some_and(printable) {
            continue;
        }
        if at - start >= minimum {
            found.push((start, String::from_utf8(bytes[start..at].to_vec()).expect("ASCII")));
        }
        start = at + 1;
    }
    found
}

#[test]
fn text_of_a_process_is_that_of_its_captured_runs() {
    let archive = fixture("shop-podman");
    for pid in ["11", "14", "22"] {
        let listed =
            strings(&format!("-n 6 --encoding ascii --source memory --pid {pid} -o json"), "shop-podman")
                .json();
        let found: Vec<(u64, String)> = listed["strings"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|entry| (address(&entry["address"]), entry["text"].as_str().expect("text").to_owned()))
            .collect();
        // The oracle: what dump writes, cut where it says that pieces do not follow one another.
        let pieces = on(&format!("dump --pid {pid} -o json"), &archive).json();
        let bytes = on(&format!("dump --pid {pid}"), &archive).stdout;
        let mut joined: Vec<(u64, Vec<u8>)> = Vec::new();
        for piece in pieces["pieces"].as_array().expect("a list") {
            let Some(from) = piece["file_offset"].as_u64() else { continue };
            // Shared objects are searched by themselves.
            if piece["kind"] == "shared" {
                continue;
            }
            let (start, end) = (address(&piece["start"]), address(&piece["end"]));
            let place = |at: u64| usize::try_from(at).expect("small");
            let content = &bytes[place(from)..place(from + (end - start))];
            match joined.last_mut() {
                Some((base, run)) if *base + run.len() as u64 == start => run.extend_from_slice(content),
                _ => joined.push((start, content.to_vec())),
            }
        }
        let expected: Vec<(u64, String)> = joined
            .iter()
            .flat_map(|(base, run)| runs(run, 6).into_iter().map(move |(at, text)| (base + at as u64, text)))
            .collect();
        assert_eq!(found, expected, "process {pid}");
        assert!(expected.len() > 100);
    }
}

#[test]
fn planted_text_is_found_in_every_encoding_and_place() {
    for archive in ["shop-podman", "shop-crio", "shop-containerd"] {
        let wide = strings("--encoding utf-16le -n 8 -o json", archive).json();
        let wide = wide["strings"].as_array().expect("a list");
        let found = wide
            .iter()
            .find(|entry| entry["text"].as_str().is_some_and(|text| text.contains("WidePassword")));
        assert_eq!(found.expect("the UTF-16 string")["encoding"], "utf-16le");
        let text = strings("", archive).text();
        for planted in ["SPLIT-ACROSS", "hunter2-correct-horse"] {
            assert!(text.contains(planted), "{archive}: {planted}");
        }
    }
}

#[test]
fn counts_and_unique_texts_add_up_to_the_list() {
    let archive = "shop-podman";
    let all = strings("-o jsonl", archive).lines();
    let mut by_process: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut by_text: BTreeMap<String, u64> = BTreeMap::new();
    for entry in &all {
        *by_process.entry((entry["pid"].to_string(), entry["source"].to_string())).or_default() += 1;
        *by_text.entry(entry["text"].to_string()).or_default() += 1;
    }
    let counts = strings("-c -o json", archive).json();
    let counts = counts["counts"].as_array().expect("a list").iter();
    let counted: BTreeMap<_, _> = counts
        .map(|row| {
            ((row["pid"].to_string(), row["source"].to_string()), row["count"].as_u64().expect("a number"))
        })
        .collect();
    assert_eq!(counted, by_process);
    let unique = strings("--unique -o json", archive).json();
    let unique = unique["strings"].as_array().expect("a list");
    let told: BTreeMap<_, _> = unique
        .iter()
        .map(|row| (row["text"].to_string(), row["count"].as_u64().expect("a number")))
        .collect();
    assert_eq!(told, by_text);
    assert!(unique.is_sorted_by_key(|row| std::cmp::Reverse(row["count"].as_u64())));
    // What does not fit is told, and makes the result partial.
    let few = ckptfx(
        ["strings", "--unique", "--max-unique", "10", "-o", "json"]
            .map(Into::into)
            .into_iter()
            .chain([fixture(archive).into_os_string()]),
    )
    .status(3)
    .json();
    assert_eq!(few["strings"].as_array().map(Vec::len), Some(10));
    assert!(codes(&few, true).contains(&"max-unique"));
}

#[test]
fn the_table_is_the_same_for_any_number_of_threads() {
    let one = strings("--threads 1 --encoding all", "shop-crio");
    for threads in 2..5 {
        assert_eq!(strings(&format!("--threads {threads} --encoding all"), "shop-crio").stdout, one.stdout);
    }
    let text = one.text();
    let mut lines = text.lines();
    assert!(lines.next().is_some_and(|head| head.contains("ADDRESS")));
    // The table and the records tell the same places.
    let records: Vec<Value> = strings("--encoding all -o jsonl", "shop-crio").lines();
    assert_eq!(lines.clone().count(), records.len());
    for (line, record) in lines.zip(&records) {
        let place = line.split_whitespace().nth(1).expect("an address");
        match record["address"].as_str() {
            Some(address) => assert_eq!(place, address, "{line}"),
            None => {
                assert_eq!(place, format!("+{:#x}", record["offset"].as_u64().expect("an offset")), "{line}")
            }
        }
    }
}
