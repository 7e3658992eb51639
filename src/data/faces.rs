//! Photos in memory, as the model takes them, and how they get there.

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};

use rayon::iter::{IntoParallelIterator, ParallelBridge, ParallelIterator};
use serde::Serialize;

pub use super::decode::decode;
use super::error::DataError;
use super::label::FaceLabel;
use super::source::{Entry, Source};

/// Photos of one size, side by side in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photos {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// N x height x width x 3 bytes, RGB interleaved.
    pub pixels: Vec<u8>,
    /// N paths within the source.
    pub names: Vec<String>,
    /// N labels; `None` where the name tells none.
    pub labels: Vec<Option<FaceLabel>>,
}

/// A file that is named like a photo and cannot be used, or a row that is no review.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Skipped {
    /// The path within the source, or `line 7`.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// The files or rows that were skipped for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedGroup {
    /// Why.
    pub reason: String,
    /// In their order.
    pub files: Vec<String>,
}

/// What a source held.
#[derive(Debug)]
pub struct Loaded {
    /// The usable photos, sorted by name.
    pub photos: Photos,
    /// The others, sorted by name.
    pub skipped: Vec<Skipped>,
    /// Files that are not named like photos.
    pub ignored_files: usize,
    /// What the user should know of a damaged archive.
    pub warning: Option<String>,
}

/// Whether a photo without a label is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// To train and evaluate: a broken name is a reason to skip.
    Required,
    /// To predict.
    Optional,
}

/// What to load.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Of the model's input, in pixels.
    pub width: u32,
    /// Of the model's input, in pixels.
    pub height: u32,
    /// Stops after this many usable photos in order of their names.
    pub limit: Option<usize>,
    /// Whether a broken name is a reason to skip.
    pub labels: Labels,
}

impl Photos {
    /// No photos yet, of this size in pixels.
    pub fn new(width: u32, height: u32) -> Photos {
        Photos { width, height, pixels: Vec::new(), names: Vec::new(), labels: Vec::new() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// height x width x 3 bytes of photo `index`, which must be below [`len`](Self::len).
    pub fn photo(&self, index: usize) -> &[u8] {
        let bytes = self.photo_bytes();
        &self.pixels[index * bytes..][..bytes]
    }

    /// Adds a photo. `rgb` must be height x width x 3 bytes.
    pub fn push(&mut self, name: String, label: Option<FaceLabel>, rgb: &[u8]) {
        assert_eq!(rgb.len(), self.photo_bytes(), "the photo's size is not that of the set");
        self.pixels.extend_from_slice(rgb);
        self.names.push(name);
        self.labels.push(label);
    }

    fn photo_bytes(&self) -> usize {
        self.width as usize * self.height as usize * 3
    }

    fn reserve(&mut self, photos: usize) -> Result<(), DataError> {
        let bytes = photos as u128 * self.photo_bytes() as u128;
        usize::try_from(bytes)
            .ok()
            .and_then(|bytes| self.pixels.try_reserve_exact(bytes).ok())
            .ok_or(DataError::TooMany { photos, bytes })
    }

    fn truncate(&mut self, photos: usize) {
        self.pixels.truncate(photos * self.photo_bytes());
        self.names.truncate(photos);
        self.labels.truncate(photos);
    }

    /// Sorts by name in place: a second copy of the pixels may not fit into memory.
    fn sort(&mut self) {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by(|&a, &b| self.names[a].cmp(&self.names[b]));
        let bytes = self.photo_bytes();
        let mut placed = vec![false; order.len()];
        for start in 0..order.len() {
            let first = self.photo(start).to_vec();
            let mut to = start;
            while !placed[to] {
                placed[to] = true;
                let from = order[to];
                if from == start {
                    self.pixels[to * bytes..][..bytes].copy_from_slice(&first);
                } else {
                    self.pixels.copy_within(from * bytes..(from + 1) * bytes, to * bytes);
                }
                to = from;
            }
        }
        self.names = order.iter().map(|&from| std::mem::take(&mut self.names[from])).collect();
        self.labels = order.iter().map(|&from| self.labels[from]).collect();
    }
}

/// The BLAKE3 hash of each photo's pixels, in the photos' order: copies of one photo have the same
/// hash, whatever they are called and however they were compressed without loss.
///
/// Hashes of photos that were read at different sizes are not comparable.
pub fn content_hashes(photos: &Photos) -> Vec<[u8; 32]> {
    (0..photos.len()).into_par_iter().map(|index| blake3::hash(photos.photo(index)).into()).collect()
}

/// Skipped files by reason, the most frequent first.
pub fn by_reason(skipped: &[Skipped]) -> Vec<SkippedGroup> {
    let mut groups: Vec<SkippedGroup> = Vec::new();
    for Skipped { file, reason } in skipped {
        match groups.iter_mut().find(|group| group.reason == *reason) {
            Some(group) => group.files.push(file.clone()),
            None => groups.push(SkippedGroup { reason: reason.clone(), files: vec![file.clone()] }),
        }
    }
    groups.sort_by(|a, b| b.files.len().cmp(&a.files.len()).then_with(|| a.reason.cmp(&b.reason)));
    groups
}

struct Collected {
    photos: Photos,
    skipped: Vec<Skipped>,
    done: usize,
}

/// Reads, decodes and resizes the photos of a source.
///
/// One thread reads, all of rayon's decode, and the queue between them holds as many files as there
/// are threads. The result does not depend on their number. `progress` is told how many files are
/// done, and of how many where that is known.
///
/// # Errors
/// When the source cannot be read or holds not one usable photo. A file that cannot be used is no
/// error: it is among the [`skipped`](Loaded::skipped).
pub fn load(
    source: &Source,
    options: &LoadOptions,
    progress: &(dyn Fn(usize, Option<usize>) + Sync),
) -> Result<Loaded, DataError> {
    let listed = source.list()?;
    let (total, is_sorted) = (listed.total(), listed.is_sorted());
    let limit = options.limit.unwrap_or(usize::MAX);
    let mut photos = Photos::new(options.width, options.height);
    photos.reserve(total.unwrap_or(0).min(limit))?;
    let collected = Mutex::new(Collected { photos, skipped: Vec::new(), done: 0 });
    let enough = AtomicBool::new(false);
    let (sender, receiver) = sync_channel::<Entry>(rayon::current_num_threads());
    progress(0, total);
    let remains = std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            listed.for_each(&mut |entry| match sender.send(entry) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            })
        });
        // Entries are taken in their order, so that all before the one that was enough get finished.
        receiver.into_iter().take_while(|_| !enough.load(Ordering::SeqCst)).par_bridge().for_each(|entry| {
            let photo = usable(&entry, options);
            let mut collected = collected.lock().unwrap_or_else(PoisonError::into_inner);
            match photo {
                Ok((label, rgb)) => collected.photos.push(entry.name, label, &rgb),
                Err(reason) => collected.skipped.push(Skipped { file: entry.name, reason }),
            }
            collected.done += 1;
            if is_sorted && collected.photos.len() >= limit {
                enough.store(true, Ordering::SeqCst);
            }
            progress(collected.done, total);
        });
        reader.join().unwrap_or_else(|panic| resume_unwind(panic))
    })?;
    let Collected { mut photos, mut skipped, .. } =
        collected.into_inner().unwrap_or_else(PoisonError::into_inner);
    photos.sort();
    skipped.sort();
    if photos.len() >= limit {
        photos.truncate(limit);
        let last = photos.names.last().map_or("", String::as_str);
        skipped.retain(|skipped| skipped.file.as_str() < last);
    }
    photos.pixels.shrink_to_fit();
    let ignored_files = remains.ignored_files;
    match (photos.is_empty(), skipped.is_empty()) {
        (true, true) if limit > 0 => {
            Err(DataError::NoPhotos { path: source.path().to_owned(), ignored_files })
        }
        (true, false) => Err(DataError::NoneUsable { path: source.path().to_owned(), skipped }),
        _ => Ok(Loaded { photos, skipped, ignored_files, warning: remains.warning }),
    }
}

/// The label and the pixels of an entry, or why it is skipped. What is no photo is not blamed for
/// its name.
fn usable(entry: &Entry, options: &LoadOptions) -> Result<(Option<FaceLabel>, Vec<u8>), String> {
    let bytes = entry.bytes.as_ref().map_err(String::clone)?;
    let rgb = decode(bytes, options.width, options.height)?;
    match FaceLabel::from_file_name(&entry.name) {
        Ok(label) => Ok((Some(label), rgb)),
        Err(_) if options.labels == Labels::Optional => Ok((None, rgb)),
        Err(error) => Err(format!("the name tells no label: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorting_moves_pixels_and_labels_with_their_names() {
        let mut photos = Photos::new(1, 1);
        for name in ["d", "a", "e", "c", "b", "f"] {
            let byte = name.as_bytes()[0];
            let label = FaceLabel::from_file_name(&format!("{byte}_0_0_1")).ok();
            photos.push(name.to_owned(), label, &[byte; 3]);
        }
        photos.sort();
        assert_eq!(photos.names, ["a", "b", "c", "d", "e", "f"]);
        assert_eq!(photos.pixels, b"aaabbbcccdddeeefff");
        let ages: Vec<u32> = photos.labels.iter().flatten().map(|label| label.age).collect();
        assert_eq!(ages, [97, 98, 99, 100, 101, 102]);
    }

    #[test]
    fn copies_have_the_same_content_hash_under_any_name() {
        let mut photos = Photos::new(1, 2);
        photos.push("a".into(), None, &[1, 2, 3, 4, 5, 6]);
        photos.push("b".into(), None, &[1, 2, 3, 4, 5, 7]);
        photos.push("c".into(), None, &[1, 2, 3, 4, 5, 6]);
        let hashes = content_hashes(&photos);
        assert_eq!(hashes.len(), 3);
        assert_eq!(hashes[0], hashes[2]);
        assert_ne!(hashes[0], hashes[1]);
    }

    #[test]
    fn reasons_are_counted_the_most_frequent_first() {
        let skipped = |file: &str, reason: &str| Skipped { file: file.into(), reason: reason.into() };
        let groups = by_reason(&[skipped("1", "x"), skipped("2", "y"), skipped("3", "y")]);
        assert_eq!(groups[0], SkippedGroup { reason: "y".into(), files: vec!["2".into(), "3".into()] });
        assert_eq!(groups.len(), 2);
    }
}
