//! The content decides what a photo is.
use faceshader::data::decode::decode;
use faceshader::data::labels;
use faceshader::data::load::survey;
use faceshader::data::source::Source;
use image::{Rgba, RgbaImage};
use tempfile::TempDir;

use crate::make::*;
use image::ImageFormat::*;

#[test]
fn every_kind_of_image_is_read_under_any_name() {
    let temp = TempDir::new().unwrap();
    let photo = two_halves(24, 16);
    let mut files = Vec::new();
    for (number, format) in [Jpeg, Png, WebP, Gif, Bmp, Tiff].into_iter().enumerate() {
        for extension in ["", ".jpe", ".jfif", ".webp", ".dat"] {
            files.push((format!("2{number}_0_1_2017{extension}"), encode(photo.clone(), format)));
        }
    }
    write_folder(temp.path(), &files);
    let loaded = load_path(temp.path()).unwrap();
    assert_eq!((loaded.photos.len(), loaded.skipped.len()), (30, 0), "{:?}", loaded.skipped);
    let archive = temp.path().join("all.tar.gz");
    std::fs::write(&archive, gzip(&tar_of(&files))).unwrap();
    assert_eq!(load_path(&archive).unwrap().photos.len(), 30);
    let zip = temp.path().join("all.zip");
    std::fs::write(&zip, zip_of(&files, zip::CompressionMethod::Deflated)).unwrap();
    assert_eq!(load_path(&zip).unwrap().photos.len(), 30);
}

#[test]
fn lossless_kinds_give_the_same_pixels_and_transparency_is_black() {
    let photo =
        RgbaImage::from_fn(16, 16, |x, y| Rgba([x as u8 * 9, y as u8 * 9, 7, if x < 8 { 255 } else { 0 }]));
    let png = decode(&encode(photo.clone(), Png), 16, 16).unwrap();
    assert_eq!(png[15 * 3..16 * 3], [0; 3]);
    for format in [WebP, Bmp, Tiff] {
        assert!(decode(&encode(photo.clone(), format), 16, 16).unwrap() == png, "{format:?}");
    }
}

#[test]
fn the_first_frame_of_a_gif_counts() {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    for value in [200, 10] {
        let frame = RgbaImage::from_pixel(16, 16, Rgba([value, value, value, 255]));
        encoder.encode_frame(image::Frame::new(frame)).unwrap();
    }
    drop(encoder);
    assert!(decode(&bytes, 16, 16).unwrap().iter().all(|value| value.abs_diff(200) < 3));
}

#[test]
fn images_that_are_not_read_are_named_and_other_files_are_counted() {
    let temp = TempDir::new().unwrap();
    let mut files = twenty();
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec();
    files.push(("31_0_0_1.heic".into(), heic.clone()));
    files.push(("IMG_0001".into(), heic));
    files.extend((0..50).map(|n| (format!("notes/{n}.txt"), b"not a photo".to_vec())));
    files.push(("empty".into(), Vec::new()));
    files.push(("page.jpg".into(), b"<html>".to_vec()));
    write_folder(temp.path(), &files);
    let loaded = load_path(temp.path()).unwrap();
    assert_eq!(loaded.photos.len(), 20);
    assert_eq!(loaded.ignored.to_string(), "50 text, 1 empty");
    let skipped: Vec<(&str, &str)> =
        loaded.skipped.iter().map(|s| (s.file.as_str(), s.reason.as_str())).collect();
    let heic = "HEIC images are not read; convert it to JPEG or PNG";
    assert_eq!(
        skipped,
        [("31_0_0_1.heic", heic), ("IMG_0001", heic), ("page.jpg", "an HTML page, not an image")]
    );
    let listed = survey(&Source::open(temp.path()).unwrap()).unwrap();
    assert_eq!((listed.names, listed.skipped), (loaded.names, loaded.skipped));
    assert_eq!(listed.ignored, loaded.ignored);
}

#[test]
fn names_that_lead_out_of_an_archive_are_cleaned() {
    let temp = TempDir::new().unwrap();
    let files =
        [("../few/24_0_1_2017 .jpg".to_owned(), noise(1)), ("/abs/25_1_1_1.jpg".to_owned(), noise(2))];
    let zip = saved(&temp, "a.zip", &zip_of(&files, zip::CompressionMethod::Stored));
    let loaded = load_path(&zip).unwrap();
    assert_eq!(loaded.names, ["abs/25_1_1_1.jpg", "few/24_0_1_2017 .jpg"]);
    let labelled = labels::label(&zip, &loaded.names, None).unwrap();
    assert_eq!(labelled.table.column("age").unwrap().cell(1), Some("24"));
}

#[test]
fn a_single_photo_of_any_kind_is_a_source() {
    let temp = TempDir::new().unwrap();
    let path = saved(&temp, "me", &encode(two_halves(16, 16), WebP));
    assert_eq!(load_path(&path).unwrap().names, ["me"]);
    let heic = saved(&temp, "IMG_1", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic");
    let error = load_path(&heic).unwrap_err().to_string();
    assert!(error.contains("HEIC images are not read"), "{error}");
}
