//! Photos and their labels: where they come from, and how they reach the model.
pub mod label;
pub mod synthetic;
