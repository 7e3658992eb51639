//! Stochastic gradient descent, with momentum as PyTorch has it: the velocity is the decayed sum of the
//! gradients (Sutskever et al., 2013, without dampening).

use super::attr::wrong_arguments;
use super::{Arg, ArgumentSpec, BATCH_RATES, Case, CaseData, Dispatch, Kernel, Operator, Rates, Variant};
use super::{ROW, WORKGROUP};
use crate::number::Number;
use crate::rng::Generator;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// The attributes of stochastic gradient descent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sgd {
    /// The step size.
    pub learning_rate: f64,
    /// Decay of the velocity; 0 is plain gradient descent.
    #[serde(default)]
    pub momentum: f64,
}

impl Operator for Sgd {
    const INPUTS: &'static [&'static str] = &["param"];
    const FORWARD: &'static [Kernel] =
        &[Kernel::new("update", &["param", "grad", "m", "batch"], &["param", "m"])];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        if !((self.learning_rate as f32).is_normal() && self.learning_rate > 0.0) {
            return Err(format!("learning_rate is {}; it must be above 0 and finite", self.learning_rate));
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return Err(format!("momentum is {}; it must be at least 0 and below 1", self.momentum));
        }
        inputs.first().cloned().ok_or_else(|| "it has no parameter".into())
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        matches!(name, "param" | "grad" | "m").then(|| inputs.first().cloned().map(ArgumentSpec::shared))?
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        let [param, grad, m, batch] = args else { wrong_arguments(kernel) };
        let factor = N::exact(f32::from_bits(batch.words()[BATCH_RATES]));
        let rate = factor * N::constant(self.learning_rate);
        let elements = param.real_mut().iter_mut().zip(grad.real()).zip(m.real_mut());
        for ((param, &grad), m) in elements {
            *m = *m * N::constant(self.momentum) + grad;
            *param = *param - rate * *m;
        }
    }

    fn dispatches(&self, kernel: &str, _variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let elements = shape("param").len();
        let constants = [
            ("ELEMENTS", elements as f64),
            ("LEARNING_RATE", self.learning_rate),
            ("MOMENTUM", self.momentum),
        ];
        vec![Dispatch::line(kernel, elements, &constants)]
    }

    fn learning_rate(&mut self) -> Option<&mut f64> {
        Some(&mut self.learning_rate)
    }

    fn cases() -> Vec<Case<Self>> {
        let plain = Sgd { learning_rate: 0.01, momentum: 0.0 };
        let heavy = Sgd { learning_rate: 0.1, momentum: 0.9 };
        vec![
            Case::new(plain.clone(), [[1].into()]),
            Case::new(plain, [[3, 43].into()]),
            Case::new(heavy.clone(), [[WORKGROUP].into()]),
            Case::new(heavy.clone(), [[5, 2, 3, 3].into()]),
            Case::new(heavy, [[ROW + 1].into()]),
        ]
    }

    fn fill(&self, name: &str, _elements: usize, generator: &mut Generator) -> Option<CaseData> {
        let rates = Rates { factor: 1.0 - generator.unit() * 0.9, ..Rates::STILL };
        (name == "batch").then(|| CaseData::Words([&[0; BATCH_RATES], rates.words().as_slice()].concat()))
    }
}
