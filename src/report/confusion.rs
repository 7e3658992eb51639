//! The confusion matrix as a heat map.

use image::imageops::{overlay, rotate270};
use image::{Rgb, RgbImage};

use super::font::{INK, MUTED, draw_centred, draw_text, ellipsised, line_height, text_width};

const MARGIN: u32 = 28;
const TITLE_HEIGHT: u32 = 48;
/// The line with "predicted" above the names of the columns.
const AXIS_HEIGHT: u32 = 28;
/// The room of "true" to the left of the names of the rows.
const AXIS_WIDTH: u32 = 60;
const LEGEND_HEIGHT: u32 = 48;
const LIGHT: [u8; 3] = [0xf1, 0xf6, 0xfb];
const DARK: [u8; 3] = [0x0b, 0x5c, 0x97];
/// Beyond as many classes, cells are too small for numbers.
const MOST_NUMBERED: usize = 20;
/// Beyond as many classes, cells are small.
const MOST_LARGE: usize = 4;

/// Sizes in pixels.
struct Layout {
    cell: (u32, u32),
    gap: u32,
    label_size: f32,
    label_room: f32,
    /// Whether the names of the columns are turned, to be read from below.
    turned: bool,
    /// Of how many rows and columns one has its name.
    every: usize,
    /// Of the count's and the share's text, where cells have them.
    numbers: Option<(f32, f32)>,
    left: u32,
    top: u32,
}

impl Layout {
    fn of(labels: &[String]) -> Self {
        let classes = labels.len();
        let (cell, gap, label_size, label_room, numbers) = match classes {
            count if count <= MOST_LARGE => ((148, 104), 3, 15.0, 150.0, Some((26.0, 14.0))),
            count if count <= MOST_NUMBERED => ((62, 46), 2, 14.0, 150.0, Some((16.0, 11.0))),
            _ => {
                let side = (1000 / classes as u32).clamp(1, 22);
                ((side, side), u32::from(side > 6), if side < 18 { 10.0 } else { 12.0 }, 130.0, None)
            }
        };
        let widest = labels.iter().map(|label| text_width(label, label_size)).fold(40.0, f32::max);
        let names = widest.min(label_room).ceil() as u32;
        let turned = classes > MOST_LARGE && widest > (cell.0 - 4.min(cell.0)) as f32;
        let names_height = if turned { names } else { line_height(label_size).ceil() as u32 };
        Self {
            cell,
            gap,
            label_size,
            label_room,
            turned,
            every: (line_height(label_size).ceil() as usize).div_ceil((cell.1 + gap) as usize),
            numbers,
            left: MARGIN + AXIS_WIDTH + names + 12,
            top: MARGIN + TITLE_HEIGHT + AXIS_HEIGHT + names_height + 10,
        }
    }

    /// The upper left corner of a cell.
    fn corner(&self, row: usize, column: usize) -> (u32, u32) {
        let (width, height) = (self.cell.0 + self.gap, self.cell.1 + self.gap);
        (self.left + column as u32 * width, self.top + row as u32 * height)
    }

    /// The fill of a cell. Without numbers, small shares are darkened: most confusions are rare.
    fn shade(&self, share: f64) -> [u8; 3] {
        let depth = if self.numbers.is_some() { share } else { share.sqrt() };
        std::array::from_fn(|channel| {
            let (light, dark) = (f64::from(LIGHT[channel]), f64::from(DARK[channel]));
            (light + (dark - light) * depth).round() as u8
        })
    }
}

/// Draws counts and the shares of their row: rows are the true classes, columns the predicted ones.
///
/// `counts[row][column]` that are missing count as 0. The darker a cell, the larger its share. With more than
/// 20 classes cells have a colour only, and a legend tells the shares.
pub fn confusion_matrix(title: &str, labels: &[String], counts: &[Vec<u64>]) -> RgbImage {
    let layout = Layout::of(labels);
    let (right, bottom) = layout.corner(labels.len(), labels.len());
    let legend = if layout.numbers.is_some() { 0 } else { LEGEND_HEIGHT };
    let width = (right + MARGIN).max(320);
    let mut image = RgbImage::from_pixel(width, bottom + legend + MARGIN, Rgb([255; 3]));
    let title = ellipsised(title, 22.0, (width - 2 * MARGIN) as f32);
    draw_text(&mut image, (MARGIN as f32, MARGIN as f32 - 4.0), 22.0, INK, &title);
    let middle = 0.5 * (layout.left + right) as f32;
    draw_centred(&mut image, (middle, (MARGIN + TITLE_HEIGHT) as f32), 15.0, MUTED, "predicted");
    let middle = 0.5 * (layout.top + bottom) as f32 - 0.5 * line_height(15.0);
    draw_text(&mut image, (MARGIN as f32, middle), 15.0, MUTED, "true");
    for (index, label) in labels.iter().enumerate() {
        if index % layout.every == 0 {
            draw_labels(&mut image, &layout, index, label);
        }
        let count = |column: usize| counts.get(index).and_then(|row| row.get(column)).copied().unwrap_or(0);
        let total: u128 = (0..labels.len()).map(|column| u128::from(count(column))).sum();
        for column in 0..labels.len() {
            draw_cell(&mut image, &layout, layout.corner(index, column), count(column), total);
        }
    }
    if layout.numbers.is_none() {
        draw_legend(&mut image, &layout, bottom + 20);
    }
    image
}

/// Draws the name of a class beside its row and above its column.
fn draw_labels(image: &mut RgbImage, layout: &Layout, index: usize, label: &str) {
    let (size, line) = (layout.label_size, line_height(layout.label_size));
    let (x, y) = layout.corner(index, index);
    let short = ellipsised(label, size, layout.label_room);
    let at = (
        layout.left as f32 - 12.0 - text_width(&short, size),
        y as f32 + 0.5 * (layout.cell.1 as f32 - line),
    );
    draw_text(image, at, size, INK, &short);
    let foot = layout.top - 8;
    if layout.turned {
        let (width, height) = (text_width(&short, size).ceil() as u32 + 1, line.ceil() as u32);
        let mut text = RgbImage::from_pixel(width, height, Rgb([255; 3]));
        draw_text(&mut text, (0.0, 0.0), size, INK, &short);
        let left = i64::from(x) + (i64::from(layout.cell.0) - i64::from(height)) / 2;
        overlay(image, &rotate270(&text), left, i64::from(foot) - i64::from(width));
    } else {
        let short = ellipsised(label, size, layout.cell.0 as f32 - 4.0);
        draw_centred(image, ((x + layout.cell.0 / 2) as f32, foot as f32 - line), size, INK, &short);
    }
}

fn fill(image: &mut RgbImage, (x, y): (u32, u32), (width, height): (u32, u32), colour: [u8; 3]) {
    for py in y..y + height {
        (x..x + width).for_each(|px| image.put_pixel(px, py, Rgb(colour)));
    }
}

fn draw_cell(image: &mut RgbImage, layout: &Layout, (x, y): (u32, u32), count: u64, total: u128) {
    let share = if total == 0 { 0.0 } else { count as f64 / total as f64 };
    fill(image, (x, y), layout.cell, layout.shade(share));
    let Some((count_size, share_size)) = layout.numbers else { return };
    let large = layout.cell.0 >= 100;
    let (strong, quiet) = match share {
        0.0 if !large => (MUTED, MUTED),
        0.0..0.2 => (INK, MUTED),
        0.2..=0.5 => (INK, INK),
        _ => ([255; 3], [0xe4, 0xef, 0xf8]),
    };
    let (width, height) = (layout.cell.0 as f32, layout.cell.1 as f32);
    let middle = (x + layout.cell.0 / 2) as f32;
    let text = count.to_string();
    let sizes = [1.0, 0.77, 0.58].map(|part| part * count_size);
    let size = sizes.into_iter().find(|&size| text_width(&text, size) <= width - 6.0);
    let size = size.unwrap_or(0.42 * count_size);
    let digits_y = y as f32 + 0.36 * height - 0.5 * line_height(size);
    draw_centred(image, (middle, digits_y), size, strong, &text);
    let text = match (total, large, count) {
        (0, ..) => "–".to_owned(),
        (_, true, _) => format!("{:.1} %", share * 100.0),
        // Most cells of many classes are empty.
        (_, false, 0) => return,
        (..) if share < 0.005 => "<1 %".to_owned(),
        (..) => format!("{:.0} %", share * 100.0),
    };
    let share_y = y as f32 + if large { 0.66 } else { 0.73 } * height - 0.5 * line_height(share_size);
    draw_centred(image, (middle, share_y), share_size, quiet, &text);
}

/// Draws a few shares in their colours.
fn draw_legend(image: &mut RgbImage, layout: &Layout, y: u32) {
    let mut x = layout.left;
    for (share, text) in
        [(0.0, "0 %"), (0.05, "5 %"), (0.25, "25 %"), (0.5, "50 %"), (1.0, "100 % of the row")]
    {
        fill(image, (x, y), (18, 18), layout.shade(share));
        draw_text(image, ((x + 24) as f32, y as f32 + 9.0 - 0.5 * line_height(12.0)), 12.0, MUTED, text);
        x += 24 + text_width(text, 12.0).ceil() as u32 + 22;
    }
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
    fn fill(image: &RgbImage, row: usize, column: usize, labels: &[&str]) -> [u8; 3] {
        let layout = Layout::of(&labels.iter().map(ToString::to_string).collect::<Vec<_>>());
        let (x, y) = layout.corner(row, column);
        image.get_pixel(x + 1, y + 1).0
    }

    #[test]
    fn rows_are_true_classes_and_shades_are_shares_of_the_row() {
        let labels = ["negative", "positive"];
        let image = drawn(&labels, &[vec![100, 0], vec![23, 23]], "confusion");
        assert_eq!(fill(&image, 0, 0, &labels), DARK);
        assert_eq!(fill(&image, 0, 1, &labels), LIGHT);
        assert_eq!(fill(&image, 1, 0, &labels), fill(&image, 1, 1, &labels));
        assert_ne!(fill(&image, 1, 0, &labels), LIGHT);
    }

    #[test]
    fn missing_counts_are_zero_and_nothing_panics() {
        let labels = ["a label that is much too long for the room it has", "b", "c"];
        let image = drawn(&labels, &[vec![u64::MAX; 2]], "confusion-3");
        assert_eq!(fill(&image, 0, 2, &labels), LIGHT);
        assert_eq!(fill(&image, 2, 2, &labels), LIGHT);
        assert_eq!(fill(&image, 0, 0, &labels), fill(&image, 0, 1, &labels));
        assert!(drawn(&[], &[], "confusion-0").width() >= 320);
    }

    /// A matrix of classes with long names, in which the neighbours of a class are taken for it.
    fn many(classes: usize) -> (Vec<String>, Vec<Vec<u64>>) {
        let names = ["golden retriever", "aeroplane", "cat", "German shorthaired pointer dog", "lorry"];
        let labels = (0..classes).map(|class| format!("{} {class}", names[class % names.len()])).collect();
        let count = |row: usize, column: usize| match row.abs_diff(column) {
            0 => 1000 - 17 * (row as u64 % 50),
            1 => 30 + 5 * column as u64,
            distance => u64::from(distance % 3 == 0) * 4,
        };
        (labels, (0..classes).map(|row| (0..classes).map(|column| count(row, column)).collect()).collect())
    }

    #[test]
    fn ten_to_a_thousand_classes_have_room() {
        for (classes, most) in [(5, 700), (10, 1000), (20, 1700), (21, 1200), (40, 1300), (1000, 1400)] {
            let (labels, counts) = many(classes);
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            let counts: Vec<Vec<u64>> = if classes < 50 { counts } else { Vec::new() };
            let image = drawn(&labels, &counts, &format!("confusion-{classes}"));
            assert!(image.width() <= most, "{classes}: {}", image.width());
            if classes < 50 {
                let [right, near, far] = [0, 1, 2].map(|column| fill(&image, 0, column, &labels)[0]);
                assert!(right < near && near < far, "{classes}: {right} {near} {far}");
            }
        }
    }

    #[test]
    fn small_cells_show_rare_confusions_darker_than_their_share() {
        let (labels, _) = many(40);
        let layout = Layout::of(&labels);
        assert!(layout.numbers.is_none() && layout.turned);
        let light = f64::from(LIGHT[0]);
        let depth = (light - f64::from(layout.shade(0.04)[0])) / (light - f64::from(DARK[0]));
        assert!((depth - 0.2).abs() < 0.01, "{depth}");
    }
}
