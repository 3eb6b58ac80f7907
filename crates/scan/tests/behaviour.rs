//! Single promises of the scanner, one test each.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ckptfx_scan::{Encoding, Encodings, Hit, Options, Outcome, PatternKind, Plan, PlanBuilder, Region};

fn literal(bytes: &[u8]) -> PatternKind {
    PatternKind::Literal(bytes.to_vec())
}

fn regex(text: &str) -> PatternKind {
    PatternKind::Regex(text.to_owned())
}

fn hex(text: &str) -> PatternKind {
    PatternKind::Hex(text.to_owned())
}

fn one(pattern: PatternKind) -> PlanBuilder {
    PlanBuilder::new().pattern(pattern)
}

fn small(chunk_bytes: usize) -> Options<'static> {
    Options { chunk_bytes, tile_bytes: 7, hit_buffer: 5, ..Options::default() }
}

/// Offset, length, pattern, encoding of all hits, the same for several chunk sizes.
fn hits(plan: &Plan, bytes: &[u8]) -> Vec<(usize, usize, usize, Encoding)> {
    let run = |options: &Options<'_>| {
        let mut hits = Vec::new();
        plan.scan(&[Region::new(0, bytes)], options, &mut |hit: Hit| {
            hits.push((hit.offset, hit.length, hit.pattern, hit.encoding));
            ControlFlow::Continue(())
        });
        hits
    };
    let whole = run(&Options::default());
    for chunk in [1, 2, 3, 5, 16, 64] {
        assert_eq!(run(&small(chunk)), whole, "chunk {chunk}");
    }
    whole
}

fn offsets(plan: &Plan, bytes: &[u8]) -> Vec<usize> {
    hits(plan, bytes).into_iter().map(|hit| hit.0).collect()
}

#[test]
fn nothing_in_nothing() {
    let plan = one(literal(b"a")).build().unwrap();
    assert_eq!(hits(&plan, b""), []);
    assert_eq!(hits(&PlanBuilder::new().build().unwrap(), b"abc"), []);
    let summary = plan.scan(&[], &Options::default(), &mut |_| ControlFlow::Continue(()));
    assert_eq!((summary.bytes_scanned, summary.hits, summary.outcome), (0, 0, Outcome::Complete));
}

#[test]
fn nul_and_bytes_that_are_not_text() {
    let plan = one(literal(b"\0\xff\0")).build().unwrap();
    assert_eq!(offsets(&plan, b"\0\xff\0\xff\0..\0\xff\0"), [0, 7]);
    assert!(one(literal(b"\xff")).encodings(Encodings::ALL).build().unwrap().notes().len() == 2);
}

#[test]
fn both_ends_of_a_region_match_and_no_match_bridges_two() {
    let plan = one(literal(b"ab")).build().unwrap();
    assert_eq!(offsets(&plan, b"ab..ab"), [0, 4]);
    let regions = [Region::new(0, b"xxa"), Region::new(3, b"bab")];
    for chunk in 1..8 {
        assert_eq!(plan.count(&regions, &small(chunk)).per_pattern, [1]);
    }
}

#[test]
fn all_patterns_at_one_place_are_reported_in_order() {
    let patterns = ["abcd", "abc", "ab", "bcd", "abc", "zzz", "yyy", "xxx"].map(|it| literal(it.as_bytes()));
    let plan = PlanBuilder::new().patterns(patterns).build().unwrap();
    let found: Vec<_> = hits(&plan, b".abcd").into_iter().map(|hit| (hit.0, hit.2)).collect();
    assert_eq!(found, [(1, 0), (1, 1), (1, 2), (1, 4), (2, 3)]);
}

#[test]
fn hundreds_of_literals_are_all_found() {
    let words: Vec<String> = (0..1500).map(|at| format!("k{at:04}v")).collect();
    let text = words.join(" ");
    for ignore_case in [false, true] {
        let patterns = words.iter().map(|word| literal(word.to_uppercase().as_bytes()));
        let plan = PlanBuilder::new().patterns(patterns).ignore_case(ignore_case).build().unwrap();
        let counts = plan.count(&[Region::new(0, text.as_bytes())], &Options::default());
        let small = plan.count(
            &[Region::new(0, text.as_bytes())],
            &Options { tile_bytes: 100, chunk_bytes: 333, ..Options::default() },
        );
        assert_eq!(counts.per_pattern, vec![u64::from(ignore_case); words.len()]);
        assert_eq!(counts, small);
    }
}

#[test]
fn hex_patterns() {
    let bytes = b"\xde\xad\x00\xbe\xef.\xde\xad\xff\xbe\xef\x12\x1f\xf1";
    let of = |text: &str| {
        hits(&one(hex(text)).build().unwrap(), bytes).iter().map(|hit| (hit.0, hit.1)).collect::<Vec<_>>()
    };
    assert_eq!(of("dead ?? be"), [(0, 4), (6, 4)]);
    assert_eq!(of("de[1-8]be"), [(0, 4), (6, 4)]);
    assert_eq!(of("de[3]ef"), [(0, 5), (6, 5)]);
    assert_eq!(of("1?"), [(11, 1), (12, 1)]);
    assert_eq!(of("?f f?"), [(12, 2)]);
    assert_eq!(of("00 BE"), [(2, 2)]);
}

#[test]
fn utf16_in_both_orders_at_any_offset() {
    let wide =
        |text: &str, order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let bytes = [
        b"x".to_vec(),
        wide("Tok\u{e9}n", u16::to_le_bytes),
        wide("tok\u{e9}n", u16::to_be_bytes),
        "tok\u{e9}n".into(),
    ]
    .concat();
    let builder = one(literal("tok\u{e9}n".as_bytes())).encodings(Encodings::ALL);
    assert_eq!(
        hits(&builder.clone().ignore_case(true).build().unwrap(), &bytes),
        [(1, 10, 0, Encoding::Utf16Le), (11, 10, 0, Encoding::Utf16Be), (21, 6, 0, Encoding::Raw)]
    );
    assert_eq!(hits(&builder.build().unwrap(), &bytes).len(), 2);
    let plan = one(regex("(?i)t[n-p]k.n")).encodings(Encodings::ALL).build().unwrap();
    assert_eq!(hits(&plan, &bytes).len(), 2, "a raw `.` is one byte");
}

#[test]
fn ignoring_case_folds_characters_and_not_halves_of_them() {
    let bytes: Vec<u8> = "\u{141}\u{161}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let encodings = Encodings { raw: false, utf16le: true, utf16be: false };
    let plan = one(literal("a\u{141}".as_bytes())).ignore_case(true).encodings(encodings).build().unwrap();
    assert_eq!(offsets(&plan, &bytes), [0_usize; 0]);
    let plan = one(literal("\u{141}x".as_bytes())).ignore_case(true).encodings(encodings).build().unwrap();
    assert_eq!(offsets(&plan, b"\x41\x01X\0\x61\x01x\0"), [0]);
}

#[test]
fn whole_words_resume_after_the_first_byte_of_a_rejected_candidate() {
    let plan = one(literal(b"a.a")).word(true).build().unwrap();
    assert_eq!(offsets(&plan, b"xa.a.a"), [3]);
}

#[test]
fn faults_name_the_pattern_the_place_and_the_reason() {
    let build = |pattern: PatternKind| {
        PlanBuilder::new().pattern(literal(b"ok")).pattern(pattern).build().unwrap_err()
    };
    let error = build(regex("ab(c"));
    assert_eq!((error.index, error.at), (1, Some(2)));
    assert!(error.to_string().starts_with("pattern 2 (\"ab(c\"), at byte 2: "), "{error}");
    assert_eq!(build(hex("de zz")).at, Some(3));
    assert!(build(literal(b"")).reason.contains("empty"));
    assert!(build(regex(r"\b")).reason.contains("empty"));
    assert!(build(regex("(?:[a-z]{1000}){1000}")).reason.contains("MiB"));
    assert!(build(regex(&"(".repeat(5000))).at.is_some());
    assert!(build(regex(&format!("{}a{}", "(?:".repeat(500), ")".repeat(500)))).reason.contains("nest"));
    assert!(build(regex("[\u{e9}]")).reason.contains("Unicode"));
}

#[test]
fn expressions_without_a_utf16_form_are_errors_or_notes() {
    let builder = one(regex("^abc")).encodings(Encodings::ALL);
    assert!(builder.clone().build().unwrap_err().reason.contains("UTF-16"));
    let plan = builder.skip_unencodable(true).build().unwrap();
    assert_eq!(plan.notes().len(), 2);
    assert_eq!(hits(&plan, b"abc"), [(0, 3, 0, Encoding::Raw)]);
    let wide = Encodings { raw: false, utf16le: true, utf16be: false };
    assert!(one(regex("^abc")).encodings(wide).skip_unencodable(true).build().is_err());
}

#[test]
fn the_sink_can_stop() {
    let bytes = vec![b'a'; 100_000];
    let plan = one(literal(b"a")).build().unwrap();
    let mut seen = 0_u64;
    let summary = plan.scan(&[Region::new(0, &bytes)], &small(1000), &mut |_| {
        seen += 1;
        if seen == 1234 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((seen, summary.hits, summary.outcome), (1234, 1234, Outcome::Stopped));
}

#[test]
fn a_scan_can_be_cancelled() {
    let bytes = vec![b'a'; 1 << 20];
    let plan = one(literal(b"b")).pattern(regex("(?s)a.*z")).build().unwrap();
    let cancel = AtomicBool::new(true);
    let options = Options { cancel: Some(&cancel), ..Options::default() };
    let summary = plan.scan(&[Region::new(0, &bytes)], &options, &mut |_| ControlFlow::Continue(()));
    assert_eq!((summary.bytes_scanned, summary.outcome), (0, Outcome::Cancelled));
    cancel.store(false, Ordering::Relaxed);
    let plan = one(literal(b"a")).build().unwrap();
    let summary = plan.scan(&[Region::new(0, &bytes)], &options, &mut |hit| {
        cancel.store(hit.offset > 5000, Ordering::Relaxed);
        ControlFlow::Continue(())
    });
    assert_eq!(summary.outcome, Outcome::Cancelled);
}

#[test]
fn progress_ends_at_the_size_of_all_regions() {
    let bytes = vec![b'a'; 10_000];
    let regions = [Region::new(0, &bytes), Region::new(0, &bytes[..77])];
    for pattern in [literal(b"aaa"), regex("(?s)a.*"), regex("a{7}"), literal(b"b")] {
        for (chunk, buffer) in [(64, 2), (1000, 100), (1 << 20, 1 << 16)] {
            let progress = AtomicU64::new(0);
            let options = Options {
                chunk_bytes: chunk,
                hit_buffer: buffer,
                tile_bytes: 64,
                progress: Some(&progress),
                ..Options::default()
            };
            let counts = one(pattern.clone()).build().unwrap().count(&regions, &options);
            assert_eq!(counts.summary.bytes_scanned, 10_077);
            assert_eq!(progress.into_inner(), 10_077, "{pattern:?} {chunk} {buffer}");
        }
    }
}

#[test]
fn extreme_options_are_harmless() {
    let plan = one(literal(b"ab")).pattern(regex("a.*?b")).build().unwrap();
    let bytes = b"ab ab";
    for size in [0, 1, usize::MAX] {
        for buffer in [0, usize::MAX] {
            let options =
                Options { chunk_bytes: size, tile_bytes: size, hit_buffer: buffer, ..Options::default() };
            assert_eq!(plan.count(&[Region::new(u64::MAX, bytes)], &options).per_pattern, [2, 2]);
        }
    }
}

#[test]
fn an_open_expression_costs_one_pass_however_small_the_chunks() {
    // Each chunk's window would reach the region's end; done chunk by chunk this takes minutes.
    let mut bytes = vec![b'.'; 8 << 20];
    bytes[5] = b'a';
    bytes[7 << 20] = b'z';
    let options = Options { chunk_bytes: 4096, tile_bytes: 1024, ..Options::default() };
    for text in ["(?s)a.*?z", "(?s)q.*z", "a.*z", "[^q]z", "(?s)(?:q|z).*"] {
        let counts = one(regex(text)).build().unwrap().count(&[Region::new(0, &bytes)], &options);
        assert_eq!(counts.per_pattern, [u64::from(!text.contains("q.*z"))], "{text}");
    }
}
