//! Pictures written under the names of photos: never over a file, and never out of their folder.

use crate::file::{FileError, write_whole};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage};
use std::collections::HashSet;
use std::io;
use std::path::{Component, Path, PathBuf};

/// A folder of pictures.
pub struct Pictures {
    folder: PathBuf,
    /// The names that were given away, as file systems compare them that know no capitals.
    taken: HashSet<String>,
    /// Of JPEG files, in percent.
    quality: u8,
}

impl Pictures {
    /// A folder of JPEG files of this quality, 1 to 100; it is made with the first of them.
    pub fn new(folder: &Path, quality: u8) -> Pictures {
        Pictures { folder: folder.to_owned(), taken: HashSet::new(), quality }
    }

    /// Gives away a name: that of the photo, in its folders, with `suffix` and as `.jpg`, and with a number if there is
    /// such a file already. The name has `/` between folders.
    pub fn name(&mut self, photo: &str, suffix: &str) -> String {
        let safe = |part: &str| part.replace(|c: char| c.is_control() || "<>:\"|?*\\".contains(c), "_");
        let parts: Vec<String> = Path::new(photo)
            .components()
            .filter_map(|part| match part {
                Component::Normal(part) => Some(safe(&part.to_string_lossy())),
                _ => None,
            })
            .collect();
        let path: PathBuf = parts.iter().collect();
        let stem = path.file_stem().map_or("photo".into(), |stem| stem.to_string_lossy().into_owned());
        let above = parts[..parts.len().saturating_sub(1)].iter().map(|part| format!("{part}/"));
        let stem = above.collect::<String>() + &stem + suffix;
        let numbered = (1..).map(|number| match number {
            1 => format!("{stem}.jpg"),
            _ => format!("{stem}-{number}.jpg"),
        });
        let is_free = |name: &String| !self.taken.contains(&name.to_lowercase()) && !self.path(name).exists();
        let name = numbered.into_iter().find(is_free).unwrap_or_default();
        self.taken.insert(name.to_lowercase());
        name
    }

    /// Where the file of a name lies.
    pub fn path(&self, name: &str) -> PathBuf {
        name.split('/').fold(self.folder.clone(), |path, part| path.join(part))
    }

    /// Writes a picture under a name that was given away.
    ///
    /// # Errors
    /// When it cannot be encoded or written.
    pub fn write(&self, name: &str, picture: &RgbImage) -> Result<(), FileError> {
        let path = self.path(name);
        let cannot = |source| FileError::Write { path: path.clone(), source };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(cannot)?;
        }
        let jpeg = jpeg(picture, self.quality).map_err(|error| cannot(io::Error::other(error)))?;
        write_whole(&path, &jpeg)
    }
}

/// A picture as the bytes of a JPEG file of this quality, 1 to 100.
///
/// # Errors
/// When a side has more than 65,535 pixels.
pub fn jpeg(picture: &RgbImage, quality: u8) -> image::ImageResult<Vec<u8>> {
    let (width, height) = picture.dimensions();
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality).write_image(
        picture.as_raw(),
        width,
        height,
        ExtendedColorType::Rgb8,
    )?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_given_away_twice() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("there.jpg"), "").unwrap();
        let mut pictures = Pictures::new(folder.path(), 90);
        let mut name = |photo: &str, suffix: &str| pictures.name(photo, suffix);
        assert_eq!(name("cats/a.png", ""), "cats/a.jpg");
        assert_eq!(name("cats/A.JPG", ""), "cats/A-2.jpg");
        assert_eq!(name("there.png", ""), "there-2.jpg");
        assert_eq!(name("b.jpg", "-face1"), "b-face1.jpg");
        assert_eq!(name("25_0_1_2017.jpg.chip.jpg", ""), "25_0_1_2017.jpg.chip.jpg");
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let mut pictures = Pictures::new(Path::new("out"), 90);
        for (photo, name) in [
            ("../../a.jpg", "a.jpg"),
            ("/etc/b.jpg", "etc/b.jpg"),
            ("C:/c.jpg", "C_/c.jpg"),
            ("", "photo.jpg"),
        ] {
            assert_eq!(pictures.name(photo, ""), name);
            assert!(pictures.path(name).starts_with("out"));
        }
    }
}
