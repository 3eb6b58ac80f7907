//! Evidence that is read by ranges: each read may fail, and each costs.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom, Write},
    ops::{ControlFlow, Range},
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use ckptfx_analysis::{
    Case,
    search::{self, Coverage, Source as Place},
};
use ckptfx_parser::{
    Diagnostic, Severity,
    archive::index_tar,
    input::{self, Evidence, Input, OpenOptions, open_nested, open_source},
    source::{Budget, Source},
};
use ckptfx_report::listing::{ALL, Ask, PROCESSES};
use ckptfx_scan::{Options, PatternKind, Plan, Region};
use ckptfx_testkit::{Checkpoint, Container, Flavor, PodmanVersion, Process, Vma};

use crate::{
    exercise,
    support::{command, fixture, plain},
};

/// Evidence at the other end of something that may fail.
struct Far {
    bytes: Bytes,
    reads: AtomicU64,
    /// Which reads fail.
    fails: Box<dyn Fn(u64) -> bool + Send + Sync>,
}

impl Far {
    fn new(bytes: &Bytes, fails: impl Fn(u64) -> bool + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { bytes: bytes.clone(), reads: AtomicU64::new(0), fails: Box::new(fails) })
    }
}

impl Source for Far {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        if (self.fails)(self.reads.fetch_add(1, Ordering::Relaxed)) {
            return Err(io::Error::other("the line is dead"));
        }
        Source::read(&self.bytes, range)
    }
}

fn options() -> OpenOptions<'static> {
    let mut options = OpenOptions::default();
    options.limits = exercise::LIMITS;
    options
}

/// All records, and a search through everything. What is told of it.
fn ask_all(evidence: &Evidence, records: &mut Vec<String>) -> Vec<Diagnostic> {
    let open = |member: &_, diagnostics: &mut _| open_nested(member, &options(), diagnostics);
    let mut diagnostics = exercise::ask_opened(evidence, &mut |case| {
        let ask = Ask { wanted: &|_| true, open: &open };
        for listing in ALL {
            let given = listing.each(case, &ask, &mut |record| {
                records.push(format!("{} {record}", listing.command()));
                Ok(())
            });
            assert!(given.is_ok(), "{}: {given:?}", listing.command());
        }
        let regions = search::regions(case, &Place::ALL, &open).expect("anonymous storage");
        let coverage = Coverage::new(case, &Place::ALL, &regions, &Default::default(), &|_| true);
        let lost = regions.iter().filter(|region| region.is_lost()).count();
        let unread = coverage.not_scanned.iter().filter(|gap| gap.why == "unreadable").count();
        assert_eq!(lost > 0, unread > 0);
        assert!(lost == 0 || !coverage.complete);
        let searched: Vec<Region<'_>> =
            regions.iter().map(|region| Region::new(region.base(), region.bytes())).collect();
        let plan = Plan::builder().pattern(PatternKind::Literal(b"root".to_vec())).build().expect("a plan");
        let mut hits = 0;
        plan.scan(&searched, &Options::default(), &mut |_| {
            hits += 1;
            ControlFlow::Continue(())
        });
        records.push(format!("hits {hits}"));
    });
    diagnostics.extend(evidence.unread());
    diagnostics
}

/// Every read of the evidence, or each so many, fails once, alone and with all that follow it.
fn every_read_may_fail(name: &str, tar: Vec<u8>, step: usize) {
    let tar = Bytes::from(tar);
    let whole = Far::new(&tar, |_| false);
    let evidence = open_source(whole.clone(), name, &options()).expect("a checkpoint");
    let mut records = Vec::new();
    let usual = ask_all(&evidence, &mut records);
    let reads = whole.reads.load(Ordering::Relaxed);
    let (mut unopened, mut lost) = (0, 0);
    for k in (0..reads).step_by(step) {
        for goes_on in [false, true] {
            let far = Far::new(&tar, move |read| if goes_on { read >= k } else { read == k });
            let Ok(evidence) = open_source(far, name, &options()) else {
                unopened += 1;
                continue;
            };
            let told = ask_all(&evidence, &mut Vec::new());
            let is_new = |one: &&Diagnostic| one.severity == Severity::Loss && !usual.contains(one);
            assert!(
                told.iter().any(|one| is_new(&one)),
                "{name}: read {k} of {reads} is lost without a word"
            );
            lost += 1;
        }
    }
    assert!(unopened > 0 && lost > unopened, "{name}: {unopened} {lost}");
}

#[test]
fn a_read_that_fails_is_an_error_or_a_loss_that_is_told() {
    let mut tar = Vec::new();
    Container::sample().podman(PodmanVersion::V5).write_tar(&mut tar).unwrap();
    every_read_may_fail("sample", tar, 1);
}

/// `CKPTFX_DAMAGE=all` lets each of them fail.
#[test]
fn a_read_that_fails_of_a_real_archive_is_told_as_well() {
    let step = if std::env::var("CKPTFX_DAMAGE").is_ok_and(|all| all == "all") { 1 } else { 11 };
    every_read_may_fail("bash", plain("scenarios/bash"), step);
}

#[test]
fn what_is_read_by_ranges_gives_the_same_records() {
    let tar = Bytes::from(plain("webserver-crio"));
    let mut mapped = Vec::new();
    let near = open_source(Arc::new(tar.clone()), "one", &options()).unwrap();
    let near = ask_all(&near, &mut mapped);
    let mut read = Vec::new();
    let far = open_source(Far::new(&tar, |_| false), "one", &options()).unwrap();
    let far = ask_all(&far, &mut read);
    assert!(mapped == read && near == far);
}

/// A file that counts what is read of it.
struct Counted {
    file: File,
    length: u64,
    bytes: AtomicU64,
}

impl Source for Counted {
    fn len(&self) -> u64 {
        self.length
    }

    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let length = range.end - range.start;
        self.bytes.fetch_add(length, Ordering::Relaxed);
        let mut bytes = vec![0; length as usize];
        self.file.read_exact_at(&mut bytes, range.start)?;
        Ok(bytes.into())
    }
}

/// Writes a file without storing zeros.
struct Sparse(File);

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (Some(first), Some(rest)) = (bytes.first(), bytes.get(1..)) else { return Ok(0) };
        if *first == 0 && rest == &bytes[..rest.len()] {
            self.0.seek(SeekFrom::Current(bytes.len() as i64))?;
            return Ok(bytes.len());
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        let end = self.0.stream_position()?;
        self.0.set_len(end)
    }
}

#[test]
fn the_processes_of_two_gigabytes_take_two_megabytes() {
    const SIZE: u64 = 2 << 30;
    let vma = Vma::anonymous(0x7f00_0000_0000, SIZE).generated(0, SIZE, Flavor::Zero, 1);
    let mut worker = Process::new(2).comm("worker").cmdline(["/usr/bin/worker", "--all"]);
    worker.vmas.push(vma);
    let root = Process::new(1).comm("init").cmdline(["/sbin/init"]).child(worker);
    let container = Container::new(Checkpoint::new().process(root).max_run(4096));
    let mut out = Sparse(tempfile::tempfile().unwrap());
    container.podman(PodmanVersion::V5).write_tar(&mut out).unwrap();
    out.flush().unwrap();
    let length = out.0.metadata().unwrap().len();
    assert!(length > SIZE);
    let counted = Arc::new(Counted { file: out.0, length, bytes: AtomicU64::new(0) });
    let evidence = open_source(counted.clone(), "large", &options()).unwrap();
    let mut case = Case::read(&evidence.checkpoints[0]);
    let mut shown = Vec::new();
    let ask = Ask { wanted: &|_| true, open: &|_, _| None };
    (PROCESSES.records)(&mut case, &ask, &mut |process| {
        shown.push(serde_json::to_string(&process).unwrap());
        Ok(())
    })
    .unwrap();
    assert!(shown.len() == 2 && shown[1].contains("/usr/bin/worker"), "{shown:?}");
    let read = counted.bytes.load(Ordering::Relaxed);
    assert!(read < 2 << 20, "{read} bytes");
}

#[test]
fn archives_that_are_open_at_once_take_of_one_budget() {
    let budget = Arc::new(Budget::new(Some(4 << 20), None));
    let names = ["webserver-podman", "webserver-crio", "webserver-containerd", "scenarios/bash"];
    std::thread::scope(|scope| {
        for name in names.into_iter().chain(names) {
            let budget = Arc::clone(&budget);
            scope.spawn(move || {
                let mut options = options();
                options.budget = Arc::clone(&budget);
                let evidence = input::open(&Input::Path(fixture(name)), &options).unwrap();
                assert!(budget.taken() <= 4 << 20);
                let expected = index_tar(&plain(name).into(), name, &exercise::LIMITS);
                let archive = evidence.checkpoints[0].archive();
                assert_eq!(archive.members().len(), expected.members().len());
                for (one, other) in archive.members().iter().zip(expected.members()) {
                    assert!(one.path == other.path && one.bytes() == other.bytes(), "{name} {}", one.name());
                }
            });
        }
    });
    assert_eq!(budget.taken(), 0);
}

#[test]
fn a_scratch_directory_that_cannot_be_used_is_an_error_that_says_so() {
    let said = told("0", Path::new("/nowhere/at/all"));
    assert!(said.contains("/nowhere/at/all") && said.contains("--scratch"), "{said}");
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(told("0.001", directory.path()), "");
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
}

/// What the program says on standard error with a scratch directory and so little memory.
fn told(memory: &str, scratch: &Path) -> String {
    let archive = fixture("webserver-podman");
    let mut command = command();
    command.arg("ps").arg(archive).args(["--memory", memory, "--scratch"]).arg(scratch);
    String::from_utf8(command.output().expect("it runs").stderr).expect("UTF-8")
}
