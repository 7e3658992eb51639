//! Verifies, on samples and within bounds, that a backend computes what the formulas say.
//!
//! Every kernel is run for the cases of its operator and compared, element by element, with its twin
//! in float64. How far an element may be off is computed with it (see [`crate::number::Bounded`]);
//! there is no tolerance anywhere. Inputs of small integers must match bit for bit. A bound that is too wide to
//! notice a wrong result fails the check as well. `docs/verification.md` tells the method.

mod compare;
mod gradient;
mod kernel;
mod planted;
mod recorded;
mod step;
mod strength;
mod values;

pub use compare::{Mismatch, compare, compare_exactly};
pub use gradient::{GradientError, check_gradients};
pub use kernel::{CaseReport, KernelFailure, Numbers, verify_case};
pub use planted::{Planted, Written, plant_run, run_for_stale};
pub use recorded::{Recorded, UnknownCase, verify_recorded};
pub use step::{StepReport, verify_run, verify_steps};
pub use strength::{Strength, TensorReport, WEAKEST, weakest, worst_fraction};
pub use values::{Values, twin};
