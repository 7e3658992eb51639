//! Ordinary photos, and the faces that are found in them.

use super::decode::decode_whole;
use super::error::DataError;
use super::load::{each, read_ahead};
use super::photos::Photos;
use super::samples::Watch;
use super::skipped::Skipped;
use super::source::{Entry, Source};
use crate::faces::{Detector, DetectorError, Face, Frame, Rectangle, whole};
use crate::spec::{CropSpec, PhotoSpec};
use image::RgbImage;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};

/// Why there is no answer for a photo without a face.
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

/// Calls `visit` with the photos of these names, one after the other, and the faces in each, or the reason why one
/// cannot be used. All threads decode, then all look for faces.
///
/// # Errors
/// When the source cannot be read, faces cannot be looked for, or `visit` fails.
pub fn each_found<E: From<DataError>>(
    source: &Source,
    names: &HashSet<String>,
    detector: &mut Detector,
    visit: &mut dyn FnMut(String, Result<Found, String>) -> Result<(), E>,
) -> Result<(), E> {
    let at_once = rayon::current_num_threads();
    read_ahead(source, names, |entries| {
        loop {
            let entries: Vec<Entry> = entries.iter().take(at_once).collect();
            if entries.is_empty() {
                return Ok(());
            }
            let decode = |Entry { name, bytes }| (name, bytes.and_then(|bytes| decode_whole(&bytes)));
            let decoded: Vec<_> = entries.into_par_iter().map(decode).collect();
            for (name, decoded) in decoded {
                let found = match decoded {
                    Ok((photo, size)) => {
                        let found = Found::in_photo(photo, detector).map_err(DataError::from)?;
                        Ok(Found { size, ..found })
                    }
                    Err(reason) => Err(reason),
                };
                visit(name, found)?;
            }
        }
    })
}

/// How much of their surroundings photos show of faces, if most of them show one face, and alike. They are given in an
/// order that tells nothing.
///
/// # Errors
/// When faces cannot be looked for.
pub fn shown(photos: Vec<RgbImage>, detector: &mut Detector) -> Result<Option<CropSpec>, DetectorError> {
    let (mut crops, mut cropped) = (Vec::new(), Vec::new());
    let count = photos.len();
    for photo in photos {
        let found = Found::in_photo(photo, detector)?;
        let [width, height] = [found.photo.width(), found.photo.height()].map(|side| side as f32);
        if let [face] = found.faces.as_slice() {
            let Frame { middle: [x, y], side, .. } = Frame::of(face);
            crops.push(CropSpec {
                side: (width * height).sqrt() / side,
                right: (width / 2.0 - x) / side,
                down: (height / 2.0 - y) / side,
            });
            cropped.push(found);
        }
    }
    let median = |value: fn(&CropSpec) -> f32| {
        let mut values: Vec<f32> = crops.iter().map(value).collect();
        values.sort_by(f32::total_cmp);
        // To three digits, which is more than a few photos tell.
        values.get(values.len() / 2).map(|value| (value * 1000.0).round() / 1000.0)
    };
    let (Some(side), Some(right), Some(down)) =
        (median(|crop| crop.side), median(|crop| crop.right), median(|crop| crop.down))
    else {
        return Ok(None);
    };
    let crop = CropSpec { side, right, down };
    let alike = cropped.iter().filter(|found| found.is_cropped(&crop)).count();
    Ok((2 * alike > count).then_some(crop))
}

/// A face that was cut out of a photo.
pub struct Crop {
    /// The photo, as a place among the names.
    pub place: usize,
    /// The face, from 1, from left to right.
    pub number: usize,
    /// Where it is, in pixels of the photo, upright.
    pub area: Rectangle,
}

/// All faces of photos as a model takes them, in the order of the names; and the photos without any, with reasons.
///
/// # Errors
/// As [`each_found`].
pub fn crops(
    source: &Source,
    names: &[String],
    input: &PhotoSpec,
    detector: &mut Detector,
    watch: &dyn Watch,
) -> Result<(Photos, Vec<Crop>, Vec<Skipped>), DataError> {
    watch.begin("finding faces", Some(names.len()));
    let places: HashMap<&str, usize> = names.iter().map(String::as_str).zip(0..).collect();
    let (mut crops, mut skipped, mut done) = (Vec::new(), Vec::new(), 0);
    let only = names.iter().cloned().collect();
    let read: Result<(), DataError> = each_found(source, &only, detector, &mut |name, found| {
        done += 1;
        watch.at(done);
        let found = found.and_then(|found| found.largest().map(|_| ()).map(|()| found));
        match (found, places.get(name.as_str())) {
            (Ok(found), Some(&place)) => {
                let cut: Vec<RgbImage> = found.faces.par_iter().map(|face| found.cut(face, input)).collect();
                for (number, (face, rgb)) in (1..).zip(found.faces.iter().zip(cut)) {
                    let area = face.scaled(found.factor()).area;
                    crops.push((Crop { place, number, area }, rgb));
                }
            }
            (Ok(_), None) => {}
            (Err(reason), _) => skipped.push(Skipped { file: name, reason }),
        }
        Ok(())
    });
    watch.end();
    read?;
    crops.sort_by_key(|(crop, _)| (crop.place, crop.number));
    let mut photos = Photos::new(input.width as u32, input.height as u32);
    crops.iter().for_each(|(_, rgb)| photos.push(rgb));
    Ok((photos, crops.into_iter().map(|(crop, _)| crop).collect(), skipped))
}

/// Calls `visit` with each of these photos, from several threads, as faces are looked for in it, and with the width and
/// height that it had. Those that cannot be used are left out.
///
/// # Errors
/// When the source cannot be read, or `visit` fails.
pub fn each_whole<E: From<DataError> + Send>(
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
    each_found(source, names, &mut Detector::on_cpu(), &mut |name, found| {
        let cut = |found: Found| Ok(found.cut(found.largest()?, input).into_raw());
        take(name, found.and_then(cut))
    })
}
