//! The scanner against an oracle that reads each region from its first byte to its last, one pattern at a time.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

use std::ops::ControlFlow;

use ckptfx_scan::{Encoding, Encodings, Hit, Options, Outcome, PatternKind, Plan, Region};
use proptest::prelude::*;
use regex_automata::Input;
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::util::syntax;

/// How the patterns of one case are read.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    ignore_case: bool,
    word: bool,
    wide: bool,
    gated: bool,
}

impl Reading {
    fn encodings(self) -> Encodings {
        if self.wide { Encodings::ALL } else { Encodings::RAW }
    }
}

fn plan(patterns: &[PatternKind], reading: Reading) -> Plan {
    Plan::builder()
        .patterns(patterns.iter().cloned())
        .ignore_case(reading.ignore_case)
        .word(reading.word)
        .encodings(reading.encodings())
        .skip_unencodable(true)
        .gated(reading.gated)
        .build()
        .unwrap()
}

fn run(plan: &Plan, regions: &[Region<'_>], options: &Options<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    let summary = plan.scan(regions, options, &mut |hit| {
        hits.push(hit);
        ControlFlow::Continue(())
    });
    assert_eq!(summary.outcome, Outcome::Complete);
    assert_eq!(summary.hits, hits.len() as u64);
    assert_eq!(summary.bytes_scanned, regions.iter().map(|region| region.bytes.len() as u64).sum::<u64>());
    hits
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Splits into code units; a trailing byte is a unit of its own, which equals no other.
fn units(bytes: &[u8], encoding: Encoding) -> Vec<u32> {
    let unit = |pair: &[u8]| match (pair, encoding) {
        ([a, b], Encoding::Utf16Be) => u32::from(*a) << 8 | u32::from(*b),
        ([a, b], _) => u32::from(*b) << 8 | u32::from(*a),
        _ => u32::MAX,
    };
    match encoding {
        Encoding::Raw => bytes.iter().map(|byte| u32::from(*byte)).collect(),
        _ => bytes.chunks(2).map(unit).collect(),
    }
}

fn fold(unit: u32, ignore_case: bool) -> u32 {
    match u8::try_from(unit) {
        Ok(byte) if ignore_case => byte.to_ascii_lowercase().into(),
        _ => unit,
    }
}

fn literal_matches(
    bytes: &[u8],
    literal: &[u8],
    encoding: Encoding,
    reading: Reading,
) -> Vec<(usize, usize)> {
    let width = if encoding == Encoding::Raw { 1 } else { 2 };
    let needle: Vec<u32> = if width == 1 {
        literal.iter().map(|byte| u32::from(*byte)).collect()
    } else {
        let Ok(text) = std::str::from_utf8(literal) else { return Vec::new() };
        text.encode_utf16().map(u32::from).collect()
    };
    let length = needle.len() * width;
    let word = |slice: Option<&[u8]>| {
        slice.is_some_and(|it| u8::try_from(units(it, encoding)[0]).is_ok_and(is_word))
    };
    let mut matches = Vec::new();
    let mut at = 0;
    while at + length <= bytes.len() {
        let found = units(&bytes[at..at + length], encoding);
        let mut equal = found
            .iter()
            .zip(&needle)
            .all(|(a, b)| fold(*a, reading.ignore_case) == fold(*b, reading.ignore_case));
        if reading.word {
            equal &= !word(at.checked_sub(width).map(|before| &bytes[before..at]));
            equal &= !word(bytes.get(at + length..at + length + width));
        }
        if equal {
            matches.push((at, length));
            at += length;
        } else {
            at += 1;
        }
    }
    matches
}

fn regex_matches(bytes: &[u8], pattern: &str, reading: Reading) -> Vec<(usize, usize)> {
    let pattern = if reading.word {
        format!(r"\b{{start-half}}(?:{pattern})\b{{end-half}}")
    } else {
        pattern.to_owned()
    };
    let vm = PikeVM::builder()
        .syntax(syntax::Config::new().unicode(false).utf8(false).case_insensitive(reading.ignore_case))
        .thompson(regex_automata::nfa::thompson::Config::new().utf8(false))
        .build(&pattern)
        .unwrap();
    let mut cache = vm.create_cache();
    let all = vm.find_iter(&mut cache, Input::new(bytes));
    all.filter(|found| !found.is_empty()).map(|found| (found.start(), found.len())).collect()
}

fn expected(patterns: &[PatternKind], reading: Reading, regions: &[Region<'_>]) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (region, Region { bytes, .. }) in regions.iter().enumerate() {
        for (pattern, kind) in patterns.iter().enumerate() {
            for encoding in Encoding::ALL.into_iter().filter(|it| reading.encodings().contains(*it)) {
                let matches = match kind {
                    PatternKind::Literal(literal) => literal_matches(bytes, literal, encoding, reading),
                    PatternKind::Regex(text) if encoding == Encoding::Raw => {
                        regex_matches(bytes, text, reading)
                    }
                    _ => Vec::new(),
                };
                hits.extend(matches.into_iter().map(|(offset, length)| Hit {
                    region,
                    offset,
                    length,
                    pattern,
                    encoding,
                }));
            }
        }
    }
    hits.sort_by_key(|hit| (hit.region, hit.offset, hit.pattern, hit.encoding));
    hits
}

/// Every kind of expression that could tempt a scanner to cut a match: open, lazy, anchored, with alternatives
/// whose order matters, with empty matches, with windows that reach the end.
const EXPRESSIONS: &[&str] = &[
    "a+",
    "a+?b",
    "a*b",
    "(?:ab)+",
    "(?:ab|b)+a",
    "a.*b",
    "a.*?b",
    "(?s)a.*b",
    "(?s)a.*?b",
    "(?s)a.*",
    "(?s)b.*?a",
    "a|ab",
    "ab|a",
    "a(?:b|ba)*",
    "(?:a|ab)(?:c|bcd)*",
    "a{2,3}",
    "a{2,3}?",
    "a{2,}",
    "[ab]{3}",
    "[^a]+",
    "[^ab]a",
    "^a",
    "^a+",
    "a$",
    "a+$",
    "(?m)^a+",
    "(?m)a+$",
    "(?m)^.*$",
    "(?m)^.*?b",
    r"\ba",
    r"a\b",
    r"\ba+\b",
    r"\Ba",
    r"a\B",
    r"\b\w+\b",
    r"\w+",
    r"\w+?\b",
    r"\Aab",
    r"ab\z",
    r"(?s)a.*\z",
    r"(?s)\Aa.*b",
    "a*",
    "a?",
    "a*?",
    "(?:|a)",
    "(?:a|)b?",
    "b*a*",
    "(?:a*b?)*",
    r"(?:^|b)a",
    r"a(?:$|b)",
    r"a(?:b\b|.)",
    r"(?:a+b)+c",
    "a(.*b)?",
    "a(.*?b)?",
    "a[^b]*b",
    "a[^b]*b[^a]*a",
    "(?:a.b)+",
    "(?:[ab]c*)+?b",
    "(?i)a+B",
    r"(?u)\w+",
    r"(?u)b.a",
    "(?u)[é]+",
    "é",
    r"\xff+",
    r"a\x00*b",
    "(?R)^a$",
    "(?Rm)^a$",
    r"(?u)\ba\b",
    "aa|aba|abb|ba",
    "(?:aa|ab)b",
    r"\b{start}a+",
    r"a+\b{end}",
    "(?s).",
    "(?s).+",
    "(?s).{3}",
    "(?s).{2,5}?b",
    "[a-b]+c[a-b]+",
    "(?:a{1,3}b{0,2}){2}",
    // With literals that lie further in.
    "[ab]{0,5}ba",
    "[ab]{1,3}?a[b]+",
    "(?:a|b){2}bab*",
    "[^b]{0,4}ab?",
    "(?i)[ab]{0,2}AB+",
    r"\b[ab]{1,6}aa\b",
    "[abc]{0,3}(?:aab|bb)a*",
];

fn compare(patterns: &[PatternKind], reading: Reading, regions: &[&[u8]], options: &[Options<'_>]) {
    let regions: Vec<_> = regions.iter().map(|bytes| Region::new(0x1000, bytes)).collect();
    compare_at(patterns, reading, &regions, options);
}

fn compare_at(patterns: &[PatternKind], reading: Reading, regions: &[Region<'_>], options: &[Options<'_>]) {
    // Without an upper bound on any byte there is no gate.
    let usable = |it: &&PatternKind| {
        let builder = Plan::builder().pattern((*it).clone()).word(reading.word).gated(true);
        !reading.gated || builder.build().is_ok()
    };
    let patterns: Vec<_> = patterns.iter().filter(usable).cloned().collect();
    let patterns = patterns.as_slice();
    let expected = expected(patterns, reading, regions);
    let plan = plan(patterns, reading);
    for options in options {
        assert_eq!(
            run(&plan, regions, options),
            expected,
            "{patterns:?} {reading:?} chunk {} tile {} buffer {} in {regions:?}",
            options.chunk_bytes,
            options.tile_bytes,
            options.hit_buffer
        );
    }
}

fn options(chunk_bytes: usize, tile_bytes: usize, hit_buffer: usize) -> Options<'static> {
    Options { chunk_bytes, tile_bytes, hit_buffer, ..Options::default() }
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

fn alphabet() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![
        b"ab".to_vec(),
        b"abc".to_vec(),
        b"ab\n".to_vec(),
        b"ab \n".to_vec(),
        b"aAbB".to_vec(),
        b"a\0".to_vec(),
        b"a\0b".to_vec(),
        b"ab\xff\0".to_vec(),
        b"a_ \r\n".to_vec(),
        "aé".as_bytes().to_vec(),
    ])
}

/// A pattern, letters of the text it is searched in, and the text.
fn text(most: usize) -> impl Strategy<Value = (Vec<u8>, Vec<Vec<u8>>)> {
    alphabet().prop_flat_map(move |letters| {
        let letter = prop::sample::select(letters.clone());
        // Runs make unbounded repetitions long.
        let run =
            (letter, prop_oneof![4 => 1..3_usize, 1 => 3..20_usize]).prop_map(|(byte, n)| vec![byte; n]);
        let region = prop::collection::vec(run, 0..most).prop_map(|runs| runs.concat());
        (Just(letters), prop::collection::vec(region, 1..4))
    })
}

fn literals(letters: Vec<u8>, most: usize) -> impl Strategy<Value = Vec<PatternKind>> {
    let literal = prop::collection::vec(prop::sample::select(letters), 1..7).prop_map(PatternKind::Literal);
    prop::collection::vec(literal, 1..most)
}

fn reading() -> impl Strategy<Value = Reading> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(ignore_case, word, wide)| Reading {
        ignore_case,
        word,
        wide,
        gated: false,
    })
}

fn sizes() -> impl Strategy<Value = Options<'static>> {
    (1..64_usize, 1..40_usize, prop_oneof![0..5_usize, Just(1 << 16)]).prop_map(|(a, b, c)| options(a, b, c))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn few_literals((patterns, regions) in text(30).prop_flat_map(|(letters, regions)| (literals(letters, 4), Just(regions))),
                    reading in reading(), sizes in sizes()) {
        let regions: Vec<&[u8]> = regions.iter().map(Vec::as_slice).collect();
        compare(&patterns, reading, &regions, &[sizes, Options::default()]);
    }

    #[test]
    fn expressions((_, regions) in text(40), texts in prop::collection::vec(prop::sample::select(EXPRESSIONS), 1..4),
                   ignore_case in any::<bool>(), word in any::<bool>(), gated in any::<bool>(), sizes in sizes()) {
        let regions: Vec<&[u8]> = regions.iter().map(Vec::as_slice).collect();
        let usable = |text: &&str| !(ignore_case && text.contains('é'));
        let patterns: Vec<_> = texts.iter().filter(|text| usable(text)).map(|text| PatternKind::Regex((*text).into())).collect();
        compare(&patterns, Reading { ignore_case, word, gated, wide: false }, &regions, &[sizes, Options::default()]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn many_literals((patterns, regions) in text(60).prop_flat_map(|(letters, regions)| (literals(letters, 120), Just(regions))),
                     reading in reading(), sizes in sizes()) {
        let regions: Vec<&[u8]> = regions.iter().map(Vec::as_slice).collect();
        compare(&patterns, reading, &regions, &[sizes, Options::default()]);
    }

    #[test]
    fn everything_at_once((mut patterns, regions) in text(60).prop_flat_map(|(letters, regions)| (literals(letters, 8), Just(regions))),
                          texts in prop::collection::vec(prop::sample::select(EXPRESSIONS), 1..6), gated in any::<bool>(), sizes in sizes(), threads in 1..5_usize) {
        patterns.extend(texts.iter().map(|text| PatternKind::Regex((*text).into())));
        let regions: Vec<&[u8]> = regions.iter().map(Vec::as_slice).collect();
        pool(threads).install(|| compare(&patterns, Reading { gated, ..Reading::default() }, &regions, &[sizes]));
    }
}

/// All texts over three letters up to a length, against every expression and chunks of every small size.
#[test]
fn every_small_text() {
    let mut texts: Vec<Vec<u8>> = vec![Vec::new()];
    let mut last = texts.clone();
    for _ in 0..5 {
        last = last
            .iter()
            .flat_map(|text| b"ab\n".iter().map(|byte| [text.as_slice(), &[*byte]].concat()))
            .collect();
        texts.extend(last.iter().cloned());
    }
    let regions: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    let sizes = [options(1, 1, 9), options(2, 1, 9), options(3, 2, 1), options(5, 3, 0), options(7, 7, 9)];
    pool(1).install(|| {
        for text in EXPRESSIONS {
            for (word, gated) in [(false, false), (true, false), (false, true), (true, true)] {
                let reading = Reading { word, gated, ..Reading::default() };
                compare(&[PatternKind::Regex((*text).into())], reading, &regions, &sizes);
            }
        }
        for literal in [&b"a"[..], b"aa", b"ab", b"aba", b"\n", b"b\nb", b"aaaa", b"abababababab"] {
            compare(&[PatternKind::Literal(literal.into())], Reading::default(), &regions, &sizes);
        }
    });
}

/// UTF-16 expressions have no oracle here; whatever they find must not depend on how the work is cut.
#[test]
fn wide_expressions_do_not_depend_on_chunks() {
    let bytes: Vec<u8> =
        "ab a.b=aaaaé𝄞b aab \n".repeat(3).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let odd = [b"x", bytes.as_slice(), &bytes].concat();
    let regions = [Region::new(0, &bytes), Region::new(7, &odd)];
    for text in ["a+", "a.*b", "(?s)a.*", "[a-b]+?=", "(?u)[é-𝄞]+", "a|ab", r"\w+=[^ ]*"] {
        let plan = plan(&[PatternKind::Regex(text.into())], Reading { wide: true, ..Reading::default() });
        let whole = run(&plan, &regions, &Options::default());
        assert!(whole.iter().any(|hit| hit.encoding == Encoding::Utf16Le), "{text}");
        for chunk in 1..50 {
            for tile in [1, 2, 3, 7, 50] {
                assert_eq!(run(&plan, &regions, &options(chunk, tile, 3)), whole, "{text} {chunk} {tile}");
            }
        }
    }
}

const PAGE: usize = 4096;

/// Pages of processes that have much in common: of each its first address, in pages, and which pages it has, told by
/// numbers that are the same for the same contents.
fn forks() -> impl Strategy<Value = Vec<(u64, Vec<u8>)>> {
    prop::collection::vec((0..3_u64, prop::collection::vec(0..6_u8, 1..6)), 1..5)
}

/// A page of zeros, or one with words at its borders and within.
fn page(contents: u8) -> Vec<u8> {
    let mut page = vec![if contents < 4 { 0 } else { b'.' }; PAGE];
    let mut put = |at: usize, text: &[u8]| page[at..at + text.len()].copy_from_slice(text);
    match contents {
        0 => {}
        1 => put(0, b"en-2 key"),
        2 => put(PAGE - 6, b"xtoken"),
        3 => put(PAGE - 2, b"to"),
        4 => put(2000, b"token-3 some key=token-4"),
        _ => {
            put(0, b"ken-5");
            put(PAGE - 8, b"key=to\0t");
        }
    }
    page
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is known from another process at the same address is what a search would find.
    #[test]
    fn forks_with_the_same_pages(forks in forks(), shift in prop_oneof![3 => Just(0_u64), 1 => Just(7)],
                                 chunk in 1..20_000_usize, tile in 500..20_000_usize, threads in 1..3_usize) {
        let bytes: Vec<(u64, Vec<u8>)> = forks
            .iter()
            .map(|(first, pages)| (first * PAGE as u64 + shift, pages.iter().flat_map(|it| page(*it)).collect()))
            .collect();
        let regions: Vec<_> = bytes.iter().map(|(base, bytes)| Region::new(*base, bytes)).collect();
        let patterns: Vec<_> = ["token-[0-9]", "x?token", r"[a-z ]{0,6}key=\w*", r"to\x00+en", r"o\x00{9}"]
            .iter()
            .map(|text| PatternKind::Regex((*text).into()))
            .collect();
        let reading = Reading { gated: true, ..Reading::default() };
        pool(threads).install(|| compare_at(&patterns, reading, &regions, &[options(chunk, tile, 1 << 16)]));
        // A clue of nothing but zeros.
        let zeros = [PatternKind::Regex(r"\x00{7}t".into())];
        compare_at(&zeros, reading, &regions, &[options(chunk, tile, 1 << 16)]);
    }
}
