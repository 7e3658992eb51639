//! Layers side by side: branches that begin alike compute alike layers at once, by one step for all of them.
//!
//! What such a step reads and writes for each layer lies together in one buffer, a layer after the other; see
//! [`Operator::beside`](crate::ops::Operator::beside). The parameters lie so in all plans of a model, whether
//! a plan has such steps or not.

use super::{Argument, Buffer, BufferId, Kind, Part, Plan, Step};
use crate::graph::Graph;
use crate::ops::{ArgumentSpec, Op};
use crate::shape::Shape;

/// A binding of WebGPU begins at a multiple of this.
pub const ALIGNMENT: usize = 256;
/// What one of WebGPU's bindings sees at most.
const MOST_BYTES: usize = 1 << 27;

/// Does the steps of layers side by side at once, where their operator can.
pub fn side_by_side(plan: &mut Plan, graph: &Graph) {
    for nodes in graph.siblings() {
        let layers: Vec<&str> = nodes.iter().map(|&node| graph.nodes[node].name.as_str()).collect();
        let first = plan.steps.iter().filter(|step| step.layer == layers[0]);
        let kernels: Vec<String> = first.map(Step::label).collect();
        for kernel in kernels {
            let step_of = |layer: &&str| {
                plan.steps.iter().position(|step| step.layer == **layer && step.label() == kernel)
            };
            if let Some(steps) = layers.iter().map(step_of).collect::<Option<Vec<usize>>>() {
                at_once(plan, &steps);
            }
        }
    }
    remove_unused(plan);
}

/// Leaves out buffers that no step is left to use, such as scratch of the steps that were replaced.
fn remove_unused(plan: &mut Plan) {
    let is_used = |id: BufferId| {
        let arguments = plan.steps.iter().flat_map(|step| &step.arguments);
        let parts = plan.buffers.iter().filter_map(|buffer| buffer.part_of);
        let buffer = &plan.buffers[id];
        buffer.kind != Kind::Transient
            || buffer.part_of.is_some()
            || arguments
                .map(|argument| argument.buffer)
                .chain(parts.map(|part| part.whole))
                .any(|of| of == id)
    };
    let kept: Vec<BufferId> = (0..plan.buffers.len()).filter(|&id| is_used(id)).collect();
    let place = |id: BufferId| kept.partition_point(|&other| other < id);
    let mut buffers: Vec<Buffer> = kept.iter().map(|&id| plan.buffers[id].clone()).collect();
    for part in buffers.iter_mut().filter_map(|buffer| buffer.part_of.as_mut()) {
        part.whole = place(part.whole);
    }
    for argument in plan.steps.iter_mut().flat_map(|step| &mut step.arguments) {
        argument.buffer = place(argument.buffer);
    }
    plan.buffers = buffers;
}

/// Makes one step of some alike ones, if that can be.
fn at_once(plan: &mut Plan, steps: &[usize]) -> Option<()> {
    let all: Vec<&Step> = steps.iter().map(|&step| &plan.steps[step]).collect();
    let of_input = |name: &&str| {
        let is_input = |argument: &&Argument| argument.name.trim_start_matches("d_") == *name;
        all[0].arguments.iter().find(is_input).map(|argument| argument.shape.clone())
    };
    let inputs: Vec<Shape> = all[0].op.inputs().iter().filter_map(of_input).collect();
    let others: Vec<&Op> = all[1..].iter().map(|step| &step.op).collect();
    let (op, inputs) = all[0].op.beside(&others, &inputs)?;
    let mut changed = plan.clone();
    let mut group = steps.to_vec();
    let mut arguments = Vec::new();
    for (index, argument) in all[0].arguments.iter().enumerate() {
        let spec = op.argument(&argument.name, &inputs)?;
        let shape = spec.shape.clone();
        let buffers: Vec<BufferId> = all.iter().map(|step| step.arguments[index].buffer).collect();
        let is_shared = shape.len() == argument.shape.len();
        let buffer = if all[0].signature().scratch.contains(&argument.name.as_str()) {
            let name = changed.buffers[buffers[0]].name.clone();
            changed.buffers.push(Buffer::new(name, spec, Kind::Transient));
            changed.buffers.len() - 1
        } else if !is_shared {
            join(&mut changed, &buffers)?
        } else if buffers.iter().all(|&buffer| buffer == buffers[0]) {
            buffers[0]
        } else {
            sum(plan, &buffers, &mut group)?
        };
        arguments.push(Argument { name: argument.name.clone(), buffer, shape });
    }
    changed.steps[steps[0]] = Step { op, arguments, ..all[0].clone() };
    let order = order(plan, &group)?;
    changed.steps = order.into_iter().map(|step| changed.steps[step].clone()).collect();
    *plan = changed;
    Some(())
}

/// The buffer whose parts are `buffers`, one after the other; it is made where there is none. `None` if they
/// cannot lie so that others may still see each of them on its own.
pub fn join(plan: &mut Plan, buffers: &[BufferId]) -> Option<BufferId> {
    let first = &plan.buffers[buffers[0]];
    let bytes = first.bytes();
    let size = buffers.len() * bytes;
    let is_part_of = |whole: BufferId| {
        let place = |index: usize| Some(Part { whole, offset_bytes: index * bytes });
        let mut parts = buffers.iter().enumerate();
        parts.all(|(index, &part)| plan.buffers[part].part_of == place(index))
    };
    if let Some(Part { whole, .. }) = first.part_of {
        return (is_part_of(whole) && plan.buffers[whole].bytes() == size).then_some(whole);
    }
    // What several layers read together cannot lie in several places.
    let is_repeated = |index: usize| buffers[..index].contains(&buffers[index]);
    let alike = |&&buffer: &&BufferId| {
        let Buffer { part_of, kind, dtype, .. } = &plan.buffers[buffer];
        part_of.is_none() && (*kind, *dtype, plan.buffers[buffer].bytes()) == (first.kind, first.dtype, bytes)
    };
    if !bytes.is_multiple_of(ALIGNMENT)
        || size > MOST_BYTES
        || (0..buffers.len()).any(is_repeated)
        || buffers.iter().filter(alike).count() < buffers.len()
    {
        return None;
    }
    let Buffer { name, shape, dtype, batched, kind, .. } = first.clone();
    let spec = ArgumentSpec { shape: shape.with_batch(buffers.len() * shape.batch()), dtype, batched };
    let whole = plan.buffers.len();
    plan.buffers.push(Buffer::new(format!("{name}+{}", buffers.len() - 1), spec, kind));
    for (index, &part) in buffers.iter().enumerate() {
        plan.buffers[part].part_of = Some(Part { whole, offset_bytes: index * bytes });
    }
    Some(whole)
}

/// The sum of some buffers that only steps of adding read, which then belong to the `group`.
fn sum(plan: &Plan, buffers: &[BufferId], group: &mut Vec<usize>) -> Option<BufferId> {
    let mut sum = buffers[0];
    for &other in &buffers[1..] {
        let reads = |buffer: BufferId| {
            let steps = plan.steps.iter().enumerate();
            steps.filter(move |(_, step)| step.reads().any(|read| read == buffer)).map(|(index, _)| index)
        };
        let readers: Vec<usize> = reads(sum).chain(reads(other)).collect();
        let &[reader, again] = readers.as_slice() else { return None };
        if reader != again || plan.steps[reader].label() != "add.forward" {
            return None;
        }
        group.push(reader);
        sum = plan.steps[reader].writes().next()?;
    }
    Some(sum)
}

/// An order of the steps in which all of a `group` are done at once, where its first one stands in for all of
/// them; `None` if one of them waits for what another one makes possible.
fn order(plan: &Plan, group: &[usize]) -> Option<Vec<usize>> {
    let place = |buffer: BufferId| {
        let (root, first) = plan.root(buffer);
        (root, first..first + plan.buffers[buffer].bytes())
    };
    let overlap = |a: BufferId, b: BufferId| {
        let ((a, a_range), (b, b_range)) = (place(a), place(b));
        a == b && a_range.start < b_range.end && b_range.start < a_range.end
    };
    let waits = |later: &Step, earlier: &Step| {
        let uses = |step: &Step| step.arguments.iter().map(|argument| argument.buffer).collect::<Vec<_>>();
        let (earlier_uses, later_uses) = (uses(earlier), uses(later));
        earlier.writes().any(|a| later_uses.iter().any(|&b| overlap(a, b)))
            || later.writes().any(|b| earlier_uses.iter().any(|&a| overlap(a, b)))
    };
    let done_by = |step: usize| if group.contains(&step) { group[0] } else { step };
    let mut left: Vec<usize> = (0..plan.steps.len()).filter(|&step| done_by(step) == step).collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        // Nobody who is left, and who comes before a part of this one, has to be done first.
        let is_ready = |&step: &usize| {
            (0..plan.steps.len()).filter(|&later| done_by(later) == step).all(|later| {
                (0..later).all(|earlier| {
                    let owner = done_by(earlier);
                    owner == step
                        || !left.contains(&owner)
                        || !waits(&plan.steps[later], &plan.steps[earlier])
                })
            })
        };
        let next = left.iter().position(is_ready)?;
        order.push(left.remove(next));
    }
    Some(order)
}
