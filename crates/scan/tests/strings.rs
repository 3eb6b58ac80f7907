//! Runs of text against an oracle that goes through a region character by character.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

use std::ops::ControlFlow;

use ckptfx_scan::{Options, Outcome, Region, Strings, Text, TextEncoding};
use proptest::prelude::*;

fn run(strings: Strings, regions: &[Region<'_>], chunk_bytes: usize) -> Vec<Text> {
    let mut texts = Vec::new();
    let options = Options { chunk_bytes, ..Options::default() };
    let summary = strings.scan(regions, &options, &mut |text| {
        texts.push(text);
        ControlFlow::Continue(())
    });
    assert_eq!((summary.outcome, summary.hits), (Outcome::Complete, texts.len() as u64));
    texts
}

/// The printable character at `at`, in bytes; 0 if there is none.
fn character(bytes: &[u8], at: usize, encoding: TextEncoding) -> usize {
    let ascii = |byte: u8| byte == b'\t' || (0x20..0x7f).contains(&byte);
    let pair = bytes.get(at..at + 2);
    match encoding {
        TextEncoding::Ascii => usize::from(ascii(bytes[at])),
        TextEncoding::Utf8 => (1..=4)
            .filter_map(|length| std::str::from_utf8(bytes.get(at..at + length)?).ok())
            .find(|text| text.chars().count() == 1)
            .filter(|text| text.chars().all(|it| it == '\t' || !it.is_control()))
            .filter(|text| !matches!(*text, "\u{ffff}" | "\u{fffe}" | "\u{fdd0}"))
            .map_or(0, str::len),
        TextEncoding::Utf16Le => {
            2 * usize::from(pair.is_some_and(|it| it[1] == 0 && (ascii(it[0]) || it[0] >= 0xa0)))
        }
        TextEncoding::Utf16Be => {
            2 * usize::from(pair.is_some_and(|it| it[0] == 0 && (ascii(it[1]) || it[1] >= 0xa0)))
        }
    }
}

fn expected(strings: Strings, regions: &[Region<'_>]) -> Vec<Text> {
    let mut texts = Vec::new();
    let wanted = [
        (TextEncoding::Ascii, strings.bytes && !strings.utf8),
        (TextEncoding::Utf8, strings.utf8),
        (TextEncoding::Utf16Le, strings.utf16le),
        (TextEncoding::Utf16Be, strings.utf16be),
    ];
    for (region, Region { bytes, .. }) in regions.iter().enumerate() {
        for (encoding, _) in wanted.into_iter().filter(|it| it.1) {
            let wide = matches!(encoding, TextEncoding::Utf16Le | TextEncoding::Utf16Be);
            for phase in 0..=usize::from(wide) {
                let mut at = phase;
                while at < bytes.len() {
                    let (offset, mut characters) = (at, 0);
                    while at < bytes.len() && character(bytes, at, encoding) > 0 {
                        at += character(bytes, at, encoding);
                        characters += 1;
                    }
                    if characters >= strings.minimum.max(1) {
                        let encoding = match encoding {
                            TextEncoding::Utf8 if bytes[offset..at].is_ascii() => TextEncoding::Ascii,
                            other => other,
                        };
                        texts.push(Text { region, offset, length: at - offset, encoding });
                    }
                    at += if wide { 2 } else { 1 };
                }
            }
        }
    }
    texts.sort_by_key(|text| (text.region, text.offset, text.encoding));
    texts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn runs_are_those_of_one_pass(
        parts in prop::collection::vec(prop::collection::vec(
            (prop::sample::select(vec![
                &b"a"[..], b"\0", b"b\0", b"\0c", b"\t", b"\n", b"\x7f", b" ", b"~", b"\xff", b"\x80", b"\xc3", b"\xa9",
                "é".as_bytes(), "€".as_bytes(), "𝄞".as_bytes(), "\u{85}".as_bytes(), "\u{ffff}".as_bytes(), "\u{fdd0}".as_bytes(), b"\xe9\0",
            ]), prop_oneof![5 => 1..3_usize, 1 => 1..90_usize]), 0..30), 1..4),
        minimum in 0..9_usize, bytes in any::<bool>(), utf8 in any::<bool>(), utf16le in any::<bool>(), utf16be in any::<bool>(),
        chunk in 1..200_usize,
    ) {
        let parts: Vec<Vec<u8>> = parts.iter().map(|part| part.iter().flat_map(|(it, n)| it.repeat(*n)).collect()).collect();
        let regions: Vec<_> = parts.iter().map(|part| Region::new(0, part)).collect();
        let strings = Strings { minimum, bytes, utf8, utf16le, utf16be };
        let expected = expected(strings, &regions);
        prop_assert_eq!(&run(strings, &regions, chunk), &expected);
        prop_assert_eq!(&run(strings, &regions, 1 << 20), &expected);
    }
}

#[test]
fn text_up_to_the_last_byte() {
    for length in 1..200 {
        let bytes = vec![b'x'; length];
        let found = run(Strings { minimum: 1, ..Strings::default() }, &[Region::new(0, &bytes)], 64);
        assert_eq!(found, [Text { region: 0, offset: 0, length, encoding: TextEncoding::Ascii }]);
    }
}

#[test]
fn a_sink_can_stop() {
    let bytes = b"text\n".repeat(1000);
    let summary = Strings::default()
        .scan(&[Region::new(0, &bytes)], &Options::default(), &mut |_| ControlFlow::Break(()));
    assert_eq!((summary.hits, summary.outcome), (1, Outcome::Stopped));
}
