//! Cross-entropy of logits with one right class each, the weighted mean over the real samples of a batch.
//!
//! Input (N, classes), targets (N) with the number of the right class, sample_weight (N), loss (1). The gradient is
//! that of `weight` times the loss. With `label_smoothing` s of K classes the right one is wanted with the probability
//! 1 - s + s / K and each other one with s / K. Logits are shifted by their largest, so that nothing overflows.

use super::attr::{SURE_ANSWER, wrong_arguments};
use super::label_smoothing::{self, Smoothed};
use super::mse::{READS, some_real_samples};
use super::share::{self, Share};
use super::{Arg, ArgumentSpec, BATCH_COUNT, Case, CaseData, Dispatch, Kernel, Operator, Variant};
use super::{ROW, WORKGROUP, sample_weight, unit_weight};
use crate::number::{Accumulator, Number};
use crate::rng::Generator;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// The attributes of the cross-entropy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoftmaxCrossEntropy {
    /// What the loss counts in the sum over all branches.
    #[serde(default = "unit_weight")]
    pub weight: f64,
    /// The share of a label's probability that is spread evenly over all classes.
    #[serde(default, skip_serializing_if = "label_smoothing::is_none")]
    pub label_smoothing: f64,
}

/// The number of the right class. One that is not there counts as the last, as in the shader.
fn right_class(target: u32, classes: usize) -> usize {
    (target as usize).min(classes - 1)
}

/// The largest logit, and the sum of `exp(logit - largest)`.
fn shifted_sum<N: Number>(logits: &[N]) -> (N, N) {
    let largest = logits.iter().copied().reduce(|a, b| if b.value() > a.value() { b } else { a });
    let largest = largest.unwrap_or_else(N::zero);
    let mut sum = N::Sum::default();
    logits.iter().for_each(|&logit| sum.add((logit - largest).exp()));
    (largest, sum.total())
}

impl Operator for SoftmaxCrossEntropy {
    const FORWARD: &'static [Kernel] = &[Kernel::new("forward", READS, &["loss"])];
    const BACKWARD: &'static [Kernel] = &[Kernel::new("backward_input", READS, &["d_input"])];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs.first().map(|input| input.0.as_slice()) {
            Some(&[_, classes]) if classes > 0 => {
                label_smoothing::check(self.label_smoothing).map(|()| [1].into())
            }
            _ => Err("it needs a row of logits a sample".into()),
        }
    }

    fn loss_weight(&self) -> f64 {
        self.weight
    }

    fn label_smoothing(&mut self) -> Option<&mut f64> {
        Some(&mut self.label_smoothing)
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        match name {
            "targets" => Some(ArgumentSpec::batched([inputs.first()?.batch()].into()).words()),
            "sample_weight" => sample_weight::spec(inputs),
            "loss" => Some(ArgumentSpec::shared([1].into())),
            _ => None,
        }
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        let [input, targets, weights, batch, result] = args else { wrong_arguments(kernel) };
        let [samples, classes] = input.rows();
        let weights = &weights.real()[..samples.min(batch.words()[BATCH_COUNT] as usize)];
        let total = sample_weight::total(weights, 1);
        let counted = weights.iter().enumerate().filter(|(_, weight)| sample_weight::counts(**weight));
        let rows = counted.map(|(n, &weight)| {
            let right = right_class(targets.words()[n], classes);
            (n, &input.real()[n * classes..][..classes], right, weight)
        });
        let Smoothed { right, wrong, .. } = Smoothed::of(self.label_smoothing, classes);
        let wanted = |class: usize, of: usize| N::constant(if class == of { right } else { wrong });
        if kernel == "forward" {
            let mut loss = N::Sum::default();
            for (_, logits, right, weight) in rows {
                let (largest, sum) = shifted_sum(logits);
                loss.add(sum.ln() * weight);
                if self.label_smoothing == 0.0 {
                    loss.add(largest * weight);
                    loss.add(-logits[right] * weight);
                    continue;
                }
                for (class, &logit) in logits.iter().enumerate() {
                    loss.add((largest - logit) * wanted(class, right) * weight);
                }
            }
            result.real_mut()[0] = sample_weight::mean(loss.total(), total);
        } else {
            let d_input = result.real_mut();
            d_input.fill(N::zero());
            for (n, logits, right, weight) in rows {
                let (largest, sum) = shifted_sum(logits);
                for (class, &logit) in logits.iter().enumerate() {
                    let probability = (logit - largest).exp() / sum;
                    let slope = (probability - wanted(class, right)) * N::constant(self.weight);
                    d_input[n * classes + class] = slope * weight / total;
                }
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
        let samples = input.batch();
        let classes = input.len() / samples.max(1);
        let Smoothed { right, wrong, .. } = Smoothed::of(self.label_smoothing, classes);
        let constants = [
            ("SAMPLES", samples as f64),
            ("CLASSES", classes as f64),
            ("WEIGHT", self.weight),
            ("RIGHT", right),
            ("WRONG", wrong),
        ];
        let invocations = if kernel == "forward" { 1 } else { samples };
        vec![Dispatch::line(kernel, invocations, &constants)]
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |weight, label_smoothing, shape: [usize; 2]| {
            Case::new(SoftmaxCrossEntropy { weight, label_smoothing }, [shape.into()])
        };
        vec![
            case(1.0, 0.0, [1, 2]),
            case(500.0, 0.0, [7, 2]),
            case(0.25, 0.0, [20, 10]),
            case(1.0, 0.0, [WORKGROUP, 3]),
            case(0.5, 0.0, [ROW + 1, 2]),
            case(2.0, 0.1, [20, 10]),
        ]
    }

    fn fill(&self, name: &str, elements: usize, generator: &mut Generator) -> Option<CaseData> {
        match name {
            // Some are so large that exp overflows where the largest logit is not subtracted.
            "input" => {
                let mut logit = || generator.normal() * if generator.below(3) == 0 { 256.0 } else { 2.0 };
                let mut logits: Vec<f32> = (0..elements).map(|_| logit()).collect();
                sample_weight::spoil(&mut logits);
                Some(CaseData::Real(logits))
            }
            // Up to classes that are not there.
            "targets" => Some(CaseData::Words((0..elements).map(|_| generator.below(11)).collect())),
            "sample_weight" => Some(sample_weight::draw(elements, generator)),
            "batch" => Some(CaseData::Words(some_real_samples(generator))),
            _ => None,
        }
    }
}
