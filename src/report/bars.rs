//! A bar a row, the longest first, with what it stands for.

use image::{Rgb, RgbImage};

use super::font::{INK, MUTED, draw_text, ellipsised, line_height, text_width};

const MARGIN: u32 = 28;
const TITLE_SIZE: f32 = 22.0;
const TITLE_HEIGHT: u32 = 38;
const SUBTITLE_HEIGHT: u32 = 34;
const ROW_HEIGHT: u32 = 30;
const BAR_HEIGHT: u32 = 18;
const TEXT_SIZE: f32 = 14.0;
const LABEL_ROOM: f32 = 260.0;
const BAR_ROOM: u32 = 420;
const NOTE_ROOM: u32 = 330;
const TRACK: [u8; 3] = [0xf1, 0xf4, 0xf7];
const PALETTE: [[u8; 3]; 8] = [
    [0x0b, 0x5c, 0x97],
    [0xd5, 0x6a, 0x2b],
    [0x2a, 0x8c, 0x5a],
    [0x8a, 0x4f, 0xa3],
    [0xb8, 0x33, 0x4a],
    [0x4a, 0x8f, 0xb8],
    [0x8c, 0x7a, 0x1f],
    [0x5f, 0x66, 0x70],
];

/// A row of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// What it is, such as `conv2d.forward`.
    pub label: String,
    /// Bars of a group share a colour.
    pub group: String,
    /// Its length; negative values and those that are no numbers count as 0.
    pub value: f64,
    /// What stands behind it.
    pub note: String,
}

/// Draws bars below a title. The longest fills the room.
pub fn bars(title: &str, subtitle: &str, bars: &[Bar]) -> RgbImage {
    let label_room = bars.iter().map(|bar| text_width(&bar.label, TEXT_SIZE)).fold(40.0, f32::max);
    let left = MARGIN + label_room.min(LABEL_ROOM) as u32 + 14;
    let width = left + BAR_ROOM + 12 + NOTE_ROOM + MARGIN;
    let top = MARGIN + TITLE_HEIGHT + SUBTITLE_HEIGHT;
    let height = top + bars.len() as u32 * ROW_HEIGHT + MARGIN;
    let mut image = RgbImage::from_pixel(width, height, Rgb([255; 3]));
    let room = (width - 2 * MARGIN) as f32;
    let at = (MARGIN as f32, MARGIN as f32 - 6.0);
    draw_text(&mut image, at, TITLE_SIZE, INK, &ellipsised(title, TITLE_SIZE, room));
    let at = (MARGIN as f32, (MARGIN + TITLE_HEIGHT) as f32 - 6.0);
    draw_text(&mut image, at, TEXT_SIZE, MUTED, &ellipsised(subtitle, TEXT_SIZE, room));
    let length = |bar: &Bar| if bar.value.is_finite() { bar.value.max(0.0) } else { 0.0 };
    let longest = bars.iter().map(length).fold(0.0, f64::max);
    let mut groups: Vec<&str> = Vec::new();
    for (row, bar) in bars.iter().enumerate() {
        let group = groups.iter().position(|group| *group == bar.group).unwrap_or_else(|| {
            groups.push(&bar.group);
            groups.len() - 1
        });
        let y = top + row as u32 * ROW_HEIGHT;
        let text_y = y as f32 + 0.5 * (ROW_HEIGHT as f32 - line_height(TEXT_SIZE));
        let label = ellipsised(&bar.label, TEXT_SIZE, LABEL_ROOM);
        let x = (left - 14) as f32 - text_width(&label, TEXT_SIZE);
        draw_text(&mut image, (x, text_y), TEXT_SIZE, INK, &label);
        let share = if longest > 0.0 { length(bar) / longest } else { 0.0 };
        // A bar that is there can be seen.
        let filled = (share * f64::from(BAR_ROOM)).round().max(f64::from(u8::from(share > 0.0))) as u32;
        let bar_y = y + (ROW_HEIGHT - BAR_HEIGHT) / 2;
        for x in 0..BAR_ROOM {
            let colour = if x < filled { PALETTE[group % PALETTE.len()] } else { TRACK };
            (bar_y..bar_y + BAR_HEIGHT).for_each(|y| image.put_pixel(left + x, y, Rgb(colour)));
        }
        let note = ellipsised(&bar.note, TEXT_SIZE, NOTE_ROOM as f32);
        draw_text(&mut image, ((left + BAR_ROOM + 12) as f32, text_y), TEXT_SIZE, MUTED, &note);
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(label: &str, group: &str, value: f64) -> Bar {
        Bar { label: label.into(), group: group.into(), value, note: format!("{value:.1} ms") }
    }

    /// Pixels of a row that are no track, no text and no background.
    fn filled(image: &RgbImage, row: u32) -> usize {
        let y = MARGIN + TITLE_HEIGHT + SUBTITLE_HEIGHT + row * ROW_HEIGHT + ROW_HEIGHT / 2;
        (0..image.width()).filter(|&x| PALETTE.contains(&image.get_pixel(x, y).0)).count()
    }

    #[test]
    fn bars_are_as_long_as_their_values_and_groups_share_colours() {
        let rows = [bar("conv2d.forward", "conv2d", 8.0), bar("relu", "relu", 4.0), bar("b", "conv2d", 2.0)];
        let image = bars("A step", "12 ms", &rows);
        assert_eq!([0, 1, 2].map(|row| filled(&image, row)), [BAR_ROOM as usize, 210, 105]);
        let colour = |row: u32| {
            let y = MARGIN + TITLE_HEIGHT + SUBTITLE_HEIGHT + row * ROW_HEIGHT + ROW_HEIGHT / 2;
            (0..image.width()).map(|x| image.get_pixel(x, y).0).find(|pixel| PALETTE.contains(pixel))
        };
        assert_eq!(colour(0), colour(2));
        assert_ne!(colour(0), colour(1));
    }

    #[test]
    fn nothing_panics_without_bars_or_lengths() {
        assert!(bars("", "", &[]).height() > 0);
        let long = "x".repeat(400);
        let image =
            bars(&long, &long, &[bar(&long, &long, f64::NAN), bar("b", "b", 0.0), bar("c", "c", -1.0)]);
        assert_eq!([0, 1, 2].map(|row| filled(&image, row)), [0; 3]);
    }
}
