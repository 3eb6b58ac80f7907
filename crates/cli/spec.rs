//! What a command is: one value, of which the command line, its help, completions, schemas and the lists in the documents
//! are made.

use anyhow::Result;
use ckptfx_report::schema::Document;
use clap::{Arg, ArgMatches, FromArgMatches};

use crate::{
    args::{Common, Format},
    outcome::Outcome,
};

/// What a command is about: the groups of the help, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// What to begin with.
    Start,
    /// Processes.
    Processes,
    /// Memory.
    Memory,
    /// Files.
    Files,
    /// Network.
    Network,
    /// The container.
    Container,
    /// Several checkpoints, time, and proof.
    Cases,
    /// Taking checkpoints and bringing them back.
    Capture,
    /// Everything else.
    Reference,
}

impl Group {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Start,
        Self::Processes,
        Self::Memory,
        Self::Files,
        Self::Network,
        Self::Container,
        Self::Cases,
        Self::Capture,
        Self::Reference,
    ];

    /// Its heading.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Start => "Start here",
            Self::Processes => "Processes",
            Self::Memory => "Memory",
            Self::Files => "Files",
            Self::Network => "Network",
            Self::Container => "Container",
            Self::Cases => "Comparison, time and custody",
            Self::Capture => "Capture and restore",
            Self::Reference => "Reference",
        }
    }
}

/// A command.
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Other names that are listed with it.
    pub aliases: &'static [&'static str],
    /// Where the help lists it.
    pub group: Group,
    /// What it does, in one line.
    pub about: &'static str,
    /// How it is called, where that cannot be told from its arguments.
    pub usage: Option<&'static str>,
    /// What stands below its options in the long help: paragraphs; where lines are broken in them does not matter.
    pub notes: &'static str,
    /// Command lines that show its use.
    pub examples: &'static [&'static str],
    /// Adds its arguments.
    pub arguments: fn(clap::Command) -> clap::Command,
    /// The forms that its result has.
    pub formats: &'static [Format],
    /// What its JSON looks like; none when it has none.
    pub result: Option<Document>,
    /// Runs it.
    pub run: fn(&Call<'_>) -> Result<Outcome>,
}

/// What a command was called with.
pub struct Call<'c> {
    /// What the command line says, for the command alone.
    pub matches: &'c ArgMatches,
    /// Options of every command.
    pub common: &'c Common,
    /// All commands.
    pub commands: &'static [&'static Command],
}

impl Call<'_> {
    /// The arguments of the command.
    pub fn arguments<A: FromArgMatches>(&self) -> Result<A> {
        Ok(A::from_arg_matches(self.matches)?)
    }
}

impl Command {
    /// Whether its result has a form.
    pub fn has(&self, format: Format) -> bool {
        self.formats.contains(&format)
    }

    /// The forms that its result has, in words.
    pub fn forms(&self) -> String {
        self.formats.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ")
    }

    /// The command as the parser of the command line takes it.
    pub fn parser(&self) -> clap::Command {
        let mut parser = (self.arguments)(clap::Command::new(self.name))
            .about(self.about)
            .long_about(None)
            .visible_aliases(self.aliases)
            .arg(self.output());
        if let Some(usage) = self.usage {
            parser = parser.override_usage(usage);
        }
        let examples = self.examples.iter().map(|example| format!("\n  {example}")).collect::<String>();
        let examples = if examples.is_empty() { examples } else { format!("Examples:{examples}") };
        let notes = paragraphs(self.notes);
        let parts = [&notes, &examples].into_iter().filter(|part| !part.is_empty()).map(String::as_str);
        let long = parts.collect::<Vec<_>>().join("\n\n");
        parser.after_help(examples).after_long_help(long)
    }

    /// The option that chooses the format, with those that the command has.
    fn output(&self) -> Arg {
        Arg::new("output")
            .short('o')
            .long("output")
            .global(true)
            .value_name("FORMAT")
            .value_parser(clap::builder::EnumValueParser::<Format>::new())
            .hide_possible_values(true)
            .default_value("table")
            .hide_default_value(true)
            .help_heading("Options of every command")
            .help(format!("Output format: {}", self.forms()))
    }
}

/// Text whose paragraphs are one line each, for a terminal of any width.
fn paragraphs(text: &str) -> String {
    let paragraphs =
        text.split("\n\n").map(|paragraph| paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}
