//! What a command is: one value, of which the command line, its help, completions, schemas and the lists in the documents
//! are made.

use anyhow::Result;
use ckptfx_report::schema::Document;
use clap::{ArgMatches, FromArgMatches};

use crate::{
    args::{Common, Format},
    outcome::Outcome,
};

/// A command.
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Other names that are listed with it.
    pub aliases: &'static [&'static str],
    /// What it does, in one line.
    pub about: &'static str,
    /// How it is called, where that cannot be told from its arguments.
    pub usage: Option<&'static str>,
    /// What stands below its options.
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
            .visible_aliases(self.aliases);
        if let Some(usage) = self.usage {
            parser = parser.override_usage(usage);
        }
        let examples = self.examples.iter().map(|example| format!("\n  {example}")).collect::<String>();
        let examples = if examples.is_empty() { examples } else { format!("Examples:{examples}") };
        let parts = [self.notes, &examples].into_iter().filter(|part| !part.is_empty());
        parser.after_help(parts.collect::<Vec<_>>().join("\n\n"))
    }
}
