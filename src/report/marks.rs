//! Boxes with words, drawn into a photo.

use super::font::{INK, draw_text, ellipsised, line_height, text_width};
use image::{Rgb, RgbImage};

/// What is drawn into a photo.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// A rectangle in pixels: x, y, width and height; the whole photo where there is none.
    pub area: Option<[f32; 4]>,
    /// What is said of it, a line each.
    pub lines: Vec<String>,
}

impl Mark {
    /// The same in a photo that is `factor` times as large.
    pub fn scaled(&self, factor: f32) -> Mark {
        Mark { area: self.area.map(|area| area.map(|value| value * factor)), lines: self.lines.clone() }
    }
}

/// The colour of boxes, which is seen on dark and on light photos.
const BOX: [u8; 3] = [0xff, 0xc4, 0x00];
/// What words stand on.
const PAPER: [u8; 3] = [0xff, 0xff, 0xff];

/// Draws boxes, and what is said of each above it, or below it where there is no room. Lines and letters grow with the
/// photo.
pub fn draw_marks(photo: &mut RgbImage, marks: &[Mark]) {
    let side = photo.width().min(photo.height()) as f32;
    let thickness = (side / 250.0).round().max(2.0);
    let letters = (side / 32.0).clamp(12.0, 64.0);
    for mark in marks {
        if let Some([x, y, width, height]) = mark.area {
            for edge in [
                [x, y, width, thickness],
                [x, y + height - thickness, width, thickness],
                [x, y, thickness, height],
                [x + width - thickness, y, thickness, height],
            ] {
                fill(photo, edge, BOX);
            }
        }
    }
    // Words lie above all boxes.
    for mark in marks {
        draw_words(photo, mark, letters);
    }
}

fn draw_words(photo: &mut RgbImage, mark: &Mark, letters: f32) {
    let [width, height] = [photo.width(), photo.height()].map(|side| side as f32);
    let pad = (letters / 4.0).round();
    let lines: Vec<String> =
        mark.lines.iter().map(|line| ellipsised(line, letters, width - 2.0 * pad)).collect();
    let line = line_height(letters).ceil();
    let wide = lines.iter().map(|line| text_width(line, letters)).fold(0.0, f32::max).ceil() + 2.0 * pad;
    let high = lines.len() as f32 * line + pad;
    if lines.is_empty() {
        return;
    }
    let [x, y] = match mark.area {
        Some([x, y, _, _]) if y >= high => [x, y - high],
        Some([x, y, _, tall]) => [x, y + tall],
        None => [0.0, 0.0],
    };
    let (x, y) = (x.min(width - wide).max(0.0).round(), y.min(height - high).max(0.0).round());
    fill(photo, [x, y, wide, high], PAPER);
    for (number, text) in lines.iter().enumerate() {
        draw_text(photo, (x + pad, y + number as f32 * line + pad / 2.0), letters, INK, text);
    }
}

/// Fills a rectangle, as far as it lies within the photo.
fn fill(photo: &mut RgbImage, [x, y, width, height]: [f32; 4], colour: [u8; 3]) {
    let within = |from: f32, size: f32, most: u32| {
        let inside = |at: f32| at.round().clamp(0.0, most as f32) as u32;
        inside(from)..inside(from + size)
    };
    for row in within(y, height, photo.height()) {
        for column in within(x, width, photo.width()) {
            photo.put_pixel(column, row, Rgb(colour));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(area: Option<[f32; 4]>, lines: &[&str]) -> RgbImage {
        let mut photo = RgbImage::from_pixel(200, 100, Rgb([9, 9, 9]));
        let lines = lines.iter().map(|line| line.to_string()).collect();
        draw_marks(&mut photo, &[Mark { area, lines }]);
        photo
    }

    fn rows_with(photo: &RgbImage, colour: [u8; 3]) -> Vec<u32> {
        let has = |row: &u32| (0..photo.width()).any(|column| photo.get_pixel(column, *row).0 == colour);
        (0..photo.height()).filter(has).collect()
    }

    #[test]
    fn a_box_is_drawn_around_its_area() {
        let photo = drawn(Some([20.0, 30.0, 50.0, 40.0]), &[]);
        assert_eq!(photo.get_pixel(20, 30).0, BOX);
        assert_eq!(photo.get_pixel(69, 69).0, BOX);
        assert_eq!(photo.get_pixel(45, 50).0, [9; 3]);
        assert_eq!(photo.get_pixel(70, 70).0, [9; 3]);
    }

    #[test]
    fn words_stand_above_the_box_or_below_it_and_always_within_the_photo() {
        let above = rows_with(&drawn(Some([20.0, 50.0, 30.0, 40.0]), &["34, female"]), PAPER);
        assert!(above[0] > 0 && above[above.len() - 1] < 50, "{above:?}");
        let below = rows_with(&drawn(Some([190.0, 2.0, 30.0, 40.0]), &["34, female", "97 %"]), PAPER);
        assert!(below[0] >= 42, "{below:?}");
        let alone = rows_with(&drawn(None, &["no face was found"]), PAPER);
        assert_eq!(alone[0], 0);
        // Beyond the photo on all sides, and more words than fit.
        drawn(Some([-50.0, -50.0, 900.0, 900.0]), &["long ".repeat(99).as_str(); 20]);
    }
}
