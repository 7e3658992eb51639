//! Samples and their labels: where they come from, and how they reach the model.
pub mod batches;
mod cache;
pub mod check;
pub mod content;
pub mod crop_folder;
pub mod csv;
pub mod decode;
pub mod error;
pub mod faces;
pub mod labels;
pub mod load;
mod names;
pub mod photos;
pub mod pictures;
mod reading;
pub mod records;
pub mod reviews;
pub mod samples;
pub mod skipped;
pub mod source;
pub mod split;
pub mod storage;
pub mod synthetic;
pub mod table;
pub mod watch;

pub use error::DataError;
