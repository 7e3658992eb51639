//! Proves operators against cases with recorded answers, computed in float64 by somebody else.
//!
//! A case is a `.safetensors` file whose metadata key `case` holds JSON: `op`, `attrs` and `source`. Its
//! tensors are the inputs and the answers, by name. The device runs the operator forwards and backwards,
//! and each answer must lie within the bound that the twin computes along the same way. The twin itself
//! must agree with the answers to the last place of float32.

use super::compare::{Mismatch, compare};
use super::kernel::{KernelFailure, run};
use super::values::{Values, twin};
use crate::number::{Bounded, TINY, UNIT};
use crate::ops::{ArgumentSpec, BATCH_COUNT, BATCH_RATES, BATCH_WORDS, Case, CaseData, Kernel, Op, Rates};
use crate::plan::Backend;
use crate::rng::{Generator, Stream};
use crate::shape::{DType, Shape};
use safetensors::tensor::{Dtype, SafeTensors};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// A recorded case.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The operator, as the file names it.
    pub name: String,
    case: Case<Op>,
    /// Tensors by the kernels' names for them.
    tensors: HashMap<String, (Shape, CaseData)>,
    step: u32,
}

/// A file that holds no case that this program knows.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("it is no case that can be run: {0}")]
pub struct UnknownCase(pub String);

impl Recorded {
    /// Reads a case from the bytes of its file.
    pub fn parse(bytes: &[u8]) -> Result<Recorded, UnknownCase> {
        let error = |error: safetensors::SafeTensorError| UnknownCase(error.to_string());
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(error)?;
        let note = header.metadata().as_ref().and_then(|notes| notes.get("case"));
        let note = note.ok_or_else(|| UnknownCase("its metadata have no key \"case\"".into()))?;
        let note: Value = serde_json::from_str(note).map_err(|error| UnknownCase(error.to_string()))?;
        let name = note["op"].as_str().ok_or_else(|| UnknownCase("it names no op".into()))?.to_string();
        let attributes = note["attrs"].as_object().cloned().unwrap_or_default();
        let mut tensors = HashMap::new();
        for (name, view) in SafeTensors::deserialize(bytes).map_err(error)?.iter() {
            let data = match view.dtype() {
                Dtype::F32 => CaseData::Real(bytemuck::pod_collect_to_vec(view.data())),
                Dtype::I32 | Dtype::U32 => CaseData::Words(bytemuck::pod_collect_to_vec(view.data())),
                other => return Err(UnknownCase(format!("{name} holds {other:?}"))),
            };
            tensors.insert(own_name(name).to_string(), (Shape(view.shape().to_vec()), data));
        }
        let step = attributes.get("step").and_then(Value::as_u64).unwrap_or(1);
        let step = u32::try_from(step).unwrap_or(u32::MAX).max(1);
        let op = operator(&name, attributes, &tensors)?;
        let inputs = op.inputs().iter().map(|input| {
            let tensor = tensors.get(*input);
            tensor.map(|(shape, _)| shape.clone()).ok_or_else(|| UnknownCase(format!("it has no {input}")))
        });
        let inputs = inputs.collect::<Result<Vec<Shape>, UnknownCase>>()?;
        op.output_shape(&inputs).map_err(UnknownCase)?;
        Ok(Recorded { name, case: Case { op, inputs }, tensors, step })
    }

    /// What a kernel reads that the file does not hold: the words of the batch, weights of samples that count alike, and
    /// running statistics at their start.
    fn unrecorded(&self, name: &str) -> Option<CaseData> {
        let samples = self.case.inputs.first().map_or(0, Shape::batch);
        match name {
            "sample_weight" => Some(CaseData::Real(vec![1.0; samples])),
            "batch" => {
                let mut words = vec![0; BATCH_WORDS];
                words[BATCH_COUNT] = samples as u32;
                let corrections = self.case.op.corrections(self.step);
                words[BATCH_RATES..].copy_from_slice(&Rates { corrections, ..Rates::STILL }.words());
                Some(CaseData::Words(words))
            }
            _ => {
                let parameters = self.case.op.parameters(&self.case.inputs);
                let parameter = parameters.into_iter().find(|known| known.name == name && !known.trained)?;
                let mut generator = Generator::new(0, 0, 0, Stream::Test);
                Some(CaseData::Real(parameter.init.draw(parameter.shape.len(), &mut generator)))
            }
        }
    }
}

/// The argument that a recorded tensor is meant for.
fn own_name(recorded: &str) -> &str {
    match recorded {
        "target" => "targets",
        "gamma" => "weight",
        "d_gamma" => "d_weight",
        "beta" => "bias",
        "d_beta" => "d_bias",
        _ => recorded,
    }
}

/// The operator that a case means. Attributes that follow from the shape of a tensor are not recorded.
fn operator(
    name: &str,
    mut attributes: Map<String, Value>,
    tensors: &HashMap<String, (Shape, CaseData)>,
) -> Result<Op, UnknownCase> {
    let rows = |tensor: &str| tensors.get(tensor).map_or(0, |(shape, _)| shape.batch());
    let name = match name {
        "conv1d" | "conv2d" => {
            attributes.insert("out_channels".into(), rows("weight").into());
            name
        }
        "dense" => {
            attributes.insert("out_features".into(), rows("weight").into());
            name
        }
        "embedding" => {
            let width = tensors.get("weight").map_or(0, |(shape, _)| shape.len() / shape.batch().max(1));
            attributes.insert("vocabulary".into(), rows("weight").into());
            attributes.insert("width".into(), width.into());
            name
        }
        "adamw" | "sgd" => {
            attributes.remove("step");
            if let Some(rate) = attributes.remove("lr") {
                attributes.insert("learning_rate".into(), rate);
            }
            if name == "adamw" { "adam" } else { name }
        }
        _ => name,
    };
    Op::parse(name, Value::Object(attributes)).map_err(|error| UnknownCase(error.to_string()))
}

/// Runs a recorded case on the backend, and returns how many answers there were and the largest error
/// as a fraction of its bound.
pub fn verify_recorded(
    backend: &mut dyn Backend,
    recorded: &Recorded,
) -> Result<(usize, f64), KernelFailure> {
    let Recorded { case, tensors, .. } = recorded;
    let spec_of = |name: &str| match case.op.argument(name, &case.inputs) {
        Some(spec) => spec,
        None => unreachable!("{} does not tell the shape of {name:?}", case.op.name()),
    };
    let kernels = case.op.forward().iter().chain(case.op.backward());
    let kernels: Vec<&'static Kernel> =
        kernels.filter(|kernel| case.op.takes(kernel.name, &case.inputs)).collect();
    let mut known: HashMap<&'static str, CaseData> = HashMap::new();
    let mut bounded: HashMap<&'static str, Values<Bounded>> = HashMap::new();
    let mut oracle: HashMap<&'static str, Values<f64>> = HashMap::new();
    for kernel in &kernels {
        for &name in kernel.reads {
            if bounded.contains_key(name) {
                continue;
            }
            let recorded =
                tensors.get(name).map(|(_, data)| data.clone()).or_else(|| recorded.unrecorded(name));
            let wrong = |reason: &str| wrong(recorded_name(case), name, reason);
            let data = recorded.ok_or_else(|| wrong("it is not in the file"))?;
            if !fits(&data, &spec_of(name)) {
                return Err(wrong("its shape or type is not that of the operator's argument"));
            }
            bounded.insert(name, Values::exact(&data));
            oracle.insert(name, Values::exact(&data));
            known.insert(name, data);
        }
        bounded.extend(twin(&case.op, kernel, &spec_of, &|name| bounded[name].clone()));
        oracle.extend(twin(&case.op, kernel, &spec_of, &|name| oracle[name].clone()));
    }
    let got = run(backend, case, &kernels, &spec_of, &known)?;

    let (mut answers, mut worst) = (0, 0.0_f64);
    for (name, got) in &got {
        let Some((_, CaseData::Real(answer))) = tensors.get(&format!("new_{name}")).or(tensors.get(*name))
        else {
            continue;
        };
        let (Some(Values::Real(bounded)), Some(Values::Real(oracle)), CaseData::Real(got)) =
            (bounded.get(name), oracle.get(name), got)
        else {
            continue;
        };
        let fail = |mismatch: Mismatch, who: &str| KernelFailure::Wrong {
            kernel: case.op.name().into(),
            case: recorded_name(case),
            argument: format!("{name} ({who})"),
            mismatch,
        };
        // The answers were computed in float64 and rounded once; so must the oracle be. But what an optimiser changes
        // a parameter by depends on rates that come as float32.
        let before = match known.get(name) {
            Some(CaseData::Real(before)) if *name == "param" => before.as_slice(),
            _ => answer.as_slice(),
        };
        let rounded = |(&answer, &before): (&f32, &f32)| {
            let [value, before] = [answer, before].map(f64::from);
            Bounded::within(value, UNIT * (value.abs() + (value - before).abs()) + TINY)
        };
        let rounded: Vec<Bounded> = answer.iter().zip(before).map(rounded).collect();
        let oracle: Vec<f32> = oracle.iter().map(|&value| value as f32).collect();
        compare(&oracle, &rounded)
            .map_err(|mismatch| fail(mismatch, "the twin against the recorded answer"))?;
        if answer.len() != bounded.len() {
            let mismatch = Mismatch::Length { got: answer.len(), want: bounded.len() };
            return Err(fail(mismatch, "the recorded answer"));
        }
        let allowed = |(rounded, bounded): (&Bounded, &Bounded)| Bounded {
            value: rounded.value,
            err: bounded.err + rounded.err,
            by_chance: bounded.by_chance,
        };
        let allowed: Vec<Bounded> = rounded.iter().zip(bounded).map(allowed).collect();
        let fraction = compare(got, &allowed).map_err(|mismatch| fail(mismatch, "the device"))?;
        worst = worst.max(fraction);
        answers += 1;
    }
    if answers == 0 {
        return Err(wrong(recorded_name(case), "answers", "the file holds none"));
    }
    Ok((answers, worst))
}

fn recorded_name(case: &Case<Op>) -> String {
    format!("{:?} on {:?}", case.op, case.inputs)
}

fn wrong(case: String, argument: &str, reason: &str) -> KernelFailure {
    KernelFailure::Recorded { case, argument: argument.into(), reason: reason.into() }
}

fn fits(data: &CaseData, spec: &ArgumentSpec) -> bool {
    match (data, spec.dtype) {
        (CaseData::Real(values), DType::F32) => values.len() == spec.shape.len(),
        (CaseData::Words(words), DType::U32) => words.len() == spec.shape.len(),
        (CaseData::Bytes(bytes), DType::U8) => bytes.len() == spec.shape.len(),
        _ => false,
    }
}
