//! The tables of a report, in no particular form: cells are fit to be shown, and only need to be escaped.

use ckptfx_analysis::{finding::Severity, process::Process};
use ckptfx_report::untrusted::{show, show_short};

use super::Report;
use crate::{
    command::{files, graph, mounts, ps, recover, rootfs, secrets, sockets, timeline},
    render::{table::size, tree},
    view::View,
};

/// Most rows of one table. A browser can still sort and search so many.
pub const MAX_ROWS: usize = 10_000;
/// Longest text of a cell, in characters.
const MAX_CELL: usize = 2_000;

/// A table.
pub struct Section {
    /// Name for links.
    pub id: &'static str,
    /// Heading.
    pub title: &'static str,
    /// The command that shows all of it.
    pub command: &'static str,
    /// Headings of the columns, and whether they are aligned to the right.
    pub columns: Vec<(&'static str, bool)>,
    /// Cells.
    pub rows: Vec<Vec<String>>,
    /// Number of rows that there are.
    pub total: usize,
}

impl Section {
    fn new(
        id: &'static str,
        title: &'static str,
        command: &'static str,
        columns: &[&'static str],
        right: &[usize],
    ) -> Self {
        let columns =
            columns.iter().enumerate().map(|(index, name)| (*name, right.contains(&index))).collect();
        Self { id, title, command, columns, rows: Vec::new(), total: 0 }
    }

    fn add(&mut self, row: impl IntoIterator<Item = String>) {
        self.total += 1;
        if self.rows.len() < MAX_ROWS {
            self.rows.push(row.into_iter().map(cut).collect());
        }
    }

    /// The table that a command prints.
    fn of<'r, R: 'static>(
        (id, title): (&'static str, &'static str),
        view: &View<R>,
        records: impl IntoIterator<Item = &'r R>,
    ) -> Self {
        let columns = view.table.iter().map(|column| (column.header, column.right)).collect();
        let mut section = Self { id, title, command: view.name, columns, rows: Vec::new(), total: 0 };
        for record in records {
            section.add(view.table.iter().map(|column| (column.cell)(record)));
        }
        section
    }
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
pub fn all(report: &Report<'_>) -> Vec<Section> {
    let facts = report.dossier.facts;
    let usual = |change: &&_| !is_usual(change);
    vec![
        processes(report),
        Section::of(("connections", "Who talks to whom"), &graph::VIEW, &report.graph.edges),
        Section::of(("sockets", "Sockets"), &sockets::VIEW, &facts.sockets),
        Section::of(("files", "Open files"), &files::VIEW, &facts.files),
        Section::of(
            ("changes", "Changes of the root file system"),
            &rootfs::VIEW,
            facts.changes.iter().filter(usual),
        ),
        Section::of(
            ("recoverable", "Files that are in the checkpoint only"),
            &recover::VIEW,
            report.recoverable,
        ),
        Section::of(("secrets", "Secrets"), &secrets::VIEW, report.dossier.secrets),
        mounts_of(report),
        Section::of(("timeline", "Timeline"), &timeline::VIEW, report.dossier.events),
    ]
}

/// What runtimes make in every container.
fn is_usual(change: &ckptfx_analysis::files::rootfs::Change) -> bool {
    change.flags.contains(&"runtime-default")
}

fn processes(report: &Report<'_>) -> Section {
    let columns = ["PID", "PPID", "UID", "STATE", "THREADS", "CAPTURED", "FINDINGS", "EXE", "COMMAND"];
    let mut section = Section::new("processes", "Processes", "ps", &columns, &[0, 1, 2, 4, 5]);
    let processes: Vec<&Process> = report.dossier.facts.processes.iter().collect();
    for tree::Line { branch, process } in tree::lines(&processes) {
        let worst = report.dossier.findings.iter().filter(|finding| finding.subject.pid == Some(process.pid));
        let worst = worst.map(|finding| finding.severity).max();
        let number = |value: Option<u32>| value.map_or_else(|| "?".to_owned(), |value| value.to_string());
        section.add([
            process.pid.to_string(),
            number(process.ppid),
            number(process.uid.and_then(|uid| uid.effective)),
            ps::state(process.state, process.exit_code, process.exit_signal),
            process.threads.len().to_string(),
            process.captured_bytes.map_or_else(|| "-".to_owned(), size),
            worst.map_or("-", |severity| severity.name()).to_owned(),
            ps::executable(process),
            format!("{branch}{}", show_short(&process.command(), MAX_CELL)),
        ]);
    }
    section
}

fn mounts_of(report: &Report<'_>) -> Section {
    let mut section = Section::new("mounts", "Mounts", "mounts", &mounts::HEADER, &mounts::RIGHT);
    for row in mounts::rows(&report.dossier.facts.mounts) {
        section.add(row);
    }
    section
}

/// What a reader of the verdict must know when not everything could be read.
pub fn reservation(report: &Report<'_>) -> Option<&'static str> {
    let is_partial = report.dossier.warnings.iter().any(|warning| warning.partial);
    is_partial
        .then_some("Something could not be read, as the warnings say: more may be there than was found.")
}

/// The verdict in one sentence.
pub fn verdict(report: &Report<'_>) -> (&'static str, &'static str) {
    let findings = report.dossier.findings;
    let worst = findings.iter().map(|finding| finding.severity).max();
    let words = match worst {
        Some(Severity::Critical) => "This speaks strongly for an intrusion.",
        Some(Severity::High) => "This speaks for an intrusion, unless the causes named below explain it.",
        Some(Severity::Medium) => "Some findings should be looked at.",
        Some(Severity::Low | Severity::Info) => "Nothing of weight was found.",
        None => "Nothing was found.",
    };
    (worst.map_or("none", Severity::name), words)
}

/// Names and values of the head: what was examined.
pub fn subject(report: &Report<'_>) -> Vec<(&'static str, String)> {
    let head = report.dossier.head;
    let container = &head.container;
    let mut rows: Vec<(&'static str, Option<String>)> = vec![
        ("Evidence", Some(head.evidence.name.clone())),
        ("Part of it", head.evidence.part.clone()),
        ("Format", Some(head.evidence.format.clone())),
        ("Size", head.evidence.bytes.map(|bytes| format!("{bytes} bytes"))),
        ("SHA-256", head.evidence.sha256.clone()),
        ("Engine", Some(container.engine.to_owned())),
        ("Container", container.name.clone()),
        ("Id", container.id.clone()),
        ("Pod", container.pod.clone()),
        ("Namespace", container.namespace.clone()),
        ("Image", container.image.clone()),
        ("Image digest", container.image_digest.clone()),
        ("Runtime", container.runtime.clone()),
        ("Created", container.created.map(|time| time.to_string())),
        ("Checkpointed", container.checkpointed.map(|time| time.to_string())),
        ("Time derived from", container.checkpointed_from.clone()),
    ];
    rows.retain(|(_, value)| value.is_some());
    rows.into_iter().map(|(name, value)| (name, show(value.unwrap_or_default().as_bytes()))).collect()
}

/// Names and values of the record of custody, the members left out.
pub fn custody(report: &Report<'_>) -> Vec<(&'static str, String)> {
    let custody = report.custody;
    let head = report.dossier.head;
    let text = |value: &Option<String>| value.as_ref().map(|value| show(value.as_bytes()));
    let arguments: Vec<String> = custody.arguments.iter().map(|argument| show(&argument.0)).collect();
    let redacted = match (custody.redacted, custody.redacted_values) {
        (false, _) => "none was taken out (--show-secrets)".to_owned(),
        (true, count) => format!("{count} taken out of this report"),
    };
    let rules: Vec<String> = custody
        .rules
        .iter()
        .map(|set| format!("{} {}, sha256 {}", set.count, set.name, set.sha256))
        .collect();
    let hash = "- (a directory has none; its files are below)".to_owned();
    let mut rows = vec![
        ("Case", text(&custody.case)),
        ("Examiner", text(&custody.examiner)),
        ("Machine", text(&custody.host)),
        ("Evidence", Some(show(head.evidence.name.as_bytes()))),
        ("Size", head.evidence.bytes.map(|bytes| format!("{bytes} bytes"))),
        ("SHA-256", Some(head.evidence.sha256.clone().unwrap_or(hash))),
        ("Tool", Some(format!("{} {}", head.document.tool.name, head.document.tool.version))),
        ("Rules", Some(rules.join("; "))),
        ("Arguments", Some(arguments.join(" "))),
        ("Started", custody.started.map(|time| time.to_string())),
        ("Ended", custody.ended.map(|time| time.to_string())),
        ("Secrets", Some(redacted)),
    ];
    rows.retain(|(_, value)| value.is_some());
    rows.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect()
}
