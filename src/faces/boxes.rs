//! From a detector's maps to faces: each place of a map may have seen one face, and several see the same one.
//!
//! The maps are those of YuNet (Wu, Peng and Yu, 2023, *YuNet: A Tiny Millisecond-level Face Detector*). A map of
//! stride s has a place for each s x s pixels of the photo. For place (row, column), with the values of its maps:
//!
//! ```text
//! score     = sqrt(sigmoid(cls) * sigmoid(obj))
//! centre    = ((column + box[0]) * s, (row + box[1]) * s)
//! width     = exp(box[2]) * s
//! height    = exp(box[3]) * s
//! landmark  = ((column + kps[2k]) * s, (row + kps[2k + 1]) * s), for k from 0 to 4
//! ```

/// A rectangle in pixels of a photo; it may reach beyond the photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rectangle {
    /// Of its left edge.
    pub x: f32,
    /// Of its upper edge.
    pub y: f32,
    /// In pixels.
    pub width: f32,
    /// In pixels.
    pub height: f32,
}

impl Rectangle {
    /// Its area, in square pixels.
    pub fn area(&self) -> f32 {
        self.width * self.height
    }

    /// Intersection over union with another one: 0 where they do not meet, 1 where they are the same.
    pub fn iou(&self, other: &Rectangle) -> f32 {
        let common =
            |a: f32, a_size: f32, b: f32, b_size: f32| ((a + a_size).min(b + b_size) - a.max(b)).max(0.0);
        let both = common(self.x, self.width, other.x, other.width)
            * common(self.y, self.height, other.y, other.height);
        match self.area() + other.area() - both {
            either if either > 0.0 => both / either,
            _ => 0.0,
        }
    }
}

/// A face that was found, in pixels of its photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Face {
    /// From the forehead to the chin.
    pub area: Rectangle,
    /// The person's right eye, left eye, tip of the nose, right and left corner of the mouth, (x, y) each.
    pub landmarks: [[f32; 2]; 5],
    /// How sure the detector is, 0 to 1.
    pub score: f32,
}

impl Face {
    fn is_finite(&self) -> bool {
        let Rectangle { x, y, width, height } = self.area;
        [x, y, width, height].iter().chain(self.landmarks.as_flattened()).all(|value| value.is_finite())
    }

    /// The same face so many pixels to the right and further below.
    pub fn moved(&self, right: f32, down: f32) -> Face {
        let area = Rectangle { x: self.area.x + right, y: self.area.y + down, ..self.area };
        Face { area, landmarks: self.landmarks.map(|[x, y]| [x + right, y + down]), ..*self }
    }

    /// The same face in a photo that is `factor` times as large.
    pub fn scaled(&self, factor: f32) -> Face {
        let Rectangle { x, y, width, height } = self.area;
        let [x, y, width, height] = [x, y, width, height].map(|value| value * factor);
        let landmarks = self.landmarks.map(|point| point.map(|value| value * factor));
        Face { area: Rectangle { x, y, width, height }, landmarks, ..*self }
    }
}

/// The maps of one stride: planes of `columns` x rows values, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Maps<'a> {
    /// Pixels of the photo a place, along each axis.
    pub stride: usize,
    /// Places along x.
    pub columns: usize,
    /// Whether there is a face, before the sigmoid: 1 plane.
    pub cls: &'a [f32],
    /// Whether there is anything, before the sigmoid: 1 plane.
    pub obj: &'a [f32],
    /// Centre and size: 4 planes.
    pub area: &'a [f32],
    /// Landmarks: 10 planes.
    pub landmarks: &'a [f32],
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

impl Maps<'_> {
    /// The faces of all places that are at least so sure.
    pub(super) fn faces(&self, least_score: f32) -> impl Iterator<Item = Face> + '_ {
        let (places, stride) = (self.cls.len(), self.stride as f32);
        (0..places).filter_map(move |place| {
            let score = (sigmoid(self.cls[place]) * sigmoid(self.obj[place])).sqrt();
            // Not a number is no score.
            if score.is_nan() || score < least_score {
                return None;
            }
            let [row, column] = [place / self.columns, place % self.columns].map(|value| value as f32);
            let value = |planes: &[f32], plane: usize| planes[plane * places + place];
            let at = |planes: &[f32], plane: usize| {
                [(column + value(planes, plane)) * stride, (row + value(planes, plane + 1)) * stride]
            };
            let [width, height] = [2, 3].map(|plane| value(self.area, plane).exp() * stride);
            let [x, y] = at(self.area, 0);
            let area = Rectangle { x: x - width / 2.0, y: y - height / 2.0, width, height };
            let landmarks = std::array::from_fn(|point| at(self.landmarks, 2 * point));
            let face = Face { area, landmarks, score };
            (face.is_finite() && width.max(height) < MOST_PLACES * stride * self.columns as f32)
                .then_some(face)
        })
    }
}

/// How many times as wide as its map a face is at most.
const MOST_PLACES: f32 = 4.0;

/// Non-maximum suppression: of faces that overlap by more than `most_overlap` (intersection over union) the surest, in falling order of
/// their scores.
pub(super) fn non_maximum_suppression(mut faces: Vec<Face>, most_overlap: f32) -> Vec<Face> {
    faces.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Face> = Vec::new();
    for face in faces {
        if kept.iter().all(|other| other.area.iou(&face.area) <= most_overlap) {
            kept.push(face);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f32, side: f32, score: f32) -> Face {
        let area = Rectangle { x, y: 0.0, width: side, height: side };
        Face { area, landmarks: [[0.0; 2]; 5], score }
    }

    #[test]
    fn overlap_is_the_common_area_by_that_of_both() {
        let iou = |a: &Face, b: &Face| a.area.iou(&b.area);
        let (one, half) = (square(0.0, 2.0, 1.0), square(1.0, 2.0, 1.0));
        assert_eq!(iou(&one, &one), 1.0);
        assert_eq!(iou(&one, &half), 2.0 / 6.0);
        assert_eq!(iou(&one, &square(2.0, 2.0, 1.0)), 0.0);
        assert_eq!(iou(&square(0.0, 0.0, 1.0), &square(0.0, 0.0, 1.0)), 0.0);
    }

    #[test]
    fn of_faces_that_overlap_the_surest_stays() {
        let faces = vec![square(0.0, 10.0, 0.7), square(1.0, 10.0, 0.9), square(30.0, 10.0, 0.6)];
        let kept: Vec<f32> = non_maximum_suppression(faces, 0.3).iter().map(|face| face.score).collect();
        assert_eq!(kept, [0.9, 0.6]);
    }

    #[test]
    fn a_place_tells_a_face_in_pixels() {
        // Two rows of three places; the one at row 1, column 2 has seen a face.
        let mut cls = [-20.0; 6];
        cls[5] = 20.0;
        let mut area = [0.0; 24];
        // Half a place to the right of its corner, a quarter below it; 4 places wide and 2 high.
        for (plane, value) in [0.5, 0.25, 4.0_f32.ln(), 2.0_f32.ln()].into_iter().enumerate() {
            area[6 * plane + 5] = value;
        }
        let mut landmarks = [0.0; 60];
        landmarks[5] = 1.0;
        let maps =
            Maps { stride: 8, columns: 3, cls: &cls, obj: &[20.0; 6], area: &area, landmarks: &landmarks };
        let faces: Vec<Face> = maps.faces(0.5).collect();
        let [face] = faces[..] else { panic!("{faces:?}") };
        let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-4, "{a} is not {b}");
        near(face.area.x, 2.5 * 8.0 - 16.0);
        near(face.area.y, 1.25 * 8.0 - 8.0);
        near(face.area.width, 32.0);
        near(face.area.height, 16.0);
        assert_eq!(face.landmarks[0], [24.0, 8.0]);
        near(face.score, 1.0);
        near(face.scaled(2.0).area.width, 64.0);
        // What is no number, or larger than anything that fits, is no face.
        for (plane, value) in [(2, f32::INFINITY), (2, 20.0), (0, f32::NAN)] {
            let mut area = area;
            area[6 * plane + 5] = value;
            assert_eq!(Maps { area: &area, ..maps }.faces(0.5).count(), 0, "{value}");
        }
        let cls = [f32::NAN; 6];
        assert_eq!(Maps { cls: &cls, ..maps }.faces(0.5).count(), 0);
    }
}
