//! Running sums of a branch's loss and metric, kept on the device and read once an epoch.
//!
//! Sums are (4): the batches' losses, each times the sum of its samples' weights; the metric, summed over the samples
//! whose weight is above 0; the number of these; and the sum of all weights.

use super::attr::wrong_arguments;
use super::mse::some_real_samples;
use super::sample_weight;
use super::share::{self, Share};
use super::{Arg, ArgumentSpec, BATCH_COUNT, Case, CaseData, Dispatch, Kernel, Operator, Variant, WORKGROUP};
use crate::number::{Accumulator, Number};
use crate::rng::Generator;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// What a branch is measured by, besides its loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// `|input - target|`, the input within [`Metrics::range`]; its mean is the mean absolute error (MAE).
    AbsoluteError,
    /// 1 where the logit and the target choose the same class, else 0; its mean is the accuracy.
    BinaryAccuracy,
    /// 1 where the largest of a sample's logits, the first of equals, is that of the class whose number
    /// is the target, else 0; its mean is the accuracy.
    ClassAccuracy,
}

/// Adds a batch to the running sums.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// What is summed besides the loss.
    pub metric: Metric,
    /// Between which two numbers all labels of an absolute error lie. An output beyond them counts as the nearer
    /// of the two. Without it, outputs count as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f32; 2]>,
}

/// Number of running sums.
pub const SUMS: usize = 4;

impl Metrics {
    /// The lowest and the highest output that counts as it is.
    fn limits(&self) -> [f32; 2] {
        self.range.unwrap_or([f32::MIN, f32::MAX])
    }

    /// What the shader has to know, for inputs of this shape.
    pub(super) fn constants(&self, input: &Shape) -> [(&'static str, f64); 5] {
        let samples = input.batch();
        let [low, high] = self.limits().map(f64::from);
        [
            ("SAMPLES", samples as f64),
            ("FEATURES", (input.len() / samples.max(1)) as f64),
            ("METRIC", self.metric as u8 as f64),
            ("LOW", low),
            ("HIGH", high),
        ]
    }
}

impl Operator for Metrics {
    const FORWARD: &'static [Kernel] = &[Kernel::new(
        "accumulate",
        &["input", "targets", "sample_weight", "loss", "batch", "sums"],
        &["sums"],
    )];

    fn output_shape(&self, _inputs: &[Shape]) -> Result<Shape, String> {
        Ok([SUMS].into())
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        match name {
            "targets" if self.metric == Metric::ClassAccuracy => {
                Some(ArgumentSpec::batched([inputs.first()?.batch()].into()).words())
            }
            "targets" => inputs.first().cloned().map(ArgumentSpec::batched),
            "sample_weight" => sample_weight::spec(inputs),
            "loss" => Some(ArgumentSpec::shared([1].into())),
            "sums" => Some(ArgumentSpec::shared([SUMS].into())),
            _ => None,
        }
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        let [input, target, weights, loss, batch, sums] = args else { wrong_arguments(kernel) };
        let [samples, features] = input.rows();
        let weights = &weights.real()[..samples.min(batch.words()[BATCH_COUNT] as usize)];
        let [low, high] = self.limits();
        let mut metric = N::Sum::default();
        let mut counted = 0;
        for n in (0..weights.len()).filter(|&n| sample_weight::counts(weights[n])) {
            counted += 1;
            let logits = &input.real()[n * features..][..features];
            let truth = || target.real()[n * features];
            metric.add(match self.metric {
                Metric::AbsoluteError => (logits[0].clamped(low, high) - truth()).abs(),
                Metric::ClassAccuracy => {
                    let best = (0..features).reduce(|best, class| {
                        if logits[class].value() > logits[best].value() { class } else { best }
                    });
                    N::exact(f32::from(best == Some(target.words()[n] as usize)))
                }
                Metric::BinaryAccuracy => {
                    N::exact(f32::from((logits[0].value() > 0.0) == (truth().value() > 0.5)))
                }
            });
        }
        let (loss, total) = (loss.real()[0], sample_weight::total(weights, 1));
        let sums = sums.real_mut();
        sums[0] = sums[0] + loss * total;
        sums[1] = sums[1] + metric.total();
        sums[2] = sums[2] + N::exact(counted as f32);
        sums[3] = sums[3] + total;
    }

    fn shares(&self, _kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
        share::samples(shape)
    }

    fn dispatches(&self, kernel: &str, _variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        vec![Dispatch::line(kernel, 1, &self.constants(&shape("input")))]
    }

    fn cases() -> Vec<Case<Self>> {
        let mut cases = Vec::new();
        for (metric, range) in [
            (Metric::AbsoluteError, None),
            (Metric::AbsoluteError, Some([0.0, 150.0])),
            // Among the inputs' normals and the targets.
            (Metric::AbsoluteError, Some([-0.5, 0.75])),
            (Metric::BinaryAccuracy, None),
            (Metric::ClassAccuracy, None),
        ] {
            for shape in [[1, 1], [7, 1], [20, 3], [50, 4], [WORKGROUP + 1, 5], [300, 3]] {
                cases.push(Case::new(Metrics { metric, range }, [shape.into()]));
            }
        }
        cases
    }

    fn fill(&self, name: &str, elements: usize, generator: &mut Generator) -> Option<CaseData> {
        match name {
            // Zeros and equals, on which decisions turn, and numbers so large that a loss that comes with the metric
            // has to take care that exp does not overflow.
            "input" => {
                let mut value = || match generator.below(3) {
                    0 => 2.0 * generator.normal(),
                    _ => 256.0 * (generator.below(3) as f32 - 1.0),
                };
                let mut values: Vec<f32> = (0..elements).map(|_| value()).collect();
                sample_weight::spoil(&mut values);
                Some(CaseData::Real(values))
            }
            "targets" if self.metric == Metric::ClassAccuracy => {
                // Up to classes that are not there: were there two alone, wrong answers would often be as many.
                Some(CaseData::Words((0..elements).map(|_| generator.below(6)).collect()))
            }
            // 0, 1, and where the one ends and the other begins.
            "targets" => {
                let mut targets: Vec<f32> = (0..elements).map(|_| generator.below(3) as f32 / 2.0).collect();
                sample_weight::spoil(&mut targets);
                Some(CaseData::Real(targets))
            }
            "sample_weight" => Some(sample_weight::draw(elements, generator)),
            "batch" => Some(CaseData::Words(some_real_samples(generator))),
            _ => None,
        }
    }
}
