//! Trains convolutional networks with WGSL compute shaders.
pub mod cli;
pub mod cpu;
pub mod data;
pub mod file;
pub mod gpu;
pub mod graph;
pub mod number;
pub mod ops;
pub mod plan;
pub mod profile;
pub mod report;
pub mod rng;
pub mod shaders;
pub mod shape;
pub mod spec;
pub mod train;
pub mod verify;
