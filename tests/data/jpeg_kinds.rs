//! Kinds of JPEG that the decoder would read wrong, and odd ones that are whole.
use faceshader::data::decode::decode;
use image::ImageFormat::Jpeg;

use crate::make::*;

fn patched(marker: u8, offset: usize, value: u8) -> Vec<u8> {
    let mut bytes = encode(two_halves(24, 16), Jpeg);
    let at = bytes.windows(2).position(|pair| pair == [0xFF, marker]).unwrap();
    bytes[at + offset] = value;
    bytes
}

#[test]
fn kinds_of_jpeg_that_are_not_read_are_named_and_not_called_damaged() {
    let (mut tall, bytes) = (patched(0xC0, 5, 0), encode(two_halves(24, 16), Jpeg));
    let height = tall.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap() + 5;
    tall[height..height + 2].fill(0);
    for (bytes, kind) in [
        (include_bytes!("../assets/several_scans.jpg").to_vec(), "a sequential JPEG in several scans"),
        (include_bytes!("../assets/fine_colours.jpg").to_vec(), "more samples than its brightness"),
        (include_bytes!("../assets/arithmetic.jpg").to_vec(), "an arithmetic-coded JPEG"),
        (patched(0xC0, 1, 0xC3), "a lossless JPEG"),
        (patched(0xC0, 11, 0x31), "three samples side by side"),
        (tall, "whose height stands behind its pixels"),
    ] {
        let reason = decode(&bytes, 16, 16).expect_err(kind);
        assert!(reason.contains(kind), "{kind}: {reason}");
        assert!(reason.ends_with("not supported; convert it"), "{kind}: {reason}");
    }
    assert!(decode(&bytes, 16, 16).is_ok());
}

#[test]
fn zeros_before_the_end_marker_are_filling_only_behind_data() {
    let whole = encode(two_halves(24, 16), Jpeg);
    let (data, end) = whole.split_at(whole.len() - 2);
    let filled = [data, &[0; 100], end].concat();
    assert_eq!(decode(&filled, 24, 16), decode(&whole, 24, 16));
    let other = [data, &[0, 0, 0, 7], end].concat();
    assert!(decode(&other, 24, 16).unwrap_err().contains("go on behind its last pixel"));
}

#[test]
fn a_frame_of_a_film_has_the_usual_huffman_tables() {
    // The encoder writes those of annex K.
    let whole = encode(two_halves(24, 16), Jpeg);
    let mut frame = b"\xFF\xD8\xFF\xE0\x00\x10AVI1\0\0\0\0\0\0\0\0\0\0".to_vec();
    let mut at = 2;
    while whole[at + 1] != 0xDA {
        let length = 2 + usize::from(u16::from_be_bytes([whole[at + 2], whole[at + 3]]));
        if !matches!(whole[at + 1], 0xC4 | 0xE0) {
            frame.extend(&whole[at..at + length]);
        }
        at += length;
    }
    frame.extend(&whole[at..]);
    assert_eq!(decode(&frame, 24, 16), decode(&whole, 24, 16));
}

#[test]
fn a_progressive_jpeg_without_all_detail_is_not_called_damaged() {
    let bytes = include_bytes!("../assets/progressive.jpg");
    let scan = |from: usize| (from..bytes.len()).find(|&at| bytes[at..].starts_with(&[0xFF, 0xDA])).unwrap();
    let mut coarse = bytes[..scan(0)].to_vec();
    // Only the first scan, which must not leave bits to come.
    let end = (scan(0) + 2..).find(|&at| matches!(bytes[at..], [0xFF, 0xC4 | 0xDA, ..])).unwrap();
    coarse.extend(&bytes[scan(0)..end]);
    let low = scan(0) + 4 + 1 + 2 * 3 + 2;
    coarse[low] &= 0xF0;
    coarse.extend(b"\xFF\xD9");
    let reason = decode(&coarse, 16, 16).unwrap_err();
    assert_eq!(reason, "a progressive JPEG without all of its detail; convert it");
}
