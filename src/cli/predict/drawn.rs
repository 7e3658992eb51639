//! A picture of each photo that was asked about, with the predictions drawn in.

use crate::data::faces::each_photo;
use crate::data::pictures::Pictures;
use crate::data::source::Source;
use crate::report::marks::{Mark, draw_marks};
use anyhow::{Context, Result};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Draws the photos of these names. `marks` are what is drawn into each, in pixels of the original. `within` is what the
/// names are within, as the user gave it; nothing of a photo by itself.
///
/// # Errors
/// When a picture cannot be written.
pub fn draw_photos(
    pictures: &Mutex<Pictures>,
    within: Option<&Path>,
    source: &Source,
    names: &[String],
    marks: &HashMap<String, Vec<Mark>>,
) -> Result<()> {
    let within = within.and_then(Path::file_name).map(PathBuf::from).unwrap_or_default();
    let only: HashSet<String> = names.iter().cloned().collect();
    each_photo(source, &only, &|name, mut photo, size| {
        let factor = photo.width() as f32 / size[0] as f32;
        let marks: Vec<Mark> =
            marks.get(&name).into_iter().flatten().map(|mark| mark.scaled(factor)).collect();
        draw_marks(&mut photo, &marks);
        let mut pictures = pictures.lock().unwrap_or_else(PoisonError::into_inner);
        let name = pictures.name(&within.join(&name).to_string_lossy(), "");
        pictures.write(&name, &photo).context("choose another folder by --draw")
    })
}
