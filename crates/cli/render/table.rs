//! Tables for people, as wide as the terminal.

use std::{cmp::Ordering, io::Write};

use anyhow::{Result, bail};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets::NOTHING};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

pub use ckptfx_report::words::size;

/// Narrowest that a column of text is made, in cells of the terminal.
const NARROW: usize = 12;
/// Between two columns.
const GAP: usize = 2;
/// What stands for text that was cut.
const CUT: char = '…';

/// How tables are laid out: what the command line and the terminal say.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// Width of the terminal; none when the table may be as wide as it is.
    pub width: Option<usize>,
    /// Whether nothing is cut.
    pub wide: bool,
    /// Headings of the columns that are wanted; all when it is empty.
    pub columns: Vec<String>,
    /// Heading of the column to sort by, with `:desc` for the other way round.
    pub sort: Option<String>,
    /// Whether there is no line with headings.
    pub no_headers: bool,
    /// Whether the headings are bold.
    pub color: bool,
}

/// What a row is to say by its colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Emphasis {
    /// Nothing.
    #[default]
    None,
    /// Something is gone or nowhere but in memory.
    Odd,
    /// It is grave.
    Grave,
}

impl Emphasis {
    fn style(self) -> Option<anstyle::Style> {
        let color = match self {
            Self::None => return None,
            Self::Odd => anstyle::AnsiColor::Yellow,
            Self::Grave => anstyle::AnsiColor::Red,
        };
        Some(color.on_default())
    }
}

struct Row {
    cells: Vec<String>,
    emphasis: Emphasis,
    below: Vec<String>,
}

/// A plain table without lines, as `ps` prints it. Cells must be fit to be shown already.
pub struct Plain {
    headers: Vec<String>,
    right: Vec<bool>,
    most: Vec<Option<usize>>,
    rows: Vec<Row>,
}

impl Plain {
    /// A table with a header.
    pub fn new(header: &[&str]) -> Self {
        let headers: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
        let (right, most) = (vec![false; headers.len()], vec![None; headers.len()]);
        Self { headers, right, most, rows: Vec::new() }
    }

    /// Aligns a column to the right.
    #[must_use]
    pub fn right(mut self, columns: &[usize]) -> Self {
        columns.iter().for_each(|index| self.right[*index] = true);
        self
    }

    /// Cuts the cells of a column at a width, unless the table is wide.
    #[must_use]
    pub fn at_most(mut self, column: usize, width: Option<usize>) -> Self {
        self.most[column] = width;
        self
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.row_with(cells, Vec::new());
    }

    /// Adds a row with lines below it.
    pub fn row_with(&mut self, cells: impl IntoIterator<Item = String>, below: Vec<String>) {
        let mut cells: Vec<String> = cells.into_iter().collect();
        cells.resize(self.headers.len(), String::new());
        self.rows.push(Row { cells, emphasis: Emphasis::None, below });
    }

    /// Says something of the last row by its colour.
    pub fn emphasise(&mut self, emphasis: Emphasis) {
        if let Some(row) = self.rows.last_mut() {
            row.emphasis = emphasis;
        }
    }

    /// The column with a heading.
    fn column(&self, name: &str) -> Result<usize> {
        let plain = |text: &str| text.to_lowercase().replace(['-', '_'], " ");
        let found = self.headers.iter().position(|header| plain(header) == plain(name));
        let Some(found) = found else {
            let known: Vec<&str> =
                self.headers.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
            bail!("there is no column {name}; this table has {}", known.join(", "));
        };
        Ok(found)
    }

    /// Writes the table, and gives the headings of columns that there is no room for.
    pub fn write(mut self, out: &mut dyn Write, layout: &Layout) -> Result<Vec<String>> {
        if let Some(sort) = &layout.sort {
            let (name, descending) = match sort.strip_suffix(":desc") {
                Some(name) => (name, true),
                None => (sort.strip_suffix(":asc").unwrap_or(sort), false),
            };
            let column = self.column(name)?;
            self.rows.sort_by(|one, other| {
                let order = compare(&one.cells[column], &other.cells[column]);
                if descending { order.reverse() } else { order }
            });
        }
        let mut shown: Vec<usize> = match layout.columns.as_slice() {
            [] => (0..self.headers.len()).collect(),
            names => names.iter().map(|name| self.column(name)).collect::<Result<_>>()?,
        };
        if !layout.wide {
            for (column, most) in
                self.most.iter().enumerate().filter_map(|(column, most)| Some((column, (*most)?)))
            {
                self.rows.iter_mut().for_each(|row| cut(&mut row.cells[column], most));
            }
        }
        let mut dropped = Vec::new();
        if let Some(room) = layout.width.filter(|_| !layout.wide) {
            dropped = self.fit(&mut shown, room);
        }
        let mut table = Table::new();
        let shown_before = shown.len();
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        // Nothing stands behind the last column: one very long cell of it must not widen every line.
        let last = shown.pop_if(|column| !self.right[*column] && shown_before > 1);
        table.set_header(shown.iter().map(|column| &self.headers[*column]));
        for (place, column) in shown.iter().enumerate() {
            if let Some(place) = table.column_mut(place).filter(|_| self.right[*column]) {
                place.set_cell_alignment(CellAlignment::Right);
            }
        }
        for row in &self.rows {
            table.add_row(shown.iter().map(|column| &row.cells[*column]));
        }
        let mut rows = self.rows.iter();
        let behind = last.map(|column| {
            let cells = self.rows.iter().map(move |row| row.cells[column].as_str());
            std::iter::once(self.headers[column].as_str()).chain(cells)
        });
        let mut behind = behind.into_iter().flatten();
        for (index, mut line) in table.lines().enumerate() {
            if let Some(cell) = behind.next() {
                line.push(' ');
                line.push_str(cell);
            }
            let line = line.strip_prefix(' ').unwrap_or(&line).trim_end();
            match index {
                0 if layout.no_headers => {}
                0 if layout.color => {
                    let bold = anstyle::Style::new().bold();
                    writeln!(out, "{bold}{line}{bold:#}")?;
                }
                0 => writeln!(out, "{line}")?,
                _ => {
                    let Some(row) = rows.next() else { break };
                    match row.emphasis.style().filter(|_| layout.color) {
                        Some(style) => writeln!(out, "{style}{line}{style:#}")?,
                        None => writeln!(out, "{line}")?,
                    }
                    row.below.iter().try_for_each(|line| writeln!(out, "{line}"))?;
                }
            }
        }
        Ok(dropped)
    }

    /// Makes the table fit: columns of text are made narrower, the widest first; then columns are left out from the right,
    /// but for the first and the last, which say what a row is about.
    fn fit(&mut self, shown: &mut Vec<usize>, room: usize) -> Vec<String> {
        let natural = |column: usize| {
            let cells = self.rows.iter().map(|row| row.cells[column].width());
            cells.chain([self.headers[column].width()]).max().unwrap_or_default()
        };
        let mut widths: Vec<usize> = (0..self.headers.len()).map(natural).collect();
        let least: Vec<usize> = widths
            .iter()
            .enumerate()
            .map(|(column, width)| {
                if self.right[column] {
                    *width
                } else {
                    (*width).min(NARROW.max(self.headers[column].width()))
                }
            })
            .collect();
        let total = |shown: &[usize], widths: &[usize]| {
            shown.iter().map(|column| widths[*column]).sum::<usize>() + GAP * shown.len().saturating_sub(1)
        };
        let mut dropped = Vec::new();
        while total(shown, &least) > room && shown.len() > 2 {
            let column = shown.remove(shown.len() - 2);
            dropped.push(self.headers[column].clone());
        }
        // A cell may be of any length: what is wider than the terminal is cut at once.
        for (width, least) in widths.iter_mut().zip(&least) {
            *width = (*width).min(room).max(*least);
        }
        while total(shown, &widths) > room {
            let widest = shown.iter().copied().filter(|column| widths[*column] > least[*column]);
            let Some(widest) = widest.max_by_key(|column| widths[*column]) else { break };
            widths[widest] -= 1;
        }
        for row in &mut self.rows {
            shown.iter().for_each(|column| cut(&mut row.cells[*column], widths[*column]));
            row.below.iter_mut().for_each(|line| cut(line, room));
        }
        dropped.reverse();
        dropped
    }
}

/// Cuts a text at a width in cells of the terminal, with a mark.
pub fn cut(text: &mut String, most: usize) {
    if text.len() <= most || text.width() <= most {
        return;
    }
    let mut width = 1;
    let end = text.char_indices().find_map(|(at, character)| {
        width += character.width().unwrap_or_default();
        (width > most).then_some(at)
    });
    text.truncate(end.unwrap_or(text.len()));
    text.push(CUT);
}

/// Numbers by value, sizes too; anything else as text. What has no number comes first.
fn compare(one: &str, other: &str) -> Ordering {
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one.total_cmp(&other),
        (None, None) => one.cmp(other),
        (one, other) => one.is_some().cmp(&other.is_some()),
    }
}

fn number(text: &str) -> Option<f64> {
    let (digits, unit) = text.split_once(' ').unwrap_or((text, ""));
    let factor = match unit {
        "" | "B" => 1_u64,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    let value: f64 = digits.parse().ok()?;
    #[allow(clippy::cast_precision_loss)]
    Some(value * factor as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(layout: &Layout) -> (String, Vec<String>) {
        let mut plain = Plain::new(&["PID", "SIZE", "USER", "PATH"]).right(&[0, 1]);
        plain.row(["10", "1.5 MiB", "root", "/usr/lib/x86_64-linux-gnu/libc.so.6"].map(str::to_owned));
        plain.row_with(
            ["9", "900 KiB", "日本語の名前です", "/bin/sh"].map(str::to_owned),
            vec!["    below nine".to_owned()],
        );
        let mut out = Vec::new();
        let dropped = plain.write(&mut out, layout).unwrap();
        (String::from_utf8(out).unwrap(), dropped)
    }

    #[test]
    fn a_table_is_no_wider_than_the_terminal_and_says_where_it_was_cut() {
        for width in [80, 60, 44, 30, 20] {
            let (text, dropped) = written(&Layout { width: Some(width), ..Layout::default() });
            assert!(text.lines().all(|line| line.width() <= width), "{width}:\n{text}");
            assert_eq!(text.contains(CUT), width < 68, "{width}:\n{text}");
            assert_eq!(dropped.is_empty(), width > 40, "{width}: {dropped:?}");
        }
        let (text, _) = written(&Layout { width: Some(20), wide: true, ..Layout::default() });
        assert!(text.contains("/usr/lib/x86_64-linux-gnu/libc.so.6"));
    }

    #[test]
    fn a_cell_of_any_length_costs_no_more_than_its_length() {
        let mut plain = Plain::new(&["PID", "PATH", "NAME"]);
        for _ in 0..4 {
            plain.row(["1".to_owned(), "p".repeat(1 << 22), "n".repeat(1 << 22)]);
        }
        let mut out = Vec::new();
        plain.write(&mut out, &Layout { width: Some(80), ..Layout::default() }).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().all(|line| line.width() <= 80), "{}", text.len());
    }

    #[test]
    fn rows_are_sorted_by_value_with_what_is_below_them() {
        let by = |sort: &str| written(&Layout { sort: Some(sort.to_owned()), ..Layout::default() }).0;
        assert!(by("pid").find("/bin/sh") < by("pid").find("libc"));
        assert!(by("size:desc").find("libc") < by("size:desc").find("/bin/sh"));
        let text = by("pid");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2], "    below nine");
    }

    #[test]
    fn a_long_last_cell_does_not_widen_other_lines() {
        let mut table = Plain::new(&["PID", "NAME"]).right(&[0]);
        table.row(["1".to_owned(), "x".repeat(1000)]);
        table.row(["22".to_owned(), "sh".to_owned()]);
        let mut out = Vec::new();
        assert!(table.write(&mut out, &Layout::default()).is_ok());
        let text = String::from_utf8(out).expect("UTF-8");
        assert_eq!(text, format!("PID  NAME\n  1  {}\n 22  sh\n", "x".repeat(1000)));
    }

    #[test]
    fn columns_are_chosen_by_their_headings() {
        let columns = vec!["path".to_owned(), "PID".to_owned()];
        let (text, _) = written(&Layout { columns, no_headers: true, ..Layout::default() });
        assert_eq!(text.lines().next(), Some("/usr/lib/x86_64-linux-gnu/libc.so.6   10"));
        let plain = Plain::new(&["PID", "PATH"]);
        let layout = Layout { columns: vec!["nothing".to_owned()], ..Layout::default() };
        let error = plain.write(&mut Vec::new(), &layout).unwrap_err().to_string();
        assert_eq!(error, "there is no column nothing; this table has PID, PATH");
    }

    #[test]
    fn sizes_are_rounded_down() {
        assert_eq!(super::size(1023), "1023 B");
        assert_eq!(super::size(1536), "1.5 KiB");
        assert_eq!(super::size(u64::MAX), "16777215.9 TiB");
    }
}
