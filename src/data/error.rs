//! What can go wrong with a data set as a whole. One bad photo or review is not an error but a
//! [`Skipped`].

use std::io;
use std::path::PathBuf;

use super::faces::{Skipped, by_reason};
use super::reviews::SkippedRows;

/// Why a data set or its split cannot be used. Every message names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The path does not exist.
    #[error("{}: no such file or folder; check the path", .path.display())]
    Missing {
        /// As the user gave it.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{}: cannot be read: {source}", .path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is none of the kinds that are read.
    #[error(
        "{}: {what}; give a folder, a .zip, a .tar.gz or a .tar of JPEG or PNG photos, or one such photo",
        .path.display()
    )]
    NotPhotos {
        /// As the user gave it.
        path: PathBuf,
        /// What it is instead.
        what: String,
    },
    /// An archive out of which not one file could be read.
    #[error(
        "{}: the archive is damaged and nothing in it could be read ({reason}); download or copy it again",
        .path.display()
    )]
    BrokenArchive {
        /// The archive.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// Not a single file with a photo's extension.
    #[error(
        "{}: no photo in it (.jpg, .jpeg or .png; {ignored_files} other files ignored); check the path",
        .path.display()
    )]
    NoPhotos {
        /// The folder or archive.
        path: PathBuf,
        /// How many other files it holds.
        ignored_files: usize,
    },
    /// There are photos, but each had to be skipped.
    #[error("{}: no usable photo in it; {}", .path.display(), reasons(.skipped))]
    NoneUsable {
        /// The folder or archive.
        path: PathBuf,
        /// Every photo and its reason.
        skipped: Vec<Skipped>,
    },
    /// The photos do not fit into memory.
    #[error("{photos} photos need {bytes} bytes of memory, more than there is; load fewer (--limit)")]
    TooMany {
        /// How many photos there are.
        photos: usize,
        /// What they need, uncompressed.
        bytes: u128,
    },
    /// A line of a split file that cannot be read or makes no sense.
    #[error("{} line {line}: {reason}", .path.display())]
    SplitLine {
        /// The split file.
        path: PathBuf,
        /// From 1, the header.
        line: u64,
        /// What is wrong, and what is expected.
        reason: String,
    },
    /// A split file without a column that it needs.
    #[error(
        "{} line 1: no column `{column}`; the first line must be `{key},split` and the values train or test",
        .path.display()
    )]
    SplitColumn {
        /// The split file.
        path: PathBuf,
        /// `key` or `split`.
        column: &'static str,
        /// `file` for photos, `row` for reviews.
        key: &'static str,
    },
    /// A split that leaves one side without a sample.
    #[error(
        "{}: no {side} {sample}: {rows} rows say {side}, but none of them names a {sample} of the data; \
         check that the split belongs to the data",
        .path.display()
    )]
    SplitSide {
        /// The split file.
        path: PathBuf,
        /// `photo` or `review`.
        sample: &'static str,
        /// `train` or `validation`.
        side: &'static str,
        /// How many rows say so.
        rows: usize,
    },
    /// A file that cannot be read as a table of reviews.
    #[error(
        "{}: {what}; give a CSV file in UTF-8 with the columns' names in its first line",
        .path.display()
    )]
    NotCsv {
        /// As the user gave it.
        path: PathBuf,
        /// What it is instead.
        what: String,
    },
    /// The first line of a file of reviews.
    #[error("{} line {line}: {reason}", .path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A file of reviews without one that can be used.
    #[error(
        "{}: no usable review in it; {}",
        .path.display(),
        if .skipped.is_empty() { "there is nothing below its first line".into() } else { .skipped.to_string() }
    )]
    NoReviews {
        /// The file.
        path: PathBuf,
        /// The rows by their reasons.
        skipped: SkippedRows,
    },
    /// Labels that cannot be learnt.
    #[error("{}: {reason}", .path.display())]
    Classes {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Training reviews out of which no vocabulary can be made.
    #[error(
        "none of the {stems} different words of the training reviews occurs {min_count} times or more; \
         train on more reviews or lower min_count"
    )]
    NoWords {
        /// How many different stems there are.
        stems: usize,
        /// How often one must occur.
        min_count: usize,
    },
}

/// How many reasons, and files to each, a one-line message lists.
const LISTED: usize = 4;

fn reasons(skipped: &[Skipped]) -> String {
    let groups = by_reason(skipped);
    let mut parts: Vec<String> = groups
        .iter()
        .take(LISTED)
        .map(|group| {
            let more = if group.files.len() > LISTED { ", …" } else { "" };
            let files = group.files[..group.files.len().min(LISTED)].join(", ");
            format!("{} skipped: {} ({files}{more})", group.files.len(), group.reason)
        })
        .collect();
    if groups.len() > LISTED {
        parts.push(format!("{} more reasons", groups.len() - LISTED));
    }
    parts.join("; ")
}
