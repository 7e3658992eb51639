//! Ordinary photos, and the faces that are found in them.

use super::decode::decode_whole;
use super::error::DataError;
use super::photos::Photos;
use super::reading::{GONE, each, read_ahead};
use super::skipped::Skipped;
use super::source::{Entry, Source};
use super::watch::Watch;
use crate::faces::{Detector, DetectorError, Detectors, Face, Frame, Rectangle, whole};
use crate::spec::{CropSpec, PhotoSpec};
use image::RgbImage;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};

/// Why there is no prediction for a photo without a face.
pub const NO_FACE: &str = "no face was found";

/// A photo, and the faces in it.
pub struct Found {
    /// The photo, upright; a very large one is made smaller.
    pub photo: RgbImage,
    /// Width and height that it had, in pixels.
    pub size: [u32; 2],
    /// In pixels of `photo`, from left to right.
    pub faces: Vec<Face>,
}

impl Found {
    /// Looks for the faces of a photo.
    ///
    /// # Errors
    /// When faces cannot be looked for.
    pub fn in_photo(photo: RgbImage, detector: &mut Detector) -> Result<Found, DetectorError> {
        let mut faces = detector.detect(&photo)?;
        faces.sort_by(|a, b| a.area.x.total_cmp(&b.area.x));
        Ok(Found { size: photo.dimensions().into(), photo, faces })
    }

    /// The square that shows a face with as much of its surroundings.
    fn frame(face: &Face, crop: &CropSpec) -> Frame {
        Frame::of(face).with_surroundings(crop)
    }

    /// Whether the photo shows one face, with as much of its surroundings.
    pub fn is_cropped(&self, crop: &CropSpec) -> bool {
        let size = self.photo.dimensions().into();
        matches!(self.faces.as_slice(), [face] if Self::frame(face, crop).is_whole(size))
    }

    /// A face as a model takes it: cut out as the photos are that it was trained on. A photo that is such a one is taken
    /// whole.
    pub fn cut(&self, face: &Face, input: &PhotoSpec) -> RgbImage {
        let size = [input.width as u32, input.height as u32];
        match self.is_cropped(&input.crop) {
            true => whole(&self.photo, size),
            false => Self::frame(face, &input.crop).cut(&self.photo, size),
        }
    }

    /// The largest face.
    ///
    /// # Errors
    /// [`NO_FACE`].
    pub fn largest(&self) -> Result<&Face, String> {
        let largest = self.faces.iter().max_by(|a, b| a.area.area().total_cmp(&b.area.area()));
        largest.ok_or_else(|| NO_FACE.to_owned())
    }

    /// Pixels of the original a pixel of `photo`.
    pub fn factor(&self) -> f32 {
        self.size[0] as f32 / self.photo.width() as f32
    }
}

/// How alike a set of photos shows faces.
pub struct Estimate {
    /// How much of their surroundings, as the median of the photos.
    pub crop: CropSpec,
    /// Photos that show one face so.
    pub alike: usize,
    /// Photos that were looked at.
    pub of: usize,
}

/// A photo whose side is larger than this, compared with the square of its face, is not cropped.
const MOST_SIDE: f32 = 3.0;

impl Estimate {
    /// How much of their surroundings photos show of faces; `None` if none shows a single face.
    fn of(found: &[Found]) -> Option<Estimate> {
        let single =
            || found.iter().filter_map(|found| Some((found, <&[Face; 1]>::try_from(&found.faces[..]).ok()?)));
        let crops: Vec<CropSpec> = single().map(|(found, [face])| crop_of(&found.photo, face)).collect();
        let median = |value: fn(&CropSpec) -> f32| {
            let mut values: Vec<f32> = crops.iter().map(value).collect();
            values.sort_by(f32::total_cmp);
            // To three digits, which is more than a few photos tell.
            values.get(values.len() / 2).map(|value| (value * 1000.0).round() / 1000.0)
        };
        let crop = CropSpec {
            side: median(|crop| crop.side)?,
            right: median(|crop| crop.right)?,
            down: median(|crop| crop.down)?,
        };
        let alike = found.iter().filter(|found| found.is_cropped(&crop)).count();
        Some(Estimate { crop, alike, of: found.len() })
    }

    /// Whether most photos are faces, cropped alike.
    pub fn is_cropped(&self) -> bool {
        2 * self.alike > self.of && self.crop.side <= MOST_SIDE && self.crop.check().is_ok()
    }
}

/// How much of its surroundings a photo shows of its face.
fn crop_of(photo: &RgbImage, face: &Face) -> CropSpec {
    let [width, height] = [photo.width(), photo.height()].map(|side| side as f32);
    let Frame { middle: [x, y], side, .. } = Frame::of(face);
    CropSpec {
        side: (width * height).sqrt() / side,
        right: (width / 2.0 - x) / side,
        down: (height / 2.0 - y) / side,
    }
}

/// How alike photos show faces; `None` if none shows a single face.
///
/// # Errors
/// When faces cannot be looked for.
pub fn estimate_crop(photos: Vec<RgbImage>) -> Result<Option<Estimate>, DetectorError> {
    let found = Detectors::on_cpu().map(photos, |photo| photo, Found::in_photo);
    Ok(Estimate::of(&found.into_iter().collect::<Result<Vec<_>, _>>()?))
}

/// The same of the photos of these names. Those that cannot be used are left out.
///
/// # Errors
/// When the source cannot be read, or faces cannot be looked for.
pub fn estimate_crop_of(source: &Source, names: &HashSet<String>) -> Result<Option<Estimate>, DataError> {
    let mut found = Vec::new();
    each_found::<DataError>(source, names, &mut Detectors::on_cpu(), &mut |_, photo| {
        found.extend(photo.ok());
        Ok(())
    })?;
    Ok(Estimate::of(&found))
}

/// Photos that are decoded and looked at at a time, at most: large ones take 27 MB each.
const MOST_AT_ONCE: usize = 16;

/// Calls `visit` with the photos of these names, one after the other, and the faces in each, or the reason why one
/// cannot be used.
///
/// # Errors
/// When the source cannot be read, faces cannot be looked for, or `visit` fails.
pub fn each_found<E: From<DataError>>(
    source: &Source,
    names: &HashSet<String>,
    detectors: &mut Detectors,
    visit: &mut dyn FnMut(String, Result<Found, String>) -> Result<(), E>,
) -> Result<(), E> {
    let at_once = rayon::current_num_threads().min(MOST_AT_ONCE);
    let decode = |Entry { name, bytes }| (name, bytes.and_then(|bytes| decode_whole(&bytes)));
    let detect = |(name, decoded): (String, Result<(RgbImage, [u32; 2]), String>),
                  detector: &mut Detector| {
        let found = match decoded {
            Ok((photo, size)) => Found::in_photo(photo, detector).map(|found| Ok(Found { size, ..found })),
            Err(reason) => Ok(Err(reason)),
        };
        (name, found)
    };
    let mut seen = HashSet::new();
    read_ahead::<E>(source, names, |entries| {
        loop {
            let entries: Vec<Entry> = entries.iter().take(at_once).collect();
            if entries.is_empty() {
                return Ok(());
            }
            for (name, found) in detectors.map(entries, decode, detect) {
                seen.insert(name.clone());
                let found = found.map_err(|error| E::from(DataError::from(error)))?;
                visit(name, found)?;
            }
        }
    })?;
    let mut gone: Vec<&String> = names.iter().filter(|name| !seen.contains(*name)).collect();
    gone.sort();
    gone.into_iter().try_for_each(|name| visit(name.clone(), Err(GONE.into())))
}

/// A face that was cut out of a photo.
pub struct Crop {
    /// The photo, as a place among the names.
    pub place: usize,
    /// The face, from 1, from left to right.
    pub number: usize,
    /// Where it is, in pixels of the photo, upright.
    pub area: Rectangle,
    /// How sure the detector is, 0 to 1.
    pub score: f32,
}

/// The faces of photos.
pub struct Crops {
    /// As a model takes them.
    pub photos: Photos,
    /// What each is of, in the order of the names.
    pub crops: Vec<Crop>,
    /// Photos that could be read, with or without a face.
    pub read: usize,
    /// Photos without a face, and those that could not be read.
    pub skipped: Vec<Skipped>,
}

/// All faces of photos as a model takes them.
///
/// # Errors
/// As [`each_found`].
pub fn crops(
    source: &Source,
    names: &[String],
    input: &PhotoSpec,
    detectors: &mut Detectors,
    watch: &dyn Watch,
) -> Result<Crops, DataError> {
    watch.begin("finding faces", Some(names.len()));
    let places: HashMap<&str, usize> = names.iter().map(String::as_str).zip(0..).collect();
    let (mut crops, mut skipped, mut read, mut done) = (Vec::new(), Vec::new(), 0, 0);
    let only = names.iter().cloned().collect();
    let looked = each_found(source, &only, detectors, &mut |name, found| {
        done += 1;
        watch.at(done);
        read += usize::from(found.is_ok());
        let found = found.and_then(|found| found.largest().map(|_| ()).map(|()| found));
        match (found, places.get(name.as_str())) {
            (Ok(found), Some(&place)) => {
                let cut: Vec<RgbImage> = found.faces.par_iter().map(|face| found.cut(face, input)).collect();
                for (number, (face, rgb)) in (1..).zip(found.faces.iter().zip(cut)) {
                    let area = face.scaled(found.factor()).area;
                    crops.push((Crop { place, number, area, score: face.score }, rgb));
                }
            }
            (Ok(_), None) => {}
            (Err(reason), _) => skipped.push(Skipped { file: name, reason }),
        }
        Ok::<_, DataError>(())
    });
    watch.end();
    looked?;
    crops.sort_by_key(|(crop, _)| (crop.place, crop.number));
    let mut photos = Photos::new(input.width as u32, input.height as u32);
    let keep = |(crop, rgb): (Crop, RgbImage)| {
        photos.push(&rgb);
        crop
    };
    let crops = crops.into_iter().map(keep).collect();
    Ok(Crops { photos, crops, read, skipped })
}

/// Calls `visit` with each of these photos, from several threads, as faces are looked for in it, and with the width and
/// height that it had. Those that cannot be used are left out.
///
/// # Errors
/// When the source cannot be read, or `visit` fails.
pub fn each_photo<E: From<DataError> + Send>(
    source: &Source,
    names: &HashSet<String>,
    visit: &(dyn Fn(String, RgbImage, [u32; 2]) -> Result<(), E> + Sync),
) -> Result<(), E> {
    each(source, names, &|Entry { name, bytes }| match bytes.and_then(|bytes| decode_whole(&bytes)) {
        Ok((photo, size)) => visit(name, photo, size),
        Err(_) => Ok(()),
    })
}

/// Calls `take` with the largest face of each of these photos, as the model takes it, or the reason why there is none.
///
/// # Errors
/// As [`each_found`].
pub(super) fn each_largest(
    source: &Source,
    names: &HashSet<String>,
    input: &PhotoSpec,
    take: &dyn Fn(String, Result<Vec<u8>, String>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    each_found(source, names, &mut Detectors::on_cpu(), &mut |name, found| {
        let cut = |found: Found| Ok(found.cut(found.largest()?, input).into_raw());
        take(name, found.and_then(cut))
    })
}
