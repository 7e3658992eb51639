//! Faces in photos: where they are, and how a photo is cut to show one as training photos do.
//!
//! [`Detector`] runs YuNet on this project's own operators; [`Frame`] is the square that a face is cut out by.

mod boxes;
mod detector;
mod frame;

pub use boxes::{Face, Rectangle};
pub use detector::{Detector, DetectorError, Detectors, WEIGHTS, plans};
pub use frame::{Frame, whole};
