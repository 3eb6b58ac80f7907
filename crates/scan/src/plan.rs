//! Patterns, compiled, and the ways to run them.

use std::ops::{ControlFlow, Range};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::chunk::{Task, scan};
use crate::drive;
use crate::gate::Gates;
use crate::hit::{Encoding, Encodings, Hit, Summary};
use crate::lane::{Lane, Matcher};
use crate::literal::Literal;
use crate::literals::Literals;
use crate::lock::lock;
use crate::merge::Merger;
use crate::pattern::{Fault, Meaning, Note, PatternError, PatternKind, as_word};
use crate::piece::Chunks;
use crate::regex::Expression;
use crate::region::Region;
use crate::repeat::Repeats;
use crate::sweep::{Full, Sweep};
use crate::utf16;

/// Matches in a part of a region beyond which they are not told apart.
const SIFTED: usize = 1 << 12;

/// Collects patterns and how to read them.
#[derive(Clone, Debug, Default)]
pub struct PlanBuilder {
    patterns: Vec<PatternKind>,
    ignore_case: bool,
    word: bool,
    encodings: Encodings,
    skip_unencodable: bool,
    gated: bool,
}

impl PlanBuilder {
    /// No patterns; case matters, parts of words match, bytes only.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pattern. Its index is the number of patterns added before it.
    #[must_use]
    pub fn pattern(mut self, pattern: PatternKind) -> Self {
        self.patterns.push(pattern);
        self
    }

    /// Adds several patterns.
    #[must_use]
    pub fn patterns(mut self, patterns: impl IntoIterator<Item = PatternKind>) -> Self {
        self.patterns.extend(patterns);
        self
    }

    /// ASCII letters of literals and regular expressions match in either case. Letters beyond ASCII do not, unless
    /// an expression turns Unicode on. Hex patterns are not affected.
    #[must_use]
    pub const fn ignore_case(mut self, yes: bool) -> Self {
        self.ignore_case = yes;
        self
    }

    /// A hit must not have a word character (`[A-Za-z0-9_]`) right before or after it; the edge of a region is
    /// no word character. In UTF-16 the neighbours are code units. An expression with this has no UTF-16 form.
    #[must_use]
    pub const fn word(mut self, yes: bool) -> Self {
        self.word = yes;
        self
    }

    /// The encodings to search in. UTF-16 is found at odd offsets too.
    #[must_use]
    pub const fn encodings(mut self, encodings: Encodings) -> Self {
        self.encodings = encodings;
        self
    }

    /// With `true`, an expression without a UTF-16 form is left out of that encoding with a [`Note`], instead of
    /// being an error. It remains an error if it could then not be searched at all.
    #[must_use]
    pub const fn skip_unencodable(mut self, yes: bool) -> Self {
        self.skip_unencodable = yes;
        self
    }

    /// Searches a regular expression only around literals that each of its matches holds, all literals of all
    /// expressions in one pass: for sets of many expressions. What is found stays the same. An expression without such a
    /// literal is searched everywhere, and gets a [`Note`]; one that repeats any byte without an upper bound is refused.
    #[must_use]
    pub const fn gated(mut self, yes: bool) -> Self {
        self.gated = yes;
        self
    }

    /// Compiles the patterns.
    ///
    /// # Errors
    ///
    /// The first pattern that is empty or malformed, can only match the empty string, compiles to more than
    /// 10 MiB, or has no form in an encoding that was asked for.
    pub fn build(self) -> Result<Plan, PatternError> {
        let mut lanes = Vec::new();
        let mut notes = Vec::new();
        for (index, kind) in self.patterns.iter().enumerate() {
            self.lanes_of(index, kind, &mut lanes, &mut notes).map_err(|fault| PatternError {
                index,
                text: kind.text(),
                at: fault.at,
                reason: fault.reason,
            })?;
        }
        let literals = Literals::new(&lanes);
        let gates = Gates::new(&lanes);
        Ok(Plan { lanes, literals, gates, notes, patterns: self.patterns.len() })
    }

    fn lanes_of(
        &self,
        index: usize,
        kind: &PatternKind,
        lanes: &mut Vec<Lane>,
        notes: &mut Vec<Note>,
    ) -> Result<(), Fault> {
        let meaning = Meaning::of(kind, self.ignore_case)?;
        let before = lanes.len();
        for encoding in Encoding::ALL.into_iter().filter(|encoding| self.encodings.contains(*encoding)) {
            match self.matcher(&meaning, encoding) {
                Ok(Some(matcher)) => {
                    if let (true, Matcher::Expression(expression)) = (self.gated, &matcher)
                        && expression.clue().is_none()
                    {
                        let message = "no literal tells where it can match: every byte is searched".into();
                        notes.push(Note { index, message });
                    }
                    lanes.push(Lane { pattern: index, encoding, matcher });
                }
                Ok(None) => notes.push(Note {
                    index,
                    message: format!(
                        "it is not UTF-8 text and has no {encoding} form: not searched in that encoding"
                    ),
                }),
                Err(fault) if self.skip_unencodable && encoding != Encoding::Raw && self.encodings.raw => {
                    notes.push(Note {
                        index,
                        message: format!("not searched in {encoding}: {}", fault.reason),
                    });
                }
                Err(fault) => return Err(fault),
            }
        }
        if lanes.len() == before {
            notes.push(Note { index, message: "it is not searched at all".into() });
        }
        Ok(())
    }

    /// What searches `meaning` in `encoding`; `None` if it is bytes and not text.
    fn matcher(&self, meaning: &Meaning, encoding: Encoding) -> Result<Option<Matcher>, Fault> {
        let raw = encoding == Encoding::Raw;
        match meaning {
            Meaning::Literal { textual: false, .. } | Meaning::Expression { textual: false, .. } if !raw => {
                Ok(None)
            }
            Meaning::Literal { bytes, fold, .. } => {
                let wide = if raw { None } else { Some(utf16::transcode(bytes, encoding)) };
                let needle = match wide {
                    None => bytes.clone(),
                    Some(Some(wide)) => wide,
                    Some(None) => return Ok(None),
                };
                Ok(Some(Matcher::Literal(Box::new(Literal::new(&needle, *fold, self.word, encoding)))))
            }
            Meaning::Expression { hir, .. } => {
                let hir = if self.word { as_word(hir.clone()) } else { hir.clone() };
                let hir = if raw { hir } else { utf16::rewrite(&hir, encoding)? };
                Ok(Some(Matcher::Expression(Box::new(Expression::new(&hir, self.gated)?))))
            }
        }
    }
}

/// How to run a plan. None of this changes what is found.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Bytes that one thread scans at a time.
    pub chunk_bytes: usize,
    /// Bytes that every detector sees before the next bytes are looked at: a part of the second-level cache.
    pub tile_bytes: usize,
    /// Most hits that one chunk may hold back while earlier chunks are not done. A chunk with more is finished by
    /// the calling thread.
    pub hit_buffer: usize,
    /// Grows by the number of bytes scanned, from any thread, about once per tile. At the end of a complete scan it
    /// has grown by the length of all regions.
    pub progress: Option<&'a AtomicU64>,
    /// Ends the scan soon after it becomes `true`.
    pub cancel: Option<&'a AtomicBool>,
}

impl Default for Options<'_> {
    /// Chunks of 4 MiB, tiles of 256 KiB, 65,536 hits per chunk.
    fn default() -> Self {
        Self {
            chunk_bytes: 4 << 20,
            tile_bytes: 256 << 10,
            hit_buffer: 1 << 16,
            progress: None,
            cancel: None,
        }
    }
}

/// How often each pattern was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Hits per pattern, in all encodings together.
    pub per_pattern: Vec<u64>,
    /// What the scan did.
    pub summary: Summary,
}

/// Compiled patterns. Can be run any number of times, from any number of threads.
pub struct Plan {
    lanes: Vec<Lane>,
    literals: Literals,
    gates: Gates,
    notes: Vec<Note>,
    patterns: usize,
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan")
            .field("patterns", &self.patterns)
            .field("notes", &self.notes)
            .finish_non_exhaustive()
    }
}

impl Plan {
    /// Starts a plan.
    #[must_use]
    pub fn builder() -> PlanBuilder {
        PlanBuilder::new()
    }

    /// What the user should know about the patterns, in their order.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The number of patterns.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.patterns
    }

    /// Whether there is no pattern.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.patterns == 0
    }

    /// Finds every pattern in every region.
    ///
    /// `sink` is called on the calling thread, for each hit as soon as all before it are known, in the order of
    /// region, offset, pattern and encoding. The work is done on the rayon pool of the calling thread (or the
    /// global one), which the calling thread joins if it belongs to it.
    pub fn scan(
        &self,
        regions: &[Region<'_>],
        options: &Options<'_>,
        sink: &mut dyn FnMut(Hit) -> ControlFlow<()>,
    ) -> Summary {
        let task = Task {
            lanes: &self.lanes,
            literals: &self.literals,
            gates: &self.gates,
            repeats: (!self.gates.is_empty()).then(|| Repeats::of(regions)),
            regions,
            chunk: options.chunk_bytes.max(1),
            tile: options.tile_bytes.max(1),
            most: options.hit_buffer,
            progress: options.progress,
            cancel: options.cancel,
            stop: AtomicBool::new(false),
        };
        let mut merger = Merger::new(&task, sink);
        // Buffers that chunks pass on to each other.
        let spare = Mutex::new(Vec::new());
        let work = |pieces| {
            let buffer = lock(&spare).pop().unwrap_or_default();
            let (scanned, buffer) = scan(&task, pieces, buffer);
            lock(&spare).push(buffer);
            scanned
        };
        let stop = || task.stop.store(true, Ordering::Relaxed);
        drive::run(Chunks::new(regions, task.chunk), &work, &mut |scanned| merger.accept(&scanned), &stop);
        merger.finish()
    }

    /// The length of the longest match in bytes, when all patterns are literals.
    #[must_use]
    pub fn longest_literal(&self) -> Option<usize> {
        let lengths = self.lanes.iter().map(|lane| lane.literal().map(|literal| literal.needle().len()));
        lengths.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Reports where in part of a region matches of literals may lie, on this thread: every match is reported, or
    /// overlaps one that is. What lies beyond either end is taken to let a match be a whole word.
    pub fn sift(&self, bytes: &[u8], report: &mut dyn FnMut(Range<usize>)) {
        let mut sweep = Sweep { next: vec![0; self.lanes.len()], most: SIFTED, ..Sweep::default() };
        match self.literals.sweep(&self.lanes, bytes, 0, bytes.len(), &mut sweep) {
            Ok(()) => sweep.found.iter().for_each(|found| report(found.start..found.end)),
            Err(Full) => report(0..bytes.len()),
        }
    }

    /// Counts the hits of every pattern in every region.
    #[must_use]
    pub fn count(&self, regions: &[Region<'_>], options: &Options<'_>) -> Counts {
        let mut per_pattern = vec![0_u64; self.patterns];
        let summary = self.scan(regions, options, &mut |hit| {
            if let Some(count) = per_pattern.get_mut(hit.pattern) {
                *count += 1;
            }
            ControlFlow::Continue(())
        });
        Counts { per_pattern, summary }
    }
}
