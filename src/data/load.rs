//! How photos get from a source into memory, or into a file.

use std::collections::{HashMap, HashSet};
use std::io::Cursor;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use image::{ImageError, ImageReader};

use super::decode::decode;
use super::error::DataError;
use super::faces;
use super::photos::Photos;
use super::reading::{GONE, each};
use super::skipped::{Ignored, Skipped};
use super::source::{Ask, Entry, Source};
use super::split::Content;
use super::storage::Storage;
use crate::spec::{Faces, PhotoSpec};

/// What a source holds, by names and first bytes.
#[derive(Debug, Default)]
pub struct Survey {
    /// Photos, sorted by name.
    pub names: Vec<String>,
    /// Files that should be photos and cannot be used, sorted by name.
    pub skipped: Vec<Skipped>,
    /// Files that are no photos.
    pub ignored: Ignored,
    /// Folders within it, as far as the source names them.
    pub folders: Vec<String>,
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
        _ => Ok(Survey {
            names,
            skipped,
            ignored: remains.ignored,
            folders: remains.folders,
            warning: remains.warning,
        }),
    }
}

/// Photos by their places among the names, those that can be used, and the others.
pub type Loaded<T> = Result<(T, Vec<usize>, Vec<Skipped>), DataError>;

/// Reads and decodes the photos of these names, some of `all` in the source and sorted, as the model takes them: whole,
/// or the largest face of each. Returns those that can be used in their order, their places among the names, and the
/// others.
///
/// # Errors
/// When the source cannot be read, not one photo can be used, or the photos take more room than there is.
pub fn load(
    source: &Source,
    input: &PhotoSpec,
    names: &[String],
    all: &[String],
    storage: &Storage,
    progress: Progress,
) -> Loaded<Photos> {
    let photos = storage.room(source, input, names, all)?;
    let is_there: Vec<bool> = (0..names.len()).map(|place| photos.is_there(place)).collect();
    let photos = Mutex::new(photos);
    let put = |place, rgb: &[u8]| {
        let hash = blake3::hash(rgb).into();
        photos.lock().unwrap_or_else(PoisonError::into_inner).write(place, rgb, hash)
    };
    let (kept, skipped) = decode_to(&put, source, input, names, is_there, progress)?;
    let mut photos = photos.into_inner().unwrap_or_else(PoisonError::into_inner);
    photos.finish()?;
    photos.keep(&kept);
    Ok((photos, kept, skipped))
}

/// The same, but of each photo what tells copies, and not the pixels.
///
/// # Errors
/// When the source cannot be read, or not one photo can be used.
pub fn contents(
    source: &Source,
    input: &PhotoSpec,
    names: &[String],
    progress: Progress,
) -> Loaded<Vec<Content>> {
    let contents = Mutex::new(vec![Content::default(); names.len()]);
    let put = |place: usize, rgb: &[u8]| {
        let hash = blake3::hash(rgb).into();
        contents.lock().unwrap_or_else(PoisonError::into_inner)[place] = hash;
        Ok(())
    };
    let (kept, skipped) = decode_to(&put, source, input, names, vec![false; names.len()], progress)?;
    let contents = contents.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok((kept.iter().map(|&place| contents[place]).collect(), kept, skipped))
}

/// Takes a photo by its place among the names.
type Put<'a> = &'a (dyn Fn(usize, &[u8]) -> Result<(), DataError> + Sync);

/// Decodes the photos of these names that are not there. Returns the places of all that are there then, and the
/// others.
///
/// One thread reads, all of rayon's decode, and the queue between them holds as many files as there are threads. The
/// result does not depend on their number.
fn decode_to(
    put: Put,
    source: &Source,
    input: &PhotoSpec,
    names: &[String],
    is_there: Vec<bool>,
    progress: Progress,
) -> Result<(Vec<usize>, Vec<Skipped>), DataError> {
    let missing = (0..names.len()).filter(|&place| !is_there[place]);
    let places: HashMap<&str, usize> = missing.map(|place| (names[place].as_str(), place)).collect();
    let before = names.len() - places.len();
    progress(before, names.len());
    let state = Mutex::new((is_there, Vec::new(), before));
    let only = places.keys().map(|name| name.to_string()).collect();
    let take = |name: String, decoded: Result<Vec<u8>, String>| {
        let place = places.get(name.as_str()).copied();
        if let (Ok(rgb), Some(place)) = (&decoded, place) {
            put(place, rgb)?;
        }
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let (is_there, skipped, done) = &mut *state;
        match (decoded, place) {
            (Ok(_), Some(place)) => is_there[place] = true,
            (Ok(_), None) => {}
            (Err(reason), _) => skipped.push(Skipped { file: name, reason }),
        }
        *done += 1;
        progress(*done, names.len());
        Ok(())
    };
    match input.faces {
        Some(Faces::Detect) => faces::each_largest(source, &only, input, &take)?,
        _ => each(source, &only, &|Entry { name, bytes }| {
            take(name, bytes.and_then(|bytes| decode(&bytes, input.width as u32, input.height as u32)))
        })?,
    }
    let (is_there, mut skipped, _) = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    let told: HashSet<&str> = skipped.iter().map(|skipped| skipped.file.as_str()).collect();
    let gone = |place: &usize| !is_there[*place] && !told.contains(names[*place].as_str());
    let gone: Vec<Skipped> = (0..names.len())
        .filter(gone)
        .map(|place| Skipped { file: names[place].clone(), reason: GONE.into() })
        .collect();
    skipped.extend(gone);
    skipped.sort();
    let kept: Vec<usize> = (0..names.len()).filter(|&place| is_there[place]).collect();
    match kept.is_empty() && !names.is_empty() {
        true => Err(DataError::NoneUsable { path: source.path().to_owned(), skipped }),
        false => Ok((kept, skipped)),
    }
}

/// Photos whose size tells that of all.
const MEASURED: usize = 25;

/// The longer side of most photos, in pixels: the median of a few, spread over the names.
///
/// # Errors
/// When the source cannot be read.
pub fn usual_side(source: &Source, names: &[String]) -> Result<Option<u32>, DataError> {
    let step = names.len().div_ceil(MEASURED).max(1);
    let chosen: HashSet<String> = names.iter().step_by(step).cloned().collect();
    let sides = Mutex::new(Vec::new());
    each::<DataError>(source, &chosen, &|entry| {
        let bytes = entry.bytes.unwrap_or_default();
        let reader = ImageReader::new(Cursor::new(&bytes[..])).with_guessed_format();
        if let Ok((width, height)) =
            reader.map_err(ImageError::IoError).and_then(ImageReader::into_dimensions)
        {
            sides.lock().unwrap_or_else(PoisonError::into_inner).push(width.max(height));
        }
        Ok(())
    })?;
    let mut sides = sides.into_inner().unwrap_or_else(PoisonError::into_inner);
    sides.sort_unstable();
    Ok(sides.get(sides.len() / 2).copied())
}
