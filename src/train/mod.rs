//! Training: the loop, its results, and what it leaves behind.

pub mod checkpoint;
pub mod confusion;
pub mod guess;
pub mod history;
mod listing;
pub mod run;
mod trainer;

pub use trainer::{Progress, Stopped, TrainError, Trainer};
