//! One file per command.

#[cfg(feature = "capture")]
mod capture;
mod cgroups;
mod core;
mod creds;
mod decode;
mod diff;
mod dump;
mod env;
mod explain;
mod files;
mod generate;
mod graph;
mod grep_mem;
mod history;
mod image;
mod info;
pub mod iocs;
mod ipc;
mod limits;
mod list;
mod logs;
mod maps;
mod mounts;
mod net;
mod ns;
mod ps;
mod queues;
mod recover;
mod report;
mod rootfs;
mod sbom;
mod scan;
mod schema;
pub mod secrets;
mod signals;
mod sockets;
mod stats;
mod strings;
mod threads;
mod timeline;
mod timers;
pub mod triage;
mod triage_yara;
mod uts;
mod verify;
mod view;
mod yara;

pub use self::{rootfs::open_member, yara::YaraArgs};

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::{Case, Task};
use ckptfx_parser::{Checkpoint, Diagnostic, Reports, Severity};
use ckptfx_report::{Head, Warning};

use crate::{
    args::{Cli, Command, Common, ProcessFilter},
    evidence::{self, Opened},
    named::{Candidate, Named},
    progress::Bars,
    render::{Collection, Output},
};
use ckptfx_report::untrusted::show;

/// How a command ended; the number is the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// All is said.
    Done = 0,
    /// Nothing matched, or what `--fail-on` names was found.
    NothingMatched = 1,
    /// Some of the evidence could not be read.
    Partly = 3,
}

impl Outcome {
    /// There are differences, and the user asked to be told by the exit status.
    pub const DIFFERENT: Self = Self::NothingMatched;
}

/// Runs what the command line says; `name` is the command's.
pub fn run(cli: Cli, name: &str) -> Result<Outcome> {
    let common = cli.common;
    // `ps --threads` without a number shows threads; what follows it may be an archive.
    let (threads, operand) = match &common.threads {
        Some(Some(text)) => match text.parse::<usize>() {
            Ok(count) => (count, None),
            Err(_) => (0, Some(text.clone())),
        },
        _ => (0, None),
    };
    if threads > 0 {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    let show_threads = matches!(&common.threads, Some(None)) || operand.is_some();
    if show_threads && !matches!(cli.command, Command::Ps(_)) {
        bail!("--threads needs a number");
    }
    if !cli.command.has(common.output) {
        bail!("{} is not a form of `{name}`; it has {}", common.output.name(), cli.command.forms());
    }
    match cli.command {
        Command::Info(args) => info::run(&args, &common),
        Command::Ps(mut args) => {
            args.archives.splice(0..0, operand.map(Into::into));
            ps::run(&args, show_threads, &common)
        }
        Command::GrepMem(args) => grep_mem::run(args, &common),
        Command::Strings(args) => strings::run(&args, &common),
        Command::Yara(args) => yara::run(&args, &common),
        Command::Dump(args) => dump::run(&args, &common),
        Command::Decode(args) => decode::run(&args, &common),
        Command::List(args) => list::run(&args, &common),
        Command::Files(args) => files::run(&args, &common),
        Command::Sockets(args) => sockets::run(&args, &common),
        Command::Queues(args) => queues::run(&args, &common),
        Command::Maps(args) => maps::run(&args, &common),
        Command::Threads(args) => threads::run(&args, &common),
        Command::Creds(args) => creds::run(&args, &common),
        Command::Signals(args) => signals::run(&args, &common),
        Command::Timers(args) => timers::run(&args, &common),
        Command::Core(args) => core::run(&args, &common),
        Command::Mounts(args) => mounts::run(&args, &common),
        Command::Ns(args) => ns::run(&args, &common),
        Command::Net(args) => net::run(&args, &common),
        Command::Ipc(args) => ipc::run(&args, &common),
        Command::Cgroups(args) => cgroups::run(&args, &common),
        Command::Logs(args) => logs::run(&args, &common),
        Command::Stats(args) => stats::run(&args, &common),
        Command::Rootfs(args) => rootfs::run(&args, &common),
        Command::Recover(args) => recover::run(&args, &common),
        Command::Sbom(args) => sbom::run(&args, &common),
        Command::Env(args) => env::run(&args, &common),
        Command::Limits(args) => limits::run(&args, &common),
        Command::Triage(args) => triage::run(&args, &common),
        Command::Report(args) => report::run(&args, &common),
        Command::Verify(args) => verify::run(&args, &common),
        Command::Scan(args) => scan::run(&args, &common),
        Command::Uts(args) => uts::run(&args, &common),
        #[cfg(feature = "capture")]
        Command::Capture(args) => capture::run(*args, &common),
        Command::Explain(args) => explain::run(&args, &common),
        Command::Image(args) => image::run(&args, &common),
        Command::Secrets(args) => secrets::run(&args, &common),
        Command::Iocs(args) => iocs::run(&args, &common),
        Command::Diff(args) => diff::run(&args, &common),
        Command::Timeline(args) => timeline::run(&args, &common),
        Command::Graph(args) => graph::run(&args, &common),
        Command::History(args) => history::run(&args, &common),
        Command::Schema(args) => schema::run(&args),
        Command::Generate(args) => generate::run(&args),
    }
}

/// Opens each archive and gives its checkpoints to `work`, which writes records and may notice more.
fn for_each_checkpoint(
    archives: &[PathBuf],
    common: &Common,
    name: &str,
    collection: Collection,
    work: impl FnMut(&mut Case<'_>, &mut Output, &Bars) -> Result<()>,
) -> Result<Outcome> {
    let open = |path: &Path, bars: &Bars| evidence::open(path, common, bars);
    for_each_opened(archives, common, name, collection, &open, work)
}

/// The same with a way to open them.
fn for_each_opened(
    archives: &[PathBuf],
    common: &Common,
    name: &str,
    collection: Collection,
    open: &dyn Fn(&Path, &Bars) -> Result<Opened>,
    mut work: impl FnMut(&mut Case<'_>, &mut Output, &Bars) -> Result<()>,
) -> Result<Outcome> {
    evidence::refuse_to_overwrite(archives, common)?;
    let bars = Bars::new(common.quiet).until(&common.stop);
    let mut outcome = Outcome::Done;
    if archives.is_empty() {
        bail!("an archive is needed; see ckptfx {name} --help");
    }
    let mut named = Named::find(archives, common)?;
    let candidates = named.candidates.clone();
    let open = |candidate: &Candidate| candidate.open(&|path| open(path, &bars));
    let mut first: Option<Result<Opened>> = match candidates.as_slice() {
        [only] => Some(open(only)),
        _ => None,
    };
    let several =
        candidates.len() > 1 || matches!(&first, Some(Ok(opened)) if opened.evidence.checkpoints.len() > 1);
    let mut output = Output::new(common, collection, several)?;
    for candidate in &candidates {
        let opened = match first.take().unwrap_or_else(|| open(candidate)) {
            Ok(opened) => opened,
            // One unreadable archive of several costs itself only.
            Err(error) => {
                let (is_loss, not_read) = named.not_read(candidate, error, common)?;
                if is_loss {
                    outcome = outcome.max(Outcome::Partly);
                }
                if let Some(not_read) = not_read {
                    let warnings = finish_diagnostics(&[not_read.diagnostic()], common);
                    if output.is_document() {
                        output.begin(&not_read.head(name))?;
                        output.end(&warnings)?;
                    }
                }
                continue;
            }
        };
        for checkpoint in &opened.evidence.checkpoints {
            let started = std::time::Instant::now();
            let mut case = Case::read(checkpoint);
            if common.verbose > 1 {
                let members = checkpoint.archive().members().len();
                eprintln!(
                    "ckptfx: read {members} members, {} processes in {:.1?}",
                    case.tasks.len(),
                    started.elapsed()
                );
            }
            case.diagnostics.splice(0..0, opened.evidence.diagnostics.iter().cloned());
            let head = Head::new(name, &opened.evidence, checkpoint, opened.sha256.clone());
            output.begin(&head)?;
            match work(&mut case, &mut output, &bars) {
                // What is wrong with one of several checkpoints, such as a pid that it lacks, costs that one.
                Err(error) if several && !output.has_begun() => {
                    eprintln!(
                        "ckptfx: {}: {}",
                        show(&head.evidence.label().0),
                        show(format!("{error:#}").as_bytes())
                    );
                    outcome = outcome.max(Outcome::Partly);
                    continue;
                }
                other => other?,
            }
            let warnings = finish_diagnostics(&case.diagnostics, common);
            output.end(&warnings)?;
            if warnings.iter().any(|warning| warning.partial) {
                outcome = outcome.max(Outcome::Partly);
            }
        }
    }
    named.finish(common)?;
    output.finish()?;
    Ok(outcome)
}

/// What was noticed so far, each once and of each kind only the first.
fn worth_telling(diagnostics: &[Diagnostic], common: &Common) -> Vec<Diagnostic> {
    let mut reports = Reports::new(&common.limits());
    let mut seen = HashSet::new();
    let mut kept: Vec<Diagnostic> = Vec::new();
    for diagnostic in diagnostics.iter().filter(|diagnostic| seen.insert(*diagnostic)) {
        reports.push(diagnostic.clone(), &mut kept);
    }
    reports.finish("evidence", &mut kept);
    kept
}

/// The same as a result tells it.
fn warnings(diagnostics: &[Diagnostic], common: &Common) -> Vec<Warning> {
    worth_telling(diagnostics, common).iter().map(Warning::from).collect()
}

/// Warnings for the result; on standard error too unless `--quiet`.
fn finish_diagnostics(diagnostics: &[Diagnostic], common: &Common) -> Vec<Warning> {
    let kept = worth_telling(diagnostics, common);
    if !common.quiet {
        for diagnostic in &kept {
            let kind = if diagnostic.severity == Severity::Loss { "warning" } else { "note" };
            let at = diagnostic.offset.map(|offset| format!(" at byte {offset}")).unwrap_or_default();
            eprintln!(
                "ckptfx: {kind}: {}{at}: {} [{}]",
                show(diagnostic.subject.as_bytes()),
                show(diagnostic.message.as_bytes()),
                diagnostic.code
            );
        }
    }
    kept.iter().map(Warning::from).collect()
}

impl ProcessFilter {
    /// Whether a process is meant.
    pub fn accepts(&self, task: &Task<'_>) -> bool {
        let process = &task.process;
        let is_named = |name: &String, bytes: &[u8]| name.as_bytes() == bytes;
        (self.pid.is_empty() || self.pid.contains(&process.pid))
            && (self.comm.is_empty()
                || process
                    .comm
                    .as_ref()
                    .is_some_and(|comm| self.comm.iter().any(|name| is_named(name, &comm.0))))
            && (self.exe.is_empty()
                || process.exe.as_ref().is_some_and(|exe| {
                    let last = exe.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
                    self.exe.iter().any(|name| is_named(name, &exe.0) || is_named(name, last))
                }))
    }

    /// Whether any process is left out.
    pub fn is_set(&self) -> bool {
        !self.pid.is_empty() || !self.comm.is_empty() || !self.exe.is_empty()
    }

    /// Fails when a pid was asked for that is in no checkpoint.
    pub fn check(&self, case: &Case<'_>) -> Result<()> {
        for pid in &self.pid {
            case.task(*pid).with_context(|| no_such_process(*pid, case))?;
        }
        Ok(())
    }
}

fn no_such_process(pid: u32, case: &Case<'_>) -> String {
    let pids: Vec<String> = case.tasks.iter().take(40).map(|task| task.process.pid.to_string()).collect();
    format!(
        "there is no process {pid} in the checkpoint; there are {} (pids as seen in the container)",
        pids.join(", ")
    )
}

/// The one checkpoint of evidence that must hold only one.
fn only_checkpoint(opened: &Opened) -> Result<&Checkpoint> {
    match opened.evidence.checkpoints.as_slice() {
        [checkpoint] => Ok(checkpoint),
        several => {
            bail!("{} holds {} checkpoints; give one of them by itself", opened.evidence.name, several.len())
        }
    }
}
