//! Whole trainings of a small model, on every backend at hand.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod common;
mod determinism;
mod fusion;
mod profile;
mod proof;
mod recipe;
mod texts;
mod trajectory;
mod weights;
mod wiring;
