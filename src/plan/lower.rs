//! From a graph to a plan: forward, losses, metrics, backward, update.
//!
//! Nothing here knows a single operator. A kernel's arguments go by name, and names say which buffer
//! is meant: `input` is what the layer reads, `d_input` the gradient of that, `weight` a parameter,
//! `batch` what the host writes before every run, and so on.

use super::average::{average, use_averages};
use super::beside::side_by_side;
use super::clip::clip;
use super::fuse::fuse;
use super::together::together;
use super::{Argument, Buffer, BufferId, Kind, Plan, Step, memory};
use crate::graph::{BranchEnd, Graph};
use crate::ops::add::Add;
use crate::ops::metrics::Metrics;
use crate::ops::{ArgumentSpec, Kernel, Op};
use crate::shape::Shape;
use std::collections::HashMap;

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// One step of training.
    Training,
    /// Loss and metrics of a batch, without dropout.
    Evaluation,
    /// The branches' outputs of a batch, without dropout.
    Prediction,
}

/// Lowers a graph to a plan.
pub fn lower(graph: &Graph, name: &str, purpose: Purpose) -> Plan {
    let mut lowering = Lowering {
        purpose,
        buffers: Vec::new(),
        places: HashMap::new(),
        steps: Vec::new(),
        outputs: Vec::new(),
    };
    lowering.forward(graph);
    let mut gradients: HashMap<usize, Vec<BufferId>> = HashMap::new();
    for branch in &graph.branches {
        lowering.branch_end(graph, branch, &mut gradients);
    }
    for &node in &graph.outputs {
        let output = lowering.outputs[node];
        lowering.buffers[output].kind = Kind::Output;
    }
    if purpose == Purpose::Training {
        lowering.backward(graph, gradients);
        lowering.update(graph);
    }
    let name = format!("{name}.{}", format!("{purpose:?}").to_lowercase());
    let mut plan = Plan {
        name,
        batch: graph.batch,
        buffers: lowering.buffers,
        slots: Vec::new(),
        steps: lowering.steps,
    };
    remove_unused(&mut plan);
    if graph.fuse {
        // What is clipped has to be there as a whole before it is used.
        fuse(&mut plan, graph.clip_norm.is_none());
        remove_unused(&mut plan);
        together(&mut plan, graph);
        side_by_side(&mut plan, graph);
        remove_unused_buffers(&mut plan);
    }
    match purpose {
        Purpose::Training => {
            clip(&mut plan, graph);
            average(&mut plan, graph);
        }
        Purpose::Evaluation => use_averages(&mut plan, graph),
        Purpose::Prediction => {}
    }
    memory::assign(&mut plan);
    plan
}

struct Lowering {
    purpose: Purpose,
    buffers: Vec<Buffer>,
    /// Each buffer by its name.
    places: HashMap<String, BufferId>,
    steps: Vec<Step>,
    /// The buffer that holds the output of each node.
    outputs: Vec<BufferId>,
}

/// The kernels of one node, branch end or parameter: who they work for, and the buffers they know.
struct Place<'a> {
    layer: String,
    op: &'a Op,
    inputs: Vec<Shape>,
    known: HashMap<String, BufferId>,
    /// The kind of buffers that are made here for what kernels read.
    kind: Kind,
}

impl Lowering {
    fn forward(&mut self, graph: &Graph) {
        for node in &graph.nodes {
            let input = node.inputs.first().map(|&input| self.outputs[input]);
            let kernels = match self.purpose {
                Purpose::Training => node.training(),
                Purpose::Evaluation | Purpose::Prediction => node.op.inference(),
            };
            if let (true, Some(input)) = (kernels.is_empty(), input) {
                self.outputs.push(input);
                continue;
            }
            let mut known = HashMap::new();
            for (&input, name) in node.inputs.iter().zip(node.op.inputs()) {
                known.insert(name.to_string(), self.outputs[input]);
            }
            let layer = node.name.clone();
            let inputs = node.input_shapes.clone();
            let mut place = Place { layer, op: &node.op, inputs, known, kind: Kind::Transient };
            for kernel in kernels {
                self.step(&mut place, kernel);
            }
            let output = match place.known.get("output") {
                Some(&output) => output,
                // What the host writes and no kernel changes.
                None => self.argument(&place, &node.name, place.kind),
            };
            self.outputs.push(output);
        }
    }

    /// Loss, metrics, and the loss's gradient, at the end of a branch.
    fn branch_end(
        &mut self,
        graph: &Graph,
        branch: &BranchEnd,
        gradients: &mut HashMap<usize, Vec<BufferId>>,
    ) {
        let output = self.outputs[branch.node];
        if self.purpose != Purpose::Training {
            self.buffers[output].kind = Kind::Output;
        }
        if self.purpose == Purpose::Prediction {
            return;
        }
        let shape = graph.nodes[branch.node].shape.clone();
        let known = HashMap::from([("input".to_string(), output)]);
        let layer = branch.name.clone();
        let inputs = vec![shape];
        let mut place =
            Place { layer, op: &branch.loss, inputs: inputs.clone(), known, kind: Kind::Transient };
        for kernel in branch.loss.forward() {
            self.step(&mut place, kernel);
        }
        let metric = branch.target.metric();
        let metrics = Op::Metrics(Metrics { metric, range: branch.target.output_range() });
        let known = place.known.clone();
        let layer = branch.name.clone();
        let mut measured = Place { layer, op: &metrics, inputs, known, kind: Kind::Persistent };
        for kernel in metrics.forward() {
            self.step(&mut measured, kernel);
        }
        if self.purpose == Purpose::Training {
            for kernel in branch.loss.backward() {
                self.step(&mut place, kernel);
            }
            gradients.entry(branch.node).or_default().push(place.known["d_input"]);
        }
    }

    fn backward(&mut self, graph: &Graph, mut gradients: HashMap<usize, Vec<BufferId>>) {
        for (index, node) in graph.nodes.iter().enumerate().rev() {
            let Some(d_output) = self.sum(&node.name, &node.shape, gradients.remove(&index)) else {
                continue;
            };
            if let (true, Some(&input)) = (node.op.is_view(), node.inputs.first()) {
                gradients.entry(input).or_default().push(d_output);
                continue;
            }
            let mut known = HashMap::from([
                ("output".to_string(), self.outputs[index]),
                ("d_output".to_string(), d_output),
            ]);
            for (&input, name) in node.inputs.iter().zip(node.op.inputs()) {
                known.insert(name.to_string(), self.outputs[input]);
            }
            let layer = node.name.clone();
            let inputs = node.input_shapes.clone();
            let mut place = Place { layer, op: &node.op, inputs, known, kind: Kind::Transient };
            for kernel in node.op.backward() {
                self.step(&mut place, kernel);
            }
            for (&input, name) in node.inputs.iter().zip(node.op.inputs()) {
                if let Some(&gradient) = place.known.get(&format!("d_{name}")) {
                    gradients.entry(input).or_default().push(gradient);
                }
            }
        }
    }

    /// The sum of the gradients of a value that several layers read.
    fn sum(&mut self, layer: &str, shape: &Shape, gradients: Option<Vec<BufferId>>) -> Option<BufferId> {
        let mut gradients = gradients?.into_iter();
        let mut sum = gradients.next()?;
        for (other, nth) in gradients.zip(1..) {
            let known = HashMap::from([("input".to_string(), sum), ("other".to_string(), other)]);
            let op = Op::Add(Add {});
            let layer = format!("{layer}.d_output{nth}");
            let inputs = vec![shape.clone(), shape.clone()];
            let mut place = Place { layer, op: &op, inputs, known, kind: Kind::Transient };
            for kernel in op.forward() {
                self.step(&mut place, kernel);
            }
            sum = place.known["output"];
        }
        Some(sum)
    }

    /// The optimiser: what it does to every parameter.
    fn update(&mut self, graph: &Graph) {
        for node in &graph.nodes {
            for (parameter, &optimizer) in node.parameters().into_iter().zip(&node.optimizers) {
                let name = format!("{}.{}", node.name, parameter.name);
                let (param, grad) = (self.find(&name), self.find(&gradient_name(&name)));
                let (Some(param), Some(grad), true, Some(op)) =
                    (param, grad, parameter.trained, graph.optimizers.get(optimizer))
                else {
                    continue;
                };
                let known = HashMap::from([("param".to_string(), param), ("grad".to_string(), grad)]);
                let inputs = vec![parameter.shape];
                let mut place = Place { layer: name, op, inputs, known, kind: Kind::Persistent };
                for kernel in op.forward() {
                    self.step(&mut place, kernel);
                }
            }
        }
    }

    /// Appends a kernel, with buffers for the arguments that have none yet.
    fn step(&mut self, place: &mut Place, kernel: &Kernel) {
        let mut arguments = Vec::new();
        for name in kernel.arguments().chain(kernel.scratch.iter().copied()) {
            let buffer = match place.known.get(name) {
                Some(&buffer) => buffer,
                // What no step reads before another has written it does not live on.
                None if kernel.reads.contains(&name) => self.argument(place, name, place.kind),
                None => self.argument(place, name, Kind::Transient),
            };
            place.known.insert(name.into(), buffer);
            arguments.push(Argument { name: name.into(), buffer, shape: spec_of(place, name).shape });
        }
        self.steps.push(Step {
            layer: place.layer.clone(),
            op: place.op.clone(),
            kernel: kernel.name.into(),
            arguments,
        });
    }

    /// The buffer that an argument means, made where it does not exist yet: of this kind, unless its name says
    /// something else.
    fn argument(&mut self, place: &Place, name: &str, kind: Kind) -> BufferId {
        let own = || format!("{}.{name}", place.layer);
        let is_parameter = place.op.parameters(&place.inputs).iter().any(|parameter| parameter.name == name);
        let (full_name, kind) = match name {
            "photos" | "transform" | "tokens" | "sample" | "batch" => (name.to_string(), Kind::Input),
            "targets" | "sample_weight" => (own(), Kind::Input),
            _ if is_parameter => (own(), Kind::Persistent),
            _ => match name.strip_prefix("d_") {
                Some(plain) => (gradient_name(&format!("{}.{plain}", place.layer)), Kind::Transient),
                None => (own(), kind),
            },
        };
        let spec = spec_of(place, name);
        if let Some(found) = self.find(&full_name) {
            let buffer = &self.buffers[found];
            let same = buffer.shape.len() == spec.shape.len() && buffer.dtype == spec.dtype;
            assert!(same, "{full_name} would be both {:?} and {:?}", buffer.shape, spec.shape);
            return found;
        }
        self.places.insert(full_name.clone(), self.buffers.len());
        self.buffers.push(Buffer::new(full_name, spec, kind));
        self.buffers.len() - 1
    }

    fn find(&self, name: &str) -> Option<BufferId> {
        self.places.get(name).copied()
    }
}

fn spec_of(place: &Place, name: &str) -> ArgumentSpec {
    match place.op.argument(name, &place.inputs) {
        Some(spec) => spec,
        None => unreachable!("{} does not tell the shape of {name:?}", place.op.name()),
    }
}

/// The name of the gradient of the buffer `name`.
fn gradient_name(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((layer, plain)) => format!("{layer}.d_{plain}"),
        None => format!("d_{name}"),
    }
}

/// Leaves out steps that write nothing that anybody reads, such as the gradient of the photos, and
/// the buffers that no step is left to use.
fn remove_unused(plan: &mut Plan) {
    let mut needed: Vec<bool> =
        plan.buffers.iter().map(|b| matches!(b.kind, Kind::Persistent | Kind::Output)).collect();
    let mut kept = Vec::new();
    for step in std::mem::take(&mut plan.steps).into_iter().rev() {
        let scratch = step.signature().scratch;
        let used = |a: &&Argument| !scratch.contains(&a.name.as_str()) && needed[a.buffer];
        let writes: Vec<BufferId> = step.writes().collect();
        if step.arguments.iter().filter(used).any(|a| writes.contains(&a.buffer)) {
            step.reads().for_each(|buffer| needed[buffer] = true);
            kept.push(step);
        }
    }
    kept.reverse();
    plan.steps = kept;
    remove_unused_buffers(plan);
}

/// Leaves out the buffers that no step uses, unless they are parts of a lasting one or hold one, that is used.
fn remove_unused_buffers(plan: &mut Plan) {
    let mut needed = vec![false; plan.buffers.len()];
    plan.steps.iter().flat_map(|step| &step.arguments).for_each(|argument| needed[argument.buffer] = true);
    let holders = |buffer: BufferId| {
        let holder = |&buffer: &BufferId| plan.buffers[buffer].part_of.map(|part| part.whole);
        std::iter::successors(Some(buffer), holder).skip(1)
    };
    let lasting = (0..plan.buffers.len()).filter(|&buffer| plan.buffers[buffer].kind == Kind::Persistent);
    let parts: Vec<BufferId> = lasting.filter(|&part| holders(part).any(|whole| needed[whole])).collect();
    parts.into_iter().for_each(|part| needed[part] = true);
    let wholes: Vec<BufferId> = (0..needed.len()).filter(|&part| needed[part]).flat_map(holders).collect();
    wholes.into_iter().for_each(|whole| needed[whole] = true);

    let mut mapped = vec![0; plan.buffers.len()];
    let mut count = 0;
    for (place, &needed) in mapped.iter_mut().zip(&needed) {
        *place = count;
        count += usize::from(needed);
    }
    let mut keep = needed.iter();
    plan.buffers.retain(|_| keep.next() == Some(&true));
    let parts = plan.buffers.iter_mut().filter_map(|buffer| buffer.part_of.as_mut());
    parts.for_each(|part| part.whole = mapped[part.whole]);
    let arguments = plan.steps.iter_mut().flat_map(|step| &mut step.arguments);
    arguments.for_each(|argument| argument.buffer = mapped[argument.buffer]);
}
