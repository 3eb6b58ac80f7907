//! `ckptfx capture`: takes checkpoints of running containers, and seals them.

mod arguments;

use std::{io::Write as _, path::PathBuf, time::Duration};

use anyhow::{Result, bail};
use ckptfx_capture::{
    error::Error,
    kubernetes::{
        Plan,
        access::{Cluster, Direct},
        fetch,
        preflight::State,
        target::Wanted,
    },
    manifest::Operator,
    podman,
    record::{CheckRecord, Record},
    session::{self, Event, Preflight, Reach, Request, Schedule, Way},
    stop,
};
use ckptfx_report::{
    DocumentHead,
    schema::{About, Document, List, of},
    untrusted::show,
};
use clap::Args;

use self::arguments::CaptureArgs;
use super::triage::{self, TriageArgs};
use crate::{
    args::{Common, Format},
    outcome::Outcome,
    render::{Output, table},
    spec::{Command, Group},
    view,
};

/// The command.
pub const COMMAND: Command = Command {
    name: "capture",
    aliases: &[],
    group: Group::Capture,
    about: "Checkpoint a running container and seal the archive",
    usage: None,
    notes: "The container goes on running; whether it does is checked afterwards. Each archive is written with mode 0600
under a new name, and a manifest beside it (NAME.manifest.json) records its SHA-256, times, node, image and
every answer. Without --fetch a checkpoint that Kubernetes takes stays on its node, and the manifest says where.

Through the API server the caller needs create on nodes/proxy, with --kubelet on nodes/checkpoint; docs/capture
has roles for both. --cri and --podman need root on the node.

Exit status: 0 all captured; 1 --preflight found something missing; 2 nothing captured; 3 some were not captured,
or a container was not running afterwards.",
    examples: &["ckptfx capture -n shop web-7d9f/app --fetch --dir evidence --operator $USER --case 2026-17", "ckptfx capture -n shop -l app=web --preflight", "ckptfx capture --kubelet https://node-1:10250 --cert me.crt --key me.key --ca kubelet-ca.crt -n shop web-7d9f", "ckptfx capture -n shop --deployment web --all-nodes --jobs 4 --fetch --dir evidence", "ckptfx capture --cri web --triage --dir /var/lib/evidence", "ckptfx capture --cri /run/crio/crio.sock --pod web-7d9f --dir /var/lib/evidence", "ckptfx capture --podman web --every 5m --count 12 --dir chain; ckptfx diff chain"],
    arguments: CaptureArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[CAPTURES, CHECKS]).about(About::None)),
    run: |call| run(call.arguments()?, call.common),
};

/// Time for a checkpoint on the node itself, where nobody else sets a limit.
const LOCAL_TIMEOUT: u64 = 600;

const CAPTURES: List = List {
    name: "captures",
    record: of::<Record>,
    columns: &[
        "namespace",
        "pod",
        "container",
        "container_id",
        "node",
        "via",
        "archive",
        "bytes",
        "sha256",
        "node_path",
        "manifest",
        "triage",
        "chain_index",
        "running_after",
        "state_after",
        "error",
    ],
};
const CHECKS: List =
    List { name: "checks", record: of::<CheckRecord>, columns: &["node", "code", "state", "message", "fix"] };

pub fn run(args: CaptureArgs, common: &Common) -> Result<Outcome> {
    let preflight_only = args.preflight;
    let with_triage = args.triage;
    let request = request(args)?;
    let (mut captures, mut checks) = (Vec::new(), Vec::new());
    let work = async |stop| {
        let mut tell = |event| note(event, common.quiet, &mut captures, &mut checks);
        session::run(&request, &stop, &mut tell).await
    };
    let ended = stop::block_on(work, |times| {
        if times == 1 {
            eprintln!(
                "ckptfx: stopping; a checkpoint that is being taken is brought to its end, since the container may \
                 otherwise stay paused (interrupt again to give it up)"
            );
        }
    })?;
    if let Err(error) = ended {
        tell(None, &error);
        captures.push(Record::failed("", &error));
    }
    let failed = captures.iter().filter(|record| record.error.is_some()).count();
    let is_recorded = |record: &Record| record.manifest.is_some();
    if failed > 0 && failed == captures.len() && !captures.iter().any(is_recorded) {
        bail!("nothing was captured");
    }
    let mut triaged = Outcome::Done;
    if with_triage {
        for record in &mut captures {
            triaged = triaged.max(triage(record, common));
        }
    }
    let mut output = Output::new(common, if preflight_only { CHECKS } else { CAPTURES }, false)?;
    output.begin_document(&DocumentHead::new("capture"))?;
    if output.is_table() {
        if preflight_only {
            write_checks(&checks, &mut output)?;
        } else {
            write_captures(&captures, &mut output)?;
        }
    } else if preflight_only {
        checks.iter().try_for_each(|record| output.record(record))?;
        output.next_list(CAPTURES.name)?;
    } else {
        captures.iter().try_for_each(|record| output.record(record))?;
        if output.is_document() {
            output.next_list(CHECKS.name)?;
            checks.iter().try_for_each(|record| output.record(record))?;
        }
    }
    output.end(&[])?;
    output.finish()?;
    if with_triage && common.output == Format::Table {
        let archives: Vec<PathBuf> =
            captures.iter().filter(|record| record.triage.is_some()).filter_map(Record::archive).collect();
        if !archives.is_empty() {
            println!();
            triage::run(
                &TriageArgs { archives, ..TriageArgs::default() },
                &Common { quiet: true, ..common.clone() },
            )?;
        }
    }
    Ok(if preflight_only && checks.iter().any(|check| check.state == State::Missing.name()) {
        Outcome::NothingMatched
    } else if failed > 0 || captures.iter().any(|record| record.running_after == Some(false)) {
        Outcome::Partly
    } else {
        triaged
    })
}

/// Runs triage on a sealed archive; the findings go to a file beside it. What goes wrong with it costs nothing of
/// the capture.
fn triage(record: &mut Record, common: &Common) -> Outcome {
    let Some(archive) = record.archive() else { return Outcome::Done };
    let path = archive.with_extension("triage.json");
    let common = Common { output: Format::Json, out_file: Some(path.clone()), ..common.clone() };
    match triage::run(&TriageArgs { archives: vec![archive], ..TriageArgs::default() }, &common) {
        Ok(outcome) => {
            record.triage = Some(path.to_string_lossy().as_ref().into());
            outcome
        }
        Err(error) => {
            eprintln!("ckptfx: triage: {}", show(format!("{error:#}").as_bytes()));
            Outcome::Partly
        }
    }
}

/// Keeps what happened for the result, and says at once what somebody must know.
fn note(event: Event, quiet: bool, captures: &mut Vec<Record>, checks: &mut Vec<CheckRecord>) {
    match event {
        Event::Checked(node, found) => {
            checks.extend(found.into_iter().map(|check| CheckRecord::new(&node, check)));
        }
        Event::Captured(captured) => {
            if let Some(error) = &captured.failure {
                tell(captured.manifest.subject.container.as_deref(), error);
            }
            let record = Record::from(*captured);
            let name = view::text(record.container.as_ref());
            for text in record.notes.iter().filter(|_| !quiet) {
                eprintln!("ckptfx: note: {name}: {}", show(&text.0));
            }
            if record.running_after == Some(false) {
                let state = view::text(record.state_after.as_ref());
                eprintln!(
                    "ckptfx: warning: {name} is not running after the checkpoint: {state} [not-running-after]"
                );
            }
            captures.push(record);
        }
        Event::Failed(name, error) => {
            tell(Some(&name), &error);
            captures.push(Record::failed(&name, &error));
        }
    }
}

/// Says why something failed: first what it means, where that is known, then what to do, then the words themselves.
fn tell(name: Option<&str>, error: &Error) {
    let name = name.map(|name| format!("{}: ", show(name.as_bytes()))).unwrap_or_default();
    let known = error.explanations();
    if known.is_empty() {
        eprintln!("ckptfx: {name}{}", show(error.to_string().as_bytes()));
    }
    for known in &known {
        let finding = if known.finding { " FINDING: this belongs in the report." } else { "" };
        eprintln!("ckptfx: {name}{} [{}]{finding}", show(known.why.as_bytes()), known.code);
        if let Some(fix) = &known.fix {
            eprintln!("  fix:  {}", show(fix.as_bytes()));
        }
    }
    if !known.is_empty() {
        eprintln!("  said: {}", show(error.said().as_bytes()));
    }
    if let Error::Harmed { state, .. } = error {
        eprintln!("  after that the container was not running: {}", show(state.as_bytes()));
    }
}

/// From what was typed to what is to be done.
fn request(args: CaptureArgs) -> Result<Request> {
    let local = Duration::from_secs(args.timeout.unwrap_or(LOCAL_TIMEOUT));
    let reach = args.reach;
    let stays_there = reach.cri.is_none() && reach.podman.is_none() && !args.fetch.fetch;
    if args.triage && stays_there {
        bail!("--triage needs the archive here, and it stays on the node: add --fetch");
    }
    let way = if let Some(socket) = reach.cri {
        let (socket, names) = socket_and_names(socket, args.names)?;
        Way::Cri { socket, names, is_pod: reach.pod, timeout: local }
    } else if let Some(socket) = reach.podman {
        let (socket, names) = socket_and_names(socket, args.names)?;
        let socket = socket.unwrap_or_else(|| podman::SOCKET.into());
        Way::Podman { plan: podman::Plan { socket, timeout: local }, names }
    } else {
        let mut wanted: Vec<Wanted> = args.names.iter().map(|name| pod_of(name)).collect();
        wanted.extend(args.selector.map(Wanted::Selector));
        wanted.extend(args.deployment.map(Wanted::Deployment));
        let fetch = args.fetch.fetch.then_some(fetch::Options {
            image: args.fetch.fetch_image,
            namespace: args.fetch.fetch_namespace,
            privileged: args.fetch.fetch_privileged,
            keep: args.fetch.keep,
            delete: args.fetch.delete_remote,
            directory: args.fetch.fetch_from,
            max_bytes: args.fetch.fetch_max_size.saturating_mul(1 << 30),
            time: args.fetch.fetch_timeout,
        });
        let namespace = args.namespace;
        Way::Kubernetes {
            reach: Box::new(match reach.kubelet {
                Some(url) => Reach::Kubelet(Direct {
                    url,
                    ca: reach.ca,
                    certificate: reach.cert.zip(reach.key),
                    token_file: reach.token_file,
                    server_name: reach.server_name,
                    insecure: reach.insecure,
                }),
                None => Reach::Cluster(Cluster { kubeconfig: reach.kubeconfig, context: reach.context }),
            }),
            namespace,
            wanted,
            plan: Plan { timeout: args.timeout, fetch, jobs: args.jobs.into() },
        }
    };
    Ok(Request {
        way,
        directory: args.dir,
        operator: Operator { name: args.operator, case: args.case },
        preflight: match (args.preflight, args.no_preflight) {
            (true, _) => Preflight::Only,
            (_, true) => Preflight::Skip,
            _ => Preflight::Check,
        },
        schedule: args.every.zip(args.count).map(|(every, count)| Schedule { every, count }),
    })
}

/// The socket may follow `--cri` and `--podman` as a word of its own: names of containers have no slash in front.
fn socket_and_names(socket: Option<PathBuf>, names: Vec<String>) -> Result<(Option<PathBuf>, Vec<String>)> {
    let plain = |text: &str| PathBuf::from(text.strip_prefix("unix://").unwrap_or(text));
    let (socket, names) = match (socket, names.split_first()) {
        (Some(socket), _) => (Some(plain(&socket.to_string_lossy())), names),
        (None, Some((first, rest))) if first.starts_with('/') || first.starts_with("unix://") => {
            (Some(plain(first)), rest.to_vec())
        }
        (None, _) => (None, names),
    };
    if names.is_empty() {
        bail!("name a container");
    }
    Ok((socket, names))
}

fn write_captures(records: &[Record], output: &mut Output) -> Result<()> {
    for record in records {
        let parts = [&record.namespace, &record.pod, &record.container];
        let name: Vec<String> = parts.into_iter().flatten().map(|part| show(&part.0)).collect();
        writeln!(output, "{}", name.join("/"))?;
        if let Some(error) = &record.error {
            let what = if record.manifest.is_some() { "not here" } else { "not captured" };
            writeln!(output, "  {what}: {}", show(&error.0))?;
        }
        if record.manifest.is_none() {
            continue;
        }
        match (&record.archive, &record.node_path) {
            (Some(archive), _) => {
                let size = record.bytes.map(table::size).unwrap_or_default();
                writeln!(output, "  archive   {} ({size})", show(&archive.0))?;
            }
            (None, Some(path)) => {
                writeln!(
                    output,
                    "  archive   on {} only: {}",
                    view::text(record.node.as_ref()),
                    show(&path.0)
                )?;
            }
            (None, None) => {}
        }
        if let Some(sha256) = &record.sha256 {
            writeln!(output, "  sha256    {sha256}")?;
        }
        writeln!(output, "  manifest  {}", view::text(record.manifest.as_ref()))?;
        if let Some(path) = &record.triage {
            writeln!(output, "  triage    {}", show(&path.0))?;
        }
        writeln!(output, "  workload  {}", view::text(record.state_after.as_ref()))?;
    }
    Ok(())
}

/// `POD` or `POD/CONTAINER`, with kubectl's `pod/` before it or without.
fn pod_of(name: &str) -> Wanted {
    let kinds = ["pod/", "pods/", "po/"];
    let name = kinds.iter().find_map(|kind| name.strip_prefix(kind)).unwrap_or(name);
    match name.split_once('/') {
        Some((pod, container)) => Wanted::Pod { pod: pod.to_owned(), container: Some(container.to_owned()) },
        None => Wanted::Pod { pod: name.to_owned(), container: None },
    }
}

fn write_checks(records: &[CheckRecord], output: &mut Output) -> Result<()> {
    for record in records {
        writeln!(output, "{:7}  {}: {}", record.state, show(&record.node.0), show(&record.message.0))?;
        if let Some(fix) = &record.fix {
            writeln!(output, "         {}", show(&fix.0))?;
        }
    }
    Ok(())
}
