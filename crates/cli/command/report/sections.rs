//! The tables of a report, in no particular form: cells are fit to be shown, and only need to be escaped.

use ckptfx_analysis::{
    files::rootfs::Change, finding::Facts, graph::Graph, process::Process, recover::Recoverable,
};
use ckptfx_export::{Dossier, Section};
use ckptfx_report::untrusted::show_short;

use crate::{
    command::{files, graph, mounts, ps, recover, rootfs, secrets, sockets, timeline},
    render::{table::size, tree},
    view::View,
};

/// Most rows of one table. A browser can still sort and search so many.
const MAX_ROWS: usize = ckptfx_export::MAX_ROWS;
/// Longest text of a cell, in characters.
const MAX_CELL: usize = 2_000;

fn new(
    (id, title): (&'static str, &'static str),
    command: &'static str,
    columns: impl IntoIterator<Item = (&'static str, bool)>,
) -> Section {
    Section { id, title, command, columns: columns.into_iter().collect(), rows: Vec::new(), total: 0 }
}

fn add(section: &mut Section, row: impl IntoIterator<Item = String>) {
    section.total += 1;
    if section.rows.len() < MAX_ROWS {
        section.rows.push(row.into_iter().map(cut).collect());
    }
}

/// The table that a command prints.
fn of<'r, R: 'static>(
    names: (&'static str, &'static str),
    view: &View<R>,
    records: impl IntoIterator<Item = &'r R>,
) -> Section {
    let columns = view.table.iter().map(|column| (column.header, column.right));
    let mut section = new(names, view.name, columns);
    for record in records {
        add(&mut section, view.table.iter().map(|column| column.short(record)));
    }
    section
}

fn cut(cell: String) -> String {
    if cell.len() <= MAX_CELL || cell.chars().count() <= MAX_CELL {
        return cell;
    }
    let mut short: String = cell.chars().take(MAX_CELL).collect();
    short.push('…');
    short
}

/// All tables, in the order of the report.
pub fn all(
    dossier: &Dossier<'_>,
    facts: &Facts<'_>,
    graph: &Graph,
    recoverable: &[Recoverable],
) -> Vec<Section> {
    let usual = |change: &&_| !is_usual(change);
    vec![
        processes(dossier),
        of(("connections", "Who talks to whom"), &graph::VIEW, &graph.edges),
        of(("sockets", "Sockets"), &sockets::VIEW, &facts.sockets),
        of(("files", "Open files"), &files::VIEW, &facts.files),
        of(("changes", "Changes of the root file system"), &rootfs::VIEW, facts.changes.iter().filter(usual)),
        of(("recoverable", "Files that are in the checkpoint only"), &recover::VIEW, recoverable),
        of(("secrets", "Secrets"), &secrets::VIEW, dossier.secrets),
        mounts_of(facts),
        of(("timeline", "Timeline"), &timeline::VIEW, dossier.events),
    ]
}

/// What runtimes make in every container.
fn is_usual(change: &Change) -> bool {
    change.flags.contains(&"runtime-default")
}

fn processes(dossier: &Dossier<'_>) -> Section {
    let columns = [
        ("PID", true),
        ("PPID", true),
        ("UID", true),
        ("STATE", false),
        ("THREADS", true),
        ("CAPTURED", true),
        ("FINDINGS", false),
        ("EXE", false),
        ("COMMAND", false),
    ];
    let mut section = new(("processes", "Processes"), "ps", columns);
    let processes: Vec<&Process> = dossier.processes.iter().collect();
    for tree::Line { branch, process } in tree::lines(&processes) {
        let worst = dossier.findings.iter().filter(|finding| finding.subject.pid == Some(process.pid));
        let worst = worst.map(|finding| finding.severity).max();
        let number = |value: Option<u32>| value.map_or_else(|| "?".to_owned(), |value| value.to_string());
        let cells = [
            process.pid.to_string(),
            number(process.ppid),
            number(process.uid.and_then(|uid| uid.effective)),
            ps::state(process.state, process.exit_code, process.exit_signal),
            process.threads.len().to_string(),
            process.captured_bytes.map_or_else(|| "-".to_owned(), size),
            worst.map_or("-", |severity| severity.name()).to_owned(),
            ps::executable(process),
            format!("{branch}{}", show_short(&process.command(), MAX_CELL)),
        ];
        add(&mut section, cells);
    }
    section
}

fn mounts_of(facts: &Facts<'_>) -> Section {
    let columns = mounts::HEADER.iter().enumerate();
    let columns = columns.map(|(index, name)| (*name, mounts::RIGHT.contains(&index)));
    let mut section = new(("mounts", "Mounts"), "mounts", columns);
    for row in mounts::rows(&facts.mounts) {
        add(&mut section, row);
    }
    section
}
