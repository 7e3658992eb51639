//! How photos get from a source into memory.

use std::collections::{HashMap, HashSet};
use std::io::Cursor;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};

use image::ImageReader;
use rayon::iter::{ParallelBridge, ParallelIterator};

use super::decode::decode;
use super::error::DataError;
use super::photos::Photos;
use super::skipped::{Ignored, Skipped};
use super::source::{Ask, Entry, Source};

/// What a source holds, by names and first bytes.
#[derive(Debug, Default)]
pub struct Survey {
    /// Photos, sorted by name.
    pub names: Vec<String>,
    /// Files that should be photos and cannot be used, sorted by name.
    pub skipped: Vec<Skipped>,
    /// Files that are no photos.
    pub ignored: Ignored,
    /// What the user should know of a damaged archive.
    pub warning: Option<String>,
}

/// Told how many photos are done, and of how many.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// Lists the photos of a source without decoding one.
///
/// # Errors
/// When the source cannot be read, or holds no photo.
pub fn survey(source: &Source) -> Result<Survey, DataError> {
    let (mut names, mut skipped) = (Vec::new(), Vec::new());
    let remains = source.list()?.for_each(Ask::Heads, &mut |Entry { name, bytes }| {
        match bytes {
            Ok(_) => names.push(name),
            Err(reason) => skipped.push(Skipped { file: name, reason }),
        }
        ControlFlow::Continue(())
    })?;
    names.sort();
    skipped.sort();
    let path = source.path().to_owned();
    match (names.is_empty(), skipped.is_empty()) {
        (true, true) => Err(DataError::NoPhotos { path, ignored: remains.ignored }),
        (true, false) => Err(DataError::NoneUsable { path, skipped }),
        _ => Ok(Survey { names, skipped, ignored: remains.ignored, warning: remains.warning }),
    }
}

/// Reads, decodes and resizes the photos of these names, sorted, to `size`: width and height in pixels. Returns
/// those that can be used in their order, their places among the names, and the others.
///
/// One thread reads, all of rayon's decode, and the queue between them holds as many files as there are threads. The
/// result does not depend on their number.
///
/// # Errors
/// When the source cannot be read, not one photo can be used, or the photos take more than `memory_bytes`.
pub fn load(
    source: &Source,
    [width, height]: [u32; 2],
    names: &[String],
    memory_bytes: u64,
    progress: Progress,
) -> Result<(Photos, Vec<usize>, Vec<Skipped>), DataError> {
    let places: HashMap<&str, usize> = names.iter().map(String::as_str).zip(0..).collect();
    let photos = Photos::black(width, height, names.len(), memory_bytes)?;
    let bytes = photos.photo_bytes();
    let loaded = Mutex::new((photos, vec![false; names.len()], Vec::new(), 0));
    progress(0, names.len());
    each(source, names, &|entry| {
        let decoded =
            entry.bytes.as_ref().map_err(String::clone).and_then(|bytes| decode(bytes, width, height));
        let mut loaded = loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let (photos, is_there, skipped, done) = &mut *loaded;
        match (decoded, places.get(entry.name.as_str())) {
            (Ok(rgb), Some(&place)) => {
                photos.pixels[place * bytes..][..bytes].copy_from_slice(&rgb);
                is_there[place] = true;
            }
            (Ok(_), None) => {}
            (Err(reason), _) => skipped.push(Skipped { file: entry.name, reason }),
        }
        *done += 1;
        progress(*done, names.len());
    })?;
    let (mut photos, is_there, mut skipped, _) = loaded.into_inner().unwrap_or_else(PoisonError::into_inner);
    let told: HashSet<&str> = skipped.iter().map(|skipped| skipped.file.as_str()).collect();
    let gone = |place: &usize| !is_there[*place] && !told.contains(names[*place].as_str());
    let gone: Vec<Skipped> = (0..names.len())
        .filter(gone)
        .map(|place| Skipped {
            file: names[place].clone(),
            reason: "it is gone, or lies behind damage".into(),
        })
        .collect();
    skipped.extend(gone);
    skipped.sort();
    let kept: Vec<usize> = (0..names.len()).filter(|&place| is_there[place]).collect();
    if kept.is_empty() && !names.is_empty() {
        return Err(DataError::NoneUsable { path: source.path().to_owned(), skipped });
    }
    photos.keep(&kept);
    Ok((photos, kept, skipped))
}

/// Calls `visit` with the photos of these names, from several threads.
fn each(source: &Source, names: &[String], visit: &(dyn Fn(Entry) + Sync)) -> Result<(), DataError> {
    let only: HashSet<String> = names.iter().cloned().collect();
    let (listed, only) = (source.list()?, &only);
    let (sender, receiver) = sync_channel::<Entry>(rayon::current_num_threads());
    std::thread::scope(|scope| {
        // The sender goes with the reader, so that the receiver ends.
        let reader = scope.spawn(move || {
            listed.for_each(Ask::Only(only), &mut |entry| match sender.send(entry) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            })
        });
        receiver.into_iter().par_bridge().for_each(visit);
        reader.join().unwrap_or_else(|panic| resume_unwind(panic))
    })?;
    Ok(())
}

/// Photos whose size tells that of all.
const MEASURED: usize = 25;

/// The longer side of most photos, in pixels: the median of a few, spread over the names.
///
/// # Errors
/// When the source cannot be read.
pub fn usual_side(source: &Source, names: &[String]) -> Result<Option<u32>, DataError> {
    let step = names.len().div_ceil(MEASURED).max(1);
    let chosen: Vec<String> = names.iter().step_by(step).cloned().collect();
    let sides = Mutex::new(Vec::new());
    each(source, &chosen, &|entry| {
        let reader = entry
            .bytes
            .ok()
            .and_then(|bytes| ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok());
        if let Some((width, height)) = reader.and_then(|reader| reader.into_dimensions().ok()) {
            sides.lock().unwrap_or_else(PoisonError::into_inner).push(width.max(height));
        }
    })?;
    let mut sides = sides.into_inner().unwrap_or_else(PoisonError::into_inner);
    sides.sort_unstable();
    Ok(sides.get(sides.len() / 2).copied())
}
