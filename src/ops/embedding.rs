//! A row of a table for every number.
//!
//! Input (N, L) of whole numbers below `vocabulary`, weight (vocabulary, width), output (N, L, width).
//! A number beyond the table counts as the last one.

use super::attr::wrong_arguments;
use super::{Arg, ArgumentSpec, Case, CaseData, Dispatch, Init, Kernel, Operator, Parameter, WORKGROUP};
use crate::number::{Accumulator, Number};
use crate::rng::Generator;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// The attributes of an embedding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedding {
    /// Rows of the table.
    pub vocabulary: usize,
    /// Columns of the table.
    pub width: usize,
}

impl Embedding {
    fn row(&self, number: u32) -> usize {
        (number as usize).min(self.vocabulary - 1)
    }
}

impl Operator for Embedding {
    const EXACT_ON_INTEGERS: bool = true;
    const FORWARD: &'static [Kernel] =
        &[Kernel::new("forward", &["input", "weight"], &["output"]).per_sample()];
    const BACKWARD: &'static [Kernel] =
        &[Kernel::new("backward_weight", &["input", "d_output"], &["d_weight"])];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        if self.vocabulary == 0 || self.width == 0 {
            return Err("vocabulary and width must be at least 1".into());
        }
        match inputs.first().map(|input| input.0.as_slice()) {
            Some(&[batch, length]) => Ok([batch, length, self.width].into()),
            _ => Err("it needs a row of whole numbers a sample".into()),
        }
    }

    fn parameters(&self, _inputs: &[Shape]) -> Vec<Parameter> {
        let init = Init::GlorotUniform { fan_in: self.vocabulary, fan_out: self.width };
        vec![Parameter::trained("weight", [self.vocabulary, self.width], init)]
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        (name == "input").then(|| inputs.first().cloned().map(|shape| ArgumentSpec::batched(shape).words()))?
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        match (kernel, args) {
            ("forward", [input, weight, output]) => {
                let rows = output.real_mut().chunks_exact_mut(self.width);
                for (row, &number) in rows.zip(input.words()) {
                    row.copy_from_slice(&weight.real()[self.row(number) * self.width..][..self.width]);
                }
            }
            ("backward_weight", [input, d_output, d_weight]) => {
                let d_weight = d_weight.real_mut();
                let mut sums: Vec<N::Sum> = d_weight.iter().map(|_| N::Sum::default()).collect();
                let rows = d_output.real().chunks_exact(self.width);
                for (row, &number) in rows.zip(input.words()) {
                    let sums = &mut sums[self.row(number) * self.width..][..self.width];
                    sums.iter_mut().zip(row).for_each(|(sum, &d)| sum.add(d));
                }
                for (d_weight, sum) in d_weight.iter_mut().zip(sums) {
                    *d_weight = sum.total();
                }
            }
            _ => wrong_arguments(kernel),
        }
    }

    fn dispatches(&self, kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let positions = shape("input").len();
        let constants = [
            ("POSITIONS", positions as f64),
            ("VOCABULARY", self.vocabulary as f64),
            ("WIDTH", self.width as f64),
        ];
        let invocations = if kernel == "forward" { positions } else { self.vocabulary } * self.width;
        vec![Dispatch::line(kernel, invocations, &constants)]
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |vocabulary, width, input: [usize; 2]| {
            Case::new(Embedding { vocabulary, width }, [input.into()])
        };
        vec![
            case(1, 1, [1, 1]),
            case(5, 3, [2, 7]),
            case(11, WORKGROUP + 1, [3, 5]),
            case(2 * WORKGROUP + 1, 7, [4, 33]),
        ]
    }

    fn fill(&self, name: &str, elements: usize, generator: &mut Generator) -> Option<CaseData> {
        // One more than there are rows: the last may be asked for by a number beyond it.
        let vocabulary = self.vocabulary as u32 + 1;
        (name == "input")
            .then(|| CaseData::Words((0..elements).map(|_| generator.below(vocabulary)).collect()))
    }
}
