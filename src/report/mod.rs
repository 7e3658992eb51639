//! Pictures and pages about data and runs: grids of photos, curves, groups, confusion matrices, HTML.

mod axis;
pub mod bars;
pub mod confusion;
pub mod curves;
pub mod font;
pub mod groups;
pub mod html;
pub mod picture;

use crate::file::{FileError, write_whole};
use image::codecs::png::PngEncoder;
use std::path::Path;

use thiserror::Error;

/// Why a picture could not be made.
#[derive(Debug, Error)]
pub enum ReportError {
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// The built-in font could not be read.
    #[error("the built-in font is broken")]
    Font,
    /// A chart could not be drawn.
    #[error("cannot draw the chart: {0}")]
    Draw(String),
    /// A picture could not be encoded.
    #[error("cannot encode the picture: {0}")]
    Encode(#[from] image::ImageError),
}

/// Writes a picture as PNG, whole or not at all.
///
/// # Errors
/// [`ReportError::Encode`] for a picture without pixels, [`ReportError::Write`] for a bad path.
pub fn save_png(image: &image::RgbImage, path: &Path) -> Result<(), ReportError> {
    let mut bytes = Vec::new();
    image.write_with_encoder(PngEncoder::new(&mut bytes))?;
    Ok(write_whole(path, &bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_picture_replaces_the_old_one_and_leaves_no_draft() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.png");
        fs::write(&path, b"old").expect("written");
        save_png(&image::RgbImage::new(3, 2), &path).expect("saved");
        let read = image::open(&path).expect("a picture").to_rgb8();
        assert_eq!(read.dimensions(), (3, 2));
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
    }

    #[test]
    fn a_bad_path_is_named_in_the_error_and_leaves_no_draft() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("taken");
        fs::create_dir(&path).expect("created");
        fs::write(path.join("file"), b"in the way").expect("written");
        let error = save_png(&image::RgbImage::new(3, 2), &path).expect_err("a folder is in the way");
        assert!(error.to_string().contains("taken"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
        assert!(save_png(&image::RgbImage::new(3, 2), Path::new("/")).is_err());
    }
}
