//! What forms are made of.

use ckptfx_analysis::{
    files::{file::OpenFile, rootfs::Change, sbom::Component},
    finding::{DroppedFile, Facts, Finding, NotExamined},
    graph::Graph,
    memory::mapping::Mapping,
    network::{queue::Queue, socket::Socket},
    process::{Process, thread::ThreadFacts},
    secret::Secret,
    timeline::Event,
};
use ckptfx_parser::container::Container;
use ckptfx_report::{Head, Warning, custody::Custody};

use crate::section::Section;

/// What is known of one checkpoint. Each form takes what it has a place for; what nobody asked for is empty.
#[derive(Debug, Clone, Copy)]
pub struct Dossier<'d> {
    /// Evidence and container.
    pub head: &'d Head,
    /// What the engine says of the container.
    pub container: Option<&'d Container>,
    /// What the processes and all that they have are looked up in.
    pub facts: Option<&'d Facts<'d>>,
    /// Processes, in the order of the tree.
    pub processes: &'d [Process],
    /// Their threads.
    pub threads: &'d [ThreadFacts],
    /// Their files.
    pub files: &'d [OpenFile],
    /// Sockets with who holds them.
    pub sockets: &'d [Socket],
    /// Mappings with what is odd about them.
    pub mappings: &'d [Mapping],
    /// What nobody had read.
    pub queues: &'d [Queue],
    /// Changes of the root file system.
    pub changes: &'d [Change],
    /// The regular files among them, with content.
    pub dropped: &'d [DroppedFile],
    /// What speaks for an intrusion, the worst first.
    pub findings: &'d [Finding],
    /// Secrets; only their masked text gets into an export.
    pub secrets: &'d [Secret],
    /// Dated facts.
    pub events: &'d [Event],
    /// Who talks to whom.
    pub graph: Option<&'d Graph>,
    /// Mapped programs and libraries.
    pub components: &'d [Component],
    /// Tables of a report, in its order.
    pub sections: &'d [Section],
    /// What was examined, with what, by whom and when.
    pub custody: Option<&'d Custody>,
    /// Whether processes, files and sockets are exported too, or only findings.
    pub inventory: bool,
    /// What the reader must know about the result.
    pub warnings: &'d [Warning],
    /// What findings do not rest on.
    pub not_examined: &'d [NotExamined],
}

impl<'d> Dossier<'d> {
    /// Nothing but what it is about.
    #[must_use]
    pub fn new(head: &'d Head) -> Self {
        Self {
            head,
            container: None,
            facts: None,
            processes: &[],
            threads: &[],
            files: &[],
            sockets: &[],
            mappings: &[],
            queues: &[],
            changes: &[],
            dropped: &[],
            findings: &[],
            secrets: &[],
            events: &[],
            graph: None,
            components: &[],
            sections: &[],
            custody: None,
            inventory: false,
            warnings: &[],
            not_examined: &[],
        }
    }

    /// With what findings rest on.
    #[must_use]
    pub fn with_facts(self, facts: &'d Facts<'_>) -> Self {
        Self {
            container: Some(facts.container),
            facts: Some(facts),
            processes: &facts.processes,
            threads: &facts.threads,
            files: &facts.files,
            sockets: &facts.sockets,
            mappings: &facts.mappings,
            queues: &facts.queues,
            changes: &facts.changes,
            dropped: &facts.dropped,
            ..self
        }
    }

    /// The process with a pid.
    #[must_use]
    pub fn process(&self, pid: u32) -> Option<&'d Process> {
        self.facts?.process(pid)
    }
}
