//! Training: the loop, its results, and what it leaves behind.

pub mod checkpoint;
pub mod foreign;
pub mod guess;
pub mod history;
mod listing;
mod lock;
pub mod lr_find;
pub mod run;
mod seal;
pub mod sweep;
mod trainer;
pub mod trajectory;

pub use trainer::{Place, Progress, State, Stopped, TrainError, Trainer, evaluation_plan};
