//! Checks the oracle itself: the backward twins against central differences of the forward twins, in
//! float64.

use super::values::{Values, twin};
use crate::ops::{ArgumentSpec, Case, CaseData, Kernel, Op, Role};
use crate::rng::{Generator, Stream};
use crate::shape::DType;
use std::collections::HashMap;

/// A gradient that is not the derivative of its forward pass.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{op}, d_{argument}[{index}]: the backward pass says {backward:e}, differences say {difference:e}")]
pub struct GradientError {
    /// The operator with its attributes.
    pub op: String,
    /// The argument.
    pub argument: String,
    /// The element.
    pub index: usize,
    /// The gradient by the backward twin.
    pub backward: f64,
    /// The gradient by central differences.
    pub difference: f64,
}

/// The distance of a central difference.
const STEP: f64 = 1e-5;
/// A central difference is off by about STEP^2 from the formula and 1e-16 / STEP from rounding, both
/// around 1e-10; this leaves a factor for third derivatives and the sizes of sums.
const ROOM: f64 = 1e-6;
/// Elements of an argument that are checked because they are large, and as many at random.
const ELEMENTS: usize = 24;

/// Checks every gradient of a case for some elements, and returns how many were checked. Elements at
/// a kink, where the function has no derivative, are left out. `flip` turns the sign of the backward
/// pass, for the test that this check can fail.
pub fn check_gradients(case: &Case<Op>, seed: u64, flip: bool) -> Result<usize, GradientError> {
    let Case { op, inputs } = case;
    let spec_of = |name: &str| match op.argument(name, inputs) {
        Some(spec) => spec,
        None => unreachable!("{} does not tell the shape of {name:?}", op.name()),
    };
    let mut known: HashMap<&'static str, Values<f64>> = HashMap::new();
    let run = |kernel: &'static Kernel, known: &mut HashMap<&'static str, Values<f64>>| {
        for name in kernel.reads {
            let number = known.len() as u32;
            known.entry(name).or_insert_with(|| draw(op, name, &spec_of(name), seed, number));
        }
        known.extend(twin(op, kernel, &spec_of, &|name| known[name].clone()));
    };
    let forward_kernels: Vec<&'static Kernel> =
        op.forward().iter().filter(|kernel| op.takes(kernel.name, inputs)).collect();
    for &kernel in &forward_kernels {
        run(kernel, &mut known);
    }
    let forward = known.clone();
    for kernel in op.backward() {
        run(kernel, &mut known);
    }
    // The scalar whose gradient the backward pass computes.
    let scalar = |values: &HashMap<&'static str, Values<f64>>| match op.role_of() {
        Role::Loss => op.loss_weight() * real(&values["loss"])[0],
        _ => real(&values["output"]).iter().zip(real(&known["d_output"])).map(|(y, d)| y * d).sum(),
    };
    let at = |argument: &'static str, index: usize, shift: f64| {
        let mut values = forward.clone();
        if let Some(Values::Real(elements)) = values.get_mut(argument) {
            elements[index] += shift;
        }
        for &kernel in &forward_kernels {
            let written = twin(op, kernel, &spec_of, &|name| values[name].clone());
            values.extend(written);
        }
        scalar(&values)
    };
    let middle = scalar(&forward);
    let mut checked = 0;
    for argument in forward_kernels.iter().flat_map(|kernel| kernel.reads).copied() {
        let Some(Values::Real(gradient)) = known.get(format!("d_{argument}").as_str()) else { continue };
        let mut generator = Generator::new(seed, 1, checked as u32, Stream::Test);
        // The largest, where a wrong sign shows most, and as many others.
        let mut order: Vec<usize> = (0..gradient.len()).collect();
        order.sort_by(|&a, &b| gradient[b].abs().total_cmp(&gradient[a].abs()));
        order.truncate(ELEMENTS);
        order.extend(
            (0..ELEMENTS.min(gradient.len())).map(|_| generator.below(gradient.len() as u32) as usize),
        );
        for index in order {
            let (above, below) = (at(argument, index, STEP), at(argument, index, -STEP));
            let slopes = [(above - middle) / STEP, (middle - below) / STEP];
            let scale = 1.0 + middle.abs() + slopes[0].abs();
            // Away from kinks both sides agree to the order of STEP.
            if (slopes[0] - slopes[1]).abs() > 1e3 * STEP * scale {
                continue;
            }
            let difference = (above - below) / (2.0 * STEP);
            let backward = if flip { -gradient[index] } else { gradient[index] };
            let within = (difference - backward).abs() <= ROOM * scale;
            if !within {
                let op = format!("{op:?}");
                return Err(GradientError { op, argument: argument.into(), index, backward, difference });
            }
            checked += 1;
        }
    }
    Ok(checked)
}

fn real(values: &Values<f64>) -> &[f64] {
    match values {
        Values::Real(values) => values,
        _ => &[],
    }
}

fn draw(op: &Op, name: &str, spec: &ArgumentSpec, seed: u64, number: u32) -> Values<f64> {
    let elements = spec.shape.len();
    let mut generator = Generator::new(seed, 0, number, Stream::Test);
    let data = op.fill(name, elements, &mut generator).unwrap_or_else(|| match spec.dtype {
        DType::F32 => CaseData::Real((0..elements).map(|_| generator.normal()).collect()),
        DType::U32 => CaseData::Words((0..elements).map(|_| generator.next_u32()).collect()),
        DType::U8 => CaseData::Bytes((0..elements).map(|_| generator.next_u32() as u8).collect()),
    });
    Values::exact(&data)
}
