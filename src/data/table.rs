//! What is known of samples: columns of labels, in which cells may be missing.

use crate::spec::nearest;
use crate::tasks::{Kind, PLAIN_NAME, Target, sorted};
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

/// What spreadsheets and data frames write where there is nothing.
pub const MISSING: [&str; 8] = ["NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL"];

/// More different whole numbers in a row, each of one sample, are the numbers of rows.
const NUMBERED_ROWS: usize = 10;

/// A column: a text or nothing for each sample.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Column {
    /// Its header.
    pub name: String,
    /// What its source knows of it: kind, unit, range, the order of its classes.
    pub known: Option<Target>,
    /// The different texts, in the order of their first samples.
    values: Vec<String>,
    places: HashMap<String, u32>,
    /// Of each sample.
    cells: Vec<Option<u32>>,
}

impl Column {
    /// A column of no samples yet.
    pub fn new(name: &str) -> Column {
        Column { name: name.into(), ..Column::default() }
    }

    /// A column of which its source knows what it is.
    pub fn known(target: Target) -> Column {
        Column { name: target.name.clone(), known: Some(target), ..Column::default() }
    }

    /// Adds the next sample's cell: `None`, white space, or one of [`MISSING`] if it is missing.
    pub fn push(&mut self, cell: Option<&str>) {
        self.push_as_it_is(cell.map(str::trim).filter(|cell| !cell.is_empty() && !MISSING.contains(cell)));
    }

    /// Adds the next sample's cell, which is missing only if it is `None`.
    pub fn push_as_it_is(&mut self, cell: Option<&str>) {
        let place = cell.map(|cell| match self.places.get(cell) {
            Some(&place) => place,
            None => {
                let place = self.values.len() as u32;
                self.values.push(cell.to_owned());
                self.places.insert(cell.to_owned(), place);
                place
            }
        });
        self.cells.push(place);
    }

    /// The cell of a sample.
    pub fn cell(&self, sample: usize) -> Option<&str> {
        self.cells[sample].map(|place| self.values[place as usize].as_str())
    }

    /// Samples.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Samples whose cell is missing.
    pub fn missing(&self) -> usize {
        self.cells.iter().filter(|cell| cell.is_none()).count()
    }

    /// The different texts that occur, with the number of samples of each, in the order of the known classes, of
    /// numbers, or of the alphabet.
    pub fn counts(&self) -> Vec<(String, usize)> {
        let mut counts = vec![0; self.values.len()];
        self.cells.iter().flatten().for_each(|&place| counts[place as usize] += 1);
        let occurs = |value: &&String| counts[self.places[value.as_str()] as usize] > 0;
        let mut values = sorted(self.values.iter().filter(occurs).map(String::as_str));
        if let Some(known) = self.known.as_ref().filter(|known| !known.classes.is_empty()) {
            let place = |value: &String| known.classes.iter().position(|class| class == value);
            values.sort_by_key(|value| place(value).unwrap_or(usize::MAX));
        }
        let count = |value: String| {
            let count = counts[self.places[&value] as usize];
            (value, count)
        };
        values.into_iter().map(count).collect()
    }

    /// What it is as a target: as its source knows, or as it looks. `None` if it can be none.
    pub fn as_target(&self) -> Option<Target> {
        if let Some(known) = &self.known {
            return Some(known.clone());
        }
        let counts = self.counts();
        if self.is_bookkeeping(&counts) {
            return None;
        }
        let values: Vec<&str> = counts.iter().map(|(value, _)| value.as_str()).collect();
        let kind = Kind::of_column(&values, self.len() - self.missing())?;
        Some(Target { kind: Some(kind), ..Target::open(&self.name) })
    }

    /// Whether it numbers the rows or tells their sides, as data frames write it.
    fn is_bookkeeping(&self, counts: &[(String, usize)]) -> bool {
        let name = plain(&self.name);
        let number = |(value, count): &(String, usize)| value.parse::<i64>().ok().filter(|_| *count == 1);
        let numbers: Vec<i64> = counts.iter().filter_map(number).collect();
        let is_consecutive = || numbers.windows(2).all(|pair| pair[1].checked_sub(pair[0]) == Some(1));
        let numbers_rows = numbers.len() == counts.len() && numbers.len() > NUMBERED_ROWS && is_consecutive();
        name.is_empty() || name.starts_with("unnamed:") || name == "split" || numbers_rows
    }

    fn chosen(&self, samples: &[usize]) -> Column {
        Column { cells: samples.iter().map(|&sample| self.cells[sample]).collect(), ..self.clone() }
    }
}

/// The columns of samples.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Each has a cell a sample.
    pub columns: Vec<Column>,
    /// The place of the column that is the label, where its name or the user says so.
    pub label: Option<usize>,
    /// The file that tells the labels, if one does.
    pub file: Option<PathBuf>,
    /// The line of each sample in it.
    pub lines: Vec<u64>,
}

impl Table {
    /// Only these samples, in this order.
    pub fn chosen(&self, samples: &[usize]) -> Table {
        Table {
            columns: self.columns.iter().map(|column| column.chosen(samples)).collect(),
            lines: if self.lines.is_empty() {
                Vec::new()
            } else {
                samples.iter().map(|&sample| self.lines[sample]).collect()
            },
            ..self.clone()
        }
    }

    /// The column of this name, or else of a name that differs from it in capitals and signs only.
    pub fn column(&self, name: &str) -> Option<&Column> {
        let find = |fits: &dyn Fn(&str) -> bool| self.columns.iter().find(|column| fits(&column.name));
        find(&|other| other == name).or_else(|| find(&|other| plain(other) == plain(name)))
    }

    /// The columns that can be targets, the label alone if it is known.
    pub fn targets(&self) -> Vec<&Column> {
        match self.label.and_then(|label| self.columns.get(label)) {
            Some(label) => vec![label],
            None => self.columns.iter().filter(|column| column.as_target().is_some()).collect(),
        }
    }

    /// The column that holds a target's labels.
    ///
    /// # Errors
    /// When there is none: names those that are there.
    pub fn column_of(&self, target: &Target) -> Result<&Column, String> {
        if let Some(name) = &target.column {
            return self.column(name).ok_or_else(|| self.no_column(name));
        }
        let label = self.label.and_then(|label| self.columns.get(label));
        if let Some(label) = label.filter(|_| target.name == PLAIN_NAME) {
            return Ok(label);
        }
        if let Some(column) = self.column(&target.name) {
            return Ok(column);
        }
        // Two classes are classes, too.
        let can_be = |wanted: Kind, is: Kind| is == wanted || (wanted.takes(2) && is.takes(2));
        let of_kind = |column: &&Column| {
            let is = column.as_target().and_then(|target| target.kind);
            target.kind.zip(is).is_none_or(|(wanted, is)| can_be(wanted, is))
        };
        // The plain class is whatever label there is.
        let mut fitting = if target.name == PLAIN_NAME { self.targets() } else { Vec::new() };
        if fitting.len() > 1 {
            fitting.retain(of_kind);
        }
        match fitting[..] {
            [column] => Ok(column),
            _ => Err(self.no_column(&target.name)),
        }
    }

    fn no_column(&self, name: &str) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        if names.is_empty() {
            return "the data have no column of labels".into();
        }
        let near = nearest(name, &names).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        let names: Vec<String> = names.iter().take(20).map(|name| format!("`{name}`")).collect();
        format!("there is no column `{name}`; there is {}{near}", names.join(", "))
    }

    /// Where the label of a sample stands: `labels.csv:7`, or nothing.
    pub fn place(&self, sample: usize) -> Option<Place<'_>> {
        Some(Place { file: self.file.as_ref()?, line: *self.lines.get(sample)? })
    }
}

/// A line of the file that tells the labels.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    file: &'a PathBuf,
    line: u64,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", super::error::shown_path(self.file), self.line)
    }
}

/// A header without capitals and signs.
pub fn plain(header: &str) -> String {
    header.trim().to_lowercase().replace([' ', '-'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, cells: &[&str]) -> Column {
        let mut column = Column::new(name);
        cells.iter().for_each(|cell| column.push(Some(cell)));
        column
    }

    #[test]
    fn cells_may_be_missing_and_samples_chosen() {
        let table = Table {
            columns: vec![column("size", &["10", "", "9", "10", " 12 "])],
            file: Some("labels.csv".into()),
            lines: vec![2, 3, 4, 5, 6],
            ..Table::default()
        };
        let size = &table.columns[0];
        assert_eq!((size.cell(0), size.cell(1), size.missing()), (Some("10"), None, 1));
        assert_eq!(size.counts(), [("9".into(), 1), ("10".into(), 2), ("12".into(), 1)]);
        let chosen = table.chosen(&[4, 1]);
        assert_eq!(chosen.columns[0].counts(), [("12".to_string(), 1)]);
        assert_eq!(chosen.place(0).unwrap().to_string(), "labels.csv:6");
    }

    #[test]
    fn a_target_finds_its_column_by_name_or_as_the_only_one_of_its_kind() {
        let table = Table {
            columns: vec![
                column("Eye Colour", &["blue", "green", "brown", "blue", "green", "brown"]),
                column("weight", &["61.5", "70", "80", "90", "75", "60"]),
                column("note", &["a", "b", "c", "d", "e", "f"]),
            ],
            ..Table::default()
        };
        let of = |target: Target| table.column_of(&target).map(|column| column.name.as_str());
        assert_eq!(of(Target::open("eye_colour")), Ok("Eye Colour"));
        assert_eq!(of(Target::new("class", "number")), Ok("weight"));
        assert!(of(Target::new("wieght", "number")).unwrap_err().ends_with("did you mean `weight`?"));
        assert_eq!(of(Target { column: Some("weight".into()), ..Target::open("x") }), Ok("weight"));
        let error = of(Target { column: Some("wieght".into()), ..Target::open("x") }).unwrap_err();
        assert!(error.ends_with("did you mean `weight`?"), "{error}");
        assert!(of(Target::open("x")).unwrap_err().contains("there is `Eye Colour`, `weight`, `note`"));
    }
}
