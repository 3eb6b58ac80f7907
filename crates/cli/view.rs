//! Commands that list one kind of fact: they differ in what they list and in their columns.

use anyhow::Result;
use ckptfx_analysis::{Case, Task};
use ckptfx_report::{
    listing::{Ask, Listing},
    schema::List,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    args::{Common, ProcessFilter, ViewArgs},
    checkpoints::for_each_checkpoint,
    nested::open_member,
    outcome::Outcome,
    render::{
        Output,
        table::{self, Emphasis},
    },
    spec::Call,
};

/// A column of the table.
pub struct Column<R> {
    /// Heading.
    pub header: &'static str,
    /// Whether it is aligned to the right.
    pub right: bool,
    /// Where it is cut, unless the table is wide; in characters.
    pub most: Option<usize>,
    /// The cell, fit to be shown: text from the evidence went through `untrusted::show`.
    pub cell: fn(&R) -> String,
}

impl<R> Column<R> {
    /// A column aligned to the left.
    pub const fn left(header: &'static str, cell: fn(&R) -> String) -> Self {
        Self { header, right: false, most: None, cell }
    }

    /// A column aligned to the left that is cut at a width.
    pub const fn cut(header: &'static str, most: usize, cell: fn(&R) -> String) -> Self {
        Self { header, right: false, most: Some(most), cell }
    }

    /// The cell, cut as in a table that is not wide.
    pub fn short(&self, record: &R) -> String {
        let mut cell = (self.cell)(record);
        if let Some(most) = self.most {
            table::cut(&mut cell, most);
        }
        cell
    }

    /// A column aligned to the right, for numbers.
    pub const fn right(header: &'static str, cell: fn(&R) -> String) -> Self {
        Self { header, right: true, most: None, cell }
    }
}

/// How a command's records are shown.
pub struct View<R: 'static> {
    /// Name of the command, which is also that of its schema.
    pub name: &'static str,
    /// List and CSV columns.
    pub collection: List,
    /// Columns of the table.
    pub table: &'static [Column<R>],
    /// What a row says by its colour.
    pub emphasis: fn(&R) -> Emphasis,
}

impl<R: JsonSchema> View<R> {
    /// The view of a listing, with these columns in a table.
    pub const fn of(listing: &Listing<R>, table: &'static [Column<R>]) -> Self {
        Self { name: listing.command, collection: listing.list(), table, emphasis: |_| Emphasis::None }
    }

    /// The same, with rows that say something by their colour.
    pub const fn emphasis(self, emphasis: fn(&R) -> Emphasis) -> Self {
        Self { name: self.name, collection: self.collection, table: self.table, emphasis }
    }
}

/// Runs a command that shows a listing and has no options of its own.
pub fn list<R: Serialize>(view: &View<R>, listing: &Listing<R>, call: &Call<'_>) -> Result<Outcome> {
    let args: ViewArgs = call.arguments()?;
    for_each_checkpoint(&args.archives, call.common, view.name, view.collection, |case, output, bars| {
        args.filter.check(case)?;
        let ask = Ask {
            wanted: &|task| args.filter.accepts(task),
            open: &|member, diagnostics| open_member(member, call.common, bars, diagnostics),
        };
        let mut records = Vec::new();
        (listing.records)(case, &ask, &mut |record| {
            records.push(record);
            Ok(())
        })?;
        write(view, &records, output)
    })
}

/// Gives the records of the processes that its second argument accepts.
pub type Records<'r, R> = dyn FnMut(&mut Case<'_>, &dyn Fn(&Task<'_>) -> bool) -> Result<Vec<R>> + 'r;

/// Runs a command that lists records and has options of its own.
pub fn run_filtered<R: Serialize>(
    view: &View<R>,
    archives: &[std::path::PathBuf],
    filter: &ProcessFilter,
    common: &Common,
    records: &mut Records<'_, R>,
) -> Result<Outcome> {
    for_each_checkpoint(archives, common, view.name, view.collection, |case, output, _| {
        filter.check(case)?;
        let records = records(case, &|task| filter.accepts(task))?;
        write(view, &records, output)
    })
}

/// Writes records in the form that was asked for.
pub fn write<R: Serialize>(view: &View<R>, records: &[R], output: &mut Output) -> Result<()> {
    if !output.is_table() {
        return records.iter().try_for_each(|record| output.record(record));
    }
    write_table(view, records.iter(), output)
}

/// Writes a table of records.
pub fn write_table<'r, R: 'r>(
    view: &View<R>,
    records: impl Iterator<Item = &'r R>,
    output: &mut Output,
) -> Result<()> {
    let headers: Vec<&str> = view.table.iter().map(|column| column.header).collect();
    let right: Vec<usize> =
        view.table.iter().enumerate().filter(|(_, column)| column.right).map(|(index, _)| index).collect();
    let mut plain = table::Plain::new(&headers).right(&right);
    for (index, column) in view.table.iter().enumerate() {
        plain = plain.at_most(index, column.most);
    }
    for record in records {
        plain.row(view.table.iter().map(|column| (column.cell)(record)));
        plain.emphasise((view.emphasis)(record));
    }
    output.table(plain)
}

/// A number or `-`.
pub fn number<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Text from the evidence or `-`.
pub fn text(value: Option<&ckptfx_analysis::Text>) -> String {
    value.map_or_else(|| "-".to_owned(), |text| ckptfx_report::untrusted::show(&text.0))
}
