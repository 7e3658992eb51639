//! A fully connected layer and ReLU as one operator. The plan puts it in the place of the two.
//!
//! Input (N, in), weight (out, in), bias (out), output (N, out).

use super::attr::wrong_arguments;
use super::dense::Dense;
use super::relu::Relu;
use super::{Arg, ArgumentSpec, Case, Dispatch, Kernel, Operator, Parameter, Variant};
use crate::number::Number;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// The layer; ReLU has no attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenseRelu {
    /// The fully connected layer.
    pub dense: Dense,
}

impl Operator for DenseRelu {
    const SHADER: Option<&'static str> = Some("dense");
    const EXACT_ON_INTEGERS: bool = true;
    const FORWARD: &'static [Kernel] = Dense::FORWARD;

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        self.dense.output_shape(inputs)
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<Parameter> {
        self.dense.parameters(inputs)
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        self.dense.local(name, inputs)
    }

    fn flops(&self, inputs: &[Shape]) -> u64 {
        self.dense.flops(inputs)
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        let [input, weight, bias, output] = args else { wrong_arguments(kernel) };
        let shape = output.shape.clone();
        let mut sums = vec![N::zero(); shape.len()];
        let mut args = [input.again(), weight.again(), bias.again(), Arg::write(shape.clone(), &mut sums)];
        self.dense.twin(kernel, &mut args);
        Relu {}.twin(kernel, &mut [Arg::read(shape, &sums), output.again_mut()]);
    }

    fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        if !self.dense.fast(kernel, args) {
            return false;
        }
        let [.., output] = args else { wrong_arguments(kernel) };
        output.real_mut().iter_mut().for_each(|value| *value = value.max_zero());
        true
    }

    fn dispatches(&self, kernel: &str, variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        self.dense.dispatches_with(kernel, variant, shape, true)
    }

    fn cases() -> Vec<Case<Self>> {
        let of = |case: Case<Dense>| Case::new(DenseRelu { dense: case.op }, case.inputs);
        Dense::cases().into_iter().map(of).collect()
    }
}
