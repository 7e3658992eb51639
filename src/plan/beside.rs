//! Layers side by side: branches that begin alike compute alike layers at once, by one step for all of them.
//!
//! What such a step reads and writes for each layer lies together in one buffer, a layer after the other; see
//! [`Operator::beside`](crate::ops::Operator::beside). The parameters lie so in all plans of a model, whether
//! a plan has such steps or not.

use super::{Argument, Buffer, BufferId, Kind, Part, Plan, Step};
use crate::graph::Graph;
use crate::ops::{ArgumentSpec, Op};
use crate::shape::Shape;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// A binding of WebGPU begins at a multiple of this.
pub const ALIGNMENT: usize = 256;
/// What one of WebGPU's bindings sees at most.
pub const MOST_BYTES: usize = 1 << 27;

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
        if shape.len() * spec.dtype.bytes() > MOST_BYTES {
            return None;
        }
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
    let layer = all.iter().map(|step| step.layer.as_str()).collect::<Vec<_>>().join(" + ");
    changed.steps[steps[0]] = Step { layer, op, arguments, ..all[0].clone() };
    let order = order(plan, &group)?;
    changed.steps = order.into_iter().map(|step| changed.steps[step].clone()).collect();
    if changed.steps.iter().any(|step| reads_beside_what_it_writes(&changed, step)) {
        return None;
    }
    *plan = changed;
    Some(())
}

/// Whether a step reads a part of what it writes another part of: WebGPU knows buffers only as a whole.
fn reads_beside_what_it_writes(plan: &Plan, step: &Step) -> bool {
    let written: Vec<BufferId> = step.writes().collect();
    let mut read = step.arguments.iter().map(|argument| argument.buffer).filter(|id| !written.contains(id));
    read.any(|read| written.iter().any(|&written| plan.root(written).0 == plan.root(read).0))
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

/// The sum of some buffers that only steps of adding read, one after the other, which then belong to the
/// `group`.
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
    let done_by = |step: usize| if group.contains(&step) { group[0] } else { step };
    // What earlier steps use of each piece of memory: from where to where, and whether it is written.
    let mut uses: HashMap<BufferId, Vec<([usize; 2], bool, usize)>> = HashMap::new();
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); plan.steps.len()];
    let mut waiting_for = vec![0; plan.steps.len()];
    for (later, step) in plan.steps.iter().enumerate() {
        let written: Vec<BufferId> = step.writes().collect();
        let mut here = Vec::new();
        for argument in &step.arguments {
            let (root, first) = plan.root(argument.buffer);
            let range = [first, first + plan.buffers[argument.buffer].bytes()];
            let is_written = written.contains(&argument.buffer);
            for &(other, other_written, earlier) in uses.get(&root).into_iter().flatten() {
                let overlap = range[0] < other[1] && other[0] < range[1];
                let [before, now] = [earlier, later].map(done_by);
                if overlap && (is_written || other_written) && before != now {
                    after[before].push(now);
                    waiting_for[now] += 1;
                }
            }
            here.push((root, (range, is_written, later)));
        }
        here.into_iter().for_each(|(root, used)| uses.entry(root).or_default().push(used));
    }
    let is_ready = |&step: &usize| done_by(step) == step && waiting_for[step] == 0;
    let mut ready: BinaryHeap<Reverse<usize>> = (0..plan.steps.len()).filter(is_ready).map(Reverse).collect();
    let count = (0..plan.steps.len()).filter(|&step| done_by(step) == step).count();
    let mut order: Vec<usize> = Vec::new();
    while let Some(Reverse(step)) = ready.pop() {
        order.push(step);
        for &next in &after[step] {
            waiting_for[next] -= 1;
            if waiting_for[next] == 0 {
                ready.push(Reverse(next));
            }
        }
    }
    (order.len() == count).then_some(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::add::Add;
    use crate::plan::{Purpose, lower};
    use crate::spec::Spec;

    fn plan(batch: usize) -> Plan {
        let spec = Spec::parse(include_str!("../../assets/models/face.toml"), "face.toml").unwrap();
        lower(&Graph::new(&spec, batch).unwrap(), "face", Purpose::Training)
    }

    #[test]
    fn layers_side_by_side_see_what_each_sees_alone() {
        let plan = plan(20);
        let buffer = |name: &str| &plan.buffers[plan.buffer(name).unwrap()];
        for name in ["conv3.weight", "conv3.bias", "conv3.weight.v", "dense1.weight", "dense1.weight.m"] {
            let [age, gender] = ["age", "gender"].map(|branch| buffer(&format!("{branch}.{name}")));
            assert_eq!(
                (age.slot, age.offset_bytes + age.bytes()),
                (gender.slot, gender.offset_bytes),
                "{name}"
            );
        }
        // Too small to begin where bindings may.
        assert!(buffer("age.dense2.bias").part_of != buffer("gender.dense2.bias").part_of);
        let label = |step: &&Step| step.layer == "age.conv3 + gender.conv3";
        let steps: Vec<String> = plan.steps.iter().filter(label).map(Step::label).collect();
        assert_eq!(steps, ["conv_pool2d.forward_dropout", "conv_pool2d.backward"]);
        assert!(plan.steps.iter().all(|step| step.op.name() != "add"));
    }

    /// Additions, each of two buffers into a third, all by their numbers.
    fn additions<const STEPS: usize>(steps: [[BufferId; 3]; STEPS]) -> Plan {
        let spec = ArgumentSpec::batched([2, 3].into());
        let buffers = (0..8).map(|id| Buffer::new(format!("{id}"), spec.clone(), Kind::Transient)).collect();
        let step = |numbers: [BufferId; 3]| Step {
            layer: "sum".into(),
            op: Op::Add(Add {}),
            kernel: "forward".into(),
            arguments: ["input", "other", "output"]
                .into_iter()
                .zip(numbers)
                .map(|(name, buffer)| Argument { name: name.into(), buffer, shape: spec.shape.clone() })
                .collect(),
        };
        Plan { name: "sums".into(), batch: 2, buffers, slots: Vec::new(), steps: steps.map(step).into() }
    }

    #[test]
    fn a_step_never_reads_beside_what_it_writes() {
        // One branch reads what the trunk ends with, and the other what it is made of.
        let text = "name = \"cross\"\n[input]\nwidth = 4\nheight = 4\n[optimizer]\nop = \"adam\"\n\
            learning_rate = 0.1\n[training]\nbatch = 4\nepochs = 1\n"
            .to_string();
        let layer = |kind: &str, name: &str, rest: &str| format!("[[{kind}]]\nname = {name:?}\n{rest}\n");
        let dense = "op = \"dense\"\nout_features = 64";
        let text = text
            + &layer("layer", "flatten", "op = \"flatten\"")
            + &layer("layer", "a", dense)
            + &layer("layer", "arelu", "op = \"relu\"")
            + &layer("layer", "b", "op = \"dropout\"\nrate = 0.5");
        let branch = |name: &str, loss: &str, input: &str| {
            format!("[[branch]]\nname = {name:?}\ntarget = {name:?}\nloss = {{ op = {loss:?} }}\n")
                + &layer("branch.layer", "d1", &format!("{dense}\ninput = {input:?}"))
                + &layer("branch.layer", "r1", "op = \"relu\"")
                + &layer("branch.layer", "d2", "op = \"dense\"\nout_features = 1")
        };
        let both = |inputs: [&str; 2]| {
            let text = text.clone()
                + &branch("age", "mse", inputs[0])
                + &branch("gender", "bce_with_logits", inputs[1]);
            let spec = Spec::parse(&text, "cross.toml").unwrap();
            lower(&Graph::new(&spec, 4).unwrap(), "cross", Purpose::Training)
        };
        let plan = both(["arelu", "b"]);
        assert!(plan.steps.iter().all(|step| !reads_beside_what_it_writes(&plan, step)));
        assert!(plan.steps.iter().any(|step| step.layer == "b" && step.label() == "dropout.forward"));
    }

    #[test]
    fn steps_wait_for_what_they_read_and_for_those_who_still_read_what_they_write() {
        // The last step writes what the second one reads: that one goes first.
        let plan = additions([[0, 1, 2], [3, 4, 5], [0, 1, 3]]);
        assert_eq!(order(&plan, &[0, 2]), Some(vec![1, 0]));
        // It reads what the second one writes.
        let plan = additions([[0, 1, 2], [3, 4, 5], [0, 5, 6]]);
        assert_eq!(order(&plan, &[0, 2]), Some(vec![1, 0]));
        // It writes what the second one writes, and has to have the last word.
        let plan = additions([[0, 1, 2], [3, 4, 5], [0, 1, 5]]);
        assert_eq!(order(&plan, &[0, 2]), Some(vec![1, 0]));
        // It reads what becomes of the first one's result.
        let plan = additions([[0, 1, 2], [2, 4, 5], [0, 5, 6]]);
        assert_eq!(order(&plan, &[0, 2]), None);
        // It has nothing to do with the second one.
        let plan = additions([[0, 1, 2], [3, 4, 5], [0, 1, 6]]);
        assert_eq!(order(&plan, &[0, 2]), Some(vec![0, 1]));
    }
}
