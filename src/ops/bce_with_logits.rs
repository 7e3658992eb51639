//! Binary cross-entropy of logits, the mean over all elements of the real samples of a batch, each sample weighted.
//!
//! Input (logits) and target (0 to 1) are (N, features), sample_weight is (N), loss is (1). The gradient is that of
//! `weight` times the loss, with targets t smoothed to `(1 - s) t + s / 2`. The formula is the stable one: `max(x, 0) - x t + ln(1 + exp(-|x|))`.

use super::attr::{SURE_ANSWER, wrong_arguments};
use super::label_smoothing::{self, Smoothed};
use super::mse::{READS, element_loss_local, some_real_samples, weighted_elements};
use super::share::{self, Share};
use super::sigmoid::sigmoid;
use super::{Arg, ArgumentSpec, Case, CaseData, Dispatch, Kernel, Operator, Variant};
use super::{ROW, WORKGROUP, sample_weight, unit_weight};
use crate::number::{Accumulator, Number};
use crate::rng::Generator;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// The attributes of the binary cross-entropy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BceWithLogits {
    /// What the loss counts in the sum over all branches.
    #[serde(default = "unit_weight")]
    pub weight: f64,
    /// The share of a label's probability that is spread evenly over all classes.
    #[serde(default, skip_serializing_if = "label_smoothing::is_none")]
    pub label_smoothing: f64,
}

impl BceWithLogits {
    fn smoothing(&self) -> Smoothed {
        Smoothed::of(self.label_smoothing, 2)
    }

    /// The target that counts.
    fn smoothed<N: Number>(&self, target: N) -> N {
        match self.label_smoothing {
            0.0 => target,
            _ => N::constant(self.smoothing().wrong) + target * N::constant(self.smoothing().span),
        }
    }
}

impl Operator for BceWithLogits {
    const FORWARD: &'static [Kernel] = &[Kernel::new("forward", READS, &["loss"])];
    const BACKWARD: &'static [Kernel] = &[Kernel::new("backward_input", READS, &["d_input"])];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        label_smoothing::check(self.label_smoothing)?;
        inputs.first().map(|_| [1].into()).ok_or_else(|| "it has no input".into())
    }

    fn loss_weight(&self) -> f64 {
        self.weight
    }

    fn label_smoothing(&mut self) -> Option<&mut f64> {
        Some(&mut self.label_smoothing)
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        element_loss_local(name, inputs)
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        let [input, target, weights, batch, result] = args else { wrong_arguments(kernel) };
        let (total, elements) = weighted_elements(input, target, weights, batch);
        if kernel == "forward" {
            let mut sum = N::Sum::default();
            for (_, [x, t, weight]) in elements {
                sum.add(x.max_zero() * weight);
                sum.add(-(x * self.smoothed(t)) * weight);
                sum.add((N::exact(1.0) + (-x.abs()).exp()).ln() * weight);
            }
            result.real_mut()[0] = sample_weight::mean(sum.total(), total);
        } else {
            let d_input = result.real_mut();
            d_input.fill(N::zero());
            for (e, [x, t, weight]) in elements {
                d_input[e] = (sigmoid(x) - self.smoothed(t)) * N::constant(self.weight) * weight / total;
            }
        }
    }

    fn cancels(&self, _kernel: &str, _argument: &str) -> Option<&'static str> {
        Some(SURE_ANSWER)
    }

    fn shares(&self, kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
        match kernel {
            "forward" => share::samples(shape),
            _ => Vec::new(),
        }
    }

    fn dispatches(&self, kernel: &str, _variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let input = shape("input");
        let features = input.len() / input.batch().max(1);
        let constants = [
            ("SAMPLES", input.batch() as f64),
            ("FEATURES", features as f64),
            ("WEIGHT", self.weight),
            ("WRONG", self.smoothing().wrong),
            ("SPAN", self.smoothing().span),
        ];
        let invocations = if kernel == "forward" { 1 } else { input.len() };
        vec![Dispatch::line(kernel, invocations, &constants)]
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |weight, label_smoothing, shape: [usize; 2]| {
            Case::new(BceWithLogits { weight, label_smoothing }, [shape.into()])
        };
        vec![
            case(1.0, 0.0, [1, 1]),
            case(500.0, 0.0, [7, 1]),
            case(0.25, 0.0, [20, 3]),
            case(1.0, 0.0, [WORKGROUP, 2]),
            case(0.5, 0.0, [ROW + 1, 1]),
            case(2.0, 0.1, [20, 3]),
        ]
    }

    fn fill(&self, name: &str, elements: usize, generator: &mut Generator) -> Option<CaseData> {
        match name {
            "input" => Some(CaseData::Real((0..elements).map(|_| generator.normal() * 8.0).collect())),
            "targets" => {
                let mut targets: Vec<f32> = (0..elements).map(|_| generator.below(2) as f32).collect();
                sample_weight::spoil(&mut targets);
                Some(CaseData::Real(targets))
            }
            "sample_weight" => Some(sample_weight::draw(elements, generator)),
            "batch" => Some(CaseData::Words(some_real_samples(generator))),
            _ => None,
        }
    }
}
