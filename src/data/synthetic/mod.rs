//! The built-in set: faces drawn by the program, whose age and gender show in the drawing.
//!
//! Age shows in proportions (children), lines, folds, lids, lips and hair; gender in hair, brows,
//! lashes, lips, jaw and beard. Skin, hair colour, pose, light and background are drawn
//! independently of both, so that a mean colour tells next to nothing.

mod brush;
mod eyes;
mod features;
mod hair;
mod head;
mod person;
mod scene;
mod shape;
mod wrinkles;

#[cfg(test)]
mod tests;

use crate::data::labels::utkface::FaceLabel;
use crate::rng::{Generator, Stream};

/// A drawn face and its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntheticFace {
    /// Age and gender that were drawn.
    pub label: FaceLabel,
    /// `size` x `size` pixels of red, green and blue, row by row.
    pub rgb: Vec<u8>,
}

/// Age and gender of face `index` of the set that belongs to `seed`, without drawing it.
pub fn label(seed: u64, index: u32) -> FaceLabel {
    person::Person::draw(&mut Generator::new(seed, 0, index, Stream::Synthetic)).0
}

/// Draws face `index` of the set that belongs to `seed`, `size` pixels wide and high.
///
/// The label and the face depend on nothing but `seed` and `index`; `size` only scales them.
/// A picture of size 0, or one too large to allocate, has no pixels.
pub fn draw(seed: u64, index: u32, size: u32) -> SyntheticFace {
    let mut random = Generator::new(seed, 0, index, Stream::Synthetic);
    let (label, person) = person::Person::draw(&mut random);
    let scene = scene::Scene::draw(&mut random);
    let shape = shape::Shape::new(&person, scene.yaw);
    let Some(pixmap) = scene::background(size, &mut random) else {
        return SyntheticFace { label, rgb: Vec::new() };
    };
    let mut canvas = brush::Canvas::new(pixmap, scene.view(size));
    hair::back(&mut canvas, &person, &shape);
    head::body(&mut canvas, &person, &shape, scene.clothes, scene.light);
    head::ears(&mut canvas, &person, &shape);
    head::skin(&mut canvas, &person, &shape, scene.light);
    wrinkles::wrinkles(&mut canvas, &person, &shape);
    features::nose(&mut canvas, &person, &shape, scene.light);
    features::beard(&mut canvas, &person, &shape);
    features::mouth(&mut canvas, &person, &shape);
    eyes::eyes(&mut canvas, &person, &shape, scene.gaze);
    hair::front(&mut canvas, &person, &shape, scene.light);
    head::earrings(&mut canvas, &person, &shape);
    eyes::glasses(&mut canvas, &person, &shape);
    SyntheticFace { label, rgb: scene.photo(&canvas.pixmap, &mut random) }
}
