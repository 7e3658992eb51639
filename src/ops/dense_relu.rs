//! A fully connected layer and ReLU as one operator. The plan puts it in the place of the two.
//!
//! Input (N, in), weight (out, in), bias (out), output (N, out); of several layers side by side one after the
//! other.

use super::attr::wrong_arguments;
use super::dense::Dense;
use super::layers;
use super::relu::Relu;
use super::{Arg, ArgumentSpec, Case, Dispatch, Kernel, Operator, Parameter};
use super::{ROW, Share, Variant, WORKGROUP};
use crate::number::Number;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// The layer; ReLU has no attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenseRelu {
    /// The fully connected layer.
    pub dense: Dense,
    /// How many such layers side by side it stands for. Each has an input, parameters and an output of its own,
    /// which lie one after the other.
    #[serde(default = "layers::one")]
    pub layers: usize,
}

impl DenseRelu {
    /// The twin of one layer.
    fn twin_of_one<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        let [input, weight, bias, output] = args else { wrong_arguments(kernel) };
        let shape = output.shape.clone();
        let mut sums = vec![N::zero(); shape.len()];
        let mut args = [input.again(), weight.again(), bias.again(), Arg::write(shape.clone(), &mut sums)];
        self.dense.twin(kernel, &mut args);
        Relu {}.twin(kernel, &mut [Arg::read(shape, &sums), output.again_mut()]);
    }
}

impl Operator for DenseRelu {
    const SHADER: Option<&'static str> = Some("dense");
    const EXACT_ON_INTEGERS: bool = true;
    const FORWARD: &'static [Kernel] = Dense::FORWARD;

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let output = self.dense.output_shape(&layers::of_each(inputs, self.layers))?;
        Ok(layers::of_all(&output, self.layers))
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<Parameter> {
        layers::parameters(self.dense.parameters(inputs), self.layers)
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        let each = layers::of_each(inputs, self.layers);
        (name == "packed").then(|| self.dense.packed_layers(&each, self.layers))?
    }

    fn flops(&self, inputs: &[Shape]) -> u64 {
        self.dense.flops(inputs)
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        for layer in 0..self.layers {
            self.twin_of_one(kernel, &mut layers::arguments(args, layer, self.layers, &[]));
        }
    }

    fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        let mut layers = 0..self.layers;
        if !layers.all(|layer| self.dense.fast(kernel, &mut layers::arguments(args, layer, self.layers, &[])))
        {
            return false;
        }
        let [.., output] = args else { wrong_arguments(kernel) };
        output.real_mut().iter_mut().for_each(|value| *value = value.max_zero());
        true
    }

    fn shares(&self, kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
        self.dense.shares(kernel, shape)
    }

    fn dispatches(&self, kernel: &str, variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        self.dense.dispatches_with(kernel, variant, shape, true, self.layers)
    }

    fn beside(&self, others: &[&Self], inputs: &[Shape]) -> Option<(Self, Vec<Shape>)> {
        let layers = 1 + others.len();
        let inputs = inputs.iter().map(|input| layers::of_all(input, layers)).collect();
        others.iter().all(|&other| other == self).then(|| (Self { layers, ..self.clone() }, inputs))
    }

    fn cases() -> Vec<Case<Self>> {
        let of = |case: Case<Dense>| Case::new(DenseRelu { dense: case.op, layers: 1 }, case.inputs);
        let beside = |layers: usize, batch: usize, inputs: usize, out_features: usize| {
            Case::new(DenseRelu { dense: Dense { out_features }, layers }, [[layers * batch, inputs].into()])
        };
        let alone = Dense::cases().into_iter().map(of);
        // No multiples of a block; more inputs than a window holds; more outputs than a row holds.
        let beside = [
            beside(2, 35, 70, 7),
            beside(3, 9, WORKGROUP + 1, 17),
            beside(2, 5, 1030, 3),
            // Several layers, blocks and windows at once; as many inputs as a window holds, and one more.
            beside(2, 35, 1030, 3),
            beside(2, 33, 510, 2),
            beside(2, 3, 511, 2),
            beside(3, 1, 2, ROW + 1),
        ];
        alone.chain(beside).collect()
    }
}
