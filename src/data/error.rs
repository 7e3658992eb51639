//! What can go wrong with a data set as a whole. One bad photo or review is not an error but a
//! [`Skipped`].

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::skipped::{Ignored, Skipped, SkippedRows, by_reason};
use crate::faces::DetectorError;
use crate::file::open_plain;
use crate::spec::SpecError;
use bytesize::ByteSize;

/// Why a data set or its split cannot be used. Every message names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The path does not exist.
    #[error("{}: no such file or folder; check the path", shown_path(.path))]
    Missing {
        /// As the user gave it.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{}: cannot be read: {source}", shown_path(.path))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is none of the kinds that are read.
    #[error(
        "{}: {what}; give a folder, a .zip, a .tar.gz or a .tar of photos, or one photo",
        shown_path(.path)
    )]
    NotPhotos {
        /// As the user gave it.
        path: PathBuf,
        /// What it is instead.
        what: String,
    },
    /// An archive out of which not one file could be read.
    #[error(
        "{}: the archive is damaged and nothing in it could be read ({}); download or copy it again",
        shown_path(.path), shown(.reason)
    )]
    BrokenArchive {
        /// The archive.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// Not a single photo.
    #[error(
        "{}: no photo in it ({} other files ignored{}{}); check the path",
        shown_path(.path), .ignored.total(), if .ignored.total() > 0 { ": " } else { "" }, .ignored
    )]
    NoPhotos {
        /// The folder or archive.
        path: PathBuf,
        /// What it holds instead.
        ignored: Ignored,
    },
    /// There are photos, but each had to be skipped.
    #[error("{}: no usable photo in it; {}", shown_path(.path), reasons(.skipped))]
    NoneUsable {
        /// The folder or archive.
        path: PathBuf,
        /// Every photo and its reason.
        skipped: Vec<Skipped>,
    },
    /// There are photos, and nothing tells their labels.
    #[error(
        "{}: nothing tells the labels of the photos; give a CSV with their names and labels by --labels, or put \
         those of each class into a folder of its own{}",
        shown_path(.path), if .skipped.is_empty() { String::new() } else { format!("; {}", reasons(.skipped)) }
    )]
    NoLabels {
        /// The folder or archive.
        path: PathBuf,
        /// Why the names of some tell none.
        skipped: Vec<Skipped>,
    },
    /// A target that the data cannot give.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Faces cannot be looked for.
    #[error(transparent)]
    Faces(#[from] DetectorError),
    /// Labels that cannot be read.
    #[error("{}", shown(.reason))]
    Labels {
        /// Where they are, what is wrong, and what to do.
        reason: String,
    },
    /// The photos do not fit into memory.
    #[error(
        "{photos} photos of {width}x{height} pixels need {} of memory, and may take {}; give them more (--memory), load \
         fewer (--limit, or fewer at a time), or give the model a smaller input",
        mebibytes(*.photos as u128 * u128::from(*.width) * u128::from(*.height) * 3), mebibytes((*.memory_bytes).into())
    )]
    TooMany {
        /// How many photos there are.
        photos: usize,
        /// Of the model's input, in pixels.
        width: u32,
        /// Of the model's input, in pixels.
        height: u32,
        /// What photos may take.
        memory_bytes: u64,
    },
    /// A file of decoded photos cannot be made, read or written.
    #[error("the file of decoded photos {}: {source}; choose another folder by --cache", shown_path(.path))]
    Cache {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of decoded photos has been changed, or its disk fails.
    #[error(
        "the file of decoded photos {} is damaged; delete it, and the photos are decoded anew",
        shown_path(.path)
    )]
    CacheDamaged {
        /// The file.
        path: PathBuf,
    },
    /// A file of decoded photos would not fit on its disk.
    #[error(
        "the decoded photos need {} in {}, and {} are free there; choose another folder by --cache, or load fewer \
         (--limit)",
        ByteSize(*.bytes), shown_path(.folder), ByteSize(*.free_bytes)
    )]
    NoSpace {
        /// Where the file would lie.
        folder: PathBuf,
        /// How much it would take.
        bytes: u64,
        /// How much there is.
        free_bytes: u64,
    },
    /// A line of a split file or of labels that cannot be read or makes no sense.
    #[error("{} line {line}: {}", shown_path(.path), shown(.reason))]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1, the header.
        line: u64,
        /// What is wrong, and what is expected.
        reason: String,
    },
    /// A split file without a column that it needs.
    #[error(
        "{} line 1: no column `{column}`; the first line must be `{key},split` and the values train or test",
        shown_path(.path)
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
        shown_path(.path)
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
        shown_path(.path)
    )]
    NotCsv {
        /// As the user gave it.
        path: PathBuf,
        /// What it is instead.
        what: String,
    },
    /// The first line of a file of reviews.
    #[error("{} line {line}: {}", shown_path(.path), shown(.reason))]
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
        shown_path(.path),
        if .skipped.is_empty() { "there is nothing below its first line".into() } else { shown(&.skipped.to_string()) }
    )]
    NoReviews {
        /// The file.
        path: PathBuf,
        /// The rows by their reasons.
        skipped: SkippedRows,
    },
    /// Labels that cannot be learnt.
    #[error("{}: {}", shown_path(.path), shown(.reason))]
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

fn mebibytes(bytes: u128) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

/// A name as a terminal may see it: without line breaks, escape sequences and what turns the direction of
/// writing.
pub fn shown(name: &str) -> String {
    let is_unseen = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    name.chars().map(|c| if is_unseen(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// A path as a terminal may see it.
pub fn shown_path(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

/// Opens a file that the user names. A pipe would be waited for, and a device may never end.
///
/// # Errors
/// When there is no such file, it is not a plain one, or the system refuses.
pub fn open_file(path: &Path) -> Result<File, DataError> {
    let error = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => DataError::Missing { path: path.to_owned() },
        _ => DataError::Read { path: path.to_owned(), source },
    };
    open_plain(path).map_err(error)
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
            let files = shown(&group.files[..group.files.len().min(LISTED)].join(", "));
            format!("{} skipped: {} ({files}{more})", group.files.len(), shown(&group.reason))
        })
        .collect();
    if groups.len() > LISTED {
        parts.push(format!("{} more reasons", groups.len() - LISTED));
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_steer_the_terminal() {
        assert_eq!(shown("a\n\u{1b}[31m.jpg"), "a\u{fffd}\u{fffd}[31m.jpg");
        assert_eq!(shown("gpj.\u{202e}exe"), "gpj.\u{fffd}exe");
        assert_eq!(shown("Zoë.jpg"), "Zoë.jpg");
        let path = PathBuf::from("a\u{1b}]0;x\u{7}");
        let source = io::Error::other("gone");
        let errors =
            [DataError::Missing { path: path.clone() }, DataError::Read { path: path.clone(), source }];
        for error in errors {
            assert!(!error.to_string().contains(char::is_control), "{error:?}");
        }
        let skipped = vec![Skipped { file: "\u{1b}c.jpg".into(), reason: "empty file".into() }];
        assert!(!DataError::NoneUsable { path, skipped }.to_string().contains(char::is_control));
    }
}
