//! One photo: formats, kinds of pixel, orientation, size.
use faceshader::data::decode::decode;
use image::{GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};

use crate::make::*;

fn is_near(pixel: &[u8], colour: Rgb<u8>) -> bool {
    pixel.iter().zip(colour.0).all(|(&got, want)| got.abs_diff(want) < 40)
}

/// Puts an APP1 segment with this EXIF orientation behind the start-of-image marker.
pub fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0".to_vec();
    exif.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0]);
    exif.extend([0; 4]);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &length, &exif, &jpeg[2..]].concat()
}

#[test]
fn exif_orientation_turns_the_photo_upright() {
    let jpeg = encode(two_halves(32, 16), ImageFormat::Jpeg);
    // Where the left, red half belongs: the corner pixels top left and bottom right.
    for (orientation, top_left, bottom_right) in
        [(1, RED, BLUE), (3, BLUE, RED), (6, RED, BLUE), (8, BLUE, RED)]
    {
        let (width, height) = if orientation >= 5 { (16, 32) } else { (32, 16) };
        let rgb = decode(&with_orientation(&jpeg, orientation), width, height).unwrap();
        let first_row_end = &rgb[(width as usize - 1) * 3..][..3];
        assert!(is_near(&rgb[..3], top_left), "orientation {orientation}");
        assert!(is_near(&rgb[rgb.len() - 3..], bottom_right), "orientation {orientation}");
        let top_right = if orientation >= 5 { top_left } else { bottom_right };
        assert!(is_near(first_row_end, top_right), "orientation {orientation}");
    }
}

#[test]
fn grey_16_bit_palette_and_alpha_become_rgb() {
    let grey = GrayImage::from_pixel(16, 16, Luma([90]));
    for format in [ImageFormat::Jpeg, ImageFormat::Png] {
        assert_eq!(decode(&encode(grey.clone(), format), 16, 16).unwrap(), [90; 16 * 16 * 3]);
    }
    let deep: ImageBuffer<Rgb<u16>, Vec<u16>> = ImageBuffer::from_pixel(16, 16, Rgb([0, 0x8080, 0xFFFF]));
    assert_eq!(decode(&encode(deep, ImageFormat::Png), 16, 16).unwrap(), [0, 128, 255].repeat(256));
    let deep_grey: ImageBuffer<Luma<u16>, Vec<u16>> = ImageBuffer::from_pixel(16, 16, Luma([0x4040]));
    assert_eq!(decode(&encode(deep_grey, ImageFormat::Png), 16, 16).unwrap(), [64; 16 * 16 * 3]);
    let alpha =
        RgbaImage::from_fn(16, 16, |x, _| if x < 8 { Rgba([200; 4]) } else { Rgba([200, 200, 200, 0]) });
    let row = [[157; 24], [0; 24]].concat();
    assert_eq!(decode(&encode(alpha, ImageFormat::Png), 16, 16).unwrap(), row.repeat(16));

    let mut palette = Vec::new();
    let mut encoder = png::Encoder::new(&mut palette, 16, 16);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Four);
    encoder.set_palette(vec![1, 2, 3, 250, 128, 7]);
    encoder.write_header().unwrap().write_image_data(&[0x01; 8 * 16]).unwrap();
    assert_eq!(decode(&palette, 16, 16).unwrap(), [1, 2, 3, 250, 128, 7].repeat(128));
}

#[test]
fn a_png_cut_anywhere_within_its_pixels_is_refused() {
    let whole =
        encode(RgbImage::from_fn(32, 32, |x, y| Rgb([x as u8, y as u8, (x * y) as u8])), ImageFormat::Png);
    for length in 4..whole.len() - 16 {
        let reason = decode(&whole[..length], 16, 16).unwrap_err();
        assert!(reason.contains("PNG"), "cut to {length} bytes: {reason}");
    }
}

#[test]
fn a_photo_is_scaled_to_the_asked_size_without_aliasing() {
    let stripes = RgbImage::from_fn(64, 64, |x, _| if x % 2 == 0 { Rgb([0; 3]) } else { Rgb([255; 3]) });
    let rgb = decode(&encode(stripes, ImageFormat::Png), 16, 8).unwrap();
    assert_eq!(rgb.len(), 16 * 8 * 3);
    assert!(rgb.iter().all(|value| (112..=143).contains(value)), "{:?}", &rgb[..48]);
}
