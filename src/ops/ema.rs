//! An exponential moving average of a parameter (Polyak and Juditsky, 1992): what is validated and saved in its place.
//!
//! How far it moves comes with the batch, since it moves further in the first steps.

use super::attr::wrong_arguments;
use super::{
    Arg, ArgumentSpec, BATCH_EMA, BATCH_RATES, Case, CaseData, Dispatch, Kernel, Operator, Rates, Variant,
};
use super::{ROW, WORKGROUP};
use crate::number::Number;
use crate::rng::Generator;
use crate::shape::Shape;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// A moving average has no attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ema {}

/// The average of an element after a step.
fn moved<N: Number>(average: N, param: N, share: N) -> N {
    average + (param - average) * share
}

impl Operator for Ema {
    const INPUTS: &'static [&'static str] = &["param"];
    const FORWARD: &'static [Kernel] = &[Kernel::new("update", &["param", "average", "batch"], &["average"])];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        inputs.first().cloned().ok_or_else(|| "it has no parameter".into())
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        matches!(name, "param" | "average").then(|| inputs.first().cloned().map(ArgumentSpec::shared))?
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        let [param, average, batch] = args else { wrong_arguments(kernel) };
        let share = N::exact(f32::from_bits(batch.words()[BATCH_EMA]));
        for (average, &param) in average.real_mut().iter_mut().zip(param.real()) {
            *average = moved(*average, param, share);
        }
    }

    fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        const TASK: usize = 1 << 14;
        let [param, average, batch] = args else { wrong_arguments(kernel) };
        let share = f32::from_bits(batch.words()[BATCH_EMA]);
        let tasks = average.real_mut().par_chunks_mut(TASK).zip(param.real().par_chunks(TASK));
        tasks.for_each(|(average, param)| {
            for (average, &param) in average.iter_mut().zip(param) {
                *average = moved(*average, param, share);
            }
        });
        true
    }

    fn dispatches(&self, kernel: &str, _variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let elements = shape("param").len();
        vec![Dispatch::line(kernel, elements, &[("ELEMENTS", elements as f64)])]
    }

    fn cases() -> Vec<Case<Self>> {
        [vec![1], vec![WORKGROUP], vec![3, 43], vec![5, 2, 3, 3], vec![ROW + 1]]
            .map(|shape| Case::new(Ema {}, [Shape(shape)]))
            .into()
    }

    fn fill(&self, name: &str, _elements: usize, generator: &mut Generator) -> Option<CaseData> {
        // Now and then the first step, which takes the parameter as it is.
        let share = if generator.below(4) == 0 { 1.0 } else { generator.unit() };
        let rates = Rates { ema_share: share, ..Rates::STILL };
        (name == "batch").then(|| CaseData::Words([&[0; BATCH_RATES], rates.words().as_slice()].concat()))
    }
}
