//! Mean squared error over all elements of the real samples of a batch.
//!
//! Input and target (N, features), loss (1). The gradient is that of `weight` times the loss.

use super::attr::wrong_arguments;
use super::share::{self, Share};
use super::{
    Arg, ArgumentSpec, BATCH_COUNT, BATCH_WORDS, Case, CaseData, Dispatch, Kernel, Operator, Variant,
};
use super::{ROW, WORKGROUP, unit_weight};
use crate::number::{Accumulator, Number};
use crate::rng::Generator;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// The attributes of the mean squared error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mse {
    /// What the loss counts in the sum over all branches.
    #[serde(default = "unit_weight")]
    pub weight: f64,
}

impl Operator for Mse {
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
            pairs.for_each(|(&x, &t)| sum.add_product(x - t, x - t));
            result.real_mut()[0] = sum.total() / N::exact(real as f32);
        } else {
            let d_input = result.real_mut();
            d_input.fill(N::zero());
            for (d_input, (&x, &t)) in d_input.iter_mut().zip(pairs) {
                *d_input = (x - t) * N::constant(2.0 * self.weight) / N::exact(real as f32);
            }
        }
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
        [
            (1.0, [1, 1]),
            (500.0, [7, 1]),
            (0.25, [20, 3]),
            (2.0, [50, 5]),
            (1.0, [90, 3]),
            (1.0, [WORKGROUP, 2]),
            (0.5, [ROW + 1, 1]),
        ]
        .map(|(weight, shape)| Case::new(Mse { weight }, [shape.into()]))
        .into()
    }

    fn fill(&self, name: &str, _elements: usize, generator: &mut Generator) -> Option<CaseData> {
        (name == "batch").then(|| CaseData::Words(some_real_samples(generator)))
    }
}

/// The arguments of a loss that has a target an element.
pub fn element_loss_local(name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
    match name {
        "targets" => inputs.first().cloned().map(ArgumentSpec::batched),
        "loss" => Some(ArgumentSpec::shared([1].into())),
        _ => None,
    }
}

/// The words of a batch in which only some samples are real: a few, or many, or all.
pub fn some_real_samples(generator: &mut Generator) -> Vec<u32> {
    let mut words = vec![0; BATCH_WORDS];
    let bits = generator.below(12);
    words[BATCH_COUNT] = 1 + generator.below(1 << bits);
    words
}
