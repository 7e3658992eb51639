//! Everything that names wgpu: which adapters there are, and the backend that replays programs.

pub mod adapter;
mod backend;
mod device;
mod guard;
mod submits;

pub use backend::{Chosen, GpuBackend, Options};
