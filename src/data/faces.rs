//! Photos in memory, as the model takes them, and how they get there.

use std::collections::HashSet;
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
use super::source::{Ask, Entry, Ignored, Source};

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

/// A photo that cannot be used, a file that is only named like one, or a row that is no review.
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
    /// Files that are no photos.
    pub ignored: Ignored,
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
    /// Only the photos of these names are decoded; nothing else counts. `None` takes all.
    pub only: Option<HashSet<String>>,
    /// What the pixels may take, such as [`available_bytes`](super::memory::available_bytes).
    pub memory_bytes: u64,
}

/// What a source holds, by names and first bytes.
#[derive(Debug)]
pub struct Survey {
    /// Photos, sorted by name, those without a label included where labels are optional.
    pub names: Vec<String>,
    /// Files that should be photos and cannot be used, sorted by name.
    pub skipped: Vec<Skipped>,
    /// Files that are no photos.
    pub ignored: Ignored,
    /// What the user should know of a damaged archive.
    pub warning: Option<String>,
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

    /// Makes room for so many photos in all, if they fit into so much memory.
    fn reserve(&mut self, photos: usize, memory_bytes: u64) -> Result<(), DataError> {
        let bytes = photos as u128 * self.photo_bytes() as u128;
        usize::try_from(bytes)
            .ok()
            .filter(|_| bytes <= memory_bytes.into())
            .and_then(|bytes| self.pixels.try_reserve_exact(bytes.saturating_sub(self.pixels.len())).ok())
            .ok_or(DataError::TooMany {
                photos,
                width: self.width,
                height: self.height,
                free_bytes: memory_bytes,
            })
    }

    /// Makes room for one more photo, and for some behind it.
    fn make_room(&mut self, memory_bytes: u64) -> Result<(), DataError> {
        let needed = self.pixels.len() + self.photo_bytes();
        if needed <= self.pixels.capacity() {
            return Ok(());
        }
        let more = self.len() + 1 + self.len() / 2;
        self.reserve(more, memory_bytes).or_else(|_| self.reserve(self.len() + 1, memory_bytes))
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
    too_many: Option<DataError>,
}

/// Lists the photos of a source without decoding one.
///
/// # Errors
/// When the source cannot be read. A source without a photo is none.
pub fn survey(source: &Source, labels: Labels) -> Result<Survey, DataError> {
    let (mut names, mut skipped) = (Vec::new(), Vec::new());
    let remains = source.list()?.for_each(Ask::Heads, &mut |Entry { name, bytes }| {
        match bytes.and_then(|_| label_of(&name, labels)) {
            Ok(_) => names.push(name),
            Err(reason) => skipped.push(Skipped { file: name, reason }),
        }
        ControlFlow::Continue(())
    })?;
    names.sort();
    skipped.sort();
    Ok(Survey { names, skipped, ignored: remains.ignored, warning: remains.warning })
}

/// Reads, decodes and resizes the photos of a source.
///
/// One thread reads, all of rayon's decode, and the queue between them holds as many files as there
/// are threads. The result does not depend on their number. `progress` is told how many photos are
/// done, and of how many files where that is known.
///
/// # Errors
/// When the source cannot be read, holds not one usable photo, or more than fit into memory. A file that
/// cannot be used is no error: it is among the [`skipped`](Loaded::skipped).
pub fn load(
    source: &Source,
    options: &LoadOptions,
    progress: &(dyn Fn(usize, Option<usize>) + Sync),
) -> Result<Loaded, DataError> {
    let listed = source.list()?;
    let is_sorted = listed.is_sorted();
    let total = options.only.as_ref().map(HashSet::len).or(listed.total());
    let limit = options.limit.unwrap_or(usize::MAX);
    let mut photos = Photos::new(options.width, options.height);
    if let Some(files) = total
        && photos.reserve(files.min(limit), options.memory_bytes).is_err()
    {
        // Some of the files may be no photos.
        let photos_there = match &options.only {
            Some(names) => names.len(),
            None => survey(source, options.labels)?.names.len(),
        };
        photos.reserve(photos_there.min(limit), options.memory_bytes)?;
    }
    let collected = Mutex::new(Collected { photos, skipped: Vec::new(), done: 0, too_many: None });
    let enough = AtomicBool::new(false);
    let (sender, receiver) = sync_channel::<Entry>(rayon::current_num_threads());
    progress(0, total);
    let remains = std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let ask = options.only.as_ref().map_or(Ask::All, Ask::Only);
            listed.for_each(ask, &mut |entry| match sender.send(entry) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            })
        });
        // Entries are taken in their order, so that all before the one that was enough get finished.
        receiver.into_iter().take_while(|_| !enough.load(Ordering::SeqCst)).par_bridge().for_each(|entry| {
            let photo = usable(&entry, options);
            let mut collected = collected.lock().unwrap_or_else(PoisonError::into_inner);
            match photo {
                Ok((label, rgb)) => match collected.photos.make_room(options.memory_bytes) {
                    Ok(()) => collected.photos.push(entry.name, label, &rgb),
                    Err(error) => {
                        collected.too_many = Some(error);
                        enough.store(true, Ordering::SeqCst);
                    }
                },
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
    let Collected { mut photos, mut skipped, too_many, .. } =
        collected.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = too_many {
        return Err(error);
    }
    photos.sort();
    skipped.sort();
    if photos.len() >= limit {
        photos.truncate(limit);
        let last = photos.names.last().map_or("", String::as_str);
        skipped.retain(|skipped| skipped.file.as_str() < last);
    }
    photos.pixels.shrink_to_fit();
    let ignored = remains.ignored;
    match (photos.is_empty(), skipped.is_empty()) {
        (true, true) if limit > 0 => Err(DataError::NoPhotos { path: source.path().to_owned(), ignored }),
        (true, false) => Err(DataError::NoneUsable { path: source.path().to_owned(), skipped }),
        _ => Ok(Loaded { photos, skipped, ignored, warning: remains.warning }),
    }
}

/// The label and the pixels of an entry, or why it is skipped. What is no photo is not blamed for
/// its name.
fn usable(entry: &Entry, options: &LoadOptions) -> Result<(Option<FaceLabel>, Vec<u8>), String> {
    let bytes = entry.bytes.as_ref().map_err(String::clone)?;
    let rgb = decode(bytes, options.width, options.height)?;
    Ok((label_of(&entry.name, options.labels)?, rgb))
}

fn label_of(name: &str, labels: Labels) -> Result<Option<FaceLabel>, String> {
    match FaceLabel::from_file_name(name) {
        Ok(label) => Ok(Some(label)),
        Err(_) if labels == Labels::Optional => Ok(None),
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
