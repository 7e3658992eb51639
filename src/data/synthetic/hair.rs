//! Hair: behind the head, on it, and beside the face.

use super::brush::{Canvas, Rgb, Xy, blend, blob, line, mix, oval, polygon, ramp, shade};
use super::person::{HairStyle, Person};
use super::shape::Shape;

/// Draws what is seen behind the head.
pub fn back(canvas: &mut Canvas, person: &Person, shape: &Shape) {
    let dark = shade(person.hair, 0.70);
    let (top, wide) = (shape.top_y, shape.cheek_x);
    match person.style {
        HairStyle::Long => curtain(canvas, person, (top, wide + 0.23, shape.chin_y + 0.85)),
        HairStyle::Bob => curtain(canvas, person, (top, wide + 0.16, shape.chin_y + 0.02)),
        HairStyle::Bun => {
            canvas.fill(oval((0.08 * person.parting, top - 0.16), 0.36, 0.30), dark, 1.0);
            for turn in [0.5, 0.75, 1.0] {
                let x = 0.08 * person.parting + 0.3 * (turn - 0.75);
                let bend =
                    [(x - 0.16, top - 0.30 * turn), (x, top - 0.42 * turn), (x + 0.2, top - 0.25 * turn)];
                canvas.fold(&bend, 0.05, blend(person.hair, [1.0; 3], 0.15), 0.8);
            }
        }
        HairStyle::Pigtails => {
            for side in [-1.0, 1.0] {
                let x = side * (wide + 0.10);
                let tail = [
                    (x, shape.eye_y - 0.22),
                    (x + side * 0.32, shape.eye_y - 0.18),
                    (x + side * 0.48, shape.nose_y),
                    (x + side * 0.30, shape.chin_y + 0.15),
                    (x + side * 0.08, shape.mouth_y),
                ];
                canvas.fill(blob(&tail), shade(person.hair, 0.9), 1.0);
                for lane in [0.12, 0.24, 0.34] {
                    let strand = [
                        (x + side * lane * 0.6, shape.eye_y - 0.1),
                        (x + side * lane * 1.2, shape.nose_y),
                        (x + side * (0.1 + lane * 0.6), shape.chin_y),
                    ];
                    canvas.fold(&strand, 0.04, strand_colour(person, (lane * 100.0) as usize), 0.7);
                }
            }
        }
        HairStyle::Curly => curls(canvas, person, shape, dark, 1.0),
        HairStyle::Cropped | HairStyle::Short | HairStyle::Spiky => {}
    }
}

fn curtain(canvas: &mut Canvas, person: &Person, (top, wide, end): (f32, f32, f32)) {
    let right = [
        (0.62, top + 0.02),
        (wide * 0.95, top + 0.55),
        (wide, 0.25),
        (wide + 0.03, end - 0.35),
        (wide * 0.78, end),
    ];
    let mut outline: Vec<Xy> = vec![(0.0, top - 0.12)];
    outline.extend(right);
    outline.push((0.0, end + 0.05));
    outline.extend(right.iter().rev().map(|&(x, y)| (-x, y)));
    canvas.fill(blob(&outline), shade(person.hair, 0.70), 1.0);
    for side in [-1.0, 1.0] {
        for lane in 0..4 {
            let x = side * (0.45 + 0.2 * lane as f32);
            canvas.fold(
                &[(x * 0.9, 0.3), (x, 0.8), (x * 1.04, end - 0.08)],
                0.05,
                strand_colour(person, lane),
                0.5,
            );
        }
    }
}

/// Alternates between shadow, light and grey hairs.
fn strand_colour(person: &Person, index: usize) -> Rgb {
    match index % 3 {
        0 => shade(person.hair, 0.62),
        1 => blend(person.hair, [1.0, 0.97, 0.92], 0.14 + 0.45 * person.grey),
        _ => blend(shade(person.hair, 0.85), [0.86, 0.86, 0.85], 0.6 * person.grey),
    }
}

fn volume(person: &Person) -> f32 {
    let full = match person.style {
        HairStyle::Cropped => 0.04,
        HairStyle::Bun => 0.05,
        HairStyle::Pigtails => 0.08,
        HairStyle::Spiky => 0.10,
        HairStyle::Long | HairStyle::Short => 0.13,
        HairStyle::Bob => 0.15,
        HairStyle::Curly => 0.20,
    };
    full * (1.0 - 0.75 * person.bald.min(1.0)) * mix(1.0, 0.5, ramp(0.85, 1.0, person.youth))
}

/// The outer and the inner edge of the hair on the right half of the head, from the ear upwards.
fn edges(person: &Person, shape: &Shape) -> [[Xy; 6]; 2] {
    let (top, wide, full) = (shape.top_y, shape.cheek_x, volume(person));
    let infant = ramp(0.8, 1.0, person.youth);
    let bald = (person.bald + 0.35 * infant).clamp(0.0, 1.0);
    let fringed = person.fringe && bald < 0.45 && person.style != HairStyle::Bun;
    let full_line = if fringed { shape.brow_y - 0.13 } else { shape.hairline_y };
    let middle = mix(full_line, top + 0.015, ramp(0.1, 1.0, bald));
    let temple = mix(full_line + 0.05, top + 0.16, ramp(0.0, 0.65, bald));
    let ear_y = 0.5 * (shape.eye_y + shape.nose_y) - 0.6 * shape.ear;
    let burn = if person.female { ear_y - 0.02 } else { ear_y + 0.20 * (1.0 - person.youth) };
    let outer = [
        (wide * 1.02 + 0.15 * full, ear_y + 0.06),
        (wide * 1.03 + 0.55 * full, shape.eye_y - 0.38),
        (wide * 0.93 + 0.7 * full, top + 0.50 - 0.3 * full),
        (wide * 0.68 + 0.5 * full, top + 0.17 - 0.7 * full),
        (wide * 0.34, top + 0.03 - full),
        (0.0, top - full - 0.01),
    ];
    let inner = [
        (wide * 0.93, burn),
        (wide * 0.90, shape.brow_y + 0.02),
        (wide * mix(0.82, 0.86, bald), mix(shape.brow_y - 0.22, top + 0.52, bald)),
        (wide * mix(0.60, 0.66, bald), temple),
        (wide * 0.32, middle + if fringed { 0.03 } else { -0.02 }),
        (0.0, middle),
    ];
    [outer, inner]
}

/// Draws the hair on the skull and beside the face.
pub fn front(canvas: &mut Canvas, person: &Person, shape: &Shape, light: f32) {
    let [outer, inner] = edges(person, shape);
    let sweep =
        if matches!(person.style, HairStyle::Short | HairStyle::Long | HairStyle::Bob) { 0.16 } else { 0.03 };
    let combed = |points: &[Xy; 6], amount: f32| -> Vec<Xy> {
        let slant = |(x, y): Xy| if y < shape.brow_y { (x, y + amount * person.parting * x) } else { (x, y) };
        let left = points.iter().map(|&(x, y)| slant((-x, y)));
        left.chain(points.iter().rev().skip(1).map(|&point| slant(point))).collect()
    };
    let rim = combed(&outer, 0.0);
    let hairline = combed(&inner, sweep * (1.0 - person.bald.min(1.0)));
    let mut outline = rim.clone();
    outline.extend(hairline.iter().rev());
    let alpha = if person.style == HairStyle::Cropped { 0.88 } else { 1.0 }
        * mix(1.0, 0.72, ramp(0.85, 1.0, person.youth));
    canvas.fill(blob(&outline), person.hair, alpha);
    for strand in 0..7 {
        let depth = 0.10 + 0.13 * strand as f32;
        let points: Vec<Xy> = rim
            .iter()
            .zip(&hairline)
            .map(|(from, to)| (mix(from.0, to.0, depth), mix(from.1, to.1, depth)))
            .collect();
        canvas.fold(&points, 0.045, strand_colour(person, strand), 0.55);
    }
    canvas.clipped(blob(&outline), |canvas| {
        canvas.soft((light * 0.40, shape.top_y + 0.14), 0.55, 0.26, [1.0, 0.98, 0.94], 0.28);
        canvas.soft((-light * 0.95, shape.top_y + 0.55), 0.40, 0.70, [0.05, 0.03, 0.03], 0.30);
    });
    match person.style {
        HairStyle::Long => locks(canvas, person, shape, shape.chin_y + 0.75),
        HairStyle::Bob => locks(canvas, person, shape, shape.chin_y - 0.06),
        HairStyle::Curly => curls(canvas, person, shape, person.hair, 0.45),
        HairStyle::Spiky => spikes(canvas, person, shape),
        HairStyle::Cropped | HairStyle::Short | HairStyle::Bun | HairStyle::Pigtails => {}
    }
    if person.youth > 0.35 && person.female {
        bow(canvas, person, shape);
    }
}

/// Hair that falls from the parting, in front of the ears.
fn locks(canvas: &mut Canvas, person: &Person, shape: &Shape, end: f32) {
    let (top, wide, part) = (shape.top_y, shape.cheek_x, 0.22 * person.parting);
    let lift = volume(person);
    for side in [-1.0, 1.0] {
        let reach = if side == person.parting { 0.0 } else { 0.06 };
        let inner = [
            (part, top + 0.05),
            (side * 0.58 * wide, mix(top, shape.hairline_y, 0.85)),
            (side * (0.88 - reach) * wide, shape.brow_y - 0.04),
            (side * (0.93 - reach) * wide, shape.nose_y),
            (side * (0.92 - reach) * wide, shape.mouth_y + 0.1),
            (side * wide * 0.94, end),
        ];
        let outer = [
            (part, top - 0.9 * lift),
            (side * 0.70 * wide, top + 0.17 - 0.9 * lift),
            (side * (wide + 0.10), top + 0.62),
            (side * (wide + 0.19), shape.nose_y - 0.1),
            (side * (wide + 0.25), shape.mouth_y + 0.1),
            (side * (wide + 0.20), end - 0.04),
        ];
        let mut outline = inner.to_vec();
        outline.extend(outer.iter().rev());
        canvas.fill(blob(&outline), person.hair, 1.0);
        for strand in 0..6 {
            let across = 0.06 + 0.17 * strand as f32;
            let points: Vec<Xy> = inner
                .iter()
                .zip(&outer)
                .map(|(from, to)| (mix(from.0, to.0, across), mix(from.1, to.1, across)))
                .collect();
            canvas.fold(&points, 0.05, strand_colour(person, strand), 0.55);
        }
        canvas.soft((side * 0.50, top + 0.22), 0.30, 0.20, [1.0, 0.98, 0.94], 0.22);
    }
}

fn curls(canvas: &mut Canvas, person: &Person, shape: &Shape, colour: Rgb, spread: f32) {
    let thin = 1.0 - 0.8 * person.bald.min(1.0);
    let radius = 0.20 * (0.55 + 0.45 * thin);
    for index in 0..15 {
        let angle = std::f32::consts::PI * (index as f32 - 0.5) / 13.0;
        let wobble = 0.05 * person.quirks[index % 12];
        let reach = 1.0 + 0.12 * spread + 0.04 * wobble;
        let low = mix(0.0, 0.12, spread);
        let at = (
            -angle.cos() * (shape.cheek_x + 0.02) * reach,
            shape.top_y + 0.80 + low - angle.sin() * (0.80 + 0.12 * spread) * reach,
        );
        if thin < 0.45 && (4..=10).contains(&index) {
            continue;
        }
        canvas.fill(oval(at, radius + wobble, radius), colour, 1.0);
        let arc = [
            (at.0 - radius * 0.5, at.1 + 0.03),
            (at.0, at.1 - radius * 0.55),
            (at.0 + radius * 0.5, at.1 + 0.02),
        ];
        canvas.stroke(line(&arc), 0.045, strand_colour(person, index), 0.7);
    }
}

fn spikes(canvas: &mut Canvas, person: &Person, shape: &Shape) {
    if person.bald > 0.45 {
        return;
    }
    let height = 0.32 * (1.0 - person.bald);
    for index in 0..9 {
        let along = (index as f32 - 4.0) / 4.0;
        let foot_y = shape.top_y - 0.03 + 0.30 * along * along;
        let x = along * 0.72 * shape.cheek_x;
        let tip = (x + 0.10 * along + 0.10 * person.parting, foot_y - height * (1.0 - 0.3 * along.abs()));
        let spike = [(x - 0.15, foot_y + 0.10), tip, (x + 0.15, foot_y + 0.10)];
        canvas.fill(
            polygon(&spike),
            if index % 2 == 0 { person.hair } else { shade(person.hair, 0.85) },
            1.0,
        );
    }
}

fn bow(canvas: &mut Canvas, person: &Person, shape: &Shape) {
    let Some(colour) = person.ornament else { return };
    let (x, y) = (0.56 * person.parting, shape.top_y + 0.26);
    for side in [-1.0, 1.0] {
        let loop_ = [
            (x, y - 0.03),
            (x + side * 0.22, y - 0.17),
            (x + side * 0.32, y),
            (x + side * 0.22, y + 0.16),
            (x, y + 0.03),
        ];
        canvas.fill(blob(&loop_), colour, 1.0);
        canvas.fold(
            &[(x, y), (x + side * 0.12, y - 0.01), (x + side * 0.24, y + 0.01)],
            0.05,
            shade(colour, 0.6),
            0.8,
        );
    }
    canvas.fill(oval((x, y), 0.075, 0.085), shade(colour, 0.75), 1.0);
}
