//! Faces in ordinary photos, found by the detector on the CPU.

use crate::make::encode;
use faceshader::data::DataError;
use faceshader::data::faces::{Crops, Estimate, Found, NO_FACE, crops, each_found, estimate_crop};
use faceshader::data::source::Source;
use faceshader::data::synthetic;
use faceshader::data::watch::Unwatched;
use faceshader::faces::{Detector, Detectors, Face, Frame, Rectangle};
use faceshader::spec::{CropSpec, PhotoSpec};
use image::imageops::{FilterType, crop_imm, flip_horizontal, grayscale, replace, resize, rotate270};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// Eileen Collins, 320 x 320 pixels; a photo of NASA, in the public domain.
fn astronaut() -> RgbImage {
    image::load_from_memory(include_bytes!("../assets/astronaut.jpg")).unwrap().into_rgb8()
}

/// What OpenCV's own implementation of the detector finds in it.
fn expected() -> Face {
    let told: Value = serde_json::from_str(include_str!("../assets/astronaut.json")).unwrap();
    let number = |value: &Value| value.as_f64().unwrap() as f32;
    let face = &told["faces"][0];
    let [x, y, width, height] = [0, 1, 2, 3].map(|place| number(&face["box"][place]));
    let landmarks = [0, 1, 2, 3, 4].map(|point| [0, 1].map(|axis| number(&face["landmarks"][point][axis])));
    Face { area: Rectangle { x, y, width, height }, landmarks, score: number(&face["score"]) }
}

fn detect(photo: &RgbImage) -> Vec<Face> {
    Detector::on_cpu().detect(photo).unwrap()
}

/// The only face.
fn only(photo: &RgbImage) -> Face {
    match detect(photo)[..] {
        [face] => face,
        ref faces => panic!("{} faces: {faces:?}", faces.len()),
    }
}

/// A picture with much in it, and no face.
fn texture(width: u32, height: u32) -> RgbImage {
    let value = |x: u32, y: u32, channel: u32| {
        let waves = (x as f32 / 37.0).sin() + (y as f32 / 23.0).cos() + ((x + 2 * y) as f32 / 91.0).sin();
        let noise = ((x * 73) ^ (y * 151) ^ (channel * 31)).wrapping_mul(2_654_435_761) >> 27;
        (110.0 + 30.0 * waves + noise as f32) as u8
    };
    RgbImage::from_fn(width, height, |x, y| Rgb([0, 1, 2].map(|channel| value(x, y, channel))))
}

/// A square around the astronaut's face, `side` pixels wide.
fn face(side: u32) -> RgbImage {
    resize(&crop_imm(&astronaut(), 85, 20, 110, 110).to_image(), side, side, FilterType::Triangle)
}

#[test]
fn the_detector_finds_what_its_first_implementation_finds() {
    let mut at_first = Detector::on_cpu().look(&astronaut()).unwrap();
    at_first.retain(|face| face.score > 0.7);
    let [found] = at_first[..] else { panic!("{at_first:?}") };
    let expected = expected();
    let near = |a: f32, b: f32, by: f32| assert!((a - b).abs() < by, "{a} is not {b}: {found:?}");
    near(found.score, expected.score, 1e-3);
    for (a, b) in [
        (found.area.x, expected.area.x),
        (found.area.y, expected.area.y),
        (found.area.width, expected.area.width),
        (found.area.height, expected.area.height),
    ] {
        near(a, b, 0.2);
    }
    for (a, b) in found.landmarks.as_flattened().iter().zip(expected.landmarks.as_flattened()) {
        near(*a, *b, 0.2);
    }
}

#[test]
fn faces_are_found_in_grey_mirrored_large_and_wide_photos() {
    let expected = expected().area;
    let grey = DynamicImage::ImageLuma8(grayscale(&astronaut())).into_rgb8();
    assert!(only(&grey).area.iou(&expected) > 0.8);
    let mirrored = Rectangle { x: 320.0 - expected.x - expected.width, ..expected };
    assert!(only(&flip_horizontal(&astronaut())).area.iou(&mirrored) > 0.8);
    let large = resize(&astronaut(), 1280, 1280, FilterType::Triangle);
    assert!(only(&large).scaled(0.25).area.iou(&expected) > 0.8);
    let mut wide = texture(900, 330);
    replace(&mut wide, &astronaut(), 400, 5);
    let moved = Rectangle { x: expected.x + 400.0, y: expected.y + 5.0, ..expected };
    assert!(only(&wide).area.iou(&moved) > 0.8);
}

#[test]
fn each_of_twenty_faces_is_found_where_it_is() {
    let mut group = texture(1600, 1200);
    let places: Vec<[u32; 2]> = (0..20).map(|n| [60 + n % 5 * 300, 40 + n / 5 * 290]).collect();
    for (n, [x, y]) in places.iter().enumerate() {
        replace(&mut group, &face(90 + 6 * n as u32), i64::from(*x), i64::from(*y));
    }
    let faces = detect(&group);
    assert_eq!(faces.len(), 20);
    for (n, [x, y]) in places.iter().enumerate() {
        let side = (90 + 6 * n) as f32;
        let square = Rectangle { x: *x as f32, y: *y as f32, width: side, height: side };
        assert_eq!(faces.iter().filter(|face| face.area.iou(&square) > 0.2).count(), 1, "face {n}");
    }
}

#[test]
fn what_shows_no_face_has_none() {
    assert_eq!(detect(&RgbImage::new(16, 16)), []);
    assert_eq!(detect(&texture(700, 500)), []);
    assert_eq!(detect(&RgbImage::from_pixel(3000, 20, Rgb([200; 3]))), []);
}

#[test]
fn a_face_that_the_border_cuts_is_framed_beyond_it() {
    // Without the left third of the face.
    let cut = crop_imm(&astronaut(), 128, 0, 192, 320).to_image();
    let found = only(&cut);
    let frame = Frame::of(&found);
    assert!(frame.middle[0] - frame.side / 2.0 < 0.0, "{frame:?}");
    let crop = frame.cut(&cut, [64, 64]);
    let is_black = |x: u32| (0..64).all(|y| crop.get_pixel(x, y).0 == [0; 3]);
    assert!(is_black(0) && !is_black(40));
}

fn found_in(folder: &Path) -> Vec<(String, Result<Found, String>)> {
    let source = Source::open(folder).unwrap();
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut all = Vec::new();
    each_found::<DataError>(
        &source,
        &names.collect::<HashSet<_>>(),
        &mut Detectors::on_cpu(),
        &mut |name, found| {
            all.push((name, found));
            Ok(())
        },
    )
    .unwrap();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn boxes_are_in_pixels_of_the_photo_as_it_is_upright() {
    let folder = tempfile::tempdir().unwrap();
    // Lying on its side, with the orientation that turns it upright.
    let lying = encode(rotate270(&astronaut()), ImageFormat::Jpeg);
    fs::write(folder.path().join("a.jpg"), crate::photos::with_orientation(&lying, 6)).unwrap();
    // Larger than a photo that is looked at as it is.
    let mut huge = RgbImage::from_pixel(12_000, 9_000, Rgb([120, 130, 140]));
    replace(&mut huge, &resize(&astronaut(), 3200, 3200, FilterType::Triangle), 5000, 4000);
    huge.save(folder.path().join("b.jpg")).unwrap();
    fs::write(folder.path().join("c.jpg"), &lying[..200]).unwrap();
    let all = found_in(folder.path());
    let expected = expected();
    let area = |found: &Result<Found, String>| {
        let found = found.as_ref().unwrap();
        found.largest().unwrap().scaled(found.factor()).area
    };
    assert!(area(&all[0].1).iou(&expected.area) > 0.8, "{:?}", area(&all[0].1));
    let Rectangle { x, y, width, height } = expected.scaled(10.0).area;
    let there = Rectangle { x: x + 5000.0, y: y + 4000.0, width, height };
    assert!(area(&all[1].1).iou(&there) > 0.7, "{:?}", area(&all[1].1));
    assert_eq!(all[1].1.as_ref().unwrap().size, [12_000, 9_000]);
    assert_eq!(all[2].1.as_ref().err().unwrap(), "the JPEG is cut short");
}

#[test]
fn crops_come_in_the_order_of_names_and_from_left_to_right() {
    let folder = tempfile::tempdir().unwrap();
    let mut two = texture(500, 200);
    replace(&mut two, &face(100), 300, 50);
    replace(&mut two, &face(150), 20, 20);
    two.save(folder.path().join("two.png")).unwrap();
    texture(100, 100).save(folder.path().join("none.png")).unwrap();
    astronaut().save(folder.path().join("one.png")).unwrap();
    let source = Source::open(folder.path()).unwrap();
    let names = ["none.png", "one.png", "two.png"].map(str::to_owned);
    let Crops { photos, crops, read, skipped } =
        crops(&source, &names, &PhotoSpec::new(32, 32), &mut Detectors::on_cpu(), &Unwatched).unwrap();
    assert_eq!(read, 3);
    let told: Vec<_> = crops.iter().map(|crop| (crop.place, crop.number)).collect();
    assert_eq!((photos.len(), told), (3, vec![(1, 1), (2, 1), (2, 2)]));
    assert!(crops[1].area.width > crops[2].area.width && crops[1].area.x < crops[2].area.x);
    assert_eq!(
        skipped.iter().map(|it| (it.file.as_str(), it.reason.as_str())).collect::<Vec<_>>(),
        [("none.png", NO_FACE)]
    );
}

#[test]
fn a_face_that_was_cropped_before_is_taken_whole() {
    let mut detector = Detector::on_cpu();
    // As UTKFace shows a face, and with more around it.
    for crop in [CropSpec::USUAL, CropSpec { side: 1.4, right: 0.1, down: -0.05 }] {
        let frame = Frame::of(&expected()).with_surroundings(&crop);
        let cropped = frame.cut(&astronaut(), [200, 200]);
        let found = Found::in_photo(cropped.clone(), &mut detector).unwrap();
        assert!(found.is_cropped(&crop), "{crop:?}");
        let input = PhotoSpec { crop, ..PhotoSpec::new(200, 200) };
        assert_eq!(found.cut(&found.faces[0], &input), cropped);
        assert!(!Found::in_photo(astronaut(), &mut detector).unwrap().is_cropped(&crop));
    }
}

#[test]
fn how_a_set_shows_faces_is_found_out() {
    let draw = |index| RgbImage::from_raw(96, 96, synthetic::draw(0, index, 96).rgb).unwrap();
    // Drawn faces have much around them.
    let estimate = estimate_crop((0..8).map(draw).collect()).unwrap().unwrap();
    assert!(estimate.is_cropped() && estimate.of == 8);
    let CropSpec { side, right, down } = estimate.crop;
    assert!((1.2..2.0).contains(&side) && right.abs() < 0.1 && down.abs() < 0.3, "{:?}", estimate.crop);
    // The same face in the same photo, but elsewhere each time.
    let anywhere = |n: u32| {
        let mut photo = texture(400, 300);
        replace(&mut photo, &face(60 + 20 * n), i64::from(90 * n % 260), i64::from(50 * n % 120));
        photo
    };
    let is_cropped = |photos| estimate_crop(photos).unwrap().as_ref().is_some_and(Estimate::is_cropped);
    assert!(!is_cropped((0..8).map(anywhere).collect()));
    assert!(!is_cropped(vec![texture(64, 64); 3]));
    assert!(!is_cropped(Vec::new()));
    // Alike, but not faces and little more: the model would see next to nothing of them.
    let mut small = texture(600, 600);
    replace(&mut small, &face(100), 250, 250);
    assert!(!is_cropped(vec![small; 3]));
}

#[test]
fn a_turned_face_is_cut_upright() {
    let upright = only(&astronaut());
    let expected = Frame::of(&upright).cut(&astronaut(), [64, 64]);
    for degrees in [-25.0_f32, 25.0] {
        // The photo, turned about its middle.
        let turned = Frame { middle: [160.0; 2], side: 320.0, angle: degrees.to_radians() };
        let turned = turned.cut(&astronaut(), [320, 320]);
        let frame = Frame::of(&only(&turned));
        let angle = (frame.angle - Frame::of(&upright).angle).to_degrees();
        assert!((angle + degrees).abs() < 6.0, "{angle} for {degrees}");
        let cut = frame.cut(&turned, [64, 64]);
        let difference = cut.iter().zip(expected.iter()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>();
        let mean = difference / cut.len() as f64;
        assert!(mean < 20.0, "{mean} for {degrees}");
    }
}

#[test]
fn a_set_is_cropped_only_if_most_photos_are_alike_and_a_crop_can_be_made() {
    let is_cropped = |crop, alike| Estimate { crop, alike, of: 4 }.is_cropped();
    assert!(is_cropped(CropSpec::USUAL, 3) && !is_cropped(CropSpec::USUAL, 2));
    for (side, right) in [(f32::NAN, 0.0), (0.0, 0.0), (3.1, 0.0), (1.0, f32::NAN), (1.0, 11.0)] {
        assert!(!is_cropped(CropSpec { side, right, down: 0.0 }, 4), "{side} {right}");
    }
    assert!(CropSpec { down: f32::NAN, ..CropSpec::USUAL }.check().is_err());
}
