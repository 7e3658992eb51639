//! Photos, archives and folders to test with.
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use faceshader::data::DataError;
use faceshader::data::labels::utkface;
use faceshader::data::load::{Progress, Survey, load, survey};
use faceshader::data::photos::Photos;
use faceshader::data::records::{Key, Records};
use faceshader::data::skipped::{Ignored, Skipped};
use faceshader::data::source::Source;
use faceshader::data::storage::Storage;
use faceshader::spec::PhotoSpec;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use tempfile::TempDir;

pub const RED: Rgb<u8> = Rgb([220, 20, 20]);

pub const BLUE: Rgb<u8> = Rgb([20, 20, 220]);

pub fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.into().write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

/// Red on the left, blue on the right.
pub fn two_halves(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, _| if x < width / 2 { RED } else { BLUE })
}

/// A JPEG of noise, so that it does not compress; `seed` makes it differ from others.
pub fn noise(seed: u32) -> Vec<u8> {
    let value = |n: u32| n.wrapping_mul(2_654_435_761).rotate_left(13).wrapping_mul(40_503) as u8;
    let at = |x: u32, y: u32, channel: u32| value(seed * 9_973 + x * 131 + y * 17 + channel);
    let image = RgbImage::from_fn(32, 32, |x, y| Rgb([at(x, y, 0), at(x, y, 1), at(x, y, 2)]));
    encode(image, ImageFormat::Jpeg)
}

/// Twenty good photos by name.
pub fn twenty() -> Vec<(String, Vec<u8>)> {
    (0..20).map(|n| (format!("faces/{}_{}_0_2017{n:04}.jpg.chip.jpg", 20 + n, n % 2), noise(1 + n))).collect()
}

pub fn write_folder(root: &Path, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

pub fn zip_of(files: &[(String, Vec<u8>)], method: zip::CompressionMethod) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in files {
        writer.start_file(name.as_str(), options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A zip as macOS writes it: sizes behind the data, not in front.
pub fn streamed_zip_of(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new_stream(Vec::new());
    let options = zip::write::SimpleFileOptions::default();
    for (name, bytes) in files {
        writer.start_file(name.as_str(), options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub fn tar_of(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What a source gave, from its list to its pixels.
#[derive(Debug)]
pub struct Loaded {
    /// Of the photos, in their order.
    pub names: Vec<String>,
    pub photos: Photos,
    /// By the list and by the decoder, sorted.
    pub skipped: Vec<Skipped>,
    pub ignored: Ignored,
    pub warning: Option<String>,
}

/// All photos of a source, 16x16 pixels, if they fit into so much memory.
pub fn load_within(source: &Source, memory_bytes: u64, progress: Progress) -> Result<Loaded, DataError> {
    let Survey { mut names, mut skipped, ignored, warning, .. } = survey(source)?;
    let (photos, kept, more) = load(
        source,
        &PhotoSpec::new(16, 16),
        &names,
        &names,
        &Storage { memory_bytes, cache: None },
        progress,
    )?;
    skipped.extend(more);
    skipped.sort();
    names = kept.into_iter().map(|place| names[place].clone()).collect();
    Ok(Loaded { names, photos, skipped, ignored, warning })
}

pub fn load_path(path: &Path) -> Result<Loaded, DataError> {
    load_within(&Source::open(path)?, u64::MAX, &|_, _| {})
}

pub fn saved(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// Photos of these names, with the labels that UTKFace's names tell if all of them do.
pub fn named(names: &[&str]) -> Records {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let labelled = (utkface::WAY.label)(&names);
    let records = Records::unlabelled(Key::File, names);
    if labelled.skipped.is_empty() { Records { table: labelled.table, ..records } } else { records }
}

pub fn numbered(count: usize) -> Records {
    Records::unlabelled(Key::File, (0..count).map(|n| format!("{n:04}.jpg")).collect())
}

/// As many different photos of one pixel.
pub fn different(count: usize) -> Photos {
    let mut photos = Photos::new(1, 1);
    (0..count as u32).for_each(|number| photos.push(&number.to_le_bytes()[..3]));
    photos
}
