//! Trains convolutional networks with WGSL compute shaders.
pub mod data;
pub mod number;
pub mod rng;
pub mod shape;
