//! A picture of each photo that was asked about, with the answers drawn in.

use crate::data::error::shown_path;
use crate::data::faces::each_whole;
use crate::data::source::Source;
use crate::file::write_whole;
use crate::report::marks::{Mark, draw_marks};
use anyhow::{Context, Result};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Of the pictures, in percent.
const JPEG_QUALITY: u8 = 90;

/// Draws the photos of these names, and says where. `marks` are what is drawn into each, in pixels of the original.
/// `within` is what the names are within, as the user gave it; nothing of a photo by itself.
///
/// # Errors
/// When a picture cannot be written.
pub fn draw_photos(
    folder: &Path,
    within: Option<&Path>,
    source: &Source,
    names: &[String],
    marks: &HashMap<String, Vec<Mark>>,
) -> Result<()> {
    let within = within.and_then(Path::file_name).map(PathBuf::from).unwrap_or_default();
    // A name is taken once, though several pictures are drawn at a time.
    let taken = Mutex::new(());
    let only: HashSet<String> = names.iter().cloned().collect();
    each_whole(source, &only, &|name, mut photo, size| {
        let factor = photo.width() as f32 / size[0] as f32;
        let marks: Vec<Mark> =
            marks.get(&name).into_iter().flatten().map(|mark| mark.scaled(factor)).collect();
        draw_marks(&mut photo, &marks);
        let (width, height) = photo.dimensions();
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY).write_image(
            photo.as_raw(),
            width,
            height,
            ExtendedColorType::Rgb8,
        )?;
        let _taken = taken.lock();
        let path = free_path(&folder.join(&within).join(&name));
        let cannot = || format!("{} cannot be written; choose another folder by --draw", shown_path(&path));
        path.parent().map_or(Ok(()), std::fs::create_dir_all).with_context(cannot)?;
        write_whole(&path, &jpeg).with_context(cannot)
    })
}

/// Where the picture of a photo of this path is written: never over a file that is there.
fn free_path(path: &Path) -> PathBuf {
    let is_jpeg = path
        .extension()
        .is_some_and(|extension| ["jpg", "jpeg"].iter().any(|known| extension.eq_ignore_ascii_case(known)));
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem =
        if is_jpeg { path.file_stem().unwrap_or_default().to_string_lossy().into_owned() } else { name };
    let numbered = |number: usize| match number {
        1 => path.with_file_name(format!("{stem}.jpg")),
        _ => path.with_file_name(format!("{stem}-{number}.jpg")),
    };
    (1..).map(numbered).find(|path| !path.exists()).unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_picture_is_written_over_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert_eq!(free_path(&path("a.JPG")), path("a.jpg"));
        std::fs::write(path("a.jpg"), "").unwrap();
        assert_eq!(free_path(&path("a.jpg")), path("a-2.jpg"));
        assert_eq!(free_path(&path("a.png")), path("a.png.jpg"));
        std::fs::write(path("a-2.jpg"), "").unwrap();
        assert_eq!(free_path(&path("a.jpeg")), path("a-3.jpg"));
    }
}
