//! Binary cross-entropy of logits, the mean over all elements of the real samples of a batch.
//!
//! Input (logits) and target (0 to 1) are (N, features), loss is (1). The gradient is that of
//! `weight` times the loss. The formula is the stable one: `max(x, 0) - x t + ln(1 + exp(-|x|))`.

use super::attr::{SURE_ANSWER, wrong_arguments};
use super::mse::{element_loss_local, some_real_samples};
use super::share::{self, Share};
use super::sigmoid::sigmoid;
use super::{Arg, ArgumentSpec, BATCH_COUNT, Case, CaseData, Dispatch, Kernel, Operator, Variant};
use super::{ROW, WORKGROUP, unit_weight};
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
}

impl Operator for BceWithLogits {
    const FORWARD: &'static [Kernel] = &[Kernel::new("forward", &["input", "targets", "batch"], &["loss"])];
    const BACKWARD: &'static [Kernel] =
        &[Kernel::new("backward_input", &["input", "targets", "batch"], &["d_input"])];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        inputs.first().map(|_| [1].into()).ok_or_else(|| "it has no input".into())
    }

    fn loss_weight(&self) -> f64 {
        self.weight
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        element_loss_local(name, inputs)
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        let [input, target, batch, result] = args else { wrong_arguments(kernel) };
        let [_, features] = input.rows();
        let real = (batch.words()[BATCH_COUNT] as usize * features).min(input.real().len());
        let pairs = input.real().iter().zip(target.real()).take(real);
        if kernel == "forward" {
            let mut sum = N::Sum::default();
            for (&x, &t) in pairs {
                sum.add(x.max_zero());
                sum.add(-(x * t));
                sum.add((N::exact(1.0) + (-x.abs()).exp()).ln());
            }
            result.real_mut()[0] = sum.total() / N::exact(real as f32);
        } else {
            let d_input = result.real_mut();
            d_input.fill(N::zero());
            for (d_input, (&x, &t)) in d_input.iter_mut().zip(pairs) {
                *d_input = (sigmoid(x) - t) * N::constant(self.weight) / N::exact(real as f32);
            }
        }
    }

    fn cancels(&self, _kernel: &str, _argument: &str) -> Option<&'static str> {
        Some(SURE_ANSWER)
    }

    fn shares(&self, kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
        match kernel {
            "forward" => vec![share::sample("input", &shape("input"))],
            _ => Vec::new(),
        }
    }

    fn dispatches(&self, kernel: &str, _variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let input = shape("input");
        let features = input.len() / input.batch().max(1);
        let constants =
            [("ELEMENTS", input.len() as f64), ("FEATURES", features as f64), ("WEIGHT", self.weight)];
        let invocations = if kernel == "forward" { 1 } else { input.len() };
        vec![Dispatch::line(kernel, invocations, &constants)]
    }

    fn cases() -> Vec<Case<Self>> {
        [(1.0, [1, 1]), (500.0, [7, 1]), (0.25, [20, 3]), (1.0, [WORKGROUP, 2]), (0.5, [ROW + 1, 1])]
            .map(|(weight, shape)| Case::new(BceWithLogits { weight }, [shape.into()]))
            .into()
    }

    fn fill(&self, name: &str, elements: usize, generator: &mut Generator) -> Option<CaseData> {
        let mut draw = |value: fn(&mut Generator) -> f32| {
            Some(CaseData::Real((0..elements).map(|_| value(generator)).collect()))
        };
        match name {
            "input" => draw(|generator| generator.normal() * 8.0),
            "targets" => draw(|generator| generator.below(2) as f32),
            "batch" => Some(CaseData::Words(some_real_samples(generator))),
            _ => None,
        }
    }
}
