//! Rewrites of a plan: several steps become one that computes the same with fewer passes over memory.
//!
//! - Convolution, ReLU, max pooling and, where it follows, dropout become one, and so do their gradients:
//!   see [`ConvPool2d`](crate::ops::conv_pool2d::ConvPool2d).
//! - A fully connected layer and ReLU become one: see [`DenseRelu`](crate::ops::dense_relu::DenseRelu).
//! - A fully connected layer's gradients and Adam's step with them become one, and the gradient of a ReLU
//!   before the layer as well: see [`DenseAdam`](crate::ops::dense_adam::DenseAdam).
//! - A loss, its metric and its gradient become one: see
//!   [`MeasuredLoss`](crate::ops::measured_loss::MeasuredLoss).
//!
//! A rewrite needs that nobody else reads what lies between the steps.

use super::{Argument, Buffer, BufferId, Kind, Plan, Step};
use crate::ops::conv_pool2d::ConvPool2d;
use crate::ops::dense_adam::DenseAdam;
use crate::ops::dense_relu::DenseRelu;
use crate::ops::dropout::Dropout;
use crate::ops::measured_loss::MeasuredLoss;
use crate::ops::{Op, Role};
use crate::shape::Shape;
use std::collections::HashMap;

/// Does all rewrites that apply; `updates` says whether a gradient may vanish in the optimiser's step. Buffers that no
/// step is left to use stay in the list.
pub fn fuse(plan: &mut Plan, updates: bool) {
    let mut uses = Uses::of(plan);
    for index in 0..plan.steps.len() {
        // What `update` makes of later steps comes up once more, for `relu_gradient`.
        let rewrites = [convolution, activation, relu_gradient, loss, update];
        let found = rewrites[..rewrites.len() - usize::from(!updates)]
            .iter()
            .find_map(|rewrite| rewrite(&Steps { plan, uses: &uses }, index));
        if let Some(rewrite) = found {
            rewrite.apply(plan, &mut uses);
        }
    }
    plan.steps.retain(|step| !step.arguments.is_empty());
}

/// Who uses what, so that nobody has to look through all steps. Steps keep their places while they are rewritten.
struct Uses {
    /// The steps that read each buffer, in order.
    readers: Vec<Vec<usize>>,
    /// The steps of each layer before any rewrite, in order.
    of_layer: HashMap<String, Vec<usize>>,
}

impl Uses {
    fn of(plan: &Plan) -> Self {
        let mut uses = Self { readers: vec![Vec::new(); plan.buffers.len()], of_layer: HashMap::new() };
        for (index, step) in plan.steps.iter().enumerate() {
            uses.add(index, step);
            uses.of_layer.entry(step.layer.clone()).or_default().push(index);
        }
        uses
    }

    fn add(&mut self, index: usize, step: &Step) {
        for buffer in step.reads() {
            if buffer >= self.readers.len() {
                self.readers.resize(buffer + 1, Vec::new());
            }
            let readers = &mut self.readers[buffer];
            if let Err(place) = readers.binary_search(&index) {
                readers.insert(place, index);
            }
        }
    }

    /// Forgets a step; one that is gone already reads nothing.
    fn remove(&mut self, index: usize, step: &Step) {
        if step.arguments.is_empty() {
            return;
        }
        for buffer in step.reads() {
            self.readers[buffer].retain(|&reader| reader != index);
        }
    }

    /// The steps that read a buffer.
    fn readers(&self, buffer: BufferId) -> &[usize] {
        self.readers.get(buffer).map_or(&[], Vec::as_slice)
    }
}

/// The steps of a plan and who uses what of them.
struct Steps<'a> {
    plan: &'a Plan,
    uses: &'a Uses,
}

/// Steps that become others, by their place in the plan, and steps that go.
struct Rewrite {
    op: Op,
    layer: String,
    inputs: Vec<Shape>,
    /// Place, kernel, and the buffers that the new step takes over.
    new: Vec<(usize, &'static str, HashMap<&'static str, BufferId>)>,
    gone: Vec<usize>,
}

impl Rewrite {
    /// Steps that go leave an empty place, so that the others keep theirs.
    fn apply(self, plan: &mut Plan, uses: &mut Uses) {
        let mut made: HashMap<&str, BufferId> = HashMap::new();
        for index in self.gone {
            uses.remove(index, &plan.steps[index]);
            plan.steps[index].arguments.clear();
        }
        for (index, kernel, known) in self.new {
            let Some(signature) = self.op.kernel(kernel) else {
                unreachable!("{} has no kernel {kernel}", self.op.name())
            };
            let names = signature.arguments().chain(signature.scratch.iter().copied());
            let arguments = names.map(|name| {
                let Some(spec) = self.op.argument(name, &self.inputs) else {
                    unreachable!("{} does not tell the shape of {name}", self.op.name())
                };
                let shape = spec.shape.clone();
                let buffer = *known.get(name).unwrap_or_else(|| {
                    made.entry(name).or_insert_with(|| {
                        let name = format!("{}.{name}", self.layer);
                        plan.buffers.push(Buffer::new(name, spec, Kind::Transient));
                        plan.buffers.len() - 1
                    })
                });
                Argument { name: name.into(), buffer, shape }
            });
            let arguments = arguments.collect();
            let (layer, op, kernel) = (self.layer.clone(), self.op.clone(), kernel.into());
            uses.remove(index, &plan.steps[index]);
            plan.steps[index] = Step { layer, op, kernel, arguments };
            uses.add(index, &plan.steps[index]);
        }
    }
}

/// Whether a step, which may have gone, is a kernel of an operator.
fn is(step: &Step, op: &str, kernel: &str) -> bool {
    !step.arguments.is_empty() && step.op.name() == op && step.kernel == kernel
}

/// The buffer of a step's argument.
fn buffer(step: &Step, name: &str) -> Option<BufferId> {
    step.arguments.iter().find(|argument| argument.name == name).map(|argument| argument.buffer)
}

/// The arguments of a step under the names that another operator has for them.
fn taken(step: &Step, names: &[(&'static str, &str)]) -> Option<HashMap<&'static str, BufferId>> {
    names.iter().map(|&(new, old)| Some((new, buffer(step, old)?))).collect()
}

/// The steps that read a buffer; `None` if it outlives the steps, so that somebody else may.
fn readers<'a>(steps: &'a Steps, buffer: BufferId) -> Option<&'a [usize]> {
    (steps.plan.buffers[buffer].kind == Kind::Transient).then(|| steps.uses.readers(buffer))
}

/// The only step that reads a buffer.
fn only_reader(steps: &Steps, buffer: BufferId) -> Option<usize> {
    match readers(steps, buffer)? {
        &[reader] => Some(reader),
        _ => None,
    }
}

/// Dropout of what a pooling computes: its steps, by their place in the plan.
struct Dropped {
    op: Dropout,
    forward: usize,
    backward: Option<usize>,
}

/// The dropout that alone reads what the step `pool` computes.
fn dropout(steps: &Steps, pool: usize) -> Option<Dropped> {
    let plan = steps.plan;
    let forward = only_reader(steps, buffer(&plan.steps[pool], "output")?)?;
    let step = is(&plan.steps[forward], "dropout", "forward").then_some(&plan.steps[forward])?;
    let Op::Dropout(op) = &step.op else { return None };
    let is_backward = |&&other: &&usize| is(&plan.steps[other], "dropout", "backward_input");
    let backward = steps.uses.of_layer.get(&step.layer)?.iter().find(is_backward).copied();
    Some(Dropped { op: op.clone(), forward, backward })
}

/// The steps of a convolution that read the gradient of its pixels, the kernel that does what all of them do, and
/// the buffers that it takes over.
fn gradients(
    steps: &Steps,
    conv: &Step,
    d_pixel: BufferId,
) -> Option<(Vec<usize>, &'static str, HashMap<&'static str, BufferId>)> {
    let gradients = readers(steps, d_pixel)?.to_vec();
    let mut known = HashMap::new();
    for step in gradients.iter().map(|&index| &steps.plan.steps[index]) {
        if step.op != conv.op || step.layer != conv.layer {
            return None;
        }
        known.extend(match step.kernel.as_str() {
            "backward_weight" => taken(step, &["input", "d_weight", "d_bias"].map(|name| (name, name)))?,
            "backward_input" => taken(step, &["weight", "d_input"].map(|name| (name, name)))?,
            _ => return None,
        });
    }
    let kernel = match ["d_weight", "d_input"].map(|name| known.contains_key(name)) {
        [true, true] => "backward",
        [true, false] => "backward_weight",
        _ => return None,
    };
    Some((gradients, kernel, known))
}

/// Convolution, ReLU, max pooling and dropout, if the step `first` is such a convolution.
fn convolution(of: &Steps, first: usize) -> Option<Rewrite> {
    let steps = &of.plan.steps;
    let conv = is(&steps[first], "conv2d", "forward").then_some(&steps[first])?;
    let relu = only_reader(of, buffer(conv, "output")?)?;
    let positive = is(&steps[relu], "relu", "forward").then(|| buffer(&steps[relu], "output"))??;
    let (pools, masks): (Vec<usize>, Vec<usize>) =
        readers(of, positive)?.iter().partition(|&&index| is(&steps[index], "max_pool2d", "forward"));
    let &[pool] = pools.as_slice() else { return None };
    let (Op::Conv2d(conv_op), Op::MaxPool2d(pool_op)) = (&conv.op, &steps[pool].op) else { return None };
    let input = conv.shape("input");
    let dropped = dropout(of, pool);
    let dropout_op = dropped.as_ref().map(|dropped| dropped.op.clone());
    let op = Op::ConvPool2d(ConvPool2d::of(conv_op, pool_op, dropout_op, &input)?);

    let mut forward = taken(conv, &[("input", "input"), ("weight", "weight"), ("bias", "bias")])?;
    let mut gone = vec![first, relu];
    let mut new = match &dropped {
        Some(dropped) => {
            let drop = &steps[dropped.forward];
            forward.extend(taken(drop, &[("output", "output"), ("sample", "sample"), ("batch", "batch")])?);
            gone.push(pool);
            vec![(dropped.forward, "forward_dropout", forward)]
        }
        None => {
            forward.insert("output", buffer(&steps[pool], "output")?);
            vec![(pool, "forward", forward)]
        }
    };
    let unpools = readers(of, buffer(&steps[pool], "code")?)?;
    match (unpools, masks.as_slice()) {
        ([], []) => {}
        (&[unpool], &[mask]) => {
            let d_positive = buffer(&steps[unpool], "d_input")?;
            if only_reader(of, d_positive)? != mask || !is(&steps[mask], "relu", "backward_input") {
                return None;
            }
            gone.extend([unpool, mask]);
            let mut d_output = buffer(&steps[unpool], "d_output")?;
            if let Some(dropped) = &dropped {
                let drop = dropped.backward?;
                if buffer(&steps[drop], "d_input")? != d_output || only_reader(of, d_output)? != unpool {
                    return None;
                }
                gone.push(drop);
                d_output = buffer(&steps[drop], "d_output")?;
            }
            let (gradients, kernel, mut backward) = gradients(of, conv, buffer(&steps[mask], "d_input")?)?;
            backward.insert("d_output", d_output);
            gone.extend(&gradients[1..]);
            new.push((gradients[0], kernel, backward));
        }
        _ => return None,
    }
    Some(Rewrite { op, layer: conv.layer.clone(), inputs: vec![input], new, gone })
}

/// A fully connected layer and ReLU, if the step `first` is such a layer.
fn activation(steps: &Steps, first: usize) -> Option<Rewrite> {
    let plan = steps.plan;
    let layer = is(&plan.steps[first], "dense", "forward").then_some(&plan.steps[first])?;
    let relu = only_reader(steps, buffer(layer, "output")?)?;
    let output = is(&plan.steps[relu], "relu", "forward").then(|| buffer(&plan.steps[relu], "output"))??;
    let Op::Dense(dense) = &layer.op else { return None };
    let op = Op::DenseRelu(DenseRelu { dense: dense.clone(), layers: 1 });
    let mut known = taken(layer, &[("input", "input"), ("weight", "weight"), ("bias", "bias")])?;
    known.insert("output", output);
    let (layer, inputs) = (layer.layer.clone(), vec![layer.shape("input")]);
    Some(Rewrite { op, layer, inputs, new: vec![(relu, "forward", known)], gone: vec![first] })
}

/// A fully connected layer's weight gradient and Adam's step with it, and the input's gradient if nobody
/// else needs the weights in between, if the step `first` is the weight gradient.
fn update(steps: &Steps, first: usize) -> Option<Rewrite> {
    let plan = steps.plan;
    let gradient = is(&plan.steps[first], "dense", "backward_weight").then_some(&plan.steps[first])?;
    let last = only_reader(steps, buffer(gradient, "d_weight")?)?;
    let step = is(&plan.steps[last], "adam", "update").then_some(&plan.steps[last])?;
    let weight = buffer(step, "param")?;
    let readers_of_weight = steps.uses.readers(weight).iter().copied();
    let between: Vec<usize> = readers_of_weight.filter(|&index| index > first && index < last).collect();
    let is_backward = |index: usize| {
        let other = &plan.steps[index];
        is(other, "dense", "backward_input") && other.layer == gradient.layer
    };
    let batch = gradient.shape("input").batch();
    let both = match between.as_slice() {
        &[index] if is_backward(index) && DenseAdam::takes_backward(batch) => Some(index),
        _ => None,
    };
    let place = both.unwrap_or(last);
    // The bias's gradient comes from the new step, too.
    let bias_waits = readers(steps, buffer(gradient, "d_bias")?)?.iter().all(|&reader| reader > place);
    let (Op::Dense(dense), Op::Adam(adam)) = (&gradient.op, &step.op) else { return None };
    let op = Op::DenseAdam(DenseAdam { dense: dense.clone(), adam: adam.clone(), relu: false, layers: 1 });
    let inputs = vec![gradient.shape("input")];
    if !bias_waits
        || buffer(step, "grad") != buffer(gradient, "d_weight")
        || op.output_shape(&inputs).is_err()
    {
        return None;
    }
    let mut known = taken(gradient, &[("input", "input"), ("d_output", "d_output"), ("d_bias", "d_bias")])?;
    let kept = [("weight", "param"), ("m", "m"), ("v", "v"), ("batch", "batch")];
    known.extend(taken(step, &kept)?);
    let mut gone = vec![first];
    let kernel = match both {
        Some(index) => {
            known.insert("d_input", buffer(&plan.steps[index], "d_input")?);
            gone.push(last);
            "backward"
        }
        None => "update",
    };
    let layer = gradient.layer.clone();
    Some(Rewrite { op, layer, inputs, new: vec![(place, kernel, known)], gone })
}

/// The gradients of a fully connected layer and of the ReLU before it, if the step `first` is the first.
fn relu_gradient(steps: &Steps, first: usize) -> Option<Rewrite> {
    let plan = steps.plan;
    let layer = is(&plan.steps[first], "dense_adam", "backward").then_some(&plan.steps[first])?;
    let last = only_reader(steps, buffer(layer, "d_input")?)?;
    let mask = is(&plan.steps[last], "relu", "backward_input").then_some(&plan.steps[last])?;
    let Op::DenseAdam(op) = &layer.op else { return None };
    if buffer(mask, "output") != buffer(layer, "input") {
        return None;
    }
    let mut known: HashMap<&'static str, BufferId> =
        layer.signature().arguments().filter_map(|name| Some((name, buffer(layer, name)?))).collect();
    known.insert("d_input", buffer(mask, "d_input")?);
    let op = Op::DenseAdam(DenseAdam { relu: true, ..op.clone() });
    let (layer, inputs) = (layer.layer.clone(), vec![layer.shape("input")]);
    Some(Rewrite { op, layer, inputs, new: vec![(first, "backward", known)], gone: vec![last] })
}

/// A loss with its metric, and with its gradient if that comes next, if the step `first` is the loss.
fn loss(steps: &Steps, first: usize) -> Option<Rewrite> {
    let plan = steps.plan;
    let [forward, metrics, rest @ ..] = &plan.steps[first..] else { return None };
    let is_loss = forward.op.role_of() == Role::Loss && is(forward, forward.op.name(), "forward");
    if !is_loss || only_reader(steps, buffer(forward, "loss")?)? != first + 1 {
        return None;
    }
    let Op::Metrics(metrics_op) = &metrics.op else { return None };
    let op = MeasuredLoss { loss: Box::new(forward.op.clone()), metrics: metrics_op.clone() };
    let (op, inputs) = (Op::MeasuredLoss(op), vec![forward.shape("input")]);
    op.output_shape(&inputs).ok()?;
    let names = ["input", "targets", "sample_weight", "batch", "sums"].map(|name| (name, name));
    let mut known = taken(metrics, &names)?;
    let gradient = rest.first().filter(|step| step.op == forward.op && step.layer == forward.layer);
    let (kernel, gone) = match gradient.and_then(|step| buffer(step, "d_input")) {
        Some(d_input) => {
            known.insert("d_input", d_input);
            ("backward", vec![first + 1, first + 2])
        }
        None => ("accumulate", vec![first + 1]),
    };
    Some(Rewrite { op, layer: forward.layer.clone(), inputs, new: vec![(first, kernel, known)], gone })
}
