//! Where the time of a training step goes, kernel by kernel, beside what the device can do at most.

mod probe;
mod trace;

pub use probe::Rates;
pub use trace::chrome_trace;

use crate::plan::{Backend, BackendError, BackendInfo, Clock, Plan, PlanId, Span};
use serde::Serialize;
use std::time::Instant;

/// The time of every step of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// What computed.
    pub info: BackendInfo,
    /// The plan's name.
    pub name: String,
    /// Samples a run.
    pub batch: usize,
    /// Who took the times of the steps.
    pub clock: Clock,
    /// Seconds that a whole run takes among others, measured by the host without looking into it; the median.
    pub run_seconds: f64,
    /// What the device can do at most.
    pub rates: Rates,
    /// In the plan's order.
    pub steps: Vec<TimedStep>,
}

/// A step of a plan and its time.
#[derive(Debug, Clone, PartialEq)]
pub struct TimedStep {
    /// The layer, branch or parameter that it works for.
    pub layer: String,
    /// The kernel's full name.
    pub kernel: String,
    /// The median of how long it took, and when it would begin if all took theirs.
    pub span: Span,
    /// Floating-point operations.
    pub flops: u64,
    /// Bytes read and written, if every argument is read or written once.
    pub bytes: u64,
}

/// All steps of one kernel together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KernelTime {
    /// The kernel's full name.
    pub kernel: String,
    /// Steps of a run that it does.
    pub calls: usize,
    /// Milliseconds of a run.
    pub ms: f64,
    /// Of the time of all kernels.
    pub percent: f64,
    /// Arithmetic done a second, in GFLOP; zero where the operator counts none.
    pub gflop_per_s: f64,
    /// Of what the probe reaches; above 100 where caches help.
    pub gflop_percent: f64,
    /// Memory moved a second, in GB.
    pub gb_per_s: f64,
    /// Of what the probe reaches; above 100 where caches help.
    pub gb_percent: f64,
}

/// Runs that are not measured.
const WARM_UP: usize = 2;
/// Rows of runs, of which the median one tells how long a run takes.
const ROWS: usize = 3;

/// Measures a plan whose inputs are there. It changes what the plan changes: weights, above all.
///
/// # Errors
/// When the device fails.
pub fn measure(
    backend: &mut dyn Backend,
    plan: &Plan,
    id: PlanId,
    runs: usize,
) -> Result<Profile, BackendError> {
    let runs = runs.max(1);
    // Without measuring: first runs compile, page in, and show what one submit can hold.
    for _ in 0..WARM_UP {
        backend.run(id)?;
    }
    backend.wait()?;
    // As in training: the host hands over the next run while the device is busy with one.
    let (mut whole, in_a_row) = (Vec::new(), runs.div_ceil(ROWS));
    for _ in 0..ROWS {
        let start = Instant::now();
        for _ in 0..in_a_row {
            backend.run(id)?;
        }
        backend.wait()?;
        whole.push(start.elapsed().as_secs_f64() / in_a_row as f64);
    }
    let spans = (0..runs).map(|_| backend.run_timed(id)).collect::<Result<Vec<_>, _>>()?;
    let mut start = 0.0;
    let mut timed = |(index, step): (usize, &crate::plan::Step)| TimedStep {
        layer: step.layer.clone(),
        kernel: step.label(),
        span: {
            let seconds = median(spans.iter().map(|run| run[index].seconds).collect());
            start += seconds;
            Span { start: start - seconds, seconds }
        },
        flops: step.flops(),
        bytes: plan.step_bytes(step) as u64,
    };
    Ok(Profile {
        info: backend.info(),
        name: plan.name.clone(),
        batch: plan.batch,
        clock: backend.clock(id),
        run_seconds: median(whole),
        steps: plan.steps.iter().enumerate().map(&mut timed).collect(),
        rates: Rates::measure(backend)?,
    })
}

/// The middle one of a list that is not empty.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Profile {
    /// Seconds of all steps together.
    pub fn seconds(&self) -> f64 {
        self.steps.iter().map(|step| step.span.seconds).sum()
    }

    /// The steps added up by kernel, the longest first.
    pub fn kernels(&self) -> Vec<KernelTime> {
        let mut names: Vec<&str> = Vec::new();
        for step in &self.steps {
            if !names.contains(&step.kernel.as_str()) {
                names.push(&step.kernel);
            }
        }
        let mut kernels: Vec<KernelTime> = names
            .into_iter()
            .map(|name| {
                let steps: Vec<&TimedStep> = self.steps.iter().filter(|step| step.kernel == name).collect();
                self.sum(name.into(), &steps)
            })
            .collect();
        kernels.sort_by(|a, b| b.ms.total_cmp(&a.ms));
        kernels
    }

    /// Every step on its own, in the plan's order, with its layer in front of the kernel's name.
    pub fn layers(&self) -> Vec<KernelTime> {
        self.steps.iter().map(|step| self.sum(format!("{}: {}", step.layer, step.kernel), &[step])).collect()
    }

    /// Steps as one.
    fn sum(&self, kernel: String, steps: &[&TimedStep]) -> KernelTime {
        let seconds: f64 = steps.iter().map(|step| step.span.seconds).sum();
        let a_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let flops = a_second(steps.iter().map(|step| step.flops).sum());
        let bytes = a_second(steps.iter().map(|step| step.bytes).sum());
        KernelTime {
            kernel,
            calls: steps.len(),
            ms: 1e3 * seconds,
            percent: 100.0 * seconds / self.seconds(),
            gflop_per_s: flops / 1e9,
            gflop_percent: 100.0 * flops / self.rates.flops_per_s,
            gb_per_s: bytes / 1e9,
            gb_percent: 100.0 * bytes / self.rates.bytes_per_s,
        }
    }

    /// Everything, as JSON.
    pub fn json(&self) -> serde_json::Value {
        let steps: Vec<serde_json::Value> = self
            .steps
            .iter()
            .map(|step| {
                let KernelTime { ms, percent, gflop_per_s, gb_per_s, .. } = self.sum(String::new(), &[step]);
                serde_json::json!({
                    "layer": step.layer,
                    "kernel": step.kernel,
                    "start_ms": 1e3 * step.span.start,
                    "ms": ms,
                    "percent": percent,
                    "gflop_per_s": gflop_per_s,
                    "gb_per_s": gb_per_s,
                })
            })
            .collect();
        serde_json::json!({
            "backend": self.info.backend,
            "adapter": self.info.adapter,
            "driver": self.info.driver,
            "plan": self.name,
            "batch": self.batch,
            "clock": self.clock,
            "step_ms": 1e3 * self.run_seconds,
            "kernels_ms": 1e3 * self.seconds(),
            "probe_gflop_per_s": self.rates.flops_per_s / 1e9,
            "probe_gb_per_s": self.rates.bytes_per_s / 1e9,
            "kernels": self.kernels(),
            "steps": steps,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn profile() -> Profile {
        let step = |layer: &str, kernel: &str, start, seconds, flops| TimedStep {
            layer: layer.into(),
            kernel: kernel.into(),
            span: Span { start, seconds },
            flops,
            bytes: 4_000_000,
        };
        Profile {
            info: BackendInfo { backend: "cpu".into(), adapter: "a".into(), driver: "d".into() },
            name: "face.training".into(),
            batch: 20,
            clock: Clock::Host,
            run_seconds: 0.011,
            rates: Rates { flops_per_s: 1e10, bytes_per_s: 1e10 },
            steps: vec![
                step("conv1", "conv2d.forward", 0.0, 0.002, 8_000_000),
                step("relu1", "relu.forward", 0.002, 0.003, 0),
                step("conv2", "conv2d.forward", 0.005, 0.005, 6_000_000),
            ],
        }
    }

    #[test]
    fn kernels_are_added_up_and_the_longest_comes_first() {
        let kernels = profile().kernels();
        let names: Vec<(&str, usize)> = kernels.iter().map(|k| (k.kernel.as_str(), k.calls)).collect();
        assert_eq!(names, [("conv2d.forward", 2), ("relu.forward", 1)]);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        near(kernels[0].ms, 7.0);
        near(kernels[0].percent, 70.0);
        near(kernels[0].gflop_per_s, 2.0);
        near(kernels[0].gflop_percent, 20.0);
        near(kernels[1].gb_per_s, 4.0 / 3.0);
        near(kernels[1].gb_percent, 40.0 / 3.0);
        near(kernels.iter().map(|kernel| kernel.percent).sum(), 100.0);
    }

    #[test]
    fn a_step_without_time_divides_by_nothing() {
        let mut profile = profile();
        profile.steps.iter_mut().for_each(|step| step.span.seconds = 0.0);
        profile.steps[0].span.seconds = 1e-3;
        let kernels = profile.kernels();
        assert!(kernels.iter().all(|kernel| kernel.gb_per_s.is_finite() && kernel.percent.is_finite()));
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![7.0]), 7.0);
    }
}
