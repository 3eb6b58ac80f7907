//! What the commands have in common that scan bytes: what is scanned, when to stop, and what was covered.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::{
    Case, Task,
    search::{self, Coverage, Place, SearchRegion, Source, Stop},
};
use ckptfx_parser::{Diagnostic, memory::Vma};
use ckptfx_scan::{Options, Region};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::{
    args::{Common, ScanArgs, SourceArg},
    nested::open_member,
    progress::Bars,
    render::Output,
};

/// A pattern of permissions: each letter must be set, `-` must not be, `?` is any; the fourth place is
/// `p` or `s`. A single letter must be set, wherever it is.
struct Permissions(Vec<char>);

impl Permissions {
    fn parse(text: &str) -> Result<Self> {
        let letters: Vec<char> = text.chars().collect();
        let fits = match letters.as_slice() {
            [one] => "rwxps".contains(*one),
            letters => {
                (3..=4).contains(&letters.len())
                    && letters
                        .iter()
                        .zip(["r-?", "w-?", "x-?", "ps?"])
                        .all(|(letter, any)| any.contains(*letter))
            }
        };
        if !fits {
            bail!(
                "--perms {text} is not understood: give a letter of r w x p s, or a form like r-x, rw??, rwxs"
            );
        }
        Ok(Self(letters))
    }

    fn accept(&self, permissions: &str) -> bool {
        match self.0.as_slice() {
            [one] => permissions.contains(*one),
            letters => {
                letters.iter().zip(permissions.chars()).all(|(wanted, is)| *wanted == '?' || *wanted == is)
            }
        }
    }
}

/// Scans as the command line says.
pub struct Scanner<'s> {
    args: &'s ScanArgs,
    common: &'s Common,
    perms: Option<Permissions>,
    /// What was asked for.
    pub sources: Vec<Source>,
    timed_out: Arc<AtomicBool>,
}

/// What is scanned of one checkpoint.
pub struct Selection<'a> {
    /// The bytes.
    pub regions: Vec<SearchRegion<'a>>,
    /// What they cover.
    pub coverage: Coverage,
}

impl Selection<'_> {
    /// The bytes as the scanner takes them, in the same order.
    pub fn bytes(&self) -> Vec<Region<'_>> {
        self.regions.iter().map(|region| Region { base: region.base(), bytes: region.bytes() }).collect()
    }
}

impl<'s> Scanner<'s> {
    /// Gets ready: from now on the time runs, and an interrupt ends the scan and not the program; a second one
    /// ends the program.
    pub fn new(args: &'s ScanArgs, common: &'s Common) -> Result<Self> {
        let perms = args.perms.as_deref().map(Permissions::parse).transpose()?;
        let chosen = |source: &Source| {
            args.source.iter().any(|one| matches!(one, SourceArg::All) || *one == SourceArg::One(*source))
        };
        let sources = Source::ALL.into_iter().filter(chosen).collect();
        let timed_out = Arc::new(AtomicBool::new(false));
        for (signal, status) in [(SIGINT, 130), (SIGTERM, 143)] {
            signal_hook::flag::register_conditional_shutdown(signal, status, Arc::clone(&common.stop))?;
            signal_hook::flag::register(signal, Arc::clone(&common.stop))?;
        }
        if let Some(timeout) = args.timeout {
            let (stop, timed_out) = (Arc::clone(&common.stop), Arc::clone(&timed_out));
            let end = move || {
                timed_out.store(true, Ordering::Relaxed);
                stop.store(true, Ordering::Relaxed);
            };
            if timeout.is_zero() {
                end();
            } else {
                thread::spawn(move || {
                    thread::sleep(timeout);
                    end();
                });
            }
        }
        Ok(Self { args, common, perms, sources, timed_out })
    }

    /// Picks what is scanned of a checkpoint.
    pub fn select<'a>(&self, case: &mut Case<'a>, bars: &Bars) -> Result<Selection<'a>> {
        self.args.filter.check(case)?;
        let mut regions = search::regions(case, &self.sources, &|member, diagnostics| {
            open_member(member, self.common, bars, diagnostics)
        })
        .context("cannot put scattered pieces together in temporary storage")?;
        let mut left_out: BTreeMap<Source, u64> = BTreeMap::new();
        if self.args.filter.is_set() {
            regions.retain(|region| {
                let wanted = region.tasks(case).iter().any(|task| self.args.filter.accepts(task));
                if !wanted {
                    *left_out.entry(region.source).or_default() += region.length();
                }
                wanted
            });
        }
        let wanted = |task: &Task<'_>| self.args.filter.accepts(task);
        let mut coverage = Coverage::new(case, &self.sources, &regions, &left_out, &wanted);
        case.diagnostics.extend(case.checkpoint.archive().unread());
        // Decompressing may have ended before all was there, even if what is there will be searched.
        if let Some(why) = self.stopped() {
            coverage.stop(why, coverage.bytes());
        }
        Ok(Selection { regions, coverage })
    }

    /// Runs a scan with progress and the possibility to stop.
    pub fn run<T>(&self, step: &str, total: u64, bars: &Bars, work: impl FnOnce(&Options<'_>) -> T) -> T {
        let progress = AtomicU64::new(0);
        let options =
            Options { progress: Some(&progress), cancel: Some(&self.common.stop), ..Options::default() };
        bars.watch(step, total, &progress, || work(&options))
    }

    /// Why the scan has ended early, if a signal or the time ended it.
    pub fn stopped(&self) -> Option<Stop> {
        if !self.common.stop.load(Ordering::Relaxed) {
            None
        } else if self.timed_out.load(Ordering::Relaxed) {
            Some(Stop::Timeout)
        } else {
            Some(Stop::Interrupted)
        }
    }

    /// Ends the result of one checkpoint: says what was covered. `stopped` is why the scan ended early, after so
    /// many bytes.
    pub fn finish(
        &self,
        case: &mut Case<'_>,
        mut coverage: Coverage,
        stopped: Option<(Stop, u64)>,
        output: &mut Output,
    ) -> Result<()> {
        if let Some((why, scanned)) = stopped.or_else(|| Some((coverage.stopped?, coverage.bytes()))) {
            let all = coverage.bytes();
            coverage.stop(why, scanned);
            let message = match why {
                Stop::MaxCount => "stopped as --max-count says; there may be more".to_owned(),
                Stop::Timeout => format!("the time is over: {scanned} of {all} bytes were scanned"),
                Stop::Interrupted => format!("interrupted: {scanned} of {all} bytes were scanned"),
            };
            case.diagnostics.push(if why == Stop::MaxCount {
                Diagnostic::note(why.name(), "scan", message)
            } else {
                Diagnostic::loss(why.name(), "scan", message)
            });
        }
        if !self.common.quiet {
            eprintln!("ckptfx: {}", sentence(&coverage));
        }
        output.cover(&coverage)
    }

    /// Whether a place is meant by the filters.
    pub fn accepts(&self, place: &Place<'_>) -> bool {
        match place.task {
            Some(task) => self.accepts_at(task, place.vma, place.address),
            // What belongs to nobody has no process, permissions or address to be asked for.
            None => !self.args.filter.is_set() && self.is_everywhere(),
        }
    }

    /// Whether a mapping of a process is meant by the filters.
    pub fn accepts_at(&self, task: &Task<'_>, vma: Option<&Vma>, address: Option<u64>) -> bool {
        let perms = |perms: &Permissions| vma.is_some_and(|vma| perms.accept(&vma.permissions()));
        self.args.filter.accepts(task)
            && self.perms.as_ref().is_none_or(perms)
            && self.args.range.is_none_or(|(from, to)| address.is_some_and(|at| (from..to).contains(&at)))
    }

    /// Whether a filter asks for addresses.
    pub fn has_range(&self) -> bool {
        self.args.range.is_some()
    }

    /// Whether no filter asks for addresses or permissions.
    pub fn is_everywhere(&self) -> bool {
        self.perms.is_none() && self.args.range.is_none()
    }
}

/// What was covered, in one sentence.
fn sentence(coverage: &Coverage) -> String {
    let sources: Vec<String> = coverage
        .scanned
        .iter()
        .map(|scanned| format!("{} {}", scanned.source, size(scanned.bytes)))
        .collect();
    let mut text = if sources.is_empty() {
        "scanned nothing: no bytes of what was asked for are in the checkpoint".to_owned()
    } else {
        format!("scanned {} ({} processes)", sources.join(", "), coverage.pids())
    };
    let mut reasons: BTreeMap<&str, Option<u64>> = BTreeMap::new();
    for gap in coverage.not_scanned.iter().filter(|gap| gap.why != "not-asked-for" && gap.bytes != Some(0)) {
        let entry = reasons.entry(gap.why).or_insert(Some(0));
        *entry = entry.zip(gap.bytes).map(|(sum, bytes)| sum.saturating_add(bytes));
    }
    let mut gaps: Vec<String> = reasons
        .into_iter()
        .map(|(why, bytes)| match bytes {
            Some(bytes) => format!("{} {why}", size(bytes)),
            None => why.to_owned(),
        })
        .collect();
    let unasked = coverage.not_scanned.iter().filter(|gap| gap.why == "not-asked-for").count();
    if unasked > 0 {
        gaps.push(format!("{unasked} other sources (--source)"));
    }
    if !gaps.is_empty() {
        text.push_str("; not scanned: ");
        text.push_str(&gaps.join(", "));
    }
    text
}

fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}
