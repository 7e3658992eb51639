//! What a device can do at most: multiplications and additions in a row, and a copy. The kernels of a
//! training step are measured against it; see `faceshader profile`.

use super::attr::wrong_arguments;
use super::{Arg, Case, Dispatch, Kernel, Operator, ROW, Variant, WORKGROUP};
use crate::number::Number;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// Elements that an invocation computes at once.
const AT_ONCE: usize = 8;
/// The same for a core of a CPU: enough that no multiplication waits for another, and no more than its registers hold.
const BLOCK: usize = 64;

/// Arithmetic without memory, and memory without arithmetic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Multiplications and additions an element.
    pub rounds: usize,
}

impl Operator for Probe {
    const FORWARD: &'static [Kernel] = &[
        Kernel::new("multiply_add", &["input"], &["output"]).per_sample(),
        Kernel::new("copy", &["input"], &["output"]).per_sample(),
    ];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        inputs.first().cloned().ok_or_else(|| "it has no input".into())
    }

    fn flops(&self, inputs: &[Shape]) -> u64 {
        inputs.iter().map(|input| 2 * (self.rounds * input.len()) as u64).sum()
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        let [input, output] = args else { wrong_arguments(kernel) };
        let rounds = if kernel == "copy" { 0 } else { self.rounds };
        let (half, quarter) = (N::exact(0.5), N::exact(0.25));
        for (output, &input) in output.real_mut().iter_mut().zip(input.real()) {
            *output = (0..rounds).fold(input, |value, _| value * half + quarter);
        }
    }

    fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        let [input, output] = args else { wrong_arguments(kernel) };
        if kernel == "copy" {
            output.real_mut().copy_from_slice(input.real());
            return true;
        }
        let step = |value: &mut f32| *value = value.mul_add(0.5, 0.25);
        pulp::Arch::new().dispatch(|| {
            let (blocks, rest) = output.real_mut().as_chunks_mut::<BLOCK>();
            let (from, from_rest) = input.real().as_chunks::<BLOCK>();
            for (block, from) in blocks.iter_mut().zip(from) {
                let mut values = *from;
                for _ in 0..self.rounds {
                    values.iter_mut().for_each(step);
                }
                *block = values;
            }
            rest.copy_from_slice(from_rest);
            for _ in 0..self.rounds {
                rest.iter_mut().for_each(step);
            }
        });
        true
    }

    fn dispatches(&self, kernel: &str, _variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let elements = shape("input").len();
        let lanes = elements.div_ceil(AT_ONCE);
        let rounds = if kernel == "copy" { 0 } else { self.rounds };
        let constants = [("ELEMENTS", elements as f64), ("LANES", lanes as f64), ("ROUNDS", rounds as f64)];
        vec![Dispatch::line("multiply_add", lanes, &constants)]
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |rounds, shape: [usize; 2]| Case::new(Probe { rounds }, [shape.into()]);
        vec![
            case(1, [1, 1]),
            case(0, [3, 7]),
            case(1, [1, AT_ONCE * WORKGROUP]),
            case(2, [1, AT_ONCE * WORKGROUP + 1]),
            case(17, [5, BLOCK + 3]),
            case(3, [2, AT_ONCE / 2 * ROW + 1]),
        ]
    }
}
