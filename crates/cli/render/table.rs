//! Tables for people.

use std::io::{self, Write};

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

/// A size for people, in binary units.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut whole = bytes;
    let mut rest = 0;
    while whole >= 1024 && unit + 1 < UNITS.len() {
        rest = whole % 1024;
        whole /= 1024;
        unit += 1;
    }
    match unit {
        0 => format!("{whole} B"),
        _ => format!("{whole}.{} {}", rest * 10 / 1024, UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_rounded_down() {
        assert_eq!(super::size(1023), "1023 B");
        assert_eq!(super::size(1536), "1.5 KiB");
        assert_eq!(super::size(u64::MAX), "16777215.9 TiB");
    }
}
