//! Eyes, brows, lashes and glasses.

use super::brush::{Canvas, Rgb, Xy, blend, blob, lens, line, mix, oval, shade};
use super::person::Person;
use super::shape::Shape;

const LASH: Rgb = [0.07, 0.05, 0.05];

/// Draws both eyes with their brows.
pub fn eyes(canvas: &mut Canvas, person: &Person, shape: &Shape, gaze: Xy) {
    for side in [-1.0, 1.0] {
        eye(canvas, person, shape, side, gaze);
        brow(canvas, person, shape, side);
    }
}

fn eye(canvas: &mut Canvas, person: &Person, shape: &Shape, side: f32, gaze: Xy) {
    let x = shape.turned(side * shape.eye_x, 0.10);
    let y = shape.eye_y;
    let width = shape.eye_width * (1.0 + 0.10 * side * shape.yaw);
    let height = shape.eye_height;
    let droop = mix(-0.020, 0.045, person.wear);
    let (inner, outer) = ((x - side * width, y + 0.025), (x + side * width, y + droop));
    let (upper, lower) = ((x, y - height), (x, y + 0.72 * height));
    canvas.soft((x, y - 0.04), width * 1.5, height * 2.1, person.crease, 0.26 + 0.12 * person.wear);
    if person.make_up > 0.0 {
        let shadow = blend(person.lips, [0.35, 0.25, 0.45], 0.6);
        let lid = lens(inner, (x, y - height * 2.1), outer, (x, y));
        canvas.fill(lid, shadow, 0.55 * person.make_up);
    }
    let opening = lens(inner, upper, outer, lower);
    let white = blend([0.97, 0.96, 0.95], [0.90, 0.84, 0.74], 0.6 * person.wear);
    canvas.fill(opening.clone(), white, 1.0);
    canvas.clipped(opening, |canvas| {
        let radius = mix(0.112, 0.160, person.youth);
        let centre = (x + gaze.0 * 0.06 + 0.03 * shape.yaw, y + gaze.1 * 0.02 - 0.01);
        canvas.fill(oval(centre, radius, radius), shade(person.iris, 0.55), 1.0);
        canvas.fill(oval(centre, radius * 0.82, radius * 0.82), person.iris, 1.0);
        canvas.fill(oval(centre, radius * 0.46, radius * 0.46), [0.03, 0.03, 0.04], 1.0);
        canvas.soft((x, y - height), width, height * 0.9, [0.1, 0.07, 0.07], 0.5);
        let glint = (centre.0 - 0.35 * radius, centre.1 - 0.35 * radius);
        canvas.fill(oval(glint, radius * 0.24, radius * 0.24), [1.0, 1.0, 1.0], 0.95);
    });
    let lid = line(&[
        inner,
        (x - side * width * 0.5, y - height * 0.76),
        upper,
        (x + side * width * 0.55, y - height * 0.70),
        outer,
    ]);
    let liner = blend(person.crease, LASH, 0.45 + 0.5 * person.lashes);
    canvas.stroke(lid, 0.030 + 0.034 * person.lashes, liner, 0.95);
    let rim = [inner, (x, y + 0.74 * height), outer];
    canvas.fold(&rim, 0.022, person.crease, 0.55 + 0.3 * person.make_up);
    if person.lashes > 0.3 {
        lashes(canvas, person, (x, y), (width, height), side, droop);
    }
    let lid_crease = y - height * (1.55 - 0.25 * person.wear);
    let crease = [
        (x - side * width * 0.8, y - height * 0.75),
        (x, lid_crease),
        (x + side * width * 1.1, y - height * 0.45 + droop),
    ];
    canvas.fold(&crease, 0.026 + 0.03 * person.wear, person.crease, 0.55);
}

fn lashes(canvas: &mut Canvas, person: &Person, at: Xy, size: (f32, f32), side: f32, droop: f32) {
    let length = 0.055 + 0.055 * person.lashes;
    for (along, rise) in [(0.45, -0.78), (0.75, -0.48), (1.0, 0.0)] {
        let root = (at.0 + side * size.0 * along, at.1 + size.1 * rise + droop * along);
        let tip = (root.0 + side * length * (0.35 + 0.55 * along), root.1 - length * (1.0 - 0.45 * along));
        let middle = (mix(root.0, tip.0, 0.6), mix(root.1, tip.1, 0.4));
        canvas.fold(&[root, middle, tip], 0.042, LASH, 0.95);
    }
}

fn brow(canvas: &mut Canvas, person: &Person, shape: &Shape, side: f32) {
    let thick = person.brow_thickness;
    let arch = if person.female { 0.075 } else { 0.028 } * (1.0 - 0.5 * person.youth);
    let sag = 0.05 * person.wear;
    let at = |along: f32, rise: f32| {
        let x = side * (shape.eye_x + shape.eye_width * along);
        (shape.turned(x, 0.10), shape.brow_y + rise)
    };
    let outline = [
        at(-1.02, 0.02 - thick),
        at(-0.2, -0.02 - arch * 0.6 - thick * 1.1),
        at(0.55, -arch - thick * 0.8),
        at(1.28, 0.07 + sag),
        at(0.55, -arch + thick * 0.7),
        at(-0.2, -arch * 0.5 + thick * 0.8),
        at(-1.05, 0.03 + thick),
    ];
    canvas.fill(blob(&outline), person.brow, 0.88);
    for hair in 0..4 {
        let along = -0.85 + 0.36 * hair as f32;
        let root = at(along, 0.6 * thick - arch * 0.4);
        let tip = at(along + 0.22, -thick * (1.05 + 0.5 * person.wear) - arch * 0.4);
        canvas.stroke(line(&[root, tip]), 0.018, shade(person.brow, 0.8), 0.5);
    }
}

/// Draws glasses, for whoever wears them.
pub fn glasses(canvas: &mut Canvas, person: &Person, shape: &Shape) {
    let Some(colour) = person.glasses else { return };
    let (radius_x, radius_y) = (0.31, 0.235);
    let y = shape.eye_y + 0.03;
    let centre = |side: f32| (shape.turned(side * shape.eye_x, 0.11), y);
    for side in [-1.0, 1.0] {
        let (x, y) = centre(side);
        let frame = oval((x, y), radius_x, radius_y);
        canvas.fill(frame.clone(), [0.92, 0.97, 1.0], 0.10);
        canvas.stroke(line(&[(x - 0.13, y + 0.06), (x + 0.02, y - 0.12)]), 0.03, [1.0, 1.0, 1.0], 0.35);
        canvas.stroke(frame, 0.05, colour, 0.95);
        let temple = [(x + side * radius_x, y - 0.03), (side * (shape.cheek_x + 0.02), y - 0.08)];
        canvas.stroke(line(&temple), 0.045, colour, 0.9);
    }
    let (left, right) = (centre(-1.0), centre(1.0));
    let bridge =
        [(left.0 + radius_x, y - 0.02), (shape.turned(0.0, 0.14), y - 0.07), (right.0 - radius_x, y - 0.02)];
    canvas.stroke(line(&bridge), 0.045, colour, 0.95);
}
