//! The labelled grid of photos.

use image::imageops::{FilterType, overlay, resize};
use image::{Rgb, RgbImage};
use std::borrow::Cow;

use super::font::{INK, MUTED, draw_centred, draw_text, ellipsised};

/// Caption of a prediction that is right.
pub const GOOD: [u8; 3] = [0x1a, 0x7f, 0x37];
/// Caption of a prediction that is wrong.
pub const BAD: [u8; 3] = [0xcf, 0x22, 0x2e];

const MARGIN: u32 = 24;
const GAP: u32 = 16;
const CAPTION_SIZE: f32 = 14.0;
const CAPTION_LINE: u32 = 20;
const TITLE_SIZE: f32 = 22.0;
const TITLE_HEIGHT: u32 = 44;
const EMPTY_TILE: [u8; 3] = [0xee, 0xee, 0xee];

/// One line under a photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caption {
    /// What it says; cut off with an ellipsis where it does not fit.
    pub text: String,
    /// Red, green, blue.
    pub colour: [u8; 3],
}

/// A photo with its captions.
#[derive(Debug, Clone)]
pub struct Cell<'a> {
    /// `width` x `height` pixels of red, green and blue, row by row.
    pub rgb: Cow<'a, [u8]>,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// The lines below the photo.
    pub caption: Vec<Caption>,
}

/// An answer, beside the label where it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The answer in words.
    pub text: String,
    /// The label in words.
    pub truth: Option<String>,
    /// Whether the answer is the label, or close to it.
    pub is_right: Option<bool>,
    /// Of a class.
    pub probability: Option<f32>,
}

/// The caption of a photo whose labels are known: "28, female".
pub fn label_caption(labels: &[String]) -> Vec<Caption> {
    vec![Caption { text: labels.join(", "), colour: INK }]
}

/// The captions of predictions, a line each: a number with the true one in brackets, a class with its probability,
/// and with the true one if it is wrong.
///
/// All are green when all are right, and red when a class is wrong.
pub fn captions(told: &[Told]) -> Vec<Caption> {
    let is_class = |told: &Told| told.probability.is_some();
    let colour = match () {
        () if told.iter().any(|told| is_class(told) && told.is_right == Some(false)) => BAD,
        () if !told.is_empty() && told.iter().all(|told| told.is_right == Some(true)) => GOOD,
        () => INK,
    };
    let line = |told: &Told| {
        let truth = told.truth.as_ref().filter(|_| !is_class(told) || told.is_right == Some(false));
        let truth = truth.map_or(String::new(), |truth| format!(" ({truth})"));
        let percent = told.probability.map(|probability| format!(" {:.0} %", f64::from(probability) * 100.0));
        Caption { text: format!("{}{truth}{}", told.text, percent.unwrap_or_default()), colour }
    };
    told.iter().map(line).collect()
}

/// Draws photos in rows of `columns` on white, each with its captions below.
///
/// Photos are scaled smoothly to one size: small ones at most doubled, large ones down to 256
/// pixels. A cell whose `rgb` does not hold `width` x `height` pixels is a grey tile.
pub fn grid(title: &str, columns: usize, cells: &[Cell]) -> RgbImage {
    let columns = columns.clamp(1, cells.len().max(1));
    let rows = cells.len().div_ceil(columns);
    let largest = cells.iter().map(|cell| cell.width.max(cell.height)).max().unwrap_or(0);
    let photo = if largest <= 192 { (2 * largest).min(192) } else { largest.min(256) };
    let tile = photo.max(112);
    let lines = cells.iter().map(|cell| cell.caption.len()).max().unwrap_or(0) as u32;
    let row_height = tile + 6 + lines * CAPTION_LINE + GAP;
    let top = MARGIN + if title.is_empty() { 0 } else { TITLE_HEIGHT };
    let width = 2 * MARGIN + columns as u32 * (tile + GAP) - GAP;
    let height = (top + rows as u32 * row_height + MARGIN).saturating_sub(if rows > 0 { GAP } else { 0 });
    let mut image = RgbImage::from_pixel(width, height, Rgb([255; 3]));
    let room = (width - 2 * MARGIN) as f32;
    let title = ellipsised(title, TITLE_SIZE, room);
    draw_text(&mut image, (MARGIN as f32, MARGIN as f32 - 6.0), TITLE_SIZE, INK, &title);
    for (index, cell) in cells.iter().enumerate() {
        let x = MARGIN + (index % columns) as u32 * (tile + GAP);
        let y = top + (index / columns) as u32 * row_height;
        draw_cell(&mut image, cell, (x, y), tile, photo);
    }
    image
}

fn draw_cell(image: &mut RgbImage, cell: &Cell, (x, y): (u32, u32), tile: u32, photo: u32) {
    match scaled(cell, photo) {
        Some(picture) => {
            let (dx, dy) = ((tile - picture.width()) / 2, (tile - picture.height()) / 2);
            overlay(image, &picture, i64::from(x + dx), i64::from(y + dy));
        }
        None => {
            let blank = RgbImage::from_pixel(tile, tile, Rgb(EMPTY_TILE));
            overlay(image, &blank, i64::from(x), i64::from(y));
            let middle = (x as f32 + 0.5 * tile as f32, y as f32 + 0.5 * tile as f32 - 9.0);
            draw_centred(image, middle, CAPTION_SIZE, MUTED, "no photo");
        }
    }
    for (line, caption) in cell.caption.iter().enumerate() {
        let at = (x as f32 + 0.5 * tile as f32, (y + tile + 6 + line as u32 * CAPTION_LINE) as f32);
        let text = ellipsised(&caption.text, CAPTION_SIZE, (tile + GAP / 2) as f32);
        draw_centred(image, at, CAPTION_SIZE, caption.colour, &text);
    }
}

/// The photo with its longer side at `photo` pixels.
fn scaled(cell: &Cell, photo: u32) -> Option<RgbImage> {
    let longer = cell.width.max(cell.height);
    let pixels = (cell.width as usize).checked_mul(cell.height as usize)?.checked_mul(3)?;
    if pixels == 0 || cell.rgb.len() != pixels {
        return None;
    }
    let source = RgbImage::from_raw(cell.width, cell.height, cell.rgb.to_vec())?;
    let side = |length: u32| ((u64::from(length) * u64::from(photo) / u64::from(longer)) as u32).max(1);
    let (width, height) = (side(cell.width), side(cell.height));
    Some(if longer == photo { source } else { resize(&source, width, height, FilterType::CatmullRom) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn red(side: u32) -> Vec<u8> {
        [200, 0, 0].repeat((side * side) as usize)
    }

    fn count(image: &RgbImage, colour: [u8; 3]) -> usize {
        image.pixels().filter(|pixel| pixel.0 == colour).count()
    }

    #[test]
    fn small_photos_are_enlarged_and_set_in_rows() {
        let rgb = red(64);
        let cell = Cell {
            rgb: Cow::Borrowed(&rgb),
            width: 64,
            height: 64,
            caption: label_caption(&["28".into(), "female".into()]),
        };
        let image = grid("Faces", 3, &vec![cell; 5]);
        assert_eq!(count(&image, [200, 0, 0]), 5 * 128 * 128);
        assert_eq!(image.width(), 2 * MARGIN + 3 * 128 + 2 * GAP);
        assert_eq!(image.get_pixel(0, 0).0, [255; 3]);
        // The sixth place of two rows of three is empty.
        assert_ne!(image.get_pixel(MARGIN + 10, image.height() - 80).0, [255; 3]);
        assert_eq!(image.get_pixel(image.width() - MARGIN - 10, image.height() - 80).0, [255; 3]);
    }

    #[test]
    fn a_cell_without_its_pixels_is_a_grey_tile() {
        let rgb = red(4);
        let good = Cell { rgb: Cow::Borrowed(&rgb), width: 4, height: 4, caption: Vec::new() };
        let short = Cell { rgb: Cow::Borrowed(&rgb[..10]), ..good.clone() };
        let none = Cell { width: 0, height: 0, rgb: Cow::Borrowed(&[]), caption: Vec::new() };
        let image = grid("", 0, &[good, short, none]);
        assert_eq!(count(&image, [200, 0, 0]), 64);
        assert!(count(&image, EMPTY_TILE) > 2 * 100 * 100);
    }

    #[test]
    fn any_shape_of_grid_is_drawn() {
        let rgb = vec![9; 300 * 2 * 3];
        let wide =
            Cell { rgb: Cow::Borrowed(&rgb), width: 300, height: 2, caption: label_caption(&["1".into()]) };
        assert!(grid("no cells at all", 4, &[]).width() > 0);
        assert_eq!(grid("t", 1, std::slice::from_ref(&wide)).width(), 2 * MARGIN + 256);
        assert_eq!(grid("t", 99, &[wide]).width(), 2 * MARGIN + 256);
    }

    #[test]
    fn captions_say_whether_the_prediction_is_right() {
        let age = |text: &str, is_right| Told {
            text: text.into(),
            truth: Some("28".into()),
            is_right: Some(is_right),
            probability: None,
        };
        let gender = |text: &str, probability| Told {
            text: text.into(),
            truth: Some("female".into()),
            is_right: Some(text == "female"),
            probability: Some(probability),
        };
        let right = captions(&[age("27", true), gender("female", 0.984)]);
        assert_eq!(right[0], Caption { text: "27 (28)".into(), colour: GOOD });
        assert_eq!(right[1].text, "female 98 %");
        assert_eq!(captions(&[age("41", false), gender("female", 0.9)])[0].colour, INK);
        let wrong = captions(&[age("28", true), gender("male", 0.6)]);
        assert_eq!((wrong[1].text.as_str(), wrong[1].colour), ("male (female) 60 %", BAD));
        let unknown = Told { truth: None, is_right: None, ..age("28", true) };
        assert_eq!(captions(&[unknown])[0], Caption { text: "28".into(), colour: INK });
    }
}
