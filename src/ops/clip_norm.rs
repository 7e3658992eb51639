//! Gradient clipping by the global norm (Pascanu, Mikolov and Bengio, 2013): where the gradients of all parameters
//! together are longer than `max_norm`, all are scaled to that length, as PyTorch's `clip_grad_norm_` does.
//!
//! `begin` and `add` sum the squares of one parameter's gradient after the other; `scale` scales each.

use super::attr::wrong_arguments;
use super::share::{self, Share};
use super::{Arg, ArgumentSpec, Case, CaseData, Dispatch, Kernel, Operator, Variant, height};
use super::{ROW, WORKGROUP};
use crate::number::{Accumulator, Number};
use crate::rng::Generator;
use crate::shape::Shape;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The attribute of gradient clipping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipNorm {
    /// The largest norm.
    pub max_norm: f64,
}

/// What PyTorch adds to the norm before it divides by it.
const EPSILON: f64 = 1e-6;

/// Partial sums of a gradient, at most.
const MOST_PIECES: usize = 1024;

/// How many partial sums a gradient is added up in.
fn pieces(elements: usize) -> usize {
    elements.div_ceil(ROW).clamp(1, MOST_PIECES)
}

/// How many additions a square passes through at most.
fn height(elements: usize) -> usize {
    let pieces = pieces(elements);
    let of_pieces = height::of_stride(pieces) + height::of_halves();
    elements.div_ceil(pieces * WORKGROUP) + height::of_halves() + of_pieces
}

impl ClipNorm {
    /// What gradients are multiplied by whose squares come to this.
    fn factor<N: Number>(&self, squares: N) -> N {
        let norm = squares.sqrt() + N::constant(EPSILON);
        N::constant(self.max_norm).over(norm, EPSILON / 2.0).clamped(0.0, 1.0)
    }
}

impl Operator for ClipNorm {
    const INPUTS: &'static [&'static str] = &["grad"];
    const FORWARD: &'static [Kernel] = &[
        Kernel::new("begin", &["grad"], &["squares"]).scratch(&["partial"]),
        Kernel::new("add", &["grad", "squares"], &["squares"]).scratch(&["partial"]),
        Kernel::new("scale", &["grad", "squares"], &["grad"]),
    ];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        inputs.first().map(|_| [1].into()).ok_or_else(|| "it has no gradient".into())
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        let grad = inputs.first()?;
        match name {
            "grad" => Some(ArgumentSpec::shared(grad.clone())),
            "squares" => Some(ArgumentSpec::shared([1].into())),
            "partial" => Some(ArgumentSpec::shared([pieces(grad.len())].into())),
            _ => None,
        }
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        let [grad, squares] = args else { wrong_arguments(kernel) };
        if kernel == "scale" {
            let factor = self.factor(squares.real()[0]);
            grad.real_mut().iter_mut().for_each(|grad| *grad = *grad * factor);
            return;
        }
        let mut sum = N::Sum::default();
        grad.real().iter().for_each(|&grad| sum.add_product(grad, grad));
        let sum = sum.total_within(height(grad.real().len()));
        let squares = &mut squares.real_mut()[0];
        *squares = if kernel == "add" { *squares + sum } else { sum };
    }

    fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        const TASK: usize = 1 << 14;
        let [grad, squares] = args else { wrong_arguments(kernel) };
        if kernel == "scale" {
            let factor = self.factor(squares.real()[0]);
            grad.real_mut().par_chunks_mut(TASK).flatten().for_each(|grad| *grad *= factor);
            return true;
        }
        // In float64, so that the order does not matter, and in a fixed one.
        let square = |&grad: &f32| f64::from(grad) * f64::from(grad);
        let tasks = grad.real().par_chunks(TASK).map(|task| task.iter().map(square).sum::<f64>());
        let sum = tasks.collect::<Vec<f64>>().into_iter().sum::<f64>() as f32;
        let squares = &mut squares.real_mut()[0];
        *squares = if kernel == "add" { *squares + sum } else { sum };
        true
    }

    fn shares(&self, kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
        match kernel {
            "scale" => Vec::new(),
            _ => vec![share::lane("grad", 1, shape("grad").len())],
        }
    }

    fn dispatches(&self, kernel: &str, _variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let elements = shape("grad").len();
        let constants =
            [("ELEMENTS", elements as f64), ("PIECES", pieces(elements) as f64), ("MAX_NORM", self.max_norm)];
        let line =
            |entry_point: &str, invocations: usize| Dispatch::line(entry_point, invocations, &constants);
        match kernel {
            "scale" => vec![line(kernel, elements)],
            _ => vec![line("square", pieces(elements) * WORKGROUP), line(kernel, WORKGROUP)],
        }
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |max_norm: f64, shape: &[usize]| Case::new(ClipNorm { max_norm }, [Shape(shape.into())]);
        vec![
            case(1.0, &[1]),
            case(0.5, &[WORKGROUP]),
            // Nothing is clipped.
            case(1e6, &[3, 43]),
            case(5.0, &[5, 2, 3, 3]),
            case(0.1, &[ROW + 1]),
            case(1.0, &[WORKGROUP + 3, ROW]),
            // More elements a lane than a piece has rows.
            case(1.0, &[MOST_PIECES + 1, ROW + 7]),
        ]
    }

    fn fill(&self, name: &str, _elements: usize, generator: &mut Generator) -> Option<CaseData> {
        // Of norms around one, so that gradients are clipped and not.
        (name == "squares").then(|| CaseData::Real(vec![generator.unit() * 4.0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_gradients_are_scaled_to_the_norm_and_short_ones_stay() {
        let op = ClipNorm { max_norm: 2.0 };
        let clipped = |gradients: [&mut [f32]; 2]| {
            let mut squares = [f32::NAN];
            let [first, second] = gradients;
            let shapes = [[first.len()].into(), [second.len()].into()];
            let mut args = [Arg::read(Shape::clone(&shapes[0]), first), Arg::write([1].into(), &mut squares)];
            op.twin("begin", &mut args);
            let mut args =
                [Arg::read(Shape::clone(&shapes[1]), second), Arg::write([1].into(), &mut squares)];
            op.twin("add", &mut args);
            for gradient in [first, second] {
                let shape = [gradient.len()].into();
                let mut args = [Arg::write(shape, gradient), Arg::read([1].into(), &squares)];
                op.twin("scale", &mut args);
            }
        };
        let (mut first, mut second) = ([3.0, 0.0], [0.0, -4.0, 0.0]);
        clipped([&mut first, &mut second]);
        assert!((first[0] - 1.2).abs() < 1e-5 && (second[1] + 1.6).abs() < 1e-5, "{first:?} {second:?}");
        let (mut first, mut second) = ([0.3, 0.0], [0.0, -0.4, 0.0]);
        clipped([&mut first, &mut second]);
        assert_eq!((first, second), ([0.3, 0.0], [0.0, -0.4, 0.0]));
    }
}
