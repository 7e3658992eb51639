//! What the years write into a face, a little more every year.

use super::brush::{Canvas, Xy, blob, oval, ramp};
use super::person::Person;
use super::shape::Shape;

/// Draws all lines, folds and spots of age. They are stronger, longer and more with every year.
pub fn wrinkles(canvas: &mut Canvas, person: &Person, shape: &Shape) {
    if person.wear <= 0.0 {
        return;
    }
    canvas.clipped(blob(&shape.head()), |canvas| {
        forehead(canvas, person, shape);
        for side in [-1.0, 1.0] {
            around_eye(canvas, person, shape, side);
            around_mouth(canvas, person, shape, side);
        }
        lips(canvas, person, shape);
        spots(canvas, person, shape);
    });
}

/// How strong a line is that first shows at `from` years and is full 30 years later.
fn strength(person: &Person, from: f32) -> f32 {
    ramp(from, from + 32.0, person.age)
}

fn forehead(canvas: &mut Canvas, person: &Person, shape: &Shape) {
    let bottom = shape.brow_y - 0.13;
    for (index, from) in [32.0, 25.0, 42.0, 55.0].into_iter().enumerate() {
        let power = strength(person, from);
        let y = bottom - 0.115 * index as f32;
        let half = 0.30 + 0.24 * power - 0.03 * index as f32;
        let at = |along: f32, rise: f32| (shape.turned(half * along, 0.08), y + rise);
        let points = [at(-1.0, 0.03), at(-0.5, -0.02), at(0.0, 0.012), at(0.5, -0.02), at(1.0, 0.03)];
        canvas.fold(&points, 0.035 + 0.025 * power, person.crease, 0.78 * power);
    }
    for side in [-1.0, 1.0] {
        let power = strength(person, 35.0);
        let at = |x: f32, rise: f32| (shape.turned(side * x, 0.14), shape.brow_y + rise);
        canvas.fold(&[at(0.085, -0.10), at(0.07, 0.0), at(0.10, 0.09)], 0.05, person.crease, 0.75 * power);
    }
}

fn around_eye(canvas: &mut Canvas, person: &Person, shape: &Shape, side: f32) {
    let (width, height) = (shape.eye_width, shape.eye_height);
    let at = |x: f32, y: f32| (shape.turned(side * (shape.eye_x + x), 0.10), shape.eye_y + y);
    for (from, rise, drop) in
        [(28.0, 0.03, 0.07), (36.0, -0.05, -0.04), (46.0, 0.10, 0.19), (58.0, -0.11, -0.14)]
    {
        let power = strength(person, from);
        let start = width + 0.05;
        let reach = 0.12 + 0.14 * power;
        let points =
            [at(start, rise), at(start + 0.5 * reach, 0.6 * rise + 0.4 * drop), at(start + reach, drop)];
        canvas.fold(&points, 0.036 + 0.014 * power, person.crease, 0.85 * power);
    }
    let bag = strength(person, 30.0);
    let late = strength(person, 55.0);
    let depth = height * 0.72 + 0.10 + 0.05 * person.wear;
    canvas.soft(at(-0.02, depth - 0.01), width * 1.05, 0.11, person.crease, 0.42 * bag);
    canvas.soft(at(-0.01, depth - 0.05), width * 0.7, 0.05, [1.0, 0.97, 0.93], 0.30 * late);
    let under = [at(-width * 1.0, depth - 0.08), at(-0.02, depth + 0.02), at(width * 0.95, depth - 0.07)];
    canvas.fold(&under, 0.042 + 0.02 * late, person.crease, 0.72 * bag);
    let second = [at(-width * 0.6, depth + 0.06), at(0.03, depth + 0.10), at(width * 1.0, depth + 0.01)];
    canvas.fold(&second, 0.035, person.crease, 0.55 * late);
}

fn around_mouth(canvas: &mut Canvas, person: &Person, shape: &Shape, side: f32) {
    let at = |x: f32, y: f32, depth: f32| -> Xy { (shape.turned(side * x, depth), y) };
    let corner = shape.mouth_width * (1.0 + 0.14 * person.smile);
    let nasolabial = strength(person, 24.0);
    let fold = [
        at(shape.nose_width + 0.03, shape.nose_y - 0.09, 0.17),
        at(corner * 0.92 + 0.04, shape.nose_y + 0.09, 0.15),
        at(corner + 0.11, shape.mouth_y - 0.04, 0.13),
        at(corner + 0.11, shape.mouth_y + 0.04 + 0.10 * nasolabial, 0.12),
    ];
    canvas.fold(&fold, 0.042 + 0.035 * nasolabial, person.crease, 0.22 + 0.62 * nasolabial);
    canvas.soft(at(corner + 0.05, shape.mouth_y - 0.12, 0.14), 0.10, 0.20, person.crease, 0.25 * nasolabial);
    let marionette = strength(person, 44.0);
    let down = [
        at(corner + 0.02, shape.mouth_y + 0.05, 0.13),
        at(corner + 0.06, shape.mouth_y + 0.17, 0.12),
        at(corner + 0.03, shape.mouth_y + 0.19 + 0.10 * marionette, 0.11),
    ];
    canvas.fold(&down, 0.055, person.crease, 0.75 * marionette);
    let jowl = strength(person, 56.0);
    let jaw = shape.half()[4];
    let sag = [
        at(corner + 0.10, shape.chin_y - 0.10, 0.05),
        at(jaw.0 * 0.78, shape.chin_y - 0.17, 0.03),
        at(jaw.0 * 0.92, shape.mouth_y + 0.02, 0.02),
    ];
    canvas.fold(&sag, 0.06, person.crease, 0.60 * jowl);
    let hollow = strength(person, 50.0);
    let cheek = [
        at(shape.eye_x + 0.14, shape.nose_y - 0.02, 0.06),
        at(shape.eye_x + 0.26, shape.nose_y + 0.16, 0.05),
        at(shape.eye_x + 0.22, shape.mouth_y + 0.02, 0.04),
    ];
    canvas.fold(&cheek, 0.05, person.crease, 0.60 * hollow);
    canvas.soft(
        at(shape.cheek_x * 0.78, shape.mouth_y - 0.14, 0.03),
        0.16,
        0.30,
        person.crease,
        0.30 * hollow,
    );
}

fn lips(canvas: &mut Canvas, person: &Person, shape: &Shape) {
    let power = strength(person, 58.0);
    for index in 0..5 {
        let x = shape.turned((index as f32 - 2.0) * shape.mouth_width * 0.36, 0.14);
        let y = shape.mouth_y - person.lip - 0.07;
        canvas.fold(&[(x, y), (x, y + 0.04), (x, y + 0.09)], 0.03, person.crease, 0.55 * power);
    }
    let chin = strength(person, 48.0);
    let y = shape.chin_y - 0.20;
    let at = |x: f32, rise: f32| (shape.turned(x, 0.10), y + rise);
    canvas.fold(&[at(-0.15, 0.02), at(0.0, -0.035), at(0.15, 0.02)], 0.045, person.crease, 0.55 * chin);
}

fn spots(canvas: &mut Canvas, person: &Person, shape: &Shape) {
    for index in 0..8 {
        let power = strength(person, 52.0 + 3.0 * index as f32);
        let (quirk, other) = (person.quirks[index], person.quirks[index + 4]);
        let side = if index % 2 == 0 { 1.0 } else { -1.0 };
        let (x, y) = if index < 4 {
            (side * (0.62 + 0.06 * quirk), shape.eye_y + 0.32 + 0.12 * other)
        } else {
            (side * (0.40 + 0.15 * quirk), shape.hairline_y + 0.14 + 0.05 * other)
        };
        canvas.fill(oval((x, y), 0.035, 0.028), person.crease, 0.38 * power);
    }
}
