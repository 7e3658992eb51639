//! From the bytes of an image file to RGB pixels of the model's size.

mod budget;
mod coder;
mod huffman;
mod jpeg;
mod jpeg_kind;
mod png;

use std::io::{Cursor, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};

use budget::{Budget, Reserved};
use image::codecs::bmp::BmpDecoder;
use image::codecs::gif::GifDecoder;
use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::tiff::TiffDecoder;
use image::codecs::webp::WebPDecoder;
use image::error::LimitErrorKind;
use image::imageops::{FilterType, resize, thumbnail};
use image::{DynamicImage, ImageDecoder, ImageError, Limits, RgbImage};

use super::content::{Content, Format, HEAD_BYTES, unread_reason};

/// The shorter side, in pixels, below which a photo cannot show a face.
pub const MIN_SIDE: u32 = 8;
/// The longer side, in pixels, above which a photo is taken for a decompression bomb.
pub const MAX_SIDE: u32 = 16_384;
/// Width times height above which a photo is taken for a decompression bomb; at 16 bits and four
/// channels this many pixels take 1 GiB.
pub const MAX_PIXELS: u64 = 128 << 20;

/// For all photos that are being decoded at a time: one of [`MAX_PIXELS`] or many small ones.
static MEMORY: Budget = Budget::new(1 << 30);

/// Decodes one photo and resizes it: `height` x `width` x 3 bytes, RGB interleaved.
///
/// The format is told by the content, not by the name; of an animation, the first frame counts. The
/// EXIF orientation is applied, grey and palette become RGB, 16 bits become 8, and what is transparent
/// is shown over black. The resize does not keep the aspect ratio. Colour profiles are ignored.
///
/// # Errors
/// A short reason for skipping the photo: empty, another format, truncated, damaged, too small, too big.
pub fn decode(bytes: &[u8], width: u32, height: u32) -> Result<Vec<u8>, String> {
    guarded(bytes, |rgb| match rgb.dimensions() == (width, height) {
        true => rgb.into_raw(),
        false => resize(&rgb, width, height, FilterType::Triangle).into_raw(),
    })
}

/// The longer side, in pixels, of a photo that faces are looked for in, at most.
const MAX_WHOLE_SIDE: u32 = 3000;

/// Decodes one photo in its own size, as [`decode`] does otherwise. One with a side of more than 3,000 pixels is made that
/// small. Returns it with the width and height that it had, upright.
///
/// # Errors
/// As [`decode`].
pub fn decode_whole(bytes: &[u8]) -> Result<(RgbImage, [u32; 2]), String> {
    guarded(bytes, |rgb| {
        let (width, height) = rgb.dimensions();
        let shrink = f64::from(MAX_WHOLE_SIDE) / f64::from(width.max(height));
        let small = |side: u32| ((f64::from(side) * shrink).round() as u32).max(1);
        let rgb = if shrink < 1.0 { thumbnail(&rgb, small(width), small(height)) } else { rgb };
        (rgb, [width, height])
    })
}

/// Decodes a photo, and hands it on while its memory is accounted for. A decoder that panics on a malformed photo costs
/// that photo only.
fn guarded<T>(bytes: &[u8], hand_on: impl Fn(RgbImage) -> T) -> Result<T, String> {
    let decoded = AssertUnwindSafe(|| {
        let (image, _memory) = decode_unguarded(bytes)?;
        Ok(hand_on(to_rgb(image)))
    });
    catch_unwind(decoded).unwrap_or_else(|_| Err("the decoder failed on it; the file is damaged".to_owned()))
}

fn decode_unguarded(bytes: &[u8]) -> Result<(DynamicImage, Reserved<'static>), String> {
    let format = match Content::of(&bytes[..bytes.len().min(HEAD_BYTES)]) {
        Content::Image(format) => format,
        Content::Unread(kind) => return Err(unread_reason(&kind)),
        Content::Other(other) => return Err(other.reason().to_owned()),
    };
    let input = Cursor::new(bytes);
    let failed = |error: ImageError| reason(&error, format);
    let decoder: Box<dyn ImageDecoder> = match format {
        Format::Jpeg => {
            // The decoder fills what is missing with grey and says nothing.
            if !jpeg_is_whole(bytes) {
                return Err("the JPEG is cut short".to_owned());
            }
            jpeg_kind::check(bytes)?;
            Box::new(JpegDecoder::new(input).map_err(failed)?)
        }
        Format::Png => {
            png::check(bytes)?;
            Box::new(PngDecoder::with_limits(input, limits()).map_err(failed)?)
        }
        Format::WebP => Box::new(WebPDecoder::new(input).map_err(failed)?),
        Format::Gif => Box::new(GifDecoder::new(input).map_err(failed)?),
        Format::Bmp => Box::new(BmpDecoder::new(input).map_err(failed)?),
        Format::Tiff => Box::new(TiffDecoder::new(input).map_err(failed)?),
    };
    read(decoder, format, bytes)
}

/// Checks the size before a pixel is decoded, then decodes and turns the photo upright.
fn read(
    mut decoder: Box<dyn ImageDecoder + '_>,
    format: Format,
    bytes: &[u8],
) -> Result<(DynamicImage, Reserved<'static>), String> {
    let (width, height) = decoder.dimensions();
    if width.min(height) < MIN_SIDE {
        return Err(format!("{width}x{height} pixels: too small to show a face"));
    }
    let pixels = u64::from(width) * u64::from(height);
    if width.max(height) > MAX_SIDE || pixels > MAX_PIXELS {
        return Err(format!("{width}x{height} pixels: too big"));
    }
    // As decoded, and once more as RGB; a progressive JPEG is decoded from 16-bit coefficients.
    let bytes_a_pixel = u64::from(decoder.color_type().bytes_per_pixel()) + 3;
    let memory = MEMORY.reserve(pixels * (bytes_a_pixel + if format == Format::Jpeg { 6 } else { 0 }));
    if format == Format::Jpeg {
        jpeg::check(bytes)?;
    }
    decoder.set_limits(limits()).map_err(|error| reason(&error, format))?;
    let orientation = decoder.orientation().map_err(|error| reason(&error, format))?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| reason(&error, format))?;
    image.apply_orientation(orientation);
    Ok((image, memory))
}

fn limits() -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_PIXELS * 8);
    limits
}

/// Any kind of pixel as 8-bit RGB, over black where it is transparent.
fn to_rgb(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let rgba = image.into_rgba8();
    RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [red, green, blue, alpha] = rgba.get_pixel(x, y).0;
        let over_black = |value: u8| ((u16::from(value) * u16::from(alpha) + 127) / 255) as u8;
        image::Rgb([red, green, blue].map(over_black))
    })
}

/// A decoder's error in words that do not repeat the file's name.
fn reason(error: &ImageError, format: Format) -> String {
    let format = format.name();
    match error {
        ImageError::IoError(io) if io.kind() == ErrorKind::UnexpectedEof => {
            format!("the {format} is cut short")
        }
        ImageError::Limits(limit) => match limit.kind() {
            LimitErrorKind::DimensionError | LimitErrorKind::InsufficientMemory => {
                "too big to decode".to_owned()
            }
            _ => format!("too big to decode ({error})"),
        },
        ImageError::Unsupported(_) => format!("a kind of {format} that is not supported ({error})"),
        _ => format!("a damaged {format} ({error})"),
    }
}

/// Whether the marker segments of a JPEG file (ITU-T T.81, annex B) lead to an end-of-image marker.
///
/// What comes behind it, such as padding or a camera's own data, does not matter; an end marker
/// within a segment, such as that of an EXIF thumbnail, does not count.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    const END_OF_IMAGE: u8 = 0xD9;
    // The start-of-image marker is known to be there.
    let mut at = 2;
    loop {
        // To the next marker: FF and neither a stuffed 0, nor a fill FF, nor a restart. Between
        // segments it is right here; within a scan it is behind the compressed data.
        let Some(length) = bytes.get(at..).and_then(|rest| {
            rest.windows(2).position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xFF | 0xD0..=0xD7))
        }) else {
            return false;
        };
        at += length + 2;
        if bytes[at - 1] == END_OF_IMAGE {
            return true;
        }
        // Every other marker that can follow opens a segment that tells its own length.
        let Some(&[high, low]) = bytes.get(at..at + 2) else {
            return false;
        };
        at += usize::from(u16::from_be_bytes([high, low])).max(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg(width: u32, height: u32) -> Vec<u8> {
        let image = RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([(x * 7) as u8, (y * 5) as u8, ((x ^ y) * 3) as u8])
        });
        let mut bytes = Vec::new();
        image.write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Jpeg).unwrap();
        bytes
    }

    #[test]
    fn a_jpeg_cut_anywhere_is_refused() {
        let whole = jpeg(40, 30);
        assert_eq!(decode(&whole, 16, 16).unwrap().len(), 16 * 16 * 3);
        for length in 2..whole.len() {
            assert_eq!(
                decode(&whole[..length], 16, 16),
                Err("the JPEG is cut short".to_owned()),
                "cut to {length} of {} bytes",
                whole.len()
            );
        }
    }

    #[test]
    fn what_follows_the_end_of_a_jpeg_does_not_matter() {
        let mut padded = jpeg(40, 30);
        padded.extend([0; 100]);
        padded.extend(b"trailer");
        assert!(decode(&padded, 16, 16).is_ok());
    }

    #[test]
    fn a_thumbnails_end_marker_does_not_hide_a_cut() {
        let whole = jpeg(40, 30);
        let thumbnail = b"\xFF\xE1\x00\x08abcd\xFF\xD9";
        let cut = [&whole[..2], thumbnail, &whole[2..whole.len() - 20]].concat();
        assert_eq!(decode(&cut, 16, 16), Err("the JPEG is cut short".to_owned()));
    }

    #[test]
    fn a_file_that_is_no_photo_says_what_it_is() {
        for (bytes, reason) in [
            (&b""[..], "empty file"),
            (b"\n <!DOCTYPE html><html>", "an HTML page, not an image"),
            (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC images are not read; convert it to JPEG or PNG"),
            (b"hello", "a text file, not an image"),
            (b"\x01\x02\x03\x04", "not an image of a known kind"),
            (&[0; 50], "nothing but zeros, not an image"),
        ] {
            assert_eq!(decode(bytes, 16, 16), Err(reason.to_owned()));
        }
    }

    #[test]
    fn a_photo_too_small_or_too_big_is_refused_before_it_is_decoded() {
        assert_eq!(decode(&jpeg(1, 1), 4, 4), Err("1x1 pixels: too small to show a face".to_owned()));
        assert!(decode(&jpeg(8, 8), 4, 4).is_ok());
        let mut bomb = jpeg(16, 16);
        let frame = bomb.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
        bomb[frame + 5..frame + 9].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(decode(&bomb, 4, 4), Err("65535x65535 pixels: too big".to_owned()));
    }
}
