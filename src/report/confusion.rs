//! The confusion matrix as a heat map.

use image::{Rgb, RgbImage};

use super::font::{INK, MUTED, draw_centred, draw_text, ellipsised, line_height, text_width};

const MARGIN: u32 = 28;
const TITLE_HEIGHT: u32 = 48;
const CELL: (u32, u32) = (148, 104);
const GAP: u32 = 3;
const LABEL_SIZE: f32 = 15.0;
const LABEL_ROOM: f32 = 150.0;
const HEADER_HEIGHT: u32 = 56;
const LIGHT: [u8; 3] = [0xf1, 0xf6, 0xfb];
const DARK: [u8; 3] = [0x0b, 0x5c, 0x97];

/// Draws counts and the shares of their row: rows are the true classes, columns the predicted ones.
///
/// `counts[row][column]` that are missing count as 0. The darker a cell, the larger its share.
pub fn confusion_matrix(title: &str, labels: &[String], counts: &[Vec<u64>]) -> RgbImage {
    let classes = labels.len() as u32;
    let label_width = labels.iter().map(|label| text_width(label, LABEL_SIZE)).fold(40.0, f32::max);
    let left = MARGIN + label_width.min(LABEL_ROOM) as u32 + 72;
    let top = MARGIN + TITLE_HEIGHT + HEADER_HEIGHT;
    let width = (left + classes * (CELL.0 + GAP) + MARGIN).max(320);
    let height = top + classes * (CELL.1 + GAP) + MARGIN;
    let mut image = RgbImage::from_pixel(width, height, Rgb([255; 3]));
    let title = ellipsised(title, 22.0, (width - 2 * MARGIN) as f32);
    draw_text(&mut image, (MARGIN as f32, MARGIN as f32 - 4.0), 22.0, INK, &title);
    let middle = left as f32 + 0.5 * (classes * (CELL.0 + GAP)) as f32;
    draw_centred(&mut image, (middle, (top - HEADER_HEIGHT) as f32), LABEL_SIZE, MUTED, "predicted");
    let true_y = top as f32 + 0.5 * (classes * (CELL.1 + GAP)) as f32 - 0.5 * line_height(LABEL_SIZE);
    draw_text(&mut image, (MARGIN as f32, true_y), LABEL_SIZE, MUTED, "true");
    for (index, label) in labels.iter().enumerate() {
        let place = index as u32;
        let short = ellipsised(label, LABEL_SIZE, (CELL.0 - 8) as f32);
        let x = (left + place * (CELL.0 + GAP) + CELL.0 / 2) as f32;
        draw_centred(&mut image, (x, (top - 28) as f32), LABEL_SIZE, INK, &short);
        let short = ellipsised(label, LABEL_SIZE, LABEL_ROOM);
        let x = left as f32 - 12.0 - text_width(&short, LABEL_SIZE);
        let y = (top + place * (CELL.1 + GAP) + CELL.1 / 2) as f32 - 0.5 * line_height(LABEL_SIZE);
        draw_text(&mut image, (x, y), LABEL_SIZE, INK, &short);
        let count = |column: usize| counts.get(index).and_then(|row| row.get(column)).copied().unwrap_or(0);
        let total: u128 = (0..labels.len()).map(|column| u128::from(count(column))).sum();
        for column in 0..labels.len() {
            let corner = (left + column as u32 * (CELL.0 + GAP), top + place * (CELL.1 + GAP));
            draw_cell(&mut image, corner, count(column), total);
        }
    }
    image
}

fn draw_cell(image: &mut RgbImage, (x, y): (u32, u32), count: u64, total: u128) {
    let share = if total == 0 { 0.0 } else { count as f64 / total as f64 };
    let fill: [u8; 3] = std::array::from_fn(|channel| {
        let (light, dark) = (f64::from(LIGHT[channel]), f64::from(DARK[channel]));
        (light + (dark - light) * share).round() as u8
    });
    for py in y..y + CELL.1 {
        (x..x + CELL.0).for_each(|px| image.put_pixel(px, py, Rgb(fill)));
    }
    let (strong, quiet) = match share {
        0.0..0.2 => (INK, MUTED),
        0.2..=0.5 => (INK, INK),
        _ => ([255; 3], [0xe4, 0xef, 0xf8]),
    };
    let middle = (x + CELL.0 / 2) as f32;
    let text = count.to_string();
    let room = CELL.0 as f32 - 8.0;
    let size = [26.0, 20.0, 15.0].into_iter().find(|&size| text_width(&text, size) <= room).unwrap_or(11.0);
    let digits_y = y as f32 + 38.0 - 0.5 * line_height(size);
    draw_centred(image, (middle, digits_y), size, strong, &text);
    let text = if total == 0 { "–".to_owned() } else { format!("{:.1} %", share * 100.0) };
    draw_centred(image, (middle, (y + 60) as f32), 14.0, quiet, &text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(labels: &[&str], counts: &[Vec<u64>], name: &str) -> RgbImage {
        let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
        let image = confusion_matrix("Gender of 400 test photos", &labels, counts);
        if let Ok(keep) = std::env::var("PICTURES_OUT") {
            image.save(format!("{keep}/{name}.png")).expect("saved");
        }
        image
    }

    /// The fill of a cell, read at its corner.
    fn fill(image: &RgbImage, row: u32, column: u32, classes: u32) -> [u8; 3] {
        let left = image.width() - MARGIN - classes * (CELL.0 + GAP);
        let top = MARGIN + TITLE_HEIGHT + HEADER_HEIGHT;
        image.get_pixel(left + column * (CELL.0 + GAP) + 1, top + row * (CELL.1 + GAP) + 1).0
    }

    #[test]
    fn rows_are_true_classes_and_shades_are_shares_of_the_row() {
        let image = drawn(&["negative", "positive"], &[vec![100, 0], vec![23, 23]], "confusion");
        assert_eq!(fill(&image, 0, 0, 2), DARK);
        assert_eq!(fill(&image, 0, 1, 2), LIGHT);
        assert_eq!(fill(&image, 1, 0, 2), fill(&image, 1, 1, 2));
        assert_ne!(fill(&image, 1, 0, 2), LIGHT);
    }

    #[test]
    fn missing_counts_are_zero_and_nothing_panics() {
        let image = drawn(
            &["a label that is much too long for the room it has", "b", "c"],
            &[vec![u64::MAX; 2]],
            "confusion-3",
        );
        assert_eq!(fill(&image, 0, 2, 3), LIGHT);
        assert_eq!(fill(&image, 2, 2, 3), LIGHT);
        assert_eq!(fill(&image, 0, 0, 3), fill(&image, 0, 1, 3));
        assert!(drawn(&[], &[], "confusion-0").width() >= 320);
    }
}
