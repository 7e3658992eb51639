//! Pictures and pages about data and runs: grids of photos, curves, groups, confusion matrices, HTML.

mod axis;
pub mod bars;
pub mod confusion;
pub mod curves;
pub mod font;
pub mod groups;
pub mod html;
pub mod marks;
pub mod picture;
pub mod tensorboard;

use crate::file::{FileError, write_whole};
use image::RgbImage;
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
pub fn save_png(image: &RgbImage, path: &Path) -> Result<(), ReportError> {
    let mut bytes = Vec::new();
    image.write_with_encoder(PngEncoder::new(&mut bytes))?;
    Ok(write_whole(path, &bytes)?)
}

/// A picture `times` smaller in both directions: each pixel is the mean of those in its place.
fn reduced(large: &RgbImage, times: u32) -> RgbImage {
    let (width, height) = (large.width() / times, large.height() / times);
    let rows = large.as_raw().chunks_exact(3 * large.width() as usize);
    let rows: Vec<&[u8]> = rows.collect();
    let (side, count) = (times as usize, times * times);
    let mut pixels = Vec::with_capacity(3 * width as usize * height as usize);
    for rows in rows.chunks_exact(side) {
        let mut sums = vec![0; 3 * width as usize];
        for row in rows {
            for (sums, block) in sums.chunks_exact_mut(3).zip(row.chunks_exact(3 * side)) {
                for pixel in block.chunks_exact(3) {
                    sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += u32::from(value));
                }
            }
        }
        pixels.extend(sums.into_iter().map(|sum| ((sum + count / 2) / count) as u8));
    }
    RgbImage::from_raw(width, height, pixels).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn a_reduced_picture_has_the_means_of_its_blocks() {
        let large = RgbImage::from_fn(6, 4, |x, y| Rgb([(40 * x) as u8, (10 * y) as u8, 255]));
        let small = reduced(&large, 2);
        assert_eq!(small.dimensions(), (3, 2));
        assert_eq!(small.get_pixel(2, 1), &Rgb([180, 25, 255]));
        assert_eq!(reduced(&large, 3).dimensions(), (2, 1));
    }
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
