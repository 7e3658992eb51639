//! The threads that compute.

use anyhow::{Context, Result};

/// Starts them. Where they cannot be, this is an error and not a panic at their first use.
pub fn start() -> Result<()> {
    rayon::ThreadPoolBuilder::new().build_global().context(
        "no threads could be started to compute with; there may be too many processes, or too little memory \
         (RAYON_NUM_THREADS=1 needs the fewest)",
    )
}
