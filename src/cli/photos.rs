//! Reads the photos that the user means, with progress, and tells what was skipped.

use super::progress::bar;
use crate::data::DataError;
use crate::data::faces::{Labels, LoadOptions, Loaded, Photos, by_reason, load};
use crate::data::source::Source;
use crate::data::split::Split;
use crate::data::synthetic::draw;
use crate::spec::{DataSpec, Spec};
use anyhow::{Result, bail};
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
pub fn read(path: &Path, width: usize, height: usize, labels: Labels) -> Result<Loaded> {
    let source = Source::open(path)?;
    let options = LoadOptions { width: width as u32, height: height as u32, limit: None, labels };
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
    tell_skipped(&loaded);
    Ok(loaded)
}

/// Says what was left out and why.
pub fn tell_skipped(loaded: &Loaded) {
    if let Some(warning) = &loaded.warning {
        log::warn!("warning: {warning}");
    }
    for group in by_reason(&loaded.skipped) {
        let named: Vec<&str> = group.files.iter().take(NAMED).map(String::as_str).collect();
        let more = if group.files.len() > NAMED { ", …" } else { "" };
        log::warn!("skipped {}: {} ({}{more})", group.files.len(), group.reason, named.join(", "));
    }
}

/// Draws the built-in set.
pub fn built_in(width: usize, height: usize, count: usize, seed: u64) -> Photos {
    let bar = bar("drawing faces", Some(count));
    let (width, height) = (width as u32, height as u32);
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

/// What the photos are read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// A new training.
    Training,
    /// Going on with one, which needs the very same photos.
    Resuming,
    /// Measuring, which needs no training photos.
    Evaluation,
}

/// Photos and their split, as a model's `[data]` says.
pub fn with_split(spec: &Spec, purpose: Use) -> Result<(Photos, Split)> {
    let DataSpec { path, split, limit } = &spec.data;
    let (width, height) = (spec.input.width, spec.input.height);
    let photos = match path {
        Some(path) => read(path, width, height, Labels::Required)?.photos,
        None => built_in(width, height, BUILT_IN_FACES, BUILT_IN_SEED),
    };
    let mut chosen = match split {
        Some(path) => {
            let (chosen, notes) = match purpose {
                Use::Evaluation => Split::validation_from_csv(path, &photos)?,
                Use::Training | Use::Resuming => Split::from_csv(path, &photos)?,
            };
            if notes.rows_without_photo > 0 && purpose == Use::Resuming {
                bail!(
                    "{} photos of {} are gone; a training goes on only with the photos it began with",
                    notes.rows_without_photo,
                    path.display()
                );
            }
            if notes.rows_without_photo > 0 {
                log::warn!(
                    "{}: {} rows name no photo that is there",
                    path.display(),
                    notes.rows_without_photo
                );
            }
            if notes.photos_without_row > 0 && purpose != Use::Resuming {
                log::warn!(
                    "{}: {} photos have no row and are left out",
                    path.display(),
                    notes.photos_without_row
                );
            }
            chosen
        }
        None => Split::seeded(&photos, spec.training.seed),
    };
    if let Some(limit) = *limit {
        chosen = chosen.limited(limit, spec.training.seed);
    }
    if chosen.validation.is_empty() || (chosen.train.is_empty() && purpose != Use::Evaluation) {
        bail!(
            "{} photos are too few: training and validation need at least one each",
            chosen.train.len() + chosen.validation.len()
        );
    }
    log::info!("photos: {} to train on, {} to validate with", chosen.train.len(), chosen.validation.len());
    Ok(chosen.compact(photos))
}
