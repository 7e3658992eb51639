//! The mean of every channel over the positions that hold a token: a text's padding does not count.
//!
//! Input (N, C, L), tokens (N, L) with 0 for padding, output (N, C, 1). With `combiner = "sqrtn"` the sum is divided by
//! the square root of the number of tokens, so that the output of many tokens that agree is larger than that of one
//! (TensorFlow's `embedding_lookup_sparse` calls it so). Of no token at all the output is 0.

use super::attr::wrong_arguments;
use super::gemm::{sum, sum_height};
use super::share::{self, Share};
use super::{Arg, ArgumentSpec, Case, CaseData, Dispatch, Kernel, Operator, ROW, Variant, WORKGROUP, onnx};
use crate::number::{Accumulator, Number};
use crate::rng::Generator;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// The attribute of a masked mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskedAvgPool1d {
    /// What the sum is divided by.
    #[serde(default)]
    pub combiner: Combiner,
}

/// What a sum over tokens is divided by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combiner {
    /// The number of tokens.
    #[default]
    Mean,
    /// The square root of their number.
    Sqrtn,
    /// The length of the sequence, padding included: evidence adds up.
    Length,
}

impl MaskedAvgPool1d {
    /// What the sum over so many tokens of a sequence of this length is multiplied by; each is one division.
    fn scale<N: Number>(&self, tokens: usize, length: usize) -> N {
        let of = |count: usize| N::exact(count.max(1) as f32);
        match self.combiner {
            Combiner::Mean => N::exact(1.0) / of(tokens),
            Combiner::Sqrtn => N::exact(1.0) / of(tokens).sqrt(),
            Combiner::Length => N::exact(1.0) / of(length),
        }
    }
}

impl Operator for MaskedAvgPool1d {
    const INPUTS: &'static [&'static str] = &["input", "tokens"];
    const FORWARD: &'static [Kernel] =
        &[Kernel::new("forward", &["input", "tokens"], &["output", "scale"]).per_sample()];
    const BACKWARD: &'static [Kernel] =
        &[Kernel::new("backward_input", &["d_output", "tokens", "scale"], &["d_input"]).per_sample()];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [Shape(input), Shape(tokens)] => match (input.as_slice(), tokens.as_slice()) {
                (&[batch, channels, length], &[_, tokens]) if length == tokens => {
                    Ok([batch, channels, 1].into())
                }
                _ => Err(format!(
                    "it reads channels of a sequence and its tokens, of the same length, but these are {} and {} \
                     (batch first)",
                    inputs[0], inputs[1]
                )),
            },
            _ => Err("it reads two inputs: channels of a sequence, and \"tokens\"".into()),
        }
    }

    fn flops(&self, inputs: &[Shape]) -> u64 {
        inputs.first().map_or(0, |input| input.len() as u64)
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        match name {
            "tokens" => inputs.get(1).cloned().map(|shape| ArgumentSpec::batched(shape).words()),
            "scale" => Some(ArgumentSpec::batched([inputs.first()?.batch()].into())),
            _ => None,
        }
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        match (kernel, args) {
            ("forward", [input, tokens, output, scale]) => {
                let ([samples, length], input) = (tokens.rows(), input.real());
                let channels = output.real().len() / samples.max(1);
                for n in 0..samples {
                    let tokens = &tokens.words()[n * length..][..length];
                    let count = tokens.iter().filter(|&&token| token != 0).count();
                    scale.real_mut()[n] = self.scale(count, length);
                    for c in 0..channels {
                        let plane = &input[(n * channels + c) * length..][..length];
                        let mut sum = N::Sum::default();
                        let real = plane.iter().zip(tokens).filter(|&(_, &token)| token != 0);
                        real.for_each(|(&value, _)| sum.add(value));
                        let height = count.max(sum_height(length));
                        output.real_mut()[n * channels + c] =
                            sum.total_within(height) * self.scale(count, length);
                    }
                }
            }
            ("backward_input", [d_output, tokens, scale, d_input]) => {
                let [samples, length] = tokens.rows();
                let channels = d_output.real().len() / samples.max(1);
                for (index, d_input) in d_input.real_mut().iter_mut().enumerate() {
                    let (n, c, l) = (index / (channels * length), index / length % channels, index % length);
                    *d_input = match tokens.words()[n * length + l] {
                        0 => N::zero(),
                        _ => d_output.real()[n * channels + c] * scale.real()[n],
                    };
                }
            }
            _ => wrong_arguments(kernel),
        }
    }

    fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        let [input, tokens, output, scale] = args else { return false };
        if kernel != "forward" {
            return false;
        }
        let [samples, length] = tokens.rows();
        let channels = output.real().len() / samples.max(1);
        for n in 0..samples {
            let tokens = &tokens.words()[n * length..][..length];
            let count = tokens.iter().filter(|&&token| token != 0).count();
            // Padding stands behind the tokens, unless some were dropped.
            if tokens[..count].contains(&0) {
                return false;
            }
            let own: f32 = self.scale(count, length);
            scale.real_mut()[n] = own;
            let planes = input.real()[n * channels * length..].chunks_exact(length);
            let outputs = &mut output.real_mut()[n * channels..][..channels];
            outputs.iter_mut().zip(planes).for_each(|(output, plane)| *output = sum(&plane[..count]) * own);
        }
        true
    }

    fn shares(&self, kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
        match kernel {
            "forward" => {
                let input = shape("input");
                let samples = input.batch();
                vec![share::channel("input", &input), share::stretch("one tap", "input", &input, samples, 1)]
            }
            _ => Vec::new(),
        }
    }

    fn dispatches(&self, kernel: &str, _variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let planes = shape(if kernel == "forward" { "output" } else { "d_output" }).len();
        let tokens = shape("tokens");
        let samples = tokens.batch();
        let length = tokens.len() / samples.max(1);
        let constants = [
            ("SAMPLES", samples as f64),
            ("CHANNELS", (planes / samples.max(1)) as f64),
            ("LENGTH", length as f64),
            ("COMBINER", f64::from(self.combiner as u8)),
        ];
        let line =
            |entry_point: &str, invocations: usize| Dispatch::line(entry_point, invocations, &constants);
        match kernel {
            "forward" => vec![line("count", samples), line(kernel, planes)],
            _ => vec![line(kernel, planes * length)],
        }
    }

    /// The mask divided by its norm, which is the number of tokens or its root, times the input. A mask of zeros stays
    /// zeros.
    fn onnx(&self, inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
        let length = inputs.get(1).map_or(1, |tokens| tokens.len() / tokens.batch().max(1));
        let scale = match self.combiner {
            Combiner::Mean => onnx::Node::after("LpNormalization", []).with("axis", 1_i64).with("p", 1_i64),
            Combiner::Sqrtn => onnx::Node::after("LpNormalization", []).with("axis", 1_i64).with("p", 2_i64),
            Combiner::Length => onnx::Node::after("Div", [onnx::Value::Scalar(length as f32)]),
        };
        let mut product = onnx::Node::new("MatMul", &["input"]);
        product.inputs.push(onnx::Value::Before);
        Some(vec![
            onnx::Node::new("Cast", &["tokens"]).with("to", onnx::BOOL),
            onnx::Node::after("Cast", []).with("to", onnx::FLOAT),
            scale,
            onnx::Node::after("Unsqueeze", [onnx::Value::Integers(vec![2])]),
            product,
        ])
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |combiner, [samples, channels, length]: [usize; 3]| {
            let op = MaskedAvgPool1d { combiner };
            Case::new(op, [[samples, channels, length].into(), [samples, length].into()])
        };
        vec![
            case(Combiner::Mean, [1, 1, 1]),
            case(Combiner::Mean, [3, 2, 17]),
            case(Combiner::Sqrtn, [2, 3, 33]),
            case(Combiner::Sqrtn, [5, WORKGROUP + 3, 9]),
            case(Combiner::Length, [WORKGROUP + 1, 2, 40]),
            case(Combiner::Mean, [2, 5, ROW + 3]),
        ]
    }

    fn fill(&self, name: &str, elements: usize, generator: &mut Generator) -> Option<CaseData> {
        // Now and then a token is 0 in the midst of others.
        (name == "tokens").then(|| CaseData::Words((0..elements).map(|_| generator.below(4)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Data;

    #[test]
    fn padding_does_not_count_and_no_token_at_all_gives_zero() {
        let input = [2.0, 4.0, 90.0, 1.0, 3.0, 70.0, 5.0, 5.0, 5.0];
        let tokens = [7, 3, 0, 7, 3, 0, 0, 0, 0];
        for (combiner, want) in [
            (Combiner::Mean, [3.0, 2.0, 0.0]),
            (Combiner::Sqrtn, [6.0 / 2_f32.sqrt(), 4.0 / 2_f32.sqrt(), 0.0]),
        ] {
            for is_fast in [false, true] {
                let (mut output, mut scale) = ([f32::NAN; 3], [f32::NAN; 3]);
                let mut args = [
                    Arg::read([3, 1, 3].into(), &input),
                    Arg { shape: [3, 3].into(), data: Data::ReadWords(&tokens), batched: true },
                    Arg::write([3, 1, 1].into(), &mut output),
                    Arg::write([3].into(), &mut scale),
                ];
                let op = MaskedAvgPool1d { combiner };
                match is_fast {
                    true => assert!(op.fast("forward", &mut args)),
                    false => op.twin("forward", &mut args),
                }
                let near = output.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-6);
                assert!(near, "{combiner:?}: {output:?}");
            }
        }
    }
}
