//! Shoulders, neck, ears and the skin of the face.

use super::brush::{Canvas, Rgb, Xy, blend, blob, oval, shade};
use super::person::Person;
use super::shape::Shape;

/// Draws clothes and neck, which lie behind the head. `light` is -1 when it comes from the left.
pub fn body(canvas: &mut Canvas, person: &Person, shape: &Shape, clothes: Rgb, light: f32) {
    let narrow = 0.37 + 0.13 * person.jaw - 0.09 * person.youth;
    let base = shape.chin_y + 0.26;
    let shoulders = [
        (-3.0, 3.2),
        (-1.9, base + 0.28),
        (-narrow - 0.25, base - 0.06),
        (0.0, base + 0.10),
        (narrow + 0.25, base - 0.06),
        (1.9, base + 0.28),
        (3.0, 3.2),
    ];
    canvas.fill(blob(&shoulders), clothes, 1.0);
    let neck = [
        (-narrow, shape.chin_y - 0.55),
        (-narrow * 0.96, base - 0.15),
        (-narrow - 0.12, base),
        (0.0, base + 0.20),
        (narrow + 0.12, base),
        (narrow * 0.96, base - 0.15),
        (narrow, shape.chin_y - 0.55),
    ];
    let (lit, dark) = (shade(person.skin, 0.86), shade(person.skin, 0.62));
    canvas.fill_between(blob(&neck), ((light * narrow, 0.0), lit), ((-light * narrow, 0.0), dark));
    canvas.soft((0.0, shape.chin_y + 0.02), narrow * 1.3, 0.34, person.crease, 0.55);
    let collar = shade(clothes, 0.72);
    canvas.fold(
        &[(-narrow - 0.2, base - 0.04), (0.0, base + 0.19), (narrow + 0.2, base - 0.04)],
        0.10,
        collar,
        0.8,
    );
}

/// Draws both ears and what hangs from them.
pub fn ears(canvas: &mut Canvas, person: &Person, shape: &Shape) {
    for side in [-1.0, 1.0] {
        let x = side * (shape.cheek_x + 0.02) - 0.08 * shape.yaw;
        let y = 0.5 * (shape.eye_y + shape.nose_y) + 0.02;
        let ear = [
            (x - side * 0.10, y - shape.ear * 0.9),
            (x + side * 0.10, y - shape.ear),
            (x + side * 0.15, y - shape.ear * 0.2),
            (x + side * 0.05, y + shape.ear * (0.85 + 0.15 * person.wear)),
            (x - side * 0.10, y + shape.ear * 0.8),
        ];
        canvas.fill(blob(&ear), shade(blend(person.skin, person.lips, 0.15), 0.88), 1.0);
        let inner = [
            (x - side * 0.01, y - shape.ear * 0.6),
            (x + side * 0.08, y - shape.ear * 0.5),
            (x + side * 0.07, y),
            (x, y + shape.ear * 0.4),
        ];
        canvas.fold(&inner, 0.045, person.crease, 0.6);
    }
}

/// Draws earrings, over the hair.
pub fn earrings(canvas: &mut Canvas, person: &Person, shape: &Shape) {
    let Some(colour) = person.ornament.filter(|_| person.youth < 0.35) else { return };
    for side in [-1.0, 1.0] {
        let at = (side * (shape.cheek_x + 0.04) - 0.08 * shape.yaw, shape.nose_y + 0.30);
        canvas.fill(oval(at, 0.075, 0.10), shade(colour, 0.7), 1.0);
        canvas.fill(
            oval((at.0 - 0.015, at.1 - 0.02), 0.045, 0.06),
            blend(colour, [1.0, 1.0, 0.9], 0.55),
            1.0,
        );
    }
}

/// Draws the skin of the face with its broad lights and shadows.
pub fn skin(canvas: &mut Canvas, person: &Person, shape: &Shape, light: f32) {
    let outline = blob(&shape.head());
    let reach = shape.cheek_x * 1.05;
    let bright = blend(person.skin, [1.0, 0.97, 0.92], 0.08);
    let ends = (((light * reach, -0.5), bright), ((-light * reach, 0.5), shade(person.skin, 0.80)));
    canvas.fill_between(outline.clone(), ends.0, ends.1);
    canvas.clipped(outline, |canvas| {
        let rim: Xy = (-light * shape.cheek_x, shape.mouth_y - 0.1);
        canvas.soft(rim, 0.55, 1.1, person.crease, 0.38);
        canvas.soft((0.0, shape.chin_y + 0.06), 0.75, 0.28, person.crease, 0.35);
        canvas.soft((shape.turned(0.0, 0.1), shape.hairline_y + 0.18), 0.62, 0.38, [1.0, 0.98, 0.94], 0.16);
        let rosy = blend(person.lips, [0.93, 0.35, 0.32], 0.5);
        let cheek_y = shape.nose_y - 0.02 + 0.08 * person.youth;
        for side in [-1.0, 1.0] {
            let x = shape.turned(side * (shape.eye_x + 0.14), 0.08);
            let strength = 0.20 + 0.16 * person.youth + 0.14 * person.make_up;
            canvas.soft((x, cheek_y), 0.32, 0.25, rosy, strength);
            canvas.soft((x, cheek_y - 0.10), 0.17, 0.12, [1.0, 0.98, 0.95], 0.20 * (1.0 - person.wear));
        }
        canvas.soft((shape.turned(0.0, 0.14), shape.chin_y - 0.17), 0.17, 0.11, [1.0, 0.98, 0.95], 0.16);
        if person.freckles {
            freckles(canvas, person, shape);
        }
    });
}

fn freckles(canvas: &mut Canvas, person: &Person, shape: &Shape) {
    for side in [-1.0, 1.0] {
        for index in 0..9 {
            let (column, row) = ((index % 3) as f32 - 1.0, (index / 3) as f32 - 1.0);
            let wobble = person.quirks[index] * 0.02;
            let x = shape.turned(side * (shape.eye_x - 0.03 + 0.10 * column + wobble), 0.12);
            let y = shape.nose_y - 0.12 + 0.075 * row + 0.02 * person.quirks[(index + 5) % 12];
            canvas.fill(oval((x, y), 0.018, 0.016), person.crease, 0.45);
        }
    }
}
