//! Scanning speed in GiB/s on generated memory: zero pages, heap-like words, text and noise.
//!
//! `cargo run --release -p ckptfx-scan --example bench [-- MIB [FILE]]` writes the data to FILE too, if given, so that
//! other tools can search the same bytes.
#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "it is run by hand, and stops at what it does not expect"
)]

use std::ops::ControlFlow;
use std::time::Instant;

use ckptfx_scan::{Encodings, Options, PatternKind, PlanBuilder, Region, Strings};
use rayon::prelude::*;

const PAGE: usize = 4096;

struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> usize {
        usize::try_from((self.next() >> 11) % limit).unwrap_or(0)
    }
}

const WORDS: &str = "the request user Session token cache Error index value thread Content-Type application/json \
    connection timeout handler server client buffer node memory process password config local system update \
    key=1234 id=77 10.0.3.17 https://example.org/a?b=c worker@example.org GET POST true false null void int self";

fn page(page: &mut [u8], noise: &mut Noise, kind: usize) {
    match kind {
        0..40 => {}
        40..65 => {
            for word in page.chunks_mut(8) {
                let value = match noise.below(4) {
                    0 => 0x7f3a_0000_0000 | (noise.next() & 0xff_fff8),
                    1 => noise.next() & 0xffff,
                    2 => 0,
                    _ => noise.next(),
                };
                word.copy_from_slice(&value.to_le_bytes()[..word.len()]);
            }
        }
        65..90 => {
            let words: Vec<&str> = WORDS.split_whitespace().collect();
            let mut text = String::new();
            while text.len() < page.len() {
                text.push_str(words[noise.below(words.len() as u64)]);
                text.push(if noise.below(9) == 0 { '\n' } else { ' ' });
            }
            page.copy_from_slice(&text.as_bytes()[..page.len()]);
        }
        _ => page
            .chunks_mut(8)
            .for_each(|word| word.copy_from_slice(&noise.next().to_le_bytes()[..word.len()])),
    }
}

fn generate(bytes: usize) -> Vec<u8> {
    let mut data = vec![0; bytes];
    data.par_chunks_mut(16 * PAGE).enumerate().for_each(|(at, run)| {
        let mut noise = Noise(0x9e37_79b9_7f4a_7c15 ^ ((at as u64 + 1) << 20));
        for _ in 0..8 {
            noise.next();
        }
        let kind = noise.below(100);
        run.chunks_mut(PAGE).for_each(|it| page(it, &mut noise, kind));
    });
    data
}

fn literals(count: usize) -> Vec<PatternKind> {
    let stems = [
        "AKIA",
        "ghp_",
        "xoxb-",
        "BEGIN RSA",
        "secret_",
        "Bearer ",
        "mysql://",
        "passwd:",
        "eyJhbGci",
        "ssh-rsa",
    ];
    (0..count)
        .map(|at| {
            PatternKind::Literal(format!("{}{:x}", stems[at % stems.len()], at * 7919 + 11).into_bytes())
        })
        .collect()
}

fn sum(data: &[u8]) -> u64 {
    data.par_chunks(4 << 20)
        .map(|part| {
            part.chunks_exact(8)
                .map(|it| u64::from_le_bytes(it.try_into().unwrap_or_default()))
                .fold(0, u64::wrapping_add)
        })
        .reduce(|| 0, u64::wrapping_add)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mib = arguments.next().and_then(|it| it.parse().ok()).unwrap_or(1024_usize);
    let data = generate(mib << 20);
    if let Some(path) = arguments.next() {
        std::fs::write(path, &data).expect("the file can be written");
    }
    let literal = |text: &str| PlanBuilder::new().pattern(PatternKind::Literal(text.into()));
    let regex = |text: &str| PlanBuilder::new().pattern(PatternKind::Regex(text.into()));
    let many = |count: usize| PlanBuilder::new().patterns(literals(count));
    let secrets = [
        r"AKIA[0-9A-Z]{16}",
        r"ghp_[A-Za-z0-9]{36}",
        r"xox[bp]-[0-9A-Za-z-]{20,250}",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
        r"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
        r"AIza[0-9A-Za-z_-]{35}",
        r"sk_live_[0-9a-zA-Z]{24}",
        r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
        r"mysql://[^\s:]+:[^\s@]+@",
        r"glpat-[A-Za-z0-9_-]{20}",
    ];
    let secrets = || PlanBuilder::new().patterns(secrets.iter().map(|it| PatternKind::Regex((*it).into())));
    let cases: Vec<(&str, PlanBuilder)> = vec![
        ("literal, absent", literal("ckptfx-canary-7731")),
        ("literal, common (password)", literal("password")),
        ("literal -w", literal("password").word(true)),
        ("literal, 3 encodings", literal("ckptfx-canary-7731").encodings(Encodings::ALL)),
        ("literal -i, absent", literal("ckptfx-canary-7731").ignore_case(true)),
        ("literal -i, common (password)", literal("password").ignore_case(true)),
        ("50 literals", many(50)),
        ("50 literals, 3 encodings", many(50).encodings(Encodings::ALL)),
        ("50 literals -i", many(50).ignore_case(true)),
        ("1000 literals", many(1000)),
        ("hex de ad ?? ef", PlanBuilder::new().pattern(PatternKind::Hex("de ad ?? ef".into()))),
        ("regex with literal", regex(r"ckptfx-[a-z]+=[0-9]{4}")),
        ("regex with common literal", regex(r"password [a-z]+ [a-z]+")),
        ("regex, open (key=.*)", regex(r"secretkey=.*;")),
        ("10 secret regexes", secrets()),
        ("regex without literal", regex(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}")),
        ("regex e-mail", regex(r"[a-z0-9._]+@[a-z0-9]+\.[a-z]{2,4}")),
        ("regex, no prefilter", regex(r"[a-f][0-9][a-f][0-9][a-f][0-9]")),
        ("dense literal (e)", literal("e")),
    ];
    let regions = [Region::new(0, &data)];
    let filter = std::env::var("BENCH").unwrap_or_default();
    println!("{:32} {:>9} {:>9} {:>10}", "GiB/s", "1 thread", "2 threads", "hits");
    let mut rows = vec![];
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| {
            let measure = |work: &dyn Fn() -> u64| {
                let mut best = f64::MAX;
                let mut result = 0;
                for _ in 0..4 {
                    let start = Instant::now();
                    result = work();
                    best = best.min(start.elapsed().as_secs_f64());
                }
                (mib as f64 / 1024.0 / best, result)
            };
            let mut column: Vec<(&str, (f64, u64))> =
                vec![("sum of words (limit)", measure(&|| sum(&data) & 1))];
            for (name, builder) in cases.iter().filter(|(name, _)| name.contains(&filter)) {
                let plan = builder.clone().build().expect("a valid plan");
                column.push((name, measure(&|| plan.count(&regions, &Options::default()).summary.hits)));
            }
            if "forks".contains(&filter) || filter.is_empty() {
                let plan = secrets().gated(true).build().expect("a valid plan");
                let quarter = data.len() / 4;
                let apart: Vec<_> = data.chunks_exact(quarter).map(|bytes| Region::new(0, bytes)).collect();
                let same = [Region::new(0, &data[..quarter]); 4];
                for (name, regions) in
                    [("secrets, four processes", apart.as_slice()), ("secrets, four forks", &same)]
                {
                    let work = || plan.count(regions, &Options::default()).summary.hits;
                    column.push((name, measure(&work)));
                }
            }
            let wide = Strings { utf16le: true, utf16be: true, ..Strings::default() };
            let ascii = Strings { utf8: false, ..Strings::default() };
            for (name, strings) in
                [("strings", ascii), ("strings, UTF-8", Strings::default()), ("strings, UTF-8 and 16", wide)]
            {
                if name.contains(&filter) {
                    let options = Options::default();
                    let work = || strings.scan(&regions, &options, &mut |_| ControlFlow::Continue(())).hits;
                    column.push((name, measure(&work)));
                }
            }
            rows.push(column);
        });
    }
    for (one, two) in rows[0].iter().zip(&rows[1]) {
        println!("{:32} {:9.2} {:9.2} {:10}", one.0, one.1.0, two.1.0, two.1.1);
    }
}
