//! Photos and their labels: where they come from, and how they reach the model.
pub mod batches;
pub mod check;
pub mod content;
pub mod decode;
pub mod error;
pub mod faces;
pub mod label;
pub mod load;
pub mod names;
pub mod reviews;
pub mod source;
pub mod split;

pub use error::DataError;
pub mod synthetic;
