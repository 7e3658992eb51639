//! Trains convolutional networks with WGSL compute shaders.
pub mod data;
pub mod graph;
pub mod number;
pub mod ops;
pub mod rng;
pub mod shaders;
pub mod shape;
pub mod spec;
