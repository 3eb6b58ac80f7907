//! The tables of a report: plain cells, made where the tables of commands are made.

/// Most rows of one table. A browser can still sort and search so many.
pub const MAX_ROWS: usize = 10_000;

/// A table. Cells are fit to be shown, and only need to be escaped.
#[derive(Debug, Clone)]
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
