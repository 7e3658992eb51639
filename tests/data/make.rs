//! Photos, archives and folders to test with.
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use faceshader::data::DataError;
use faceshader::data::faces::{Labels, LoadOptions, Loaded, Photos, load};
use faceshader::data::label::FaceLabel;
use faceshader::data::source::Source;
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

pub fn options() -> LoadOptions {
    LoadOptions {
        width: 16,
        height: 16,
        limit: None,
        labels: Labels::Required,
        only: None,
        memory_bytes: u64::MAX,
    }
}

pub fn load_path(path: &Path, options: &LoadOptions) -> Result<Loaded, DataError> {
    load(&Source::open(path)?, options, &|_, _| {})
}

pub fn saved(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// Photos of these names, no two alike.
pub fn named(names: &[&str]) -> Photos {
    let mut photos = Photos::new(1, 1);
    for (index, name) in names.iter().enumerate() {
        let pixel = (index as u32).to_le_bytes();
        photos.push((*name).to_owned(), FaceLabel::from_file_name(name).ok(), &pixel[..3]);
    }
    photos
}

pub fn numbered(count: usize) -> Photos {
    let names: Vec<String> = (0..count).map(|n| format!("{n:04}.jpg")).collect();
    named(&names.iter().map(String::as_str).collect::<Vec<_>>())
}
