//! Where the features of a head lie: children's proportions grow into adults'.

use super::brush::{Xy, mix};
use super::person::Person;

/// Positions and sizes in head units; y points down, 0 is the middle of the picture.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Top of the skull.
    pub top_y: f32,
    /// Where the hair begins, before any is lost.
    pub hairline_y: f32,
    /// Middle of the brows.
    pub brow_y: f32,
    /// Middle of the eyes.
    pub eye_y: f32,
    /// From the middle of the face to the middle of an eye.
    pub eye_x: f32,
    /// Half an eye's width.
    pub eye_width: f32,
    /// Half an open eye's height.
    pub eye_height: f32,
    /// Under side of the nose.
    pub nose_y: f32,
    /// Half the nose's width.
    pub nose_width: f32,
    /// Line between the lips.
    pub mouth_y: f32,
    /// Half the mouth's width.
    pub mouth_width: f32,
    /// Lower end of the face.
    pub chin_y: f32,
    /// Half the face's width at the cheekbones.
    pub cheek_x: f32,
    /// Half an ear's height.
    pub ear: f32,
    /// How far near features move sideways, for a head turned a little.
    pub yaw: f32,
    outline: [Xy; 7],
}

impl Shape {
    /// Lays out a face; `yaw` in -1..=1 turns it.
    pub fn new(person: &Person, yaw: f32) -> Self {
        let (youth, wear, quirks) = (person.youth, person.wear, &person.quirks);
        let grow = |adult: f32, child: f32, index: usize, spread: f32| {
            mix(adult, child, youth) + spread * quirks[index]
        };
        let eye_y = grow(-0.04, 0.24, 0, 0.02);
        let nose_y = eye_y + grow(0.47 + 0.10 * wear, 0.27, 1, 0.015);
        let chin_y = grow(1.22, 1.05, 2, 0.02);
        let mouth_y = nose_y + (chin_y - nose_y) * (0.37 + 0.04 * wear);
        let top_y = grow(-1.30, -1.25, 3, 0.02);
        let cheek_x = grow(0.92, 1.03, 4, 0.025);
        let eye_height = grow(0.115 - 0.035 * wear, 0.19, 5, 0.008);
        let narrow_jaw = mix(0.90, 1.06, person.jaw);
        let jaw_x = grow(0.74 * narrow_jaw, 0.84 * narrow_jaw.sqrt(), 6, 0.01) + 0.05 * wear;
        let chin_x = grow(0.36 * narrow_jaw * narrow_jaw, 0.42, 7, 0.01) + 0.05 * wear;
        let outline = [
            (0.0, top_y),
            (0.56 * cheek_x, top_y + 0.14),
            (0.93 * cheek_x, top_y + 0.62),
            (cheek_x, mix(0.0, 0.30, youth)),
            (jaw_x, chin_y - mix(0.56, 0.42, youth)),
            (chin_x, chin_y - 0.10),
            (0.0, chin_y),
        ];
        Self {
            top_y,
            hairline_y: top_y + grow(0.42, 0.46, 8, 0.03),
            brow_y: eye_y - grow(0.25 - 0.03 * wear, 0.29, 9, 0.012),
            eye_y,
            eye_x: grow(0.40, 0.46, 10, 0.012),
            eye_width: grow(0.205, 0.255, 11, 0.006),
            eye_height,
            nose_y,
            nose_width: mix(0.185 + 0.055 * wear, 0.125, youth) + if person.female { -0.012 } else { 0.014 },
            mouth_y,
            mouth_width: grow(0.325, 0.235, 8, 0.012),
            chin_y,
            cheek_x,
            ear: mix(0.25 + 0.09 * wear, 0.22, youth),
            yaw,
            outline,
        }
    }

    /// The closed outline of skull, cheeks and chin.
    pub fn head(&self) -> Vec<Xy> {
        let right = self.outline.iter().copied();
        let left = self.outline[1..6].iter().rev().map(|&(x, y)| (-x, y));
        right.chain(left).collect()
    }

    /// The right half of the outline, from the top to the chin.
    pub fn half(&self) -> &[Xy; 7] {
        &self.outline
    }

    /// Where a point of the face is seen when the head is turned; `depth` is 0 at the outline and
    /// about 0.2 at the tip of the nose.
    pub fn turned(&self, x: f32, depth: f32) -> f32 {
        x * (1.0 - 0.05 * self.yaw.abs()) + self.yaw * depth
    }
}
