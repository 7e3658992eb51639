//! Photos in memory, as the model takes them.

use serde::Serialize;

pub use super::decode::decode;
use super::error::DataError;
use super::label::FaceLabel;
pub use super::load::{Labels, LoadOptions, Loaded, Survey, load, survey};

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
    pub(super) fn reserve(&mut self, photos: usize, memory_bytes: u64) -> Result<(), DataError> {
        let bytes = photos as u128 * self.photo_bytes() as u128;
        usize::try_from(bytes)
            .ok()
            .filter(|_| bytes <= memory_bytes.into())
            .and_then(|bytes| self.pixels.try_reserve_exact(bytes.saturating_sub(self.pixels.len())).ok())
            .ok_or(DataError::TooMany {
                photos,
                at_least: false,
                width: self.width,
                height: self.height,
                free_bytes: memory_bytes,
            })
    }

    /// Makes room for one more photo, and for some behind it.
    pub(super) fn make_room(&mut self, memory_bytes: u64) -> Result<(), DataError> {
        let needed = self.pixels.len() + self.photo_bytes();
        if needed <= self.pixels.capacity() {
            return Ok(());
        }
        let more = self.len() + 1 + self.len() / 2;
        self.reserve(more, memory_bytes).or_else(|_| self.reserve(self.len() + 1, memory_bytes)).map_err(
            |error| match error {
                DataError::TooMany { photos, width, height, free_bytes, .. } => {
                    DataError::TooMany { photos, at_least: true, width, height, free_bytes }
                }
                error => error,
            },
        )
    }

    pub(super) fn truncate(&mut self, photos: usize) {
        self.pixels.truncate(photos * self.photo_bytes());
        self.names.truncate(photos);
        self.labels.truncate(photos);
    }

    /// Sorts by name in place: a second copy of the pixels may not fit into memory.
    pub(super) fn sort(&mut self) {
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
    fn reasons_are_counted_the_most_frequent_first() {
        let skipped = |file: &str, reason: &str| Skipped { file: file.into(), reason: reason.into() };
        let groups = by_reason(&[skipped("1", "x"), skipped("2", "y"), skipped("3", "y")]);
        assert_eq!(groups[0], SkippedGroup { reason: "y".into(), files: vec!["2".into(), "3".into()] });
        assert_eq!(groups.len(), 2);
    }
}
