//! What a listing is.

use std::io;

use ckptfx_analysis::{Case, Task, files::nested::OpenNested};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::Value;

use crate::schema::{List, of};

/// Of which processes records are wanted, and how tars inside the archive are opened.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// Whether a process is meant.
    pub wanted: &'a dyn Fn(&Task<'_>) -> bool,
    /// Opens a member that is a tar.
    pub open: &'a OpenNested<'a>,
}

/// Takes one record after the other.
pub type Give<'g, R> = dyn FnMut(R) -> io::Result<()> + 'g;

/// Records of one kind that every checkpoint may have: the one place that says what they are called, which of their keys a
/// table of values has, and where they come from.
pub struct Listing<R: 'static> {
    /// The command that shows them.
    pub command: &'static str,
    /// Key of their list in a document.
    pub list: &'static str,
    /// Columns of a table of values, as dotted paths into a record.
    pub columns: &'static [&'static str],
    /// Gives them. What could not be read is in the case's diagnostics.
    pub records: fn(&mut Case<'_>, &Ask<'_>, &mut Give<'_, R>) -> io::Result<()>,
}

impl<R: JsonSchema> Listing<R> {
    /// The list that it gives.
    pub const fn list(&self) -> List {
        List { name: self.list, columns: self.columns, record: of::<R> }
    }
}

/// A listing, whatever its records are.
pub trait Listed: Sync {
    /// The command that shows them.
    fn command(&self) -> &'static str;
    /// Key of their list in a document.
    fn list(&self) -> &'static str;
    /// Columns of a table of values, as dotted paths into a record.
    fn columns(&self) -> &'static [&'static str];
    /// What a record looks like.
    fn schema(&self, generator: &mut SchemaGenerator) -> Schema;
    /// Gives each record as JSON.
    ///
    /// # Errors
    /// When temporary storage is needed and there is none, and what `give` returns.
    fn each(&self, case: &mut Case<'_>, ask: &Ask<'_>, give: &mut Give<'_, Value>) -> io::Result<()>;
}

impl<R: Serialize + JsonSchema> Listed for Listing<R> {
    fn command(&self) -> &'static str {
        self.command
    }

    fn list(&self) -> &'static str {
        self.list
    }

    fn columns(&self) -> &'static [&'static str] {
        self.columns
    }

    fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<R>()
    }

    fn each(&self, case: &mut Case<'_>, ask: &Ask<'_>, give: &mut Give<'_, Value>) -> io::Result<()> {
        (self.records)(case, ask, &mut |record| {
            let mut value = serde_json::to_value(record)?;
            ckptfx_analysis::unfold(&mut value);
            give(value)
        })
    }
}

/// Gives all of some records.
pub(super) fn each<R>(records: impl IntoIterator<Item = R>, give: &mut Give<'_, R>) -> io::Result<()> {
    records.into_iter().try_for_each(give)
}
