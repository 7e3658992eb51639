//! The square that a face is cut out by.

use super::boxes::{Face, Rectangle};
use crate::spec::CropSpec;
use image::imageops::{FilterType, resize};
use image::{Rgb, RgbImage};
use rayon::prelude::*;

/// A square that may be turned and may reach beyond the photo, in pixels of the photo. A face in it stands upright.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// Its middle, (x, y).
    pub middle: [f32; 2],
    /// Its side.
    pub side: f32,
    /// How far it is turned, in radians, clockwise as one looks at the photo.
    pub angle: f32,
}

/// A frame that overlaps a photo by more than this (intersection over union) is the photo: it was cut before.
const IS_WHOLE: f32 = 0.7;

/// Where training photos show the landmarks of a face: (x, y) in units of the photo's side. The means over 658 of
/// UTKFace's training photos, found in pictures that they were pasted into.
const LANDMARKS: [[f32; 2]; 5] =
    [[0.2896, 0.2864], [0.6888, 0.2872], [0.4832, 0.5185], [0.3157, 0.6781], [0.6598, 0.6792]];
/// The photo's side in units of a face's, which is the square root of the area of its rectangle; likewise.
const SIDE: f32 = 1.0376;

impl Frame {
    /// The frame that shows a face as training photos do. Middle and angle are those of the similarity that takes
    /// [`LANDMARKS`] to those of the face with the least squared distance (Umeyama, 1991); the side is the geometric mean
    /// of its factor and of what the face's rectangle tells. Where the face is found in UTKFace's photos, the corners of
    /// the frame miss those of the photo by 4 % of its side (root mean square).
    pub fn of(face: &Face) -> Frame {
        let mean = |points: &[[f32; 2]; 5]| {
            [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f32>() / 5.0)
        };
        let (from, to) = (mean(&LANDMARKS), mean(&face.landmarks));
        let (mut cos, mut sin, mut spread) = (0.0, 0.0, 0.0);
        for (a, b) in LANDMARKS.iter().zip(&face.landmarks) {
            let (a, b) = ([a[0] - from[0], a[1] - from[1]], [b[0] - to[0], b[1] - to[1]]);
            cos += a[0] * b[0] + a[1] * b[1];
            sin += a[0] * b[1] - a[1] * b[0];
            spread += a[0] * a[0] + a[1] * a[1];
        }
        let by_landmarks = cos.hypot(sin) / spread;
        let (side, angle) = ((by_landmarks * SIDE * face.area.area().sqrt()).sqrt(), sin.atan2(cos));
        // The middle of the frame lies from the landmarks' mean as in LANDMARKS.
        let [x, y] = from.map(|at| (0.5 - at) * side);
        let (sin, cos) = angle.sin_cos();
        Frame { middle: [to[0] + cos * x - sin * y, to[1] + sin * x + cos * y], side, angle }
    }

    /// The square around it that shows as much of the face's surroundings.
    pub fn with_surroundings(&self, crop: &CropSpec) -> Frame {
        let [x, y] = [crop.right, crop.down].map(|share| share * self.side);
        let (sin, cos) = self.angle.sin_cos();
        let middle = [self.middle[0] + cos * x - sin * y, self.middle[1] + sin * x + cos * y];
        Frame { middle, side: crop.side * self.side, ..*self }
    }

    /// Whether a photo of this size, width and height in pixels, shows the face as the frame would.
    pub fn is_whole(&self, [width, height]: [u32; 2]) -> bool {
        let [x, y] = self.middle.map(|middle| middle - self.side / 2.0);
        let frame = Rectangle { x, y, width: self.side, height: self.side };
        let photo = Rectangle { x: 0.0, y: 0.0, width: width as f32, height: height as f32 };
        frame.iou(&photo) > IS_WHOLE
    }

    /// What the frame holds, `size` pixels wide and high, RGB. Beyond the photo it is black.
    ///
    /// The frame is cut out in the photo's own resolution, between its pixels (bilinear), and then resized as whole
    /// photos are.
    pub fn cut(&self, photo: &RgbImage, size: [u32; 2]) -> RgbImage {
        let side = (self.side.round() as u32).max(1);
        let step = self.side / side as f32;
        let (sin, cos) = self.angle.sin_cos();
        let mut cut = RgbImage::new(side, side);
        cut.par_chunks_mut(3 * side as usize).enumerate().for_each(|(row, pixels)| {
            let v = (row as f32 + 0.5) * step - self.side / 2.0;
            for (column, pixel) in pixels.chunks_exact_mut(3).enumerate() {
                let u = (column as f32 + 0.5) * step - self.side / 2.0;
                let at = [self.middle[0] + cos * u - sin * v, self.middle[1] + sin * u + cos * v];
                pixel.copy_from_slice(&between(photo, at.map(|at| at - 0.5)).0);
            }
        });
        whole(&cut, size)
    }
}

/// All of a photo, `size` pixels wide and high. This does not keep the aspect ratio.
pub fn whole(photo: &RgbImage, [width, height]: [u32; 2]) -> RgbImage {
    match photo.dimensions() == (width, height) {
        true => photo.clone(),
        false => resize(photo, width, height, FilterType::Triangle),
    }
}

/// The photo between four pixels; pixel (x, y) lies at (x, y), and what is beyond the border is black.
fn between(photo: &RgbImage, [x, y]: [f32; 2]) -> Rgb<u8> {
    let (left, top) = (x.floor(), y.floor());
    let (right_share, bottom_share) = (x - left, y - top);
    let mut sum = [0.0; 3];
    for (row, row_share) in [(top, 1.0 - bottom_share), (top + 1.0, bottom_share)] {
        for (column, column_share) in [(left, 1.0 - right_share), (left + 1.0, right_share)] {
            let inside =
                row >= 0.0 && column >= 0.0 && row < photo.height() as f32 && column < photo.width() as f32;
            if inside {
                let pixel = photo.get_pixel(column as u32, row as u32).0;
                let share = row_share * column_share;
                sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += share * f32::from(value));
            }
        }
    }
    Rgb(sum.map(|sum| sum.round() as u8))
}
