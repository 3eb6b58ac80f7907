//! Every reader and every analysis in one process: what the damage tests and the fuzz targets drive. It is shared with
//! `fuzz/` by its path.

use std::{collections::BTreeMap, sync::atomic::AtomicU64};

use bytes::Bytes;
use ckptfx_analysis::{
    Case,
    container::{cgroup, ipc, log, mount, namespace, statistics, summary, uts},
    files::{file, nested, rootfs, sbom},
    finding, graph,
    memory::{anomaly, elf_core, mapping},
    network::{self, queue, socket},
    process::{environment, history, limits, signal, thread, timer},
    recover,
    search::{self, Coverage, Source},
    security::credential,
    timeline,
};
use ckptfx_parser::{
    Diagnostic, Limits, Severity,
    archive::{Archive, Member, MemberKind},
    dynamic::{self, Numbering},
    image::ImageFile,
    input::{self, Evidence, Input, OpenOptions, open_nested},
};

/// Small limits, so that a case that reaches one costs little.
pub const LIMITS: Limits = Limits {
    decompressed_bytes: 64 << 20,
    decoded_bytes: 64 << 20,
    all_argument_bytes: 16 << 20,
    members: 20_000,
    processes: 2_000,
    threads: 4_000,
    mappings: 20_000,
    entries: 100_000,
    ..Limits::DEFAULT
};

/// What came of it.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Outcome {
    /// Whether there was a checkpoint in it at all.
    pub opened: bool,
    /// The processes that are told, by pid.
    pub pids: Vec<u32>,
    /// Codes of the losses.
    pub losses: Vec<&'static str>,
    /// Bytes of all results as JSON.
    pub written: usize,
}

/// Opens evidence, asks every question of it, and decodes every file of it.
pub fn evidence(bytes: Bytes) -> Outcome {
    evidence_and(bytes, &|_| true)
}

/// Opens evidence, asks every question of it, and decodes the files that are wanted: nothing but the file itself
/// decides how it is decoded, so that those that did not change need no second look.
pub fn evidence_and(bytes: Bytes, wanted: &dyn Fn(&Member) -> bool) -> Outcome {
    let mut outcome = Outcome::default();
    let diagnostics = ask(bytes, &mut |case| {
        outcome.opened = true;
        outcome.pids.extend(case.tasks.iter().map(|task| task.process.pid));
        outcome.written += processes(case);
        outcome.written += network(case);
        outcome.written += archives(case);
        outcome.written += logs(case);
        outcome.written += memory(case);
        outcome.written += conclusions(case);
        outcome.written += decode_all(case.checkpoint.archive(), wanted);
    });
    let losses = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Loss);
    outcome.losses = losses.map(|diagnostic| diagnostic.code).collect();
    outcome
}

/// Opens evidence and gives each checkpoint in it; what is told of it all in the end.
pub fn ask(bytes: Bytes, question: &mut dyn FnMut(&mut Case<'_>)) -> Vec<Diagnostic> {
    let mut options = OpenOptions::default();
    options.limits = LIMITS;
    let Ok(opened) = input::open(&Input::Bytes(bytes), &options) else { return Vec::new() };
    ask_opened(&opened, question)
}

/// The same of evidence that is open.
pub fn ask_opened(opened: &Evidence, question: &mut dyn FnMut(&mut Case<'_>)) -> Vec<Diagnostic> {
    let mut diagnostics = opened.diagnostics.clone();
    for checkpoint in &opened.checkpoints {
        let mut case = Case::read(checkpoint);
        question(&mut case);
        diagnostics.append(&mut case.diagnostics);
    }
    diagnostics
}

fn size(value: impl serde::Serialize) -> usize {
    let json = serde_json::to_string(&value).expect("every record can be written");
    // Only what stands for text that is not UTF-8 is ever unfolded.
    if !json.contains(r"\u0000") {
        return json.len();
    }
    let mut json = serde_json::to_value(value).expect("every record can be written");
    ckptfx_analysis::unfold(&mut json);
    json.to_string().len()
}

fn open(member: &Member, diagnostics: &mut Vec<Diagnostic>) -> Option<Archive> {
    let mut options = OpenOptions::default();
    options.limits = LIMITS;
    open_nested(member, &options, diagnostics)
}

fn all(_: &ckptfx_analysis::Task<'_>) -> bool {
    true
}

const RECOVERING: recover::Limits = recover::Limits { shared_memory: true, zeros: 1 << 20 };

/// What is said of processes and of what they have open.
pub fn processes(case: &mut Case<'_>) -> usize {
    let mut written = size(summary::summarise(case));
    written += case.tasks.iter().map(|task| size(&task.process)).sum::<usize>();
    written += size(file::files(case, &all));
    written += size(socket::sockets(case, &all));
    written += size(queue::queues(case, &all));
    written += size(thread::threads(case, &all));
    written += size(credential::credentials(case, true, &all));
    written += size(signal::signals(case, true, &all));
    written += size(timer::timers(case, &all));
    written += size(limits::limits(case, &all));
    written += size(environment::variables(case, &all));
    written += size(mount::mounts(case, &all));
    written += size(namespace::namespaces(case, &all));
    written += size(ipc::objects(case, &all));
    written += size(cgroup::cgroups(case, &all));
    written += size(uts::namespaces(case, &all));
    written += size(statistics::statistics(case));
    written
}

/// What is said of the network.
pub fn network(case: &mut Case<'_>) -> usize {
    let net = network::network(case, &all);
    size((net.interfaces, net.addresses, net.routes, net.rules, net.firewall, net.sysctls))
        + size(net.connections)
}

/// What is said of files inside archives inside the evidence, and of files that are recovered.
pub fn archives(case: &mut Case<'_>) -> usize {
    let mut written = size(sbom::components(case, &all, RECOVERING));
    let found = recover::find(case, &all, true, RECOVERING, &open);
    written += found.iter().map(|found| size(&found.facts)).sum::<usize>();
    let sources = nested::sources(case, &open);
    let wish = rootfs::Wish { hash: true, diff: false, zeros: 1 << 20, base: None };
    written += size(rootfs::changes(case, &sources, &wish, &all, true));
    written
}

/// What the logs say.
pub fn logs(case: &mut Case<'_>) -> usize {
    let mut written = 0;
    for source in [log::Source::Container, log::Source::Dump] {
        let read = log::read(case, source, &mut |line| {
            written += size(line);
            Ok::<(), ()>(())
        });
        assert!(read.is_ok());
    }
    written
}

/// What is said of memory, and where it lies.
pub fn memory(case: &mut Case<'_>) -> usize {
    let mut written = size(mapping::mappings(case, &all));
    for task in &case.tasks {
        let mut diagnostics = Vec::new();
        if let Ok(core) = elf_core::plan(case, task, &BTreeMap::new(), &mut diagnostics) {
            written += core.head.len();
        }
        if let Some(space) = &task.space {
            written += usize::from(anomaly::criu_page(space).is_some());
        }
    }
    let regions = search::regions(case, &Source::ALL, &open).expect("anonymous storage");
    written += size(Coverage::new(case, &Source::ALL, &regions, &BTreeMap::new(), &all));
    for region in &regions {
        let place = region.place(case, region.base(), &|_, _, _| true);
        written += size(place.facts());
        assert!(region.place_end(case, region.base()) > region.base());
    }
    written
}

/// What is concluded from all of it: findings, events, who talks to whom, commands that were typed.
pub fn conclusions(case: &mut Case<'_>) -> usize {
    let sources = nested::sources(case, &open);
    let facts = finding::Facts::read(case, &sources).expect("anonymous storage");
    let mut written = size(finding::rank(&facts, finding::AttackVersion::V19));
    drop(facts);
    let kinds = &timeline::Kind::ALL;
    let wish = timeline::Wish { sources: &sources, kinds, wanted: &all, filtered: false };
    written += size(timeline::events(case, &wish).expect("anonymous storage"));
    let graph = graph::graph(case, graph::Wish { parents: true, may_trace: true }, &all);
    written += size(graph.nodes) + size(graph.edges);
    written += size(history::commands(case, &all).expect("anonymous storage"));
    written
}

/// The files of an archive that are wanted, as `decode` shows them.
fn decode_all(archive: &Archive, wanted: &dyn Fn(&Member) -> bool) -> usize {
    let files = archive.members().iter().filter(|member| member.kind == MemberKind::File && wanted(member));
    // Pages have no structure; beyond a few thousand members there is nothing new.
    files.take(5_000).map(|member| decode(&member.name(), member.bytes())).sum()
}

/// An image as JSON, entry by entry.
pub fn decode(path: &str, bytes: &[u8]) -> usize {
    let name = path.rsplit('/').next().unwrap_or_default();
    let order = ckptfx_parser::image::ByteOrder::Little;
    let decoded = AtomicU64::new(0);
    let file = ImageFile { name, bytes, order, limits: &LIMITS, decoded: &decoded };
    let mut diagnostics = Vec::new();
    match dynamic::open(&file, Numbering::default()) {
        Ok(Some(decoder)) => {
            decoder.entries(&mut diagnostics).take(20_000).map(|entry| entry.to_string().len()).sum()
        }
        _ => 0,
    }
}
