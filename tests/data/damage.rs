//! Photos that are damaged inside: skipped with the reason, never learned as grey.
use faceshader::data::decode::decode;
use image::ImageFormat::*;
use image::{ImageFormat, Rgb, RgbImage};

use crate::make::*;

const PROGRESSIVE: &[u8] = include_bytes!("../assets/progressive.jpg");
const RESTARTS: &[u8] = include_bytes!("../assets/restarts.jpg");
const CMYK: &[u8] = include_bytes!("../assets/cmyk.jpg");

fn detailed() -> RgbImage {
    RgbImage::from_fn(96, 80, |x, y| Rgb([((x * 5) ^ (y * 3)) as u8, (x * y / 7) as u8, (y * 9) as u8]))
}

fn jpegs() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("baseline", encode(detailed(), Jpeg)),
        ("grey", encode(image::DynamicImage::from(detailed()).into_luma8(), Jpeg)),
        ("progressive", PROGRESSIVE.to_vec()),
        ("with restarts", RESTARTS.to_vec()),
        ("CMYK", CMYK.to_vec()),
    ]
}

/// Where the first scan's data begin.
fn scan_start(jpeg: &[u8]) -> usize {
    let scan = jpeg.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
    scan + 2 + usize::from(u16::from_be_bytes([jpeg[scan + 2], jpeg[scan + 3]]))
}

fn refused(name: &str, bytes: &[u8]) {
    let reason = decode(bytes, 16, 16).expect_err(name);
    assert!(reason.contains("damaged JPEG") || reason == "the JPEG is cut short", "{name}: {reason}");
}

#[test]
fn a_whole_jpeg_of_any_kind_is_read() {
    for (name, bytes) in jpegs() {
        assert_eq!(decode(&bytes, 16, 16).map(|rgb| rgb.len()), Ok(768), "{name}");
        let padded =
            [&bytes[..bytes.len() - 2], &[0xFF, 0xFF, 0xFF, 0xD9], b"trailing \xFF\xD8\xFF garbage"].concat();
        assert_eq!(decode(&padded, 16, 16), decode(&bytes, 16, 16), "{name}");
    }
}

#[test]
fn a_part_of_a_jpeg_with_an_end_marker_is_refused() {
    for (name, bytes) in jpegs() {
        let start = scan_start(&bytes);
        for percent in [0, 5, 25, 40, 60, 80, 95] {
            let end = start + (bytes.len() - start) * percent / 100;
            refused(&format!("{name} {percent} %"), &[&bytes[..end], b"\xFF\xD9"].concat());
        }
    }
}

#[test]
fn zeros_in_the_middle_of_a_scan_are_refused() {
    for (name, bytes) in jpegs() {
        let start = scan_start(&bytes);
        for percent in [10, 30, 50, 70] {
            let mut zeroed = bytes.clone();
            let from = start + (bytes.len() - start) * percent / 100;
            zeroed[from..from + (bytes.len() - start) / 10].fill(0);
            refused(&format!("{name} {percent} %"), &zeroed);
        }
    }
}

#[test]
fn a_missing_restart_or_scan_is_refused() {
    let markers: Vec<usize> = (scan_start(RESTARTS)..RESTARTS.len() - 1)
        .filter(|&at| RESTARTS[at] == 0xFF && (0xD0..=0xD7).contains(&RESTARTS[at + 1]))
        .collect();
    assert!(markers.len() > 3);
    let without = |from: usize, to: usize| [&RESTARTS[..from], &RESTARTS[to..]].concat();
    refused("no marker", &without(markers[1], markers[1] + 2));
    refused("no interval", &without(markers[1], markers[2]));
    let scans: Vec<usize> = (0..PROGRESSIVE.len() - 1)
        .filter(|&at| {
            PROGRESSIVE[at..].starts_with(&[0xFF, 0xC4]) || PROGRESSIVE[at..].starts_with(&[0xFF, 0xDA])
        })
        .collect();
    assert!(scans.len() > 6);
    refused("no last scan", &[&PROGRESSIVE[..*scans.last().unwrap()], b"\xFF\xD9"].concat());
}

#[test]
fn a_code_that_no_table_has_is_refused() {
    let mut bytes = encode(detailed(), Jpeg);
    let middle = (scan_start(&bytes) + bytes.len()) / 2;
    bytes[middle..middle + 6].copy_from_slice(&[0xFF, 0, 0xFF, 0, 0xFF, 0]);
    refused("ones", &bytes);
}

/// A cut either shows, or takes away nothing of the picture.
fn cuts_show(format: ImageFormat) {
    let whole = encode(detailed(), format);
    let pixels = decode(&whole, 96, 80).unwrap();
    let mut refused = 0;
    for length in (0..whole.len()).step_by(whole.len() / 150 + 1) {
        match decode(&whole[..length], 96, 80) {
            Err(_) => refused += 1,
            Ok(got) => assert!(got == pixels, "{format:?} cut to {length} of {} bytes", whole.len()),
        }
    }
    assert!(refused > 50, "{format:?}");
}

#[test]
fn a_cut_of_any_kind_of_image_shows() {
    [Jpeg, Png, WebP, Gif, Bmp, Tiff].into_iter().for_each(cuts_show);
}

#[test]
fn a_flipped_bit_in_a_png_is_refused() {
    let whole = encode(detailed(), Png);
    // The last bytes are the data's checksum and the end mark.
    for at in (8..whole.len()).step_by(97).chain(whole.len() - 20..whole.len()) {
        let mut flipped = whole.clone();
        flipped[at] ^= 4;
        let reason = decode(&flipped, 16, 16).expect_err("a bit was flipped");
        assert!(reason.contains("PNG"), "byte {at}: {reason}");
    }
}

#[test]
fn a_gif_whose_data_end_early_is_refused() {
    let whole = encode(detailed(), Gif);
    let pixels = decode(&whole, 96, 80).unwrap();
    // An end of the data, an end of the file: all that a decoder looks for.
    for length in [whole.len() / 3, whole.len() / 2, whole.len() * 3 / 4] {
        let cut = [&whole[..length], b"\0\x3B"].concat();
        assert!(decode(&cut, 96, 80).map_or(true, |got| got == pixels), "cut to {length}");
    }
}
