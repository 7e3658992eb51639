//! Trains convolutional networks with WGSL compute shaders.
pub mod data;
pub mod report;
pub mod rng;
