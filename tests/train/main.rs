//! Whole trainings of a small model, on every backend at hand.

mod common;
mod determinism;
mod proof;
mod weights;
