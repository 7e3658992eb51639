//! Reads the photos that the user means, with progress, and tells what was skipped.

use super::progress::bar;
use crate::data::error::shown;
pub use crate::data::faces::Labels;
use crate::data::faces::{LoadOptions, Loaded, Photos, Skipped, Survey, by_reason, load, survey};
use crate::data::source::{Ignored, Source};
use crate::data::synthetic::{draw, label};
use crate::machine::free_bytes;
use crate::spec::PhotoSpec;
use anyhow::Result;
use image::RgbImage;
use image::imageops::{FilterType, resize};
use rayon::prelude::*;
use std::collections::HashSet;
use std::path::Path;

/// Faces of the built-in set.
pub const BUILT_IN_FACES: usize = 2_000;
/// The built-in set is the same for every training.
pub const BUILT_IN_SEED: u64 = 0;
/// Files named a reason when photos are skipped.
const NAMED: usize = 3;

/// Reads all photos at the size that the model sees.
pub fn read(path: &Path, size: &PhotoSpec, labels: Labels) -> Result<Loaded> {
    let loaded = load_some(&Source::open(path)?, size, labels, None)?;
    tell(loaded.warning.as_deref(), &loaded.skipped, &loaded.ignored);
    Ok(loaded)
}

/// Lists the photos with labels, to choose from before any is decoded.
pub fn list(path: &Path) -> Result<(Source, Survey)> {
    let source = Source::open(path)?;
    let bar = bar("listing photos", None);
    let listed = survey(&source, Labels::Required);
    bar.finish_and_clear();
    let listed = listed?;
    tell(listed.warning.as_deref(), &listed.skipped, &listed.ignored);
    Ok((source, listed))
}

/// Reads those photos only.
pub fn read_chosen(source: &Source, size: &PhotoSpec, names: &[String]) -> Result<Photos> {
    let only: HashSet<String> = names.iter().cloned().collect();
    let loaded = load_some(source, size, Labels::Required, Some(only))?;
    tell_skipped(&loaded.skipped);
    Ok(loaded.photos)
}

fn load_some(
    source: &Source,
    size: &PhotoSpec,
    labels: Labels,
    only: Option<HashSet<String>>,
) -> Result<Loaded> {
    let (width, height) = (size.width as u32, size.height as u32);
    // A tenth is left for everything else.
    let memory_bytes = free_bytes().map_or(u64::MAX, |bytes| bytes / 10 * 9);
    let options = LoadOptions { width, height, limit: None, labels, only, memory_bytes };
    let bar = bar("reading photos", None);
    let progress = |done: usize, total: Option<usize>| {
        if let Some(total) = total {
            bar.set_length(total as u64);
        }
        bar.set_position(done as u64);
    };
    let loaded = load(source, &options, &progress);
    bar.finish_and_clear();
    Ok(loaded?)
}

fn tell(warning: Option<&str>, skipped: &[Skipped], ignored: &Ignored) {
    if let Some(warning) = warning {
        log::warn!("warning: {warning}");
    }
    tell_skipped(skipped);
    if ignored.total() > 0 {
        log::info!("ignored {} files that are no photos: {ignored}", ignored.total());
    }
}

/// Says what was left out and why.
pub fn tell_skipped(skipped: &[Skipped]) {
    for group in by_reason(skipped) {
        let named: Vec<String> = group.files.iter().take(NAMED).map(|file| shown(file)).collect();
        let more = if group.files.len() > NAMED { ", …" } else { "" };
        let reason = shown(&group.reason);
        log::warn!("skipped {}: {reason} ({}{more})", group.files.len(), named.join(", "));
    }
}

/// What the first faces of the built-in set are called, by their numbers.
pub fn built_in_names(count: usize) -> Vec<String> {
    (0..count).map(|index| label(BUILT_IN_SEED, index as u32).file_name(index)).collect()
}

/// Draws the faces of the built-in set with these numbers, in this order.
pub fn built_in(size: &PhotoSpec, numbers: &[usize]) -> Photos {
    let bar = bar("drawing faces", Some(numbers.len()));
    let (width, height) = (size.width as u32, size.height as u32);
    let side = width.max(height);
    let faces: Vec<_> = numbers
        .par_iter()
        .map(|&index| {
            let mut face = draw(BUILT_IN_SEED, index as u32, side);
            if width != height
                && let Some(square) = RgbImage::from_raw(side, side, std::mem::take(&mut face.rgb))
            {
                face.rgb = resize(&square, width, height, FilterType::Triangle).into_raw();
            }
            bar.inc(1);
            face
        })
        .collect();
    let mut photos = Photos::new(width, height);
    for (&index, face) in numbers.iter().zip(faces) {
        photos.push(face.label.file_name(index), Some(face.label), &face.rgb);
    }
    bar.finish_and_clear();
    photos
}
