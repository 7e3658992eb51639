//! Mean squared error over all elements of the real samples of a batch, each sample weighted.
//!
//! Input and target (N, features), sample_weight (N), loss (1). The gradient is that of `weight` times the loss.

use super::attr::wrong_arguments;
use super::share::{self, Share};
use super::{
    Arg, ArgumentSpec, BATCH_COUNT, BATCH_WORDS, Case, CaseData, Dispatch, Kernel, Operator, Variant,
};
use super::{ROW, WORKGROUP, sample_weight, unit_weight};
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

/// What the kernels of losses read.
pub(super) const READS: &[&str] = &["input", "targets", "sample_weight", "batch"];

impl Operator for Mse {
    const FORWARD: &'static [Kernel] = &[Kernel::new("forward", READS, &["loss"])];
    const BACKWARD: &'static [Kernel] = &[Kernel::new("backward_input", READS, &["d_input"])];

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
        let [input, target, weights, batch, result] = args else { wrong_arguments(kernel) };
        let (total, elements) = weighted_elements(input, target, weights, batch);
        if kernel == "forward" {
            let mut sum = N::Sum::default();
            elements.for_each(|(_, [x, t, weight])| sum.add((x - t) * (x - t) * weight));
            result.real_mut()[0] = sample_weight::mean(sum.total(), total);
        } else {
            let d_input = result.real_mut();
            d_input.fill(N::zero());
            for (e, [x, t, weight]) in elements {
                d_input[e] = (x - t) * N::constant(2.0 * self.weight) * weight / total;
            }
        }
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
        let constants =
            [("SAMPLES", input.batch() as f64), ("FEATURES", features as f64), ("WEIGHT", self.weight)];
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

    fn fill(&self, name: &str, elements: usize, generator: &mut Generator) -> Option<CaseData> {
        match name {
            "targets" => {
                let mut targets: Vec<f32> = (0..elements).map(|_| generator.normal()).collect();
                sample_weight::spoil(&mut targets);
                Some(CaseData::Real(targets))
            }
            "sample_weight" => Some(sample_weight::draw(elements, generator)),
            "batch" => Some(CaseData::Words(some_real_samples(generator))),
            _ => None,
        }
    }
}

/// The elements of real samples that count, with their indices: input, target, and the sample's weight. And what their
/// weighted sum is divided by.
pub(super) fn weighted_elements<N: Number>(
    input: &Arg<N>,
    targets: &Arg<N>,
    weights: &Arg<N>,
    batch: &Arg<N>,
) -> (N, impl Iterator<Item = (usize, [N; 3])>) {
    let [samples, features] = input.rows();
    let weights = &weights.real()[..samples.min(batch.words()[BATCH_COUNT] as usize)];
    let counted = (0..weights.len() * features).filter(move |e| sample_weight::counts(weights[e / features]));
    let elements = counted.map(move |e| (e, [input.real()[e], targets.real()[e], weights[e / features]]));
    (sample_weight::total(weights, features), elements)
}

/// The arguments of a loss that has a target an element.
pub fn element_loss_local(name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
    match name {
        "targets" => inputs.first().cloned().map(ArgumentSpec::batched),
        "sample_weight" => sample_weight::spec(inputs),
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
