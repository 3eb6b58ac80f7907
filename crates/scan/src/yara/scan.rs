//! Rules against units, on all cores.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Instant,
};

use boreal::scanner::{
    CallbackEvents, EvaluatedRule, FragmentedScanMode, ScanCallbackResult, ScanError, ScanEvent, ScanParams,
    StringMatch,
};
use rayon::prelude::*;

use super::{
    RuleSet,
    fragments::{Fragment, Fragments, Stop},
};
use crate::Region;

/// Places of one string in one unit that are counted; the memory in use is bounded by it.
pub const MAX_PLACES: u32 = 1 << 16;

/// Bytes of a match that are kept.
const KEPT: usize = 512;

/// What a unit holds.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// Regions with their addresses, which do not overlap.
    Process(Vec<Region<'a>>),
    /// A file: one run of bytes with offsets from 0.
    File(&'a [u8]),
}

/// What one evaluation of the rules sees.
#[derive(Clone, Debug)]
pub struct Unit<'a> {
    /// The bytes.
    pub content: Content<'a>,
    /// External variables that differ from the usual, such as `filename`. Those that the rule set does not know, or knows
    /// with another type, are passed over.
    pub variables: Vec<(&'static str, Vec<u8>)>,
}

/// How a scan goes.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Places that are reported of each string of a rule.
    pub most_places: usize,
    /// Ends the scan when set; it takes effect between two regions.
    pub cancel: Option<&'a AtomicBool>,
    /// Ends the scan when reached.
    pub deadline: Option<Instant>,
    /// Counts the bytes that were scanned.
    pub progress: Option<&'a AtomicU64>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { most_places: usize::MAX, cancel: None, deadline: None, progress: None }
    }
}

/// A place where a string of a rule is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Address, or offset in the file.
    pub address: u64,
    /// Number of bytes.
    pub length: usize,
    /// The bytes, or the first of them.
    pub bytes: Vec<u8>,
    /// The key that the bytes were found with, of a string with the modifier `xor`.
    pub xor_key: Option<u8>,
}

/// A string of a rule that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StringHits {
    /// Its name, without `$`; empty for one without name.
    pub name: String,
    /// Where it is, in the order of addresses.
    pub places: Vec<Place>,
    /// How often it is there, those included that are not reported.
    pub count: usize,
}

/// A rule whose condition holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleMatch {
    /// Index in [`RuleSet::rules`].
    pub rule: usize,
    /// Its strings that are there, as they are listed in the rule.
    pub strings: Vec<StringHits>,
}

/// A string of which more places may be there than were counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limited {
    /// Index in [`RuleSet::rules`].
    pub rule: usize,
    /// Its name, without `$`.
    pub string: String,
}

/// How the scan of a unit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It is complete.
    Complete,
    /// It was stopped. No match is given: a condition could hold only because a string was not looked for.
    Stopped,
    /// The engine failed.
    Failed(String),
}

/// What is known of a unit after its scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitResult {
    /// Rules that match, in the order of the rules.
    pub matches: Vec<RuleMatch>,
    /// Strings with more than [`MAX_PLACES`] places.
    pub limited: Vec<Limited>,
    /// How it ended.
    pub end: End,
    /// Regions that lie where this machine cannot count to, and were left out.
    pub left_out: usize,
}

impl UnitResult {
    fn without_matches(end: End) -> Self {
        Self { matches: Vec::new(), limited: Vec::new(), end, left_out: 0 }
    }
}

impl RuleSet {
    /// Evaluates all rules over each unit, several at a time on the ambient thread pool. The results are in the order of
    /// the units.
    #[must_use]
    pub fn scan(&self, units: &[Unit<'_>], options: &Options<'_>) -> Vec<UnitResult> {
        units.par_iter().with_max_len(1).map(|unit| self.scan_unit(unit, options)).collect()
    }

    fn scan_unit(&self, unit: &Unit<'_>, options: &Options<'_>) -> UnitResult {
        let stop = Stop { cancel: options.cancel, deadline: options.deadline };
        if stop.is_due() {
            return UnitResult::without_matches(End::Stopped);
        }
        // What is scanned is hostile, and modules take apart whatever looks like an executable file.
        catch_unwind(AssertUnwindSafe(|| self.scan_guarded(unit, options, stop))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            UnitResult::without_matches(End::Failed(text.unwrap_or_else(|| "unknown reason".to_owned())))
        })
    }

    fn scan_guarded(&self, unit: &Unit<'_>, options: &Options<'_>, stop: Stop<'_>) -> UnitResult {
        let mut scanner = self.scanner.clone();
        for (name, value) in &unit.variables {
            // One that the analyst defined with another type keeps that value.
            let _ = scanner.define_symbol(name, value.as_slice());
        }
        let is_process = matches!(unit.content, Content::Process(_));
        scanner.set_scan_params(parameters(options, is_process));
        let mut regions: Vec<Region<'_>> = match &unit.content {
            Content::Process(regions) => regions.clone(),
            Content::File(bytes) => vec![Region::new(0, bytes)],
        };
        regions.sort_by_key(|region| region.base);
        let fragments: Vec<Fragment<'_>> = regions.iter().filter_map(fragment).collect();
        let left_out = regions.len() - fragments.len();
        let stopped = AtomicBool::new(false);
        let mut gathered = Gathered {
            rules: self,
            most: options.most_places,
            regions: &regions,
            found: Vec::new(),
            limited: Vec::new(),
        };
        let outcome = match &unit.content {
            Content::Process(_) => {
                let memory = Fragments {
                    fragments: &fragments,
                    stop,
                    stopped: &stopped,
                    progress: options.progress,
                    handed: 0,
                    furthest: 0,
                };
                scanner.scan_fragmented_with_callback(memory, |event| gathered.take(event))
            }
            Content::File(bytes) => {
                if let Some(progress) = options.progress {
                    progress.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                }
                scanner.scan_mem_with_callback(bytes, |event| gathered.take(event))
            }
        };
        let end = match outcome {
            Ok(()) if stopped.load(Ordering::Relaxed) => End::Stopped,
            Ok(()) => End::Complete,
            Err(ScanError::Timeout | ScanError::CallbackAbort) => End::Stopped,
            Err(error) => End::Failed(error.to_string()),
        };
        if end != End::Complete {
            return UnitResult { left_out, ..UnitResult::without_matches(end) };
        }
        let Gathered { mut found, mut limited, .. } = gathered;
        found.sort_by_key(|found| found.rule);
        limited.sort();
        limited.dedup();
        UnitResult { matches: found, limited, end, left_out }
    }
}

fn fragment<'a>(region: &Region<'a>) -> Option<Fragment<'a>> {
    let start = usize::try_from(region.base).ok()?;
    start.checked_add(region.bytes.len())?;
    Some(Fragment { start, bytes: region.bytes })
}

fn parameters(options: &Options<'_>, is_process: bool) -> ScanParams {
    let left = options.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    ScanParams::default()
        // Every place of a string is wanted, not only what decides the condition.
        .compute_full_matches(true)
        .string_max_nb_matches(MAX_PLACES)
        // The bytes are taken from the regions, and only of what is reported.
        .match_max_length(0)
        .timeout_duration(left)
        .process_memory(is_process)
        // Fetching again costs nothing here, so conditions may read at addresses.
        .fragmented_scan_mode(FragmentedScanMode::legacy())
        // Rules that do not match are looked at too: a limit may be the reason.
        .include_not_matched_rules(true)
        .callback_events(
            CallbackEvents::RULE_MATCH
                | CallbackEvents::RULE_NO_MATCH
                | CallbackEvents::STRING_REACHED_MATCH_LIMIT,
        )
}

/// What the engine says during the scan of a unit.
struct Gathered<'r, 'a> {
    rules: &'r RuleSet,
    most: usize,
    /// In the order of addresses.
    regions: &'r [Region<'a>],
    found: Vec<RuleMatch>,
    limited: Vec<Limited>,
}

impl Gathered<'_, '_> {
    fn take(&mut self, event: ScanEvent<'_, '_>) -> ScanCallbackResult {
        match event {
            ScanEvent::RuleMatch(rule) => {
                if let Some(index) = self.note_limits(&rule) {
                    let strings = rule.matches.iter().map(|string| StringHits {
                        name: string.name.to_owned(),
                        count: string.matches.len(),
                        places: string
                            .matches
                            .iter()
                            .take(self.most)
                            .map(|found| self.place(found, string.has_xor_modifier))
                            .collect(),
                    });
                    let strings = strings.collect();
                    self.found.push(RuleMatch { rule: index, strings });
                }
            }
            ScanEvent::RuleNoMatch(rule) => {
                self.note_limits(&rule);
            }
            ScanEvent::StringReachedMatchLimit(string) => {
                if let Some(rule) = self.rules.find(string.rule_namespace, string.rule_name) {
                    self.limited.push(Limited { rule, string: string.string_name.to_owned() });
                }
            }
            // No other was asked for.
            _ => {}
        }
        ScanCallbackResult::Continue
    }

    /// Strings that the engine searches by themselves reach the limit without an event.
    fn note_limits(&mut self, rule: &EvaluatedRule<'_>) -> Option<usize> {
        let index = self.rules.find(rule.namespace, rule.name)?;
        for string in &rule.matches {
            if string.matches.len() >= MAX_PLACES as usize {
                self.limited.push(Limited { rule: index, string: string.name.to_owned() });
            }
        }
        Some(index)
    }

    fn place(&self, found: &StringMatch, is_xor: bool) -> Place {
        let base = found.base as u64;
        let region = self.regions.partition_point(|region| region.base <= base).checked_sub(1);
        let bytes = region.and_then(|region| self.regions.get(region)).map_or(&[][..], |region| region.bytes);
        let end = found.offset.saturating_add(found.length.min(KEPT));
        Place {
            address: base.saturating_add(found.offset as u64),
            length: found.length,
            bytes: bytes.get(found.offset..end).unwrap_or_default().to_vec(),
            xor_key: is_xor.then_some(found.xor_key),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::yara::{collect, compile};

    fn rules(text: &str) -> RuleSet {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("rules.yar");
        fs::write(&path, text).unwrap();
        let compiled = compile(&collect(&[path]).unwrap(), &[]);
        assert_eq!(compiled.rejected, []);
        compiled.rules
    }

    fn process<'a>(regions: &[(u64, &'a [u8])]) -> Unit<'a> {
        let regions = regions.iter().map(|(base, bytes)| Region::new(*base, bytes)).collect();
        Unit { content: Content::Process(regions), variables: Vec::new() }
    }

    fn file(bytes: &[u8]) -> Unit<'_> {
        Unit { content: Content::File(bytes), variables: Vec::new() }
    }

    /// Rule, string, address and bytes of each place.
    fn places(rules: &RuleSet, unit: Unit<'_>) -> Vec<(String, String, u64, Vec<u8>)> {
        let results = rules.scan(&[unit], &Options::default());
        let [result] = results.as_slice() else { panic!("one result") };
        assert_eq!((&result.end, result.limited.as_slice()), (&End::Complete, &[][..]));
        let mut all = Vec::new();
        for found in &result.matches {
            let rule = &rules.rules()[found.rule].name;
            for string in &found.strings {
                assert_eq!(string.count, string.places.len());
                let place =
                    |place: &Place| (rule.clone(), string.name.clone(), place.address, place.bytes.clone());
                all.extend(string.places.iter().map(place));
            }
        }
        all
    }

    fn names(rules: &RuleSet, unit: Unit<'_>) -> Vec<String> {
        let results = rules.scan(&[unit], &Options::default());
        results[0].matches.iter().map(|found| rules.rules()[found.rule].name.clone()).collect()
    }

    #[test]
    fn places_have_addresses_and_no_string_bridges_regions() {
        let rules =
            rules("rule r { strings: $a = \"needle\" $b = { 00 ?? [1-3] 7f } condition: any of them }");
        // The regions touch, are not in order, and one is at the end of the address space.
        let unit = process(&[
            (0x7f00_0000_2000, b"dle needle"),
            (0x7f00_0000_1ffa, b"...nee"),
            (0xffff_ffff_ff60_0000, b"\x00\x01\x02\x7f"),
        ]);
        assert_eq!(
            places(&rules, unit),
            [
                ("r".to_owned(), "a".to_owned(), 0x7f00_0000_2004, b"needle".to_vec()),
                ("r".to_owned(), "b".to_owned(), 0xffff_ffff_ff60_0000, b"\x00\x01\x02\x7f".to_vec()),
            ]
        );
    }

    #[test]
    fn a_condition_sees_a_whole_process_and_nothing_of_another() {
        let rules = rules(
            "rule both { strings: $a = \"alpha\" $b = \"beta\" condition: all of them }
             rule reads { strings: $a = \"alpha\" condition: $a and uint8(@a + 5) == 0x21 and not defined filesize }",
        );
        let units = [
            process(&[(0x1000, b"alpha!"), (0x9000, b"beta")]),
            process(&[(0x1000, b"alpha")]),
            file(b"beta"),
        ];
        let results = rules.scan(&units, &Options::default());
        let counts: Vec<usize> = results.iter().map(|result| result.matches.len()).collect();
        assert_eq!(counts, [2, 0, 0]);
    }

    #[test]
    fn private_and_global_rules_and_variables_mean_what_they_say() {
        let rules = rules(
            "private rule hidden { strings: $a = \"abc\" condition: $a }
             global rule small { condition: filesize < 10 }
             rule shown { condition: hidden and filename == \"x.txt\" }",
        );
        let unit = |bytes, name: &str| Unit {
            content: Content::File(bytes),
            variables: vec![("filename", name.as_bytes().to_vec()), ("unknown", Vec::new())],
        };
        assert_eq!(names(&rules, unit(b"abc", "x.txt")), ["small", "shown"]);
        assert_eq!(names(&rules, unit(b"abc", "y.txt")), ["small"]);
        assert_eq!(names(&rules, unit(b"abc0123456789", "x.txt")), [""; 0]);
    }

    #[test]
    fn a_limit_is_told_also_where_the_rule_does_not_match() {
        let rules = rules(
            "rule literal { strings: $a = \"ab\" condition: #a > 100000 }
             rule expression { strings: $a = /[a-b]{2}/ condition: #a > 100000 }
             rule few { strings: $a = \"ab\" condition: #a > 3 }",
        );
        let bytes = b"ab".repeat(70_000);
        let options = Options { most_places: 2, ..Options::default() };
        let results = rules.scan(&[process(&[(0, &bytes)])], &options);
        let limited: Vec<usize> = results[0].limited.iter().map(|limited| limited.rule).collect();
        assert_eq!(limited, [0, 1, 2]);
        let [few] = results[0].matches.as_slice() else { panic!("{:?}", results[0].matches) };
        assert_eq!((few.strings[0].count, few.strings[0].places.len()), (MAX_PLACES as usize, 2));
    }

    #[test]
    fn a_scan_that_was_stopped_gives_no_matches() {
        let rules = rules("rule not_there { strings: $a = \"zzzz\" condition: not $a }");
        let units = [process(&[(0x1000, b"zzzz")]), file(b"aaaa")];
        let cancel = AtomicBool::new(true);
        let cancelled = Options { cancel: Some(&cancel), ..Options::default() };
        let late = Options { deadline: Some(Instant::now()), ..Options::default() };
        for options in [cancelled, late] {
            for result in rules.scan(&units, &options) {
                assert_eq!((result.end, result.matches.len()), (End::Stopped, 0));
            }
        }
        // Cancelled when the first region was handed out already.
        let fragments = [Fragment { start: 0, bytes: b"a" }, Fragment { start: 9, bytes: b"b" }];
        let (cancel, stopped) = (AtomicBool::new(false), AtomicBool::new(false));
        let stop = Stop { cancel: Some(&cancel), deadline: None };
        let memory = Fragments {
            fragments: &fragments,
            stop,
            stopped: &stopped,
            progress: None,
            handed: 0,
            furthest: 0,
        };
        let mut boxed: Box<dyn boreal::memory::FragmentedMemory + '_> = Box::new(memory);
        let parameters = boreal::memory::MemoryParams {
            max_fetched_region_size: 0,
            memory_chunk_size: None,
            can_refetch_regions: true,
        };
        assert!(boxed.next(&parameters).is_some());
        cancel.store(true, Ordering::Relaxed);
        assert!(boxed.next(&parameters).is_none() && stopped.load(Ordering::Relaxed));
    }

    #[test]
    fn keys_of_xor_are_told_and_modules_that_do_not_fit_are_named() {
        let rules = rules(
            "import \"elf\"\nimport \"hash\"\nimport \"string\"
             rule x { strings: $ = \"secret\" xor(1-255) condition: any of them }",
        );
        let modules: Vec<&str> = rules.module_notes().iter().map(|note| note.module).collect();
        assert_eq!(modules, ["elf", "hash"]);
        let hidden: Vec<u8> = b"secret".iter().map(|byte| byte ^ 0x5a).collect();
        let results = rules.scan(&[file(&hidden)], &Options::default());
        let string = &results[0].matches[0].strings[0];
        assert_eq!((string.name.as_str(), string.places[0].xor_key), ("", Some(0x5a)));
        assert_eq!(string.places[0].bytes, hidden);
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let rules =
            rules("rule r { strings: $a = /a[^a]{0,20}z/ $b = \"mm\" nocase condition: any of them }");
        let bytes: Vec<u8> = (0..40_000_u32).map(|n| b'a' + u8::try_from(n * n % 26).unwrap()).collect();
        let units: Vec<Unit<'_>> = bytes.chunks(1000).map(|chunk| process(&[(0x4000, chunk)])).collect();
        let scan = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| rules.scan(&units, &Options::default()))
        };
        let one = scan(1);
        assert!(one.iter().any(|result| !result.matches.is_empty()));
        assert_eq!(one, scan(3));
    }

    /// The engine against a plain search: literals over random bytes of few letters, cut into regions.
    #[test]
    fn literals_are_where_a_plain_search_finds_them() {
        use proptest::prelude::*;
        let rules = rules("rule r { strings: $a = \"abab\" $b = \"ba\" condition: any of them }");
        let layout = proptest::collection::vec(proptest::collection::vec(b'a'..=b'c', 0..200), 1..6);
        let config = ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() };
        proptest!(config, |(layout in layout)| {
            let regions: Vec<(u64, &[u8])> =
                layout.iter().enumerate().map(|(index, bytes)| (0x1000 * (index as u64 + 1), bytes.as_slice())).collect();
            let mut expected = Vec::new();
            for (name, needle) in [("a", b"abab".as_slice()), ("b", b"ba")] {
                for (base, bytes) in &regions {
                    let starts = bytes.windows(needle.len()).enumerate().filter(|(_, window)| *window == needle);
                    expected.extend(starts.map(|(at, _)| ("r".to_owned(), name.to_owned(), base + at as u64, needle.to_vec())));
                }
            }
            prop_assert_eq!(places(&rules, process(&regions)), expected);
        });
    }
}
