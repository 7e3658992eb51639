//! The optimiser Adam (Kingma and Ba, 2015, algorithm 1), with decoupled weight decay where asked
//! for (Loshchilov and Hutter, 2019: AdamW).
//!
//! What changes from step to step and is the same for every parameter comes with the batch: the factor of the
//! schedule, and the two bias corrections `1 / (1 - beta^step)`, computed by the host in float64.

use super::attr::wrong_arguments;
use super::{Arg, ArgumentSpec, BATCH_RATES, Case, CaseData, Dispatch, Kernel, Operator, Rates, Variant};
use super::{ROW, WORKGROUP};
use crate::number::{Number, TINY, UNIT};
use crate::rng::Generator;
use crate::shape::Shape;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The attributes of Adam.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adam {
    /// The step size.
    pub learning_rate: f64,
    /// Decay of the gradient's mean.
    #[serde(default = "default_beta1")]
    pub beta1: f64,
    /// Decay of the squared gradient's mean.
    #[serde(default = "default_beta2")]
    pub beta2: f64,
    /// Added to the root of the squared gradient's mean.
    #[serde(default = "default_epsilon")]
    pub epsilon: f64,
    /// Share of a parameter, times the learning rate, that it loses every step.
    #[serde(default)]
    pub weight_decay: f64,
}

fn default_beta1() -> f64 {
    0.9
}

fn default_beta2() -> f64 {
    0.999
}

fn default_epsilon() -> f64 {
    1e-8
}

/// What a step of Adam depends on: the factor of the schedule, and the corrections of mean and squared mean.
pub(super) const RATES: usize = 3;

/// The rates in the argument `batch`.
pub(super) fn rates_of<N: Number>(batch: &Arg<N>) -> [N; RATES] {
    std::array::from_fn(|index| N::exact(f32::from_bits(batch.words()[BATCH_RATES + index])))
}

/// `1 - beta^step`, by repeated squaring of pairs `(beta^k, 1 - beta^k)`: nothing is subtracted, and every platform
/// computes the same.
fn one_minus_power(beta: f64, step: u32) -> f64 {
    let (mut square, mut result) = ((beta, 1.0 - beta), (1.0, 0.0));
    let mut rest = step;
    while rest > 0 {
        if rest & 1 == 1 {
            result = (result.0 * square.0, result.1 + result.0 * square.1);
        }
        square = (square.0 * square.0, square.1 + square.0 * square.1);
        rest >>= 1;
    }
    result.1
}

impl Adam {
    /// One element: parameter, mean and squared mean after the update.
    pub(super) fn element<N: Number>(
        &self,
        param: N,
        grad: N,
        [m, v]: [N; 2],
        [factor, mean_correction, square_correction]: [N; RATES],
    ) -> [N; 3] {
        let most = self.most_change([m, v], [mean_correction, square_correction]);
        let m = m * N::constant(self.beta1) + grad * N::constant(1.0 - self.beta1);
        let v = v * N::constant(self.beta2) + grad * grad * N::constant(1.0 - self.beta2);
        let rate = factor * N::constant(self.learning_rate);
        let root = (v * square_correction).sqrt() + N::constant(self.epsilon);
        let decayed = param - param * (factor * N::constant(self.learning_rate * self.weight_decay));
        // A root is never negative; the constant may be rounded, and so may the sum.
        let least = self.epsilon * (1.0 - 4.0 * UNIT);
        let change = (rate * (m * mean_correction)).over(root, least).at_most(rate * most);
        [decayed - change, m, v]
    }

    /// The most learning rates that a step can be long, whatever the gradient is: the root holds the gradient as
    /// well, unless its square is too small for a float. Without this, the bound on a gradient near zero would say
    /// that the step may be anything.
    fn most_change<N: Number>(&self, [m, v]: [N; 2], [mean_correction, square_correction]: [N; 2]) -> N {
        let epsilon = N::constant(self.epsilon);
        let old_root = (v * N::constant(self.beta2) * square_correction).sqrt() + epsilon;
        let old_mean =
            (m.abs() * N::constant(self.beta1) * mean_correction).over(old_root, self.epsilon / 2.0);
        let lost = (2.0 * TINY / (1.0 - self.beta2)).sqrt() / self.epsilon;
        let of_gradient = N::constant(1.0 - self.beta1) * mean_correction;
        let new_mean = of_gradient / (square_correction * N::constant(1.0 - self.beta2)).sqrt();
        // Roundings take part in all of it.
        (old_mean + new_mean + of_gradient * N::constant(lost)) * N::constant(1.0 + 64.0 * UNIT)
    }

    /// The attributes as constants of a shader.
    pub(super) fn constants(&self) -> [(&'static str, f64); 7] {
        [
            ("LEARNING_RATE", self.learning_rate),
            ("DECAY", self.learning_rate * self.weight_decay),
            ("BETA1", self.beta1),
            ("BETA2", self.beta2),
            ("ONE_MINUS_BETA1", 1.0 - self.beta1),
            ("ONE_MINUS_BETA2", 1.0 - self.beta2),
            ("EPSILON", self.epsilon),
        ]
    }
}

impl Operator for Adam {
    const INPUTS: &'static [&'static str] = &["param"];
    const FORWARD: &'static [Kernel] =
        &[Kernel::new("update", &["param", "grad", "m", "v", "batch"], &["param", "m", "v"])];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let rates = [("beta1", self.beta1), ("beta2", self.beta2)];
        if let Some((name, value)) = rates.into_iter().find(|(_, value)| !(0.0..1.0).contains(value)) {
            return Err(format!("{name} is {value}; it must be at least 0 and below 1"));
        }
        if !((self.learning_rate as f32).is_normal() && self.learning_rate > 0.0) {
            return Err(format!("learning_rate is {}; it must be above 0 and finite", self.learning_rate));
        }
        if !((self.epsilon as f32).is_normal() && self.epsilon > 0.0) {
            return Err(format!("epsilon is {}; it must be above 1e-37 and finite", self.epsilon));
        }
        if !((self.weight_decay as f32).is_finite() && self.weight_decay >= 0.0) {
            return Err(format!("weight_decay is {}; it must be at least 0 and finite", self.weight_decay));
        }
        inputs.first().cloned().ok_or_else(|| "it has no parameter".into())
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        matches!(name, "param" | "grad" | "m" | "v")
            .then(|| inputs.first().cloned().map(ArgumentSpec::shared))?
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        let [param, grad, m, v, batch] = args else { wrong_arguments(kernel) };
        let rates = rates_of(batch);
        let moments = m.real_mut().iter_mut().zip(v.real_mut());
        let elements = param.real_mut().iter_mut().zip(grad.real()).zip(moments);
        for ((param, &grad), (m, v)) in elements {
            [*param, *m, *v] = self.element(*param, grad, [*m, *v], rates);
        }
    }

    fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        const TASK: usize = 1 << 14;
        let [param, grad, m, v, batch] = args else { wrong_arguments(kernel) };
        let rates = rates_of(batch);
        let moments = m.real_mut().par_chunks_mut(TASK).zip(v.real_mut().par_chunks_mut(TASK));
        let tasks = param.real_mut().par_chunks_mut(TASK).zip(grad.real().par_chunks(TASK)).zip(moments);
        tasks.for_each(|((param, grad), (m, v))| {
            for (((param, &grad), m), v) in param.iter_mut().zip(grad).zip(m).zip(v) {
                [*param, *m, *v] = self.element(*param, grad, [*m, *v], rates);
            }
        });
        true
    }

    fn dispatches(&self, kernel: &str, _variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let elements = shape("param").len();
        let constants = [&[("ELEMENTS", elements as f64)], self.constants().as_slice()].concat();
        vec![Dispatch::line(kernel, elements, &constants)]
    }

    fn corrections(&self, step: u32) -> [f32; 2] {
        [self.beta1, self.beta2].map(|beta| (1.0 / one_minus_power(beta, step)) as f32)
    }

    fn learning_rate(&mut self) -> Option<&mut f64> {
        Some(&mut self.learning_rate)
    }

    fn weight_decay(&mut self) -> Option<&mut f64> {
        Some(&mut self.weight_decay)
    }

    fn cases() -> Vec<Case<Self>> {
        let plain = Adam {
            learning_rate: 0.001,
            beta1: default_beta1(),
            beta2: default_beta2(),
            epsilon: default_epsilon(),
            weight_decay: 0.0,
        };
        let decayed = Adam { learning_rate: 0.02, beta1: 0.8, beta2: 0.9, epsilon: 1e-6, weight_decay: 0.1 };
        vec![
            Case::new(plain.clone(), [[1].into()]),
            Case::new(plain.clone(), [[WORKGROUP].into()]),
            Case::new(plain, [[3, 43].into()]),
            Case::new(decayed.clone(), [[WORKGROUP + 1].into()]),
            Case::new(decayed.clone(), [[5, 2, 3, 3].into()]),
            Case::new(decayed, [[ROW + 1].into()]),
        ]
    }

    fn fill(&self, name: &str, elements: usize, generator: &mut Generator) -> Option<CaseData> {
        match name {
            "v" => {
                let squares = (0..elements).map(|_| generator.unit() * generator.unit() * 0.01);
                Some(CaseData::Real(squares.collect()))
            }
            "batch" => {
                let bits = generator.below(15);
                let step = 1 + generator.below(1 << bits);
                let factor = 1.0 - generator.unit() * 0.9;
                let rates = Rates { factor, corrections: self.corrections(step), ..Rates::STILL };
                Some(CaseData::Words([&[0; BATCH_RATES], rates.words().as_slice()].concat()))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrections_undo_that_moments_begin_at_zero() {
        let Case { op, .. } = Adam::cases().remove(0);
        for step in [1, 2, 3, 10, 1000, u32::MAX] {
            let sum = |beta: f64| {
                let weights = (0..step.min(50_000)).map(|age| (1.0 - beta) * beta.powi(age as i32));
                1.0 / weights.sum::<f64>()
            };
            let want = [sum(op.beta1), sum(op.beta2)];
            let got = op.corrections(step).map(f64::from);
            for (got, want) in got.into_iter().zip(want) {
                assert!((got / want - 1.0).abs() < 1e-6, "step {step}: {got}, not {want}");
            }
        }
        // Without a memory nothing is to be corrected.
        assert_eq!(Adam { beta1: 0.0, beta2: 0.0, ..op }.corrections(1), [1.0; 2]);
    }
}
