//! What a device can do at most.

use super::{WARM_UP, median};
use crate::ops::probe::Probe;
use crate::ops::{ArgumentSpec, Op};
use crate::plan::{Argument, Backend, BackendError, Buffer, Kind, Plan, Slot, Step};
use crate::shape::{DType, Shape};

/// More than caches hold, and no more than any adapter binds.
const ELEMENTS: usize = 1 << 24;
/// Samples that the elements count as: work for every core.
const PARTS: usize = 64;
/// A probe shorter than this says little: it is repeated with more rounds.
const LONG_ENOUGH_SECS: f64 = 0.02;
const FIRST_ROUNDS: usize = 256;
const MOST_ROUNDS: usize = 1 << 16;
/// Runs of each probe; the median counts.
const RUNS: usize = 3;

/// What a device can do at most, by kernels that do nothing else.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Multiplications and additions a second.
    pub flops_per_s: f64,
    /// Bytes read and written a second.
    pub bytes_per_s: f64,
}

impl Rates {
    /// Measures a device.
    ///
    /// # Errors
    /// When it fails.
    pub fn measure(backend: &mut dyn Backend) -> Result<Rates, BackendError> {
        let mut rounds = FIRST_ROUNDS;
        let flops_per_s = loop {
            let plan = plan("multiply_add", rounds);
            let seconds = time(backend, &plan)?;
            if seconds >= LONG_ENOUGH_SECS || rounds >= MOST_ROUNDS {
                break plan.flops() as f64 / seconds;
            }
            rounds *= 4;
        };
        let copy = plan("copy", 0);
        let bytes_per_s = copy.traffic_bytes() as f64 / time(backend, &copy)?;
        Ok(Rates { flops_per_s, bytes_per_s })
    }
}

/// The median of the seconds that a plan of one step takes.
fn time(backend: &mut dyn Backend, plan: &Plan) -> Result<f64, BackendError> {
    let id = backend.prepare(plan)?;
    for _ in 0..WARM_UP {
        backend.run(id)?;
    }
    let mut seconds = Vec::new();
    for _ in 0..RUNS {
        seconds.extend(backend.run_timed(id)?.iter().map(|span| span.seconds));
    }
    Ok(median(seconds).max(f64::MIN_POSITIVE))
}

/// A plan of one kernel of the probe.
fn plan(kernel: &str, rounds: usize) -> Plan {
    let shape = Shape::from([PARTS, ELEMENTS / PARTS]);
    let buffer = |name: &str, slot| {
        let spec = ArgumentSpec::batched(shape.clone());
        Buffer { slot, ..Buffer::new(name, spec, Kind::Transient) }
    };
    // Both plans, and all their repetitions, share their memory.
    let slot = |name: &str| Slot {
        dtype: DType::F32,
        bytes: ELEMENTS * DType::F32.bytes(),
        shared_as: Some(format!("probe.{name}")),
    };
    let argument = |name: &str, buffer| Argument { name: name.into(), buffer, shape: shape.clone() };
    let step = Step {
        layer: "probe".into(),
        op: Op::Probe(Probe { rounds }),
        kernel: kernel.into(),
        arguments: vec![argument("input", 0), argument("output", 1)],
    };
    Plan {
        name: format!("probe.{kernel}"),
        batch: PARTS,
        buffers: vec![buffer("input", 0), buffer("output", 1)],
        slots: vec![slot("input"), slot("output")],
        steps: vec![step],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::CpuBackend;

    #[test]
    fn a_probe_counts_its_work() {
        assert_eq!(plan("multiply_add", 10).flops(), 20 * ELEMENTS as u64);
        assert_eq!(plan("copy", 0).traffic_bytes(), 8 * ELEMENTS);
    }

    #[test]
    fn what_is_measured_is_a_rate() {
        let rates = Rates::measure(&mut CpuBackend::new()).expect("measured");
        assert!(rates.flops_per_s > 1e7 && rates.flops_per_s < 1e14, "{rates:?}");
        assert!(rates.bytes_per_s > 1e7 && rates.bytes_per_s < 1e13, "{rates:?}");
    }
}
