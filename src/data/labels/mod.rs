//! How photos have their labels. A way to have them is one file here and a line in [`WAYS`]; a CSV that the user
//! names comes before all of them.

pub mod csv;
mod folders;
pub mod utkface;

use super::DataError;
use super::skipped::Skipped;
use super::split::Side;
use super::table::Table;
use std::path::Path;

/// What is known of photos by their names.
#[derive(Debug, Default)]
pub struct Labelled {
    /// The labels of those that have some.
    pub table: Table,
    /// The places of those among the names, in ascending order.
    pub kept: Vec<usize>,
    /// The side of each of those, where the source has sides.
    pub sides: Option<Vec<Side>>,
    /// The others.
    pub skipped: Vec<Skipped>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// A way to have labels.
pub struct Way {
    /// For people.
    pub name: &'static str,
    /// Whether the names, sorted, look like it.
    pub fits: fn(&[String]) -> bool,
    /// Labels the names, sorted.
    pub label: fn(&[String]) -> Labelled,
}

/// The ways that names alone can tell, the first that fits is taken.
pub const WAYS: [Way; 2] = [utkface::WAY, folders::WAY];

/// Labels photos by a CSV, or else as their names tell. `path` is where they are, for messages.
///
/// # Errors
/// When the CSV cannot be used, or nothing tells a label.
pub fn label(path: &Path, names: &[String], labels: Option<&Path>) -> Result<Labelled, DataError> {
    if let Some(labels) = labels {
        return csv::label(labels, names);
    }
    if let Some(way) = WAYS.iter().find(|way| (way.fits)(names)) {
        log::info!("labels: {}", way.name);
        return Ok((way.label)(names));
    }
    // A few of many.
    let labelled = (utkface::WAY.label)(names);
    match labelled.kept.is_empty() {
        false => Ok(labelled),
        true => Err(DataError::NoLabels { path: path.to_owned(), skipped: labelled.skipped }),
    }
}

/// The part of a path behind its last `/`.
pub fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
