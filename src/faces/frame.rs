//! The square that a face is cut out by.

use super::boxes::Face;
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

/// How much a photo may differ from a frame and still be taken for one that was cut out by it, which is about three
/// standard deviations of what is measured on UTKFace's photos: the ratio of the sides (natural logarithm), the distance of
/// the middles in sides of the frame, and the angle in radians.
const MOST_DIFFERENCE: [f32; 3] = [0.15, 0.1, 0.2];
/// The ratio of a photo's sides above which it was not cut out by a square.
const MOST_ASPECT: f32 = 1.1;
/// Pixels that a frame is sampled by along each axis, at most, in sides of what becomes of it.
const MOST_SAMPLES: u32 = 4;

/// Where training photos show the landmarks of a face: (x, y) in units of the photo's side. The means over 658 of
/// UTKFace's training photos, found in pictures that they were pasted into.
const LANDMARKS: [[f32; 2]; 5] =
    [[0.2896, 0.2864], [0.6888, 0.2872], [0.4832, 0.5185], [0.3157, 0.6781], [0.6598, 0.6792]];
/// The photo's side in units of a face's, which is the square root of the area of its rectangle; likewise.
const SIDE: f32 = 1.0376;

impl Frame {
    /// The frame that shows a face as UTKFace's photos do. Middle and angle are those of the similarity that takes the
    /// mean landmarks of these photos to those of the face with the least squared distance (Umeyama, 1991); the side is the geometric mean
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
        let around = Frame { middle: to, side, angle };
        Frame { middle: around.point(from.map(|at| (0.5 - at) * side)), ..around }
    }

    /// The point of the photo that lies so many pixels to the right of the frame's middle and below it, as the frame is
    /// turned.
    pub fn point(&self, [right, down]: [f32; 2]) -> [f32; 2] {
        let (sin, cos) = self.angle.sin_cos();
        [self.middle[0] + cos * right - sin * down, self.middle[1] + sin * right + cos * down]
    }

    /// The square around it that shows as much of the face's surroundings.
    pub fn with_surroundings(&self, crop: &CropSpec) -> Frame {
        let middle = self.point([crop.right, crop.down].map(|share| share * self.side));
        Frame { middle, side: crop.side * self.side, ..*self }
    }

    /// Whether a photo of this size, width and height in pixels, was cut out by such a frame.
    pub fn is_whole(&self, size: [u32; 2]) -> bool {
        let [width, height] = size.map(|side| side as f32);
        let side = (width * height).sqrt();
        let away = (self.middle[0] - width / 2.0).hypot(self.middle[1] - height / 2.0) / self.side;
        let differences = [(side / self.side).ln().abs(), away, self.angle.abs()];
        let is_near = differences.iter().zip(MOST_DIFFERENCE).all(|(difference, most)| *difference <= most);
        is_near && (width / height).max(height / width) <= MOST_ASPECT
    }

    /// What the frame holds, `size` pixels wide and high, RGB. Beyond the photo it is black.
    ///
    /// The frame is cut out in the photo's own resolution, between its pixels (bilinear), and then resized as whole
    /// photos are. Of a frame that is much larger than what becomes of it, not every pixel is looked at.
    pub fn cut(&self, photo: &RgbImage, size: [u32; 2]) -> RgbImage {
        let side = (self.side.round() as u32).clamp(1, MOST_SAMPLES * size[0].max(size[1]));
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

#[cfg(test)]
mod tests {
    use super::super::boxes::Rectangle;
    use super::*;

    /// A face whose landmarks a frame would show as training photos do.
    fn face_in(frame: &Frame) -> Face {
        let place = |point: [f32; 2]| frame.point(point.map(|at| (at - 0.5) * frame.side));
        let side = frame.side / SIDE;
        let area = Rectangle { x: 0.0, y: 0.0, width: side, height: side };
        Face { area, landmarks: LANDMARKS.map(place), score: 1.0 }
    }

    #[test]
    fn the_frame_of_a_face_is_found_back() {
        for angle in [-0.6, 0.0, 0.3] {
            let frame = Frame { middle: [90.0, 70.0], side: 50.0, angle };
            let found = Frame::of(&face_in(&frame));
            let differences =
                [found.middle[0] - 90.0, found.middle[1] - 70.0, found.side - 50.0, found.angle - angle];
            assert!(differences.iter().all(|difference| difference.abs() < 1e-3), "{found:?}");
        }
    }

    #[test]
    fn surroundings_are_turned_along_with_the_face() {
        let quarter = Frame { middle: [10.0, 20.0], side: 8.0, angle: std::f32::consts::FRAC_PI_2 };
        let crop = CropSpec { side: 1.5, right: 0.5, down: 0.0 };
        let Frame { middle: [x, y], side, .. } = quarter.with_surroundings(&crop);
        // To the right of a face that is turned by a quarter, clockwise, is below it.
        assert!((x - 10.0).abs() < 1e-4 && (y - 24.0).abs() < 1e-4 && side == 12.0);
    }

    #[test]
    fn a_cut_is_upright_and_black_beyond_the_photo() {
        let photo = RgbImage::from_fn(40, 30, |x, y| Rgb([(6 * x) as u8, (8 * y) as u8, 200]));
        let plain = Frame { middle: [20.0, 15.0], side: 20.0, angle: 0.0 }.cut(&photo, [20, 20]);
        assert_eq!(plain, image::imageops::crop_imm(&photo, 10, 5, 20, 20).to_image());
        // Turned by a quarter, clockwise: what was above is to the right in the photo.
        let turned = Frame { middle: [20.0, 15.0], side: 20.0, angle: std::f32::consts::FRAC_PI_2 };
        let turned = turned.cut(&photo, [20, 20]);
        let expected = image::imageops::rotate270(&plain);
        let most = turned.iter().zip(expected.iter()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(most <= Some(1), "{most:?}");
        let beyond = Frame { middle: [0.0, 0.0], side: 20.0, angle: 0.0 }.cut(&photo, [20, 20]);
        assert_eq!((beyond.get_pixel(9, 15).0, beyond.get_pixel(12, 15).0), ([0; 3], [12, 40, 200]));
        // A frame far larger than memory.
        assert_eq!(
            Frame { middle: [20.0, 15.0], side: 1e9, angle: 0.0 }.cut(&photo, [8, 8]).dimensions(),
            (8, 8)
        );
    }

    #[test]
    fn a_photo_is_taken_whole_only_if_it_was_cut_so() {
        let frame = Frame { middle: [50.0, 50.0], side: 100.0, angle: 0.0 };
        assert!(frame.is_whole([100, 100]) && frame.is_whole([104, 96]));
        for (other, size) in [
            (frame, [120, 100]),
            (frame, [130, 130]),
            (Frame { side: 80.0, ..frame }, [100, 100]),
            (Frame { middle: [50.0, 62.0], ..frame }, [100, 100]),
            (Frame { angle: -0.3, ..frame }, [100, 100]),
        ] {
            assert!(!other.is_whole(size), "{other:?} {size:?}");
        }
    }
}
