//! The optimiser Adam (Kingma and Ba, 2015, algorithm 1), with decoupled weight decay where asked
//! for (Loshchilov and Hutter, 2019: AdamW).
//!
//! `advance` runs once a training step: it counts the step and computes `rates`, all that changes from step to
//! step and is the same for every parameter: the two bias corrections `1 / (1 - beta^step)` and the factor of the
//! schedule. `update` then runs for every parameter. `1 - beta^step` is built up by repeated squaring from
//! `1 - beta`, without ever subtracting from 1, so that it is precise from the first step on.

use super::attr::wrong_arguments;
use super::{
    Arg, ArgumentSpec, BATCH_RATE_FACTOR, BATCH_WORDS, Case, CaseData, Dispatch, Kernel, Operator, Variant,
};
use super::{ROW, WORKGROUP};
use crate::number::Number;
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

/// Elements of `rates`: the corrections of mean and squared mean, and the factor of the schedule.
pub(super) const RATES: usize = 3;

/// The elements of the argument `rates`.
pub(super) fn rates_of<N: Number>(rates: &Arg<N>) -> [N; RATES] {
    let rates = rates.real();
    [rates[0], rates[1], rates[2]]
}

/// A factor of a schedule, for cases.
fn some_factor(generator: &mut Generator) -> f32 {
    1.0 - generator.unit() * 0.9
}

/// `1 - beta^step`, by repeated squaring of pairs `(beta^k, 1 - beta^k)`.
fn one_minus_power<N: Number>(beta: f64, step: u32) -> N {
    let mut square = (N::constant(beta), N::constant(1.0 - beta));
    let mut result = (N::exact(1.0), N::zero());
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
        [mean_correction, square_correction, factor]: [N; RATES],
    ) -> [N; 3] {
        let m = m * N::constant(self.beta1) + grad * N::constant(1.0 - self.beta1);
        let v = v * N::constant(self.beta2) + grad * grad * N::constant(1.0 - self.beta2);
        let rate = factor * N::constant(self.learning_rate);
        let root = (v * square_correction).sqrt() + N::constant(self.epsilon);
        let decayed = param - param * (factor * N::constant(self.learning_rate * self.weight_decay));
        [decayed - rate * (m * mean_correction) / root, m, v]
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
    const FORWARD: &'static [Kernel] = &[
        Kernel::new("advance", &["step", "batch"], &["step", "rates"]),
        Kernel::new("update", &["param", "grad", "m", "v", "rates"], &["param", "m", "v"]),
    ];

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
        match name {
            "step" => Some(ArgumentSpec::shared([1].into()).words()),
            "rates" => Some(ArgumentSpec::shared([RATES].into())),
            "param" | "grad" | "m" | "v" => inputs.first().cloned().map(ArgumentSpec::shared),
            _ => None,
        }
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        match (kernel, args) {
            ("advance", [step, batch, rates]) => {
                let step = &mut step.words_mut()[0];
                *step = step.wrapping_add(1);
                let correction = |beta: f64| N::exact(1.0) / one_minus_power::<N>(beta, *step);
                let factor = N::exact(f32::from_bits(batch.words()[BATCH_RATE_FACTOR]));
                let new = [correction(self.beta1), correction(self.beta2), factor];
                rates.real_mut().copy_from_slice(&new);
            }
            ("update", [param, grad, m, v, rates]) => {
                let rates = rates_of(rates);
                let moments = m.real_mut().iter_mut().zip(v.real_mut());
                let elements = param.real_mut().iter_mut().zip(grad.real()).zip(moments);
                for ((param, &grad), (m, v)) in elements {
                    [*param, *m, *v] = self.element(*param, grad, [*m, *v], rates);
                }
            }
            _ => wrong_arguments(kernel),
        }
    }

    fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        const TASK: usize = 1 << 14;
        let ("update", [param, grad, m, v, rates]) = (kernel, args) else { return false };
        let rates = rates_of(rates);
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
        let elements = if kernel == "advance" { 1 } else { shape("param").len() };
        let constants = [&[("ELEMENTS", elements as f64)], self.constants().as_slice()].concat();
        vec![Dispatch::line(kernel, elements, &constants)]
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
            "step" => {
                let bits = generator.below(15);
                Some(CaseData::Words(vec![generator.below(1 << bits)]))
            }
            "batch" => {
                let mut words = vec![0; BATCH_WORDS];
                words[BATCH_RATE_FACTOR] = some_factor(generator).to_bits();
                Some(CaseData::Words(words))
            }
            // Where no `advance` ran.
            "rates" => {
                let mut correction = || 1.0 + 9.0 * generator.unit();
                let corrections = [correction(), correction()];
                Some(CaseData::Real([&corrections[..], &[some_factor(generator)]].concat()))
            }
            _ => None,
        }
    }
}
