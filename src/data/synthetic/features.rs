//! Nose, mouth and beard.

use super::brush::{Canvas, Xy, blend, blob, lens, line, mix, oval, shade};
use super::person::{Beard, Person};
use super::shape::Shape;

/// Draws the nose; `light` is -1 when it comes from the left.
pub fn nose(canvas: &mut Canvas, person: &Person, shape: &Shape, light: f32) {
    let (x, y, width) = (shape.turned(0.0, 0.20), shape.nose_y, shape.nose_width);
    let root: Xy = (shape.turned(0.0, 0.12), shape.eye_y + 0.02);
    let grown = 1.0 - person.youth;
    let shadow = -light;
    canvas.soft((x + shadow * width * 0.8, y - 0.12), width * 1.1, 0.30, person.crease, 0.26 + 0.16 * grown);
    let ridge = [
        (root.0 + shadow * 0.075, root.1),
        (x + shadow * 0.075, mix(root.1, y, 0.55)),
        (x + shadow * width * 0.75, y - 0.10),
    ];
    canvas.fold(&ridge, 0.05, person.crease, 0.45 * grown);
    canvas.soft((x, y + 0.05), width * 1.5, 0.11, person.crease, 0.42);
    canvas.soft((x + light * 0.02, y - 0.12), width * 0.65, 0.13, [1.0, 0.98, 0.95], 0.45);
    canvas.soft((mix(root.0, x, 0.5), mix(root.1, y, 0.45)), 0.06, 0.24, [1.0, 0.98, 0.95], 0.30 * grown);
    for side in [-1.0, 1.0] {
        let wing = [
            (x + side * width * 0.80, y - 0.16),
            (x + side * width * 1.06, y - 0.06),
            (x + side * width * 0.86, y + 0.015),
            (x + side * width * 0.55, y - 0.005),
        ];
        canvas.fold(&wing, 0.042, person.crease, 0.75);
        canvas.fill(
            oval((x + side * width * 0.46, y - 0.005), width * 0.26, 0.026),
            shade(person.crease, 0.6),
            0.85,
        );
    }
    canvas.fold(
        &[(x - width * 0.5, y + 0.01), (x, y + 0.035), (x + width * 0.5, y + 0.01)],
        0.03,
        person.crease,
        0.6,
    );
}

/// Draws lips, and teeth where the mouth is open.
pub fn mouth(canvas: &mut Canvas, person: &Person, shape: &Shape) {
    let (x, y) = (shape.turned(0.0, 0.14), shape.mouth_y);
    let half = shape.mouth_width * (1.0 + 0.14 * person.smile);
    let smile = person.smile - 0.25 * person.wear;
    let (left, right): (Xy, Xy) = ((x - half, y - 0.075 * smile), (x + half, y - 0.075 * smile));
    let gap = 0.11 * person.open;
    let (top, bottom) = (y + 0.03 * smile, y + 0.03 * smile + gap);
    let lip = person.lip;
    if gap > 0.0 {
        let inside = lens(left, (x, top - 0.02), right, (x, bottom + 0.02));
        canvas.fill(inside.clone(), [0.25, 0.07, 0.08], 1.0);
        canvas.clipped(inside, |canvas| {
            let teeth = blend([0.97, 0.96, 0.94], [0.86, 0.80, 0.66], person.wear);
            canvas.fill(
                lens(
                    (left.0 * 0.9 + x * 0.1, left.1),
                    (x, top - 0.04),
                    (right.0 * 0.9 + x * 0.1, right.1),
                    (x, top + 0.075),
                ),
                teeth,
                1.0,
            );
        });
    }
    let upper = [
        left,
        (x - half * 0.52, top - lip * 0.62 - 0.02 * smile),
        (x - half * 0.20, top - lip * 0.98),
        (x, top - lip * 0.72),
        (x + half * 0.20, top - lip * 0.98),
        (x + half * 0.52, top - lip * 0.62 - 0.02 * smile),
        right,
        (x + half * 0.5, top - 0.012 * smile),
        (x, top + 0.005),
        (x - half * 0.5, top - 0.012 * smile),
    ];
    canvas.fill(blob(&upper), shade(person.lips, 0.88), 1.0);
    let inset = |corner: Xy| (mix(corner.0, x, 0.08), corner.1 + 0.006);
    canvas.fill(lens(inset(left), (x, bottom), inset(right), (x, bottom + lip * 1.25)), person.lips, 1.0);
    canvas.soft((x, bottom + lip * 0.55), half * 0.45, lip * 0.5, [1.0, 0.97, 0.95], 0.38);
    let between = [
        left,
        (x - half * 0.5, top + 0.004 - 0.01 * smile),
        (x, top),
        (x + half * 0.5, top + 0.004 - 0.01 * smile),
        right,
    ];
    canvas.stroke(line(&between), 0.026, shade(person.crease, 0.55), 0.85);
    canvas.soft((x, bottom + lip * 1.25 + 0.07), half * 0.7, 0.07, person.crease, 0.38);
    for corner in [left, right] {
        canvas.soft(corner, 0.06, 0.06, person.crease, 0.55);
    }
}

/// Draws the beard, which lies under the mouth.
pub fn beard(canvas: &mut Canvas, person: &Person, shape: &Shape) {
    if person.beard == Beard::None {
        return;
    }
    let x = shape.turned(0.0, 0.14);
    if person.beard == Beard::Stubble {
        let colour = blend(person.brow, person.crease, 0.4);
        canvas.clipped(blob(&shape.head()), |canvas| {
            for layer in 0..4 {
                let inset = 0.05 * layer as f32 - 0.04;
                moustache(canvas, (x, shape.nose_y + 0.09 + 0.3 * inset), shape, colour, 0.10);
                canvas.fill(blob(&jaw_patch(shape, x, inset)), colour, 0.12);
            }
        });
        return;
    }
    moustache(canvas, (x, shape.nose_y + 0.10), shape, person.brow, 0.92);
    match person.beard {
        Beard::Goatee => {
            canvas.fill(blob(&chin_patch(shape, x)), person.brow, 0.92);
            strands(canvas, person, shape, x, 0.26);
        }
        Beard::Full => {
            canvas.fill(blob(&jaw_patch(shape, x, 0.04)), person.brow, 0.45);
            canvas.fill(blob(&jaw_patch(shape, x, 0.0)), person.brow, 0.80);
            strands(canvas, person, shape, x, 0.66);
        }
        Beard::None | Beard::Stubble | Beard::Moustache => {}
    }
}

fn strands(canvas: &mut Canvas, person: &Person, shape: &Shape, x: f32, reach: f32) {
    let colour = person.brow;
    for strand in 0..14 {
        let along = (strand as f32 - 6.5) / 7.0;
        let root = (x + along * reach, shape.mouth_y + 0.22 - 0.16 * along * along);
        let tip = (x + along * reach * 0.85, shape.chin_y + 0.04 - 0.26 * along * along);
        let tone = if strand % 2 == 0 {
            shade(colour, 0.75)
        } else {
            blend(colour, [1.0, 1.0, 1.0], 0.14 + 0.2 * person.grey)
        };
        let middle = (mix(root.0, tip.0, 0.5), mix(root.1, tip.1, 0.5));
        canvas.fold(&[root, middle, tip], 0.035, tone, 0.55);
    }
}

fn moustache(canvas: &mut Canvas, at: Xy, shape: &Shape, colour: [f32; 3], alpha: f32) {
    let wide = shape.mouth_width * 1.12;
    let outline = [
        (at.0 - wide, shape.mouth_y + 0.02),
        (at.0 - wide * 0.55, at.1 + 0.01),
        (at.0, at.1 - 0.02),
        (at.0 + wide * 0.55, at.1 + 0.01),
        (at.0 + wide, shape.mouth_y + 0.02),
        (at.0 + wide * 0.45, shape.mouth_y - 0.05),
        (at.0, shape.mouth_y - 0.06),
        (at.0 - wide * 0.45, shape.mouth_y - 0.05),
    ];
    canvas.fill(blob(&outline), colour, alpha);
}

fn chin_patch(shape: &Shape, x: f32) -> Vec<Xy> {
    let wide = shape.mouth_width * 0.95;
    vec![
        (x - wide, shape.mouth_y - 0.02),
        (x - wide * 0.75, shape.mouth_y + 0.12),
        (x, shape.mouth_y + 0.19),
        (x + wide * 0.75, shape.mouth_y + 0.12),
        (x + wide, shape.mouth_y - 0.02),
        (x + wide * 0.85, shape.chin_y - 0.08),
        (x, shape.chin_y + 0.07),
        (x - wide * 0.85, shape.chin_y - 0.08),
    ]
}

/// The part of the face on which a full beard grows; `inset` moves its upper edge down.
fn jaw_patch(shape: &Shape, x: f32, inset: f32) -> Vec<Xy> {
    let half = shape.half();
    let (cheek, jaw, chin) = (half[3], half[4], half[5]);
    let inner = [
        (shape.mouth_width * 0.95, shape.mouth_y + 0.05 + inset),
        (shape.mouth_width * 1.35, shape.mouth_y - 0.08 + inset),
    ];
    let outer = [
        (jaw.0 * 0.93, shape.nose_y + inset),
        (cheek.0 * 0.96, shape.eye_y + 0.05 + inset),
        (cheek.0, shape.nose_y - 0.10),
        (jaw.0 * 1.03, jaw.1 + 0.02),
        (chin.0 * 1.05, chin.1 + 0.04),
    ];
    let side = |sign: f32| {
        let inner = inner.iter().map(move |&(at, y)| (x + sign * at, y));
        inner.chain(outer.iter().map(move |&(at, y)| (sign * at, y)))
    };
    let left: Vec<Xy> = side(-1.0).collect();
    let mut outline = vec![(x, shape.mouth_y + 0.20 + inset)];
    outline.extend(side(1.0));
    outline.push((0.0, shape.chin_y + 0.06));
    outline.extend(left.iter().rev());
    outline
}
