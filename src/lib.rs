//! Trains convolutional networks with WGSL compute shaders.
pub mod rng;
