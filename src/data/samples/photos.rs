//! Photos of a folder, an archive, or the built-in set.

use super::choose::{accepted, choose, require_sides};
use super::{Failed, Inputs, Purpose, Samples};
use crate::data::DataError;
use crate::data::error::{shown, shown_path};
use crate::data::faces::{Estimate, estimate_crop, estimate_crop_of};
use crate::data::labels::{self, base_name, utkface};
use crate::data::load::{Loaded, Survey, contents, load as decode, survey, usual_side};
use crate::data::photos::Photos;
use crate::data::records::{Key, Records};
use crate::data::skipped::{Ignored, Skipped, by_reason};
use crate::data::source::Source;
use crate::data::split::{Content, Split};
use crate::data::storage::Storage;
use crate::data::synthetic::{draw, label};
use crate::data::table::Column;
use crate::data::watch::Watch;
use crate::spec::{Faces, InputSpec, PhotoSpec, Spec};
use anyhow::bail;
use image::RgbImage;
use image::imageops::{FilterType, resize};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Faces of the built-in set.
pub const BUILT_IN_FACES: usize = 2_000;
/// The built-in set is the same for every training.
pub const BUILT_IN_SEED: u64 = 0;
/// Files named a reason when photos are skipped.
const NAMED: usize = 3;
/// The least and the greatest side, in pixels, of an input that is as large as the photos.
const SIDES: [u32; 2] = [32, 128];

/// The photos of a place with their labels: by the CSV at `labels`, or as their names tell.
///
/// # Errors
/// When the place or the CSV cannot be read, or nothing tells a label.
pub fn labelled(
    path: &Path,
    labels: Option<&Path>,
    watch: &dyn Watch,
) -> Result<(Source, Survey, Records), Failed> {
    let source = Source::open(path)?;
    watch.begin("listing photos", None);
    let listed = survey(&source);
    watch.end();
    let mut listed = listed?;
    let labelled = labels::label(path, &listed.names, labels)?;
    listed.skipped.extend(labelled.skipped);
    listed.skipped.sort();
    tell(&listed);
    labelled.warnings.iter().for_each(|warning| log::warn!("warning: {}", shown(warning)));
    tell_empty_folders(path, &listed, &labelled.table.columns);
    let names = labelled.kept.iter().map(|&place| listed.names[place].clone()).collect();
    let records =
        Records { table: labelled.table, sides: labelled.sides, ..Records::unlabelled(Key::File, names) };
    Ok((source, listed, records))
}

/// Says which folders beside those of classes hold no photo.
fn tell_empty_folders(path: &Path, listed: &Survey, columns: &[Column]) {
    let Some(known) = columns.first().and_then(|column| column.known.as_ref()) else { return };
    // Where the classes lie: at the top, or below the folders of sides.
    let classes: HashSet<&str> = known.classes.iter().map(String::as_str).collect();
    let is_class = |folder: &str| classes.contains(base_name(folder));
    let mut above = HashSet::new();
    for name in &listed.names {
        let folders = name.match_indices('/').map(|(end, _)| &name[..end]);
        above.extend(folders.filter(|folder| is_class(folder)).map(parent));
    }
    let holds_photo = |folder: &str| {
        let below = format!("{folder}/");
        let next = listed.names.partition_point(|name| *name < below);
        listed.names.get(next).is_some_and(|name| name.starts_with(&below))
    };
    let beside = listed.folders.iter().filter(|folder| above.contains(parent(folder)) && !is_class(folder));
    for folder in beside.filter(|folder| !holds_photo(folder)) {
        let folder = shown_path(&path.join(folder));
        log::warn!("warning: {folder}: the folder of a class holds no photo; it is no class");
    }
}

/// The folder that a folder lies in; nothing at the top.
fn parent(folder: &str) -> &str {
    folder.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Decodes the photos of these names, some of `all` in the source. Returns those that can be used, their places among the names, and the others.
///
/// # Errors
/// When they cannot be read, not one can be used, or they take more room than there is.
pub fn read_photos(
    source: &Source,
    size: &PhotoSpec,
    names: &[String],
    all: &[String],
    storage: &Storage,
    watch: &dyn Watch,
) -> Loaded<Photos> {
    watch.begin("reading photos", Some(names.len()));
    let read = decode(source, size, names, all, storage, &|done, _| watch.at(done));
    watch.end();
    read
}

/// The same, but of each photo what tells copies, and not the pixels.
///
/// # Errors
/// When they cannot be read, or not one can be used.
pub fn read_contents(
    source: &Source,
    size: &PhotoSpec,
    names: &[String],
    watch: &dyn Watch,
) -> Loaded<Vec<Content>> {
    watch.begin("reading photos", Some(names.len()));
    let read = contents(source, size, names, &|done, _| watch.at(done));
    watch.end();
    read
}

/// Photos and their split. Which of them are taken is chosen by names, and only those are decoded or drawn.
pub(super) fn load(
    spec: &mut Spec,
    purpose: Purpose,
    storage: &Storage,
    watch: &dyn Watch,
) -> Result<(Samples, Split), Failed> {
    let (source, records) = match spec.data.path.clone() {
        Some(path) => {
            let (source, listed, records) = labelled(&path, spec.data.labels.as_deref(), watch)?;
            (Some((source, listed.names)), records)
        }
        None => (None, built_in_records(BUILT_IN_FACES)),
    };
    settle_size(spec, source.as_ref().map(|(source, _)| (source, &records)))?;
    if purpose == Purpose::Training {
        records.settle(spec)?;
        records.tell_settled(spec);
    }
    let (records, _, notes) = records.answer(spec)?;
    tell_skipped(&notes);
    let numbers: HashMap<String, usize> = match &source {
        None => records.names.iter().cloned().zip(0..).collect(),
        Some(_) => HashMap::new(),
    };
    let (records, _, chosen) = choose(records, spec, purpose)?;
    require_sides(&records, &spec.targets, records.len(), &chosen, purpose)?;
    let InputSpec::Photo(size) = &spec.input else { bail!("the model does not read photos") };
    let (photos, kept) = match &source {
        Some((source, all)) => {
            if purpose == Purpose::EvaluationOfAll && size.faces == Some(Faces::Cropped) {
                warn_of_uncropped(size, source, &records)?;
            }
            let (photos, kept, skipped) = read_photos(source, size, &records.names, all, storage, watch)?;
            tell_skipped(&skipped);
            let lost = records.len() - kept.len();
            if lost > 0 && purpose == Purpose::Resuming {
                bail!(
                    "{}: {} photos cannot be read any more; a training goes on only with the photos it began with",
                    shown_path(source.path()),
                    lost
                );
            }
            (photos, kept)
        }
        None => {
            let numbers: Vec<usize> =
                records.names.iter().filter_map(|name| numbers.get(name).copied()).collect();
            (built_in_faces(size, &numbers, watch), (0..records.len()).collect())
        }
    };
    // Those that cannot be read are on no side.
    let chosen = chosen.within(|index| kept.binary_search(index).ok());
    let records = if kept.len() == records.len() { records } else { records.chosen(&kept) };
    let split = accepted(&records, photos.contents(), chosen, spec, purpose)?;
    if purpose == Purpose::Training {
        settle_faces(spec, source.as_ref().map(|(source, _)| source), &records, &photos, &split.train)?;
        records.settle_training(spec, &split.train);
    }
    Ok((Samples::new(records, Inputs::Photos(photos), spec), split))
}

/// Photos that tell whether all show faces.
const PROBED: usize = 24;
/// The least side of the input, in pixels, for which it matters: no face is found in smaller photos.
const LEAST_SIDE: usize = 32;

/// So many of these samples, spread over all.
fn probed(samples: &[usize]) -> impl Iterator<Item = usize> + '_ {
    samples.iter().step_by(samples.len().div_ceil(PROBED).max(1)).copied()
}

/// Finds out whether the photos that a model is trained on are faces, and with how much around them, where the model does
/// not say. `source` is where the photos come from, unless they are drawn.
fn settle_faces(
    spec: &mut Spec,
    source: Option<&Source>,
    records: &Records,
    photos: &Photos,
    train: &[usize],
) -> Result<(), Failed> {
    let InputSpec::Photo(input) = &mut spec.input else { return Ok(()) };
    let is_said = match input.faces {
        None => false,
        Some(Faces::Cropped) => !input.crop.is_usual(),
        Some(Faces::Whole | Faces::Detect) => true,
    };
    let asked = input.faces;
    input.faces = asked.or(Some(Faces::Whole));
    if is_said || input.width.min(input.height) < LEAST_SIDE {
        return Ok(());
    }
    let estimate = match source {
        Some(source) => {
            estimate_crop_of(source, &probed(train).map(|index| records.names[index].clone()).collect())?
        }
        None => {
            let rgb = |index| -> Result<_, DataError> {
                Ok(RgbImage::from_raw(photos.width, photos.height, photos.photo(index)?.into_owned()))
            };
            let photos: Vec<Option<RgbImage>> = probed(train).map(rgb).collect::<Result<_, _>>()?;
            estimate_crop(photos.into_iter().flatten().collect())?
        }
    };
    match estimate {
        Some(estimate) if estimate.is_cropped() => {
            let Estimate { crop, alike, of } = estimate;
            (input.faces, input.crop) = (Some(Faces::Cropped), crop);
            log::info!(
                "faces: {alike} of {of} training photos show one, cropped alike (side {}, right {}, down {}); predict finds \
                 faces in other photos and crops them so",
                crop.side,
                crop.right,
                crop.down
            );
        }
        _ if asked == Some(Faces::Cropped) => log::warn!(
            "warning: the training photos do not show faces that are cropped alike; predictions crop them as UTKFace's"
        ),
        _ => {}
    }
    Ok(())
}

/// Warns where photos that are measured are not cropped as those that the model was trained on.
fn warn_of_uncropped(input: &PhotoSpec, source: &Source, records: &Records) -> Result<(), Failed> {
    let all: Vec<usize> = (0..records.len()).collect();
    let names = probed(&all).map(|index| records.names[index].clone()).collect();
    let alike = estimate_crop_of(source, &names)?.is_some_and(|estimate| {
        let Estimate { crop, .. } = estimate;
        estimate.is_cropped() && (crop.side / input.crop.side).ln().abs() < 0.2
    });
    if !alike {
        log::warn!(
            "warning: most of these photos are not faces that are cropped as the training photos were; --faces detect finds \
             the faces and crops them"
        );
    }
    Ok(())
}

/// Makes the input as large as most photos are, where the model does not say.
fn settle_size(spec: &mut Spec, photos: Option<(&Source, &Records)>) -> Result<(), Failed> {
    let InputSpec::Photo(size) = &mut spec.input else { return Ok(()) };
    if size.width > 0 {
        return Ok(());
    }
    let side = match photos {
        Some((source, records)) => usual_side(source, &records.names)?,
        None => None,
    };
    let side = side.unwrap_or(SIDES[1]).clamp(SIDES[0], SIDES[1]) as usize;
    (size.width, size.height) = (side, side);
    log::info!("input: {side}x{side} pixels, as large as most photos, within {} and {}", SIDES[0], SIDES[1]);
    Ok(())
}

/// Says what a source holds besides its photos.
pub fn tell(Survey { skipped, ignored, warning, .. }: &Survey) {
    if let Some(warning) = warning {
        log::warn!("warning: {warning}");
    }
    tell_skipped(skipped);
    tell_ignored(ignored);
}

fn tell_ignored(ignored: &Ignored) {
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

/// Names and labels of the first faces of the built-in set.
pub fn built_in_records(count: usize) -> Records {
    let names: Vec<String> =
        (0..count).map(|index| label(BUILT_IN_SEED, index as u32).file_name(index)).collect();
    let table = (utkface::WAY.label)(&names).table;
    Records { table, ..Records::unlabelled(Key::File, names) }
}

/// Draws the faces of the built-in set with these numbers, in this order.
pub fn built_in_faces(size: &PhotoSpec, numbers: &[usize], watch: &dyn Watch) -> Photos {
    watch.begin("drawing faces", Some(numbers.len()));
    let done = AtomicUsize::new(0);
    let (width, height) = (size.width as u32, size.height as u32);
    let side = width.max(height);
    let faces: Vec<Vec<u8>> = numbers
        .par_iter()
        .map(|&index| {
            let mut rgb = draw(BUILT_IN_SEED, index as u32, side).rgb;
            if width != height
                && let Some(square) = RgbImage::from_raw(side, side, std::mem::take(&mut rgb))
            {
                rgb = resize(&square, width, height, FilterType::Triangle).into_raw();
            }
            watch.at(done.fetch_add(1, Ordering::Relaxed) + 1);
            rgb
        })
        .collect();
    watch.end();
    let mut photos = Photos::new(width, height);
    faces.iter().for_each(|rgb| photos.push(rgb));
    photos
}
