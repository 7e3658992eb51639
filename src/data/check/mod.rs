//! What `data check` says of a data set before it is trained on.

mod columns;
mod texts;

pub use columns::{ColumnSummary, Numbers};
pub use texts::TextSummary;

use std::fmt;

use serde::Serialize;

use super::error::shown;
use super::load::Survey;
use super::records::Records;
use super::skipped::{Ignored, SkippedGroup, by_reason};
use super::split::{Content, Copies};
use super::table::Column;

/// Samples as rows: file, and every column; `-` where a cell is missing.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a>(pub &'a Records);

impl Rows<'_> {
    /// A line of JSON each.
    pub fn json(&self) -> impl Iterator<Item = serde_json::Value> {
        let Records { key, names, table, .. } = self.0;
        let has_numbers = |column: &Column| column.as_target().is_some_and(|target| !target.has_classes());
        let columns: Vec<(&Column, bool)> =
            table.columns.iter().map(|column| (column, has_numbers(column))).collect();
        (0..names.len()).map(move |index| {
            let mut row = serde_json::Map::new();
            row.insert(key.column().into(), names[index].clone().into());
            for (column, is_number) in &columns {
                let number = column.cell(index).and_then(|cell| cell.parse::<f64>().ok());
                let value = match number.filter(|_| *is_number) {
                    Some(number) if number.fract() == 0.0 => (number as i64).into(),
                    Some(number) => number.into(),
                    None => column.cell(index).into(),
                };
                row.insert(column.name.clone(), value);
            }
            row.into()
        })
    }
}

impl fmt::Display for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Records { key, names, table, .. } = self.0;
        let length = |text: &str| text.chars().count();
        let width = names.iter().map(|name| length(name)).max().unwrap_or(0).max(4);
        let cells: Vec<usize> = (table.columns.iter())
            .map(|column| {
                let cells = (0..names.len()).filter_map(|index| column.cell(index)).map(length);
                cells.max().unwrap_or(0).max(length(&column.name)).min(WIDEST)
            })
            .collect();
        let mut line = |name: &str, cell: &dyn Fn(&Column) -> String| {
            let mut line = format!("{:width$}", shown(name));
            for (column, width) in table.columns.iter().zip(&cells) {
                line += &format!("  {:width$}", cell(column));
            }
            writeln!(f, "{}", line.trim_end())
        };
        line(key.column(), &|column| shown(&column.name))?;
        names
            .iter()
            .enumerate()
            .try_for_each(|(index, name)| line(name, &|column| column.cell(index).map_or("-".into(), shown)))
    }
}

/// Letters of the widest column of [`Rows`].
const WIDEST: usize = 30;

/// The totals of photos.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhotoSummary {
    /// Usable ones.
    pub photos: usize,
    /// What is known of them.
    pub columns: Vec<ColumnSummary>,
    /// Photos with the same pixels as one before them.
    pub copies: usize,
    /// Copies whose labels are not those of the first.
    pub copies_labelled_otherwise: usize,
    /// Photos that cannot be used, and files that are only named like photos.
    pub skipped: usize,
    /// Those by reason, the most frequent first.
    pub skipped_by_reason: Vec<SkippedGroup>,
    /// Files that are no photos.
    pub ignored_files: usize,
    /// Those by what they are.
    pub ignored_by_kind: Ignored,
    /// What the user should know of a damaged archive.
    pub warning: Option<String>,
}

impl PhotoSummary {
    /// Counts what was loaded.
    pub fn of(records: &Records, contents: &[Content], listed: &Survey) -> PhotoSummary {
        let copies = Copies::of(&records.names, contents);
        PhotoSummary {
            photos: records.len(),
            columns: ColumnSummary::all(&records.table),
            copies: copies.count(),
            copies_labelled_otherwise: copies.differing(|a, b| {
                records.table.columns.iter().any(|column| column.cell(a) != column.cell(b))
            }),
            skipped: listed.skipped.len(),
            skipped_by_reason: by_reason(&listed.skipped),
            ignored_files: listed.ignored.total(),
            ignored_by_kind: listed.ignored.clone(),
            warning: listed.warning.clone(),
        }
    }
}

impl fmt::Display for PhotoSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "photos   {:>6}", self.photos)?;
        columns::write(f, &self.columns)?;
        if self.copies > 0 {
            writeln!(f, "copies   {:>6}  photos with the same pixels as another", self.copies)?;
        }
        if self.copies_labelled_otherwise > 0 {
            let count = self.copies_labelled_otherwise;
            writeln!(
                f,
                "  of which {count:>4}  with other labels than the first: correct them, or leave them out"
            )?;
        }
        writeln!(f, "skipped  {:>6}", self.skipped)?;
        for group in &self.skipped_by_reason {
            writeln!(f, "  {:>4}  {}", group.files.len(), shown(&group.reason))?;
            for file in group.files.iter().take(NAMED) {
                writeln!(f, "        {}", shown(file))?;
            }
            if group.files.len() > NAMED {
                writeln!(f, "        and {} more, which --json names", group.files.len() - NAMED)?;
            }
        }
        let kinds = if self.ignored_files > 0 { ": " } else { "" };
        writeln!(
            f,
            "ignored  {:>6}  files that are no photos{kinds}{}",
            self.ignored_files, self.ignored_by_kind
        )?;
        if let Some(warning) = &self.warning {
            writeln!(f, "warning: {warning}")?;
        }
        Ok(())
    }
}

/// Files named a reason.
const NAMED: usize = 10;
