//! Reads the photos that the user means, with progress, and tells what was skipped.

use super::progress::bar;
use crate::data::DataError;
pub use crate::data::faces::Labels;
use crate::data::faces::{LoadOptions, Loaded, Photos, Skipped, by_reason, load};
use crate::data::source::Source;
use crate::data::synthetic::draw;
use crate::spec::PhotoSpec;
use anyhow::Result;
use image::RgbImage;
use image::imageops::{FilterType, resize};
use rayon::prelude::*;
use std::path::Path;

/// Faces of the built-in set.
pub const BUILT_IN_FACES: usize = 2_000;
/// The built-in set is the same for every training.
pub const BUILT_IN_SEED: u64 = 0;
/// Files named a reason when photos are skipped.
const NAMED: usize = 3;

/// Reads photos at the size that the model sees.
pub fn read(path: &Path, size: &PhotoSpec, labels: Labels) -> Result<Loaded> {
    let source = Source::open(path)?;
    let options = LoadOptions { width: size.width as u32, height: size.height as u32, limit: None, labels };
    let bar = bar("reading photos", None);
    let progress = |done: usize, total: Option<usize>| {
        if let Some(total) = total {
            bar.set_length(total as u64);
        }
        bar.set_position(done as u64);
    };
    let loaded = load(&source, &options, &progress);
    bar.finish_and_clear();
    let loaded: Result<Loaded, DataError> = loaded;
    let loaded = loaded?;
    if let Some(warning) = &loaded.warning {
        log::warn!("warning: {warning}");
    }
    tell_skipped(&loaded.skipped);
    Ok(loaded)
}

/// Says what was left out and why.
pub fn tell_skipped(skipped: &[Skipped]) {
    for group in by_reason(skipped) {
        let named: Vec<&str> = group.files.iter().take(NAMED).map(String::as_str).collect();
        let more = if group.files.len() > NAMED { ", …" } else { "" };
        log::warn!("skipped {}: {} ({}{more})", group.files.len(), group.reason, named.join(", "));
    }
}

/// Draws the built-in set.
pub fn built_in(size: &PhotoSpec, count: usize, seed: u64) -> Photos {
    let bar = bar("drawing faces", Some(count));
    let (width, height) = (size.width as u32, size.height as u32);
    let side = width.max(height);
    let faces: Vec<_> = (0..count as u32)
        .into_par_iter()
        .map(|index| {
            let mut face = draw(seed, index, side);
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
    for (index, face) in faces.into_iter().enumerate() {
        photos.push(face.label.file_name(index), Some(face.label), &face.rgb);
    }
    bar.finish_and_clear();
    photos
}
