//! Text on pictures in the one font that the program brings along: DejaVu Sans.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, Glyph, PxScale, PxScaleFont, ScaleFont, point};
use image::{Rgb, RgbImage};
use plotters::style::FontStyle;

use super::ReportError;

static BYTES: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans.ttf");
static FONT: LazyLock<Option<FontRef<'static>>> = LazyLock::new(|| FontRef::try_from_slice(BYTES).ok());

/// The family under which plotters knows the font; in an SVG, a browser takes its own.
pub const FAMILY: &str = "sans-serif";

/// Black enough to read, grey enough to be quiet.
pub const INK: [u8; 3] = [0x24, 0x29, 0x2f];
/// For what matters less.
pub const MUTED: [u8; 3] = [0x6e, 0x77, 0x81];

/// Makes the font known to plotters, which looks for no other.
///
/// # Errors
/// [`ReportError::Font`] if the built-in file is broken.
pub fn register() -> Result<(), ReportError> {
    for style in [FontStyle::Normal, FontStyle::Bold] {
        plotters::style::register_font(FAMILY, style, BYTES).map_err(|_| ReportError::Font)?;
    }
    Ok(())
}

/// The font at `size` pixels an em.
fn scaled(size: f32) -> Option<PxScaleFont<&'static FontRef<'static>>> {
    let font = FONT.as_ref()?;
    let em = font.units_per_em().unwrap_or(2048.0);
    Some(font.as_scaled(PxScale::from(size * font.height_unscaled() / em)))
}

/// The glyphs of a line that starts at (0, 0), and the line's width.
fn layout(text: &str, size: f32) -> (Vec<Glyph>, f32) {
    let Some(font) = scaled(size) else { return (Vec::new(), 0.0) };
    let (mut glyphs, mut x, mut before) = (Vec::new(), 0.0, None);
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        let id = font.glyph_id(letter);
        x += before.map_or(0.0, |before| font.kern(before, id));
        glyphs.push(id.with_scale_and_position(font.scale(), point(x, font.ascent())));
        x += font.h_advance(id);
        before = Some(id);
    }
    (glyphs, x)
}

/// Width in pixels of a line of text whose em is `size` pixels.
pub fn text_width(text: &str, size: f32) -> f32 {
    layout(text, size).1
}

/// Height in pixels from the top of the tallest letter to the foot of the lowest.
pub fn line_height(size: f32) -> f32 {
    scaled(size).map_or(size, |font| font.height())
}

/// The text, or as much of it as fits into `width` pixels, with an ellipsis.
pub fn ellipsised(text: &str, size: f32, width: f32) -> String {
    if text_width(text, size) <= width {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let cut = |count: usize| format!("{}…", letters[..count].iter().collect::<String>().trim_end());
    let fits = |count: usize| text_width(&cut(count), size) <= width;
    let (mut low, mut high) = (0, letters.len());
    while low + 1 < high {
        let middle = (low + high) / 2;
        if fits(middle) { low = middle } else { high = middle }
    }
    if fits(low) { cut(low) } else { String::new() }
}

/// Draws a line of text whose upper left corner is at (`x`, `y`); what lies outside is cut off.
pub fn draw_text(image: &mut RgbImage, (x, y): (f32, f32), size: f32, colour: [u8; 3], text: &str) {
    let Some(font) = FONT.as_ref() else { return };
    for mut glyph in layout(text, size).0 {
        glyph.position.x += x;
        glyph.position.y += y;
        let Some(outline) = font.outline_glyph(glyph) else { continue };
        let corner = outline.px_bounds().min;
        outline.draw(|dx, dy, coverage| {
            let (px, py) = (corner.x + dx as f32, corner.y + dy as f32);
            if px >= 0.0 && py >= 0.0 && px < image.width() as f32 && py < image.height() as f32 {
                cover(image.get_pixel_mut(px as u32, py as u32), colour, coverage);
            }
        });
    }
}

/// Draws a line of text with its middle at `x`.
pub fn draw_centred(image: &mut RgbImage, (x, y): (f32, f32), size: f32, colour: [u8; 3], text: &str) {
    let left = (x - 0.5 * text_width(text, size)).round();
    draw_text(image, (left, y), size, colour, text);
}

fn cover(pixel: &mut Rgb<u8>, colour: [u8; 3], coverage: f32) {
    let share = coverage.clamp(0.0, 1.0);
    for (channel, ink) in pixel.0.iter_mut().zip(colour) {
        *channel = (f32::from(*channel) * (1.0 - share) + f32::from(ink) * share).round() as u8;
    }
}

#[cfg(test)]
mod tests {
    use plotters::style::IntoFont;

    use super::*;

    #[test]
    fn the_built_in_font_is_whole_and_plotters_takes_it() {
        assert!(FONT.is_some());
        register().expect("registered");
        let (width, height) = (FAMILY, 24).into_font().box_size("epoch").expect("measured");
        assert!(width > 40 && height > 10, "{width} x {height}");
        assert!(text_width("mmmm", 14.0) > 2.0 * text_width("iiii", 14.0));
        assert!((text_width("face", 28.0) - 2.0 * text_width("face", 14.0)).abs() < 0.5);
    }

    #[test]
    fn text_too_long_ends_in_an_ellipsis_and_fits() {
        let long = "a caption that is far too long for its photo";
        let short = ellipsised(long, 14.0, 120.0);
        assert!(short.ends_with('…') && short.len() > 8, "{short}");
        assert!(text_width(&short, 14.0) <= 120.0);
        assert_eq!(ellipsised("28, male", 14.0, 120.0), "28, male");
        assert_eq!(ellipsised(long, 14.0, 1.0), "");
    }

    #[test]
    fn text_leaves_ink_inside_its_box_only_and_never_panics_outside() {
        let mut image = RgbImage::from_pixel(80, 40, Rgb([255; 3]));
        draw_text(&mut image, (10.0, 10.0), 14.0, INK, "Ag");
        let inked: Vec<(u32, u32)> =
            image.enumerate_pixels().filter(|(_, _, p)| p.0 != [255; 3]).map(|(x, y, _)| (x, y)).collect();
        let right = 11.0 + text_width("Ag", 14.0);
        assert!(inked.len() > 30);
        assert!(
            inked.iter().all(|&(x, y)| x >= 9 && (x as f32) < right && (10..28).contains(&y)),
            "{inked:?}"
        );
        for at in [(-20.0, -8.0), (70.0, 35.0), (500.0, 500.0)] {
            draw_text(&mut image, at, 14.0, INK, "outside\n");
        }
    }
}
