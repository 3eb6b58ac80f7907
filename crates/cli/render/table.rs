//! Tables for people.

use std::io::{self, Write};

pub use ckptfx_report::words::size;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets::NOTHING};

/// A plain table without lines, as `ps` prints it. Cells must be fit to be shown already.
pub struct Plain {
    table: Table,
}

impl Plain {
    /// A table with a header.
    pub fn new(header: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(header.iter().copied());
        Self { table }
    }

    /// Aligns a column to the right.
    #[must_use]
    pub fn right(mut self, columns: &[usize]) -> Self {
        for index in columns {
            if let Some(column) = self.table.column_mut(*index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.table.add_row(cells);
    }

    /// Writes the table; the header is bold with `color`.
    pub fn write(self, out: &mut dyn Write, color: bool) -> io::Result<()> {
        for (index, line) in self.table.lines().enumerate() {
            let line = line.strip_prefix(' ').unwrap_or(&line).trim_end();
            if index == 0 && color {
                let bold = anstyle::Style::new().bold();
                writeln!(out, "{bold}{line}{bold:#}")?;
            } else {
                writeln!(out, "{line}")?;
            }
        }
        Ok(())
    }
}
