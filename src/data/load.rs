//! How photos get from a source into memory.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};

use rayon::iter::{ParallelBridge, ParallelIterator};

use super::decode::decode;
use super::error::DataError;
use super::faces::{Photos, Skipped};
use super::label::FaceLabel;
use super::source::{Ask, Entry, Ignored, Source};

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
    /// What the pixels may take, in bytes.
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
