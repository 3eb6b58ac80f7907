//! Forms of a result.

use ckptfx_export::Form;
use clap::ValueEnum;

/// Form of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people, as wide as the terminal.
    Table,
    /// The same, with nothing cut.
    Wide,
    /// One JSON document.
    Json,
    /// One JSON record a line, each complete in itself.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
    /// A directory with an OCI layout (`image` only).
    OciDir,
    /// A tar of an OCI layout (`image` only).
    OciArchive,
    /// Lines for mactime (`timeline` only).
    Bodyfile,
    /// JSON lines for Timesketch (`timeline` only).
    Timesketch,
    /// A graph for Graphviz (`graph` only).
    Dot,
    /// A graph for Mermaid (`graph` only).
    Mermaid,
    /// One page for a browser (`report` only).
    Html,
    /// Text for a ticket (`report` only).
    Markdown,
    /// Events of the Elastic Common Schema, one a line (`triage`, `report`).
    Ecs,
    /// Events of OCSF, one a line (`triage`, `report`).
    Ocsf,
    /// A SARIF log (`triage`, `report`).
    Sarif,
    /// A STIX bundle (`triage`, `report`).
    Stix,
}

impl Format {
    /// The forms of every result that is a list of records.
    pub const RECORDS: &[Self] = &[Self::Table, Self::Wide, Self::Json, Self::Jsonl, Self::Csv];

    /// The form for other systems that it is.
    pub fn form(self) -> Option<&'static Form> {
        Form::named(&self.name())
    }

    /// The word for it on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}
