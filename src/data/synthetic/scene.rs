//! Everything around the face that says nothing of it: background, light and camera.

use tiny_skia::{Pixmap, PremultipliedColorU8, Transform};

use super::brush::{Canvas, Rgb, Xy, blend, mix, oval, polygon};
use super::person::any_colour;
use crate::rng::Generator;

/// Light, camera and pose of one picture.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Where the light comes from: -1 left, 1 right.
    pub light: f32,
    /// Head turned to the side, -1..=1.
    pub yaw: f32,
    /// Where the eyes look.
    pub gaze: Xy,
    /// Colour of the clothes.
    pub clothes: Rgb,
    roll: f32,
    shift: Xy,
    zoom: f32,
    slope: Xy,
    contrast: f32,
    brightness: f32,
    cast: Rgb,
    noise: f32,
}

impl Scene {
    /// Draws a scene that is independent of the label.
    pub fn draw(random: &mut Generator) -> Self {
        let angle = random.uniform(0.0, std::f32::consts::TAU);
        let slope = random.uniform(0.0, 0.28);
        Self {
            light: if random.unit() < 0.5 { -1.0 } else { 1.0 },
            yaw: random.uniform(-1.0, 1.0),
            gaze: (random.uniform(-1.0, 1.0), random.uniform(-1.0, 1.0)),
            clothes: any_colour(random),
            roll: random.uniform(-13.0, 13.0),
            shift: (random.uniform(-0.04, 0.04), random.uniform(-0.03, 0.03)),
            zoom: random.uniform(0.325, 0.370),
            slope: (slope * angle.cos(), slope * angle.sin()),
            contrast: random.uniform(0.80, 1.20),
            brightness: random.uniform(-0.09, 0.11),
            cast: [random.uniform(0.94, 1.07), random.uniform(0.96, 1.04), random.uniform(0.91, 1.07)],
            noise: random.uniform(0.003, 0.013),
        }
    }

    /// From head units to pixels.
    pub fn view(&self, size: u32) -> Transform {
        let side = size as f32;
        Transform::from_scale(side * self.zoom, side * self.zoom)
            .post_rotate(self.roll)
            .post_translate(side * (0.5 + self.shift.0), side * (0.515 + self.shift.1))
    }

    /// Turns the drawing into a photo: light, contrast, colour cast and noise.
    pub fn photo(&self, pixmap: &Pixmap, random: &mut Generator) -> Vec<u8> {
        let side = pixmap.width();
        let inverse = 2.0 / side as f32;
        let mut rgb = Vec::with_capacity(pixmap.pixels().len() * 3);
        let mut word = 0;
        for (index, pixel) in pixmap.pixels().iter().enumerate() {
            let x = (index as u32 % side) as f32 * inverse - 1.0;
            let y = (index as u32 / side) as f32 * inverse - 1.0;
            let lit = 1.0 + self.slope.0 * x + self.slope.1 * y;
            if index % 4 == 0 {
                word = random.next_u32();
            }
            // The sum of two uniform numbers of four bits is noise enough.
            let grain = (word & 15) as f32 + (word >> 4 & 15) as f32 - 15.0;
            word >>= 8;
            let grain = grain / 6.2 * self.noise;
            for (channel, cast) in [pixel.red(), pixel.green(), pixel.blue()].into_iter().zip(self.cast) {
                let value = f32::from(channel) / 255.0 * lit * cast;
                let value = (value - 0.5) * self.contrast + 0.5 + self.brightness + grain;
                rgb.push((value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8);
            }
        }
        rgb
    }
}

/// Paints what lies behind the head: a gradient, and stripes, spots or planks out of focus.
pub fn background(size: u32, random: &mut Generator) -> Option<Pixmap> {
    let blur = 1 + random.below(3);
    let small = (size / (2 * blur)).max(8);
    let view = Transform::from_scale(small as f32 / 2.0, small as f32 / 2.0)
        .post_translate(small as f32 / 2.0, small as f32 / 2.0);
    let mut canvas = Canvas::new(Pixmap::new(small, small)?, view);
    let (from, to) = (any_colour(random), any_colour(random));
    let to = blend(from, to, random.unit());
    let angle = random.uniform(0.0, std::f32::consts::TAU);
    let (dx, dy) = (angle.cos(), angle.sin());
    let all = [(-1.5, -1.5), (1.5, -1.5), (1.5, 1.5), (-1.5, 1.5)];
    canvas.fill_between(polygon(&all), ((-dx, -dy), from), ((dx, dy), to));
    match random.below(4) {
        0 => {}
        1 => stripes(&mut canvas, (dx, dy), random),
        2 => spots(&mut canvas, random),
        _ => planks(&mut canvas, random),
    }
    enlarge(&canvas.pixmap, size)
}

fn stripes(canvas: &mut Canvas, (dx, dy): Xy, random: &mut Generator) {
    let colour = any_colour(random);
    let (step, alpha) = (random.uniform(0.18, 0.55), random.uniform(0.3, 0.9));
    let mut at = -1.6;
    while at < 1.6 {
        let (near, far) = (at, at + step * 0.5);
        let corner = |along: f32, across: f32| (along * dx - across * dy, along * dy + across * dx);
        let stripe = [corner(near, -2.0), corner(near, 2.0), corner(far, 2.0), corner(far, -2.0)];
        canvas.fill(polygon(&stripe), colour, alpha);
        at += step;
    }
}

fn spots(canvas: &mut Canvas, random: &mut Generator) {
    for _ in 0..4 + random.below(12) {
        let radius = random.uniform(0.06, 0.35);
        let centre = (random.uniform(-1.1, 1.1), random.uniform(-1.1, 1.1));
        let stretch = random.uniform(0.6, 1.4);
        canvas.fill(oval(centre, radius, radius * stretch), any_colour(random), random.uniform(0.2, 0.9));
    }
}

fn planks(canvas: &mut Canvas, random: &mut Generator) {
    for _ in 0..3 + random.below(6) {
        let (x, y) = (random.uniform(-1.2, 0.9), random.uniform(-1.2, 0.9));
        let (w, h) = (random.uniform(0.1, 0.8), random.uniform(0.2, 1.6));
        let lean = random.uniform(-0.15, 0.15);
        let plank = [(x, y), (x + w, y + lean), (x + w - lean, y + h), (x - lean, y + h)];
        canvas.fill(polygon(&plank), any_colour(random), random.uniform(0.3, 0.9));
    }
}

/// Enlarges by linear interpolation, which looks like a lens out of focus.
fn enlarge(small: &Pixmap, size: u32) -> Option<Pixmap> {
    let mut large = Pixmap::new(size, size)?;
    let (side, scale) = (small.width() as usize, small.width() as f32 / size as f32);
    let source = small.pixels();
    let taps: Vec<(usize, usize, f32)> = (0..size)
        .map(|index| {
            let at = ((index as f32 + 0.5) * scale - 0.5).clamp(0.0, (side - 1) as f32);
            (at as usize, (at as usize + 1).min(side - 1), at.fract())
        })
        .collect();
    for (row, target) in taps.iter().zip(large.pixels_mut().chunks_exact_mut(size as usize)) {
        for (column, pixel) in taps.iter().zip(target) {
            let at = |y: usize, x: usize| source[y * side + x];
            let corners =
                [at(row.0, column.0), at(row.0, column.1), at(row.1, column.0), at(row.1, column.1)];
            let channel = |of: fn(PremultipliedColorU8) -> u8| {
                let [a, b, c, d] = corners.map(|corner| f32::from(of(corner)));
                mix(mix(a, b, column.2), mix(c, d, column.2), row.2) as u8
            };
            let [red, green, blue] = [channel(|c| c.red()), channel(|c| c.green()), channel(|c| c.blue())];
            *pixel = PremultipliedColorU8::from_rgba(red, green, blue, u8::MAX)?;
        }
    }
    Some(large)
}
