//! What replays plans.

use super::{BufferId, Plan};
use serde::Serialize;

/// The number of a plan in its backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanId(pub usize);

/// What computes, for the user to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackendInfo {
    /// `cpu`, `vulkan`, `metal`, `dx12` or `gl`.
    pub backend: String,
    /// The adapter's name.
    pub adapter: String,
    /// The driver's name and version.
    pub driver: String,
}

/// When a step of a run began, and how long it took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Seconds since the run began.
    pub start: f64,
    /// Seconds.
    pub seconds: f64,
}

/// Who takes the time of a backend's steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// The device, by timestamps around each step.
    Device,
    /// The host, which waits for each step before it hands over the next.
    Host,
}

/// Why a backend cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// A plan does not fit the device at all.
    #[error("{0}")]
    Unsupported(String),
    /// A plan needs more than the device offers: more of anything at once, or more memory. One for a smaller batch
    /// may fit.
    #[error("{0}")]
    TooLarge(String),
    /// The device or its driver refused something.
    #[error("the device {device:?} failed: {reason}")]
    Device {
        /// The adapter's name.
        device: String,
        /// What it said.
        reason: String,
    },
    /// The device does not answer.
    #[error(
        "the device {device:?} gave no answer for {seconds} s; it may hang, or the batch may be too large"
    )]
    Timeout {
        /// The adapter's name.
        device: String,
        /// How long it was waited for.
        seconds: u64,
    },
}

/// Whether so many bytes of buffers fit into what was free before any were made, with the copy that a checkpoint is;
/// where nobody can tell what is free, they do.
pub fn check_memory(plan: &Plan, buffers_bytes: usize, free: Option<u64>) -> Result<(), BackendError> {
    let needs = buffers_bytes + plan.lasting().map(|(_, buffer)| buffer.bytes()).sum::<usize>();
    match free {
        Some(free) if needs as u64 > free => {
            let [needs, free] = [needs as u64, free].map(|bytes| bytes as f64 / 1e9);
            Err(BackendError::TooLarge(format!(
                "{} for a batch of {} needs {needs:.1} GB of memory, but {free:.1} GB are free",
                plan.name, plan.batch
            )))
        }
        _ => Ok(()),
    }
}

/// Replays plans. Persistent buffers start as zeros and are shared by all plans that name them.
pub trait Backend: Send {
    /// What computes.
    fn info(&self) -> BackendInfo;

    /// Whether there is room for a plan, without making anything: [`BackendError::TooLarge`] says what it needs and
    /// what there is.
    fn check(&self, plan: &Plan) -> Result<(), BackendError>;

    /// Makes everything that a plan needs.
    fn prepare(&mut self, plan: &Plan) -> Result<PlanId, BackendError>;

    /// Writes a buffer: exactly as many bytes as it has, or fewer, from its beginning.
    fn write(&mut self, plan: PlanId, buffer: BufferId, bytes: &[u8]) -> Result<(), BackendError>;

    /// Runs all steps. It may return before they are done.
    fn run(&mut self, plan: PlanId) -> Result<(), BackendError>;

    /// Runs one step only.
    fn run_step(&mut self, plan: PlanId, step: usize) -> Result<(), BackendError>;

    /// Runs all steps, none before the one before it is done, and tells when each ran.
    fn run_timed(&mut self, plan: PlanId) -> Result<Vec<Span>, BackendError>;

    /// Who takes the times of [`Backend::run_timed`].
    fn clock(&self, plan: PlanId) -> Clock;

    /// How many times a run of a plan is handed to the device.
    fn dispatches(&self, plan: PlanId) -> usize;

    /// In how many portions.
    fn submits(&self, plan: PlanId) -> usize;

    /// Waits for all runs so far.
    fn wait(&mut self) -> Result<(), BackendError>;

    /// Waits for all runs so far and reads a buffer.
    fn read(&mut self, plan: PlanId, buffer: BufferId) -> Result<Vec<u8>, BackendError>;
}
