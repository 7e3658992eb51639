//! The end of a branch as one operator: its loss and its metric, added to the running sums, and the loss's
//! gradient. The plan puts it in the place of the three, each too small to be worth a dispatch of its own.
//! `accumulate` is for evaluation; `backward` computes the gradient as well.

use super::attr::wrong_arguments;
use super::bce_with_logits::BceWithLogits;
use super::label_smoothing::Smoothed;
use super::metrics::{Metric, Metrics};
use super::mse::Mse;
use super::share::{self, Share};
use super::softmax_cross_entropy::SoftmaxCrossEntropy;
use super::{Arg, ArgumentSpec, Case, CaseData, Dispatch, Kernel, Op, Operator, Variant, WORKGROUP};
use crate::number::Number;
use crate::rng::Generator;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// The two operators.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredLoss {
    /// The loss.
    pub loss: Box<Op>,
    /// What is summed besides the loss.
    pub metrics: Metrics,
}

/// What both kernels read.
const READS: &[&str] = &["input", "targets", "sample_weight", "batch", "sums"];

impl MeasuredLoss {
    /// The number that the shader has for the loss, if it knows it.
    fn number(&self) -> Option<u32> {
        match *self.loss {
            Op::Mse(_) => Some(0),
            Op::BceWithLogits(_) => Some(1),
            Op::SoftmaxCrossEntropy(_) => Some(2),
            _ => None,
        }
    }
}

impl Operator for MeasuredLoss {
    const FORWARD: &'static [Kernel] =
        &[Kernel::new("accumulate", READS, &["sums"]), Kernel::new("backward", READS, &["sums", "d_input"])];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        self.number().ok_or_else(|| format!("it does not know the loss {}", self.loss.name()))?;
        self.loss.output_shape(inputs)?;
        self.metrics.output_shape(inputs)
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        self.metrics.local(name, inputs)
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        let (args, d_input) = args.split_at_mut(READS.len());
        let [input, targets, weights, batch, sums] = args else { wrong_arguments(kernel) };
        let mut value = [N::zero()];
        let loss = Arg { batched: false, ..Arg::write([1].into(), &mut value) };
        let mut args = [input.again(), targets.again(), weights.again(), batch.again(), loss];
        self.loss.twin("forward", &mut args);
        let loss = Arg { batched: false, ..Arg::read([1].into(), &value) };
        let (weights, batch) = (weights.again(), batch.again());
        let mut args =
            [input.again(), targets.again(), weights.again(), loss, batch.again(), sums.again_mut()];
        self.metrics.twin("accumulate", &mut args);
        if let [d_input] = d_input {
            let mut args = [input.again(), targets.again(), weights, batch, d_input.again_mut()];
            self.loss.twin("backward_input", &mut args);
        }
    }

    fn cancels(&self, kernel: &str, argument: &str) -> Option<&'static str> {
        if argument == "d_input" { self.loss.cancels(kernel, argument) } else { None }
    }

    fn shares(&self, _kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
        share::samples(shape)
    }

    fn dispatches(&self, kernel: &str, _variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let Some(number) = self.number() else { return Vec::new() };
        let input = shape("input");
        let own = [("WEIGHT", self.loss.loss_weight()), ("LOSS", number.into())];
        let smoothed = match &*self.loss {
            Op::BceWithLogits(loss) => Smoothed::of(loss.label_smoothing, 2),
            Op::SoftmaxCrossEntropy(loss) => {
                Smoothed::of(loss.label_smoothing, input.len() / input.batch().max(1))
            }
            _ => Smoothed::of(0.0, 1),
        };
        let constants = [own.as_slice(), &smoothed.constants(), &self.metrics.constants(&input)].concat();
        vec![Dispatch::line(kernel, WORKGROUP, &constants)]
    }

    fn cases() -> Vec<Case<Self>> {
        let pairs = |weight| {
            [
                (Op::Mse(Mse { weight }), Metric::AbsoluteError, None),
                (Op::Mse(Mse { weight }), Metric::AbsoluteError, Some([-0.5, 0.75])),
                // No plan has these two together, but the shader keeps apart what they choose.
                (Op::Mse(Mse { weight }), Metric::BinaryAccuracy, None),
                (
                    Op::BceWithLogits(BceWithLogits { weight, label_smoothing: 0.0 }),
                    Metric::BinaryAccuracy,
                    None,
                ),
                (
                    Op::SoftmaxCrossEntropy(SoftmaxCrossEntropy { weight, label_smoothing: 0.0 }),
                    Metric::ClassAccuracy,
                    None,
                ),
            ]
        };
        let mut cases = Vec::new();
        for (weight, shape) in [
            (1.0, [1, 1]),
            (500.0, [7, 2]),
            (1.0, [20, 1]),
            (0.25, [20, 10]),
            (1.0, [50, 4]),
            (2.0, [WORKGROUP, 3]),
            // More samples than lanes.
            (1.0, [WORKGROUP + 1, 2]),
            (0.5, [2 * WORKGROUP + 2, 5]),
            (1.0, [300, 1]),
        ] {
            for (loss, metric, range) in pairs(weight) {
                let op = MeasuredLoss { loss: Box::new(loss), metrics: Metrics { metric, range } };
                cases.push(Case::new(op, [shape.into()]));
            }
        }
        let (weight, label_smoothing) = (2.0, 0.1);
        for (loss, metric) in [
            (Op::BceWithLogits(BceWithLogits { weight, label_smoothing }), Metric::BinaryAccuracy),
            (Op::SoftmaxCrossEntropy(SoftmaxCrossEntropy { weight, label_smoothing }), Metric::ClassAccuracy),
        ] {
            let op = MeasuredLoss { loss: Box::new(loss), metrics: Metrics { metric, range: None } };
            cases.push(Case::new(op, [[WORKGROUP + 1, 5].into()]));
        }
        cases
    }

    fn fill(&self, name: &str, elements: usize, generator: &mut Generator) -> Option<CaseData> {
        self.metrics.fill(name, elements, generator)
    }
}
