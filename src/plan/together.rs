//! Small parameters lie side by side in one buffer, and so do their gradients and what the optimiser keeps
//! of each, so that one step changes them all. Where they lie depends on the model alone: all plans of a
//! backend share them.

use super::beside::{self, ALIGNMENT, join};
use super::{Argument, Buffer, BufferId, Kind, Part, Plan, Step};
use crate::graph::Graph;
use crate::ops::{ArgumentSpec, Op};
use crate::shape::DType;
use std::collections::{HashMap, HashSet};

/// Larger parameters are enough work for a step of their own.
const MOST_BYTES: usize = 1 << 20;

/// Parameters that lie one after the other: those of layers side by side, where they can, or a single one.
struct Unit {
    /// Their full names.
    names: Vec<String>,
    /// Where they begin among all small parameters; `None` if they have a buffer of their own.
    offset_bytes: Option<usize>,
}

/// All trained parameters of a model that have one of its optimisers, and the bytes of the small ones.
fn units(graph: &Graph, optimizer: usize) -> (Vec<Unit>, usize) {
    let siblings = graph.siblings();
    let groups = siblings.iter().flat_map(|group| group.iter().map(move |&node| (node, group)));
    let groups: HashMap<usize, &Vec<usize>> = groups.collect();
    let (mut units, mut end): (Vec<Unit>, usize) = (Vec::new(), 0);
    for (index, node) in graph.nodes.iter().enumerate() {
        let parameters = node.parameters().into_iter().zip(&node.optimizers);
        let of_optimizer = parameters.filter(|&(_, &other)| other == optimizer);
        for (parameter, _) in of_optimizer.filter(|(parameter, _)| parameter.trained) {
            let bytes = parameter.shape.len() * DType::F32.bytes();
            let group = groups.get(&index).filter(|_| bytes.is_multiple_of(ALIGNMENT));
            let group = group.map_or(vec![index], |&group| group.clone());
            if group[0] != index {
                continue;
            }
            let name = |&node: &usize| format!("{}.{}", graph.nodes[node].name, parameter.name);
            let names: Vec<String> = group.iter().map(name).collect();
            let fits = end + names.len() * bytes <= beside::MOST_BYTES;
            let is_small = !parameter.apart && bytes <= MOST_BYTES && fits;
            let offset_bytes = is_small.then_some(end);
            if is_small {
                end += (names.len() * bytes).next_multiple_of(ALIGNMENT);
            }
            units.push(Unit { names, offset_bytes });
        }
    }
    (units, end)
}

/// Puts the parameters together, and the steps of the optimiser, if this plan has one for each of them.
pub fn together(plan: &mut Plan, graph: &Graph) {
    for (place, optimizer) in graph.optimizers.iter().enumerate() {
        let (units, bytes) = units(graph, place);
        // The first one's buffers have the names that they had before there were others.
        let name = if place == 0 { "optimizer".into() } else { format!("optimizer{place}") };
        put_together(plan, optimizer, &name, &units, bytes);
    }
}

/// Does so with the parameters of one optimiser.
fn put_together(plan: &mut Plan, optimizer: &Op, name: &str, units: &[Unit], bytes: usize) {
    let mut places: HashMap<String, BufferId> = HashMap::new();
    for (id, buffer) in plan.buffers.iter().enumerate() {
        places.entry(buffer.name.clone()).or_insert(id);
    }
    let buffer = |name: &str| places.get(name).copied();
    let apart = units.iter().filter(|unit| unit.offset_bytes.is_none() && unit.names.len() > 1);
    for (unit, suffix) in apart.flat_map(|unit| ["", ".m", ".v"].map(|suffix| (unit, suffix))) {
        let buffers = unit.names.iter().map(|name| buffer(&format!("{name}{suffix}")));
        if let Some(buffers) = buffers.collect::<Option<Vec<BufferId>>>() {
            join(plan, &buffers);
        }
    }
    let small: Vec<&Unit> = units.iter().filter(|unit| unit.offset_bytes.is_some()).collect();
    let mut steps: HashMap<&str, usize> = HashMap::new();
    for (index, step) in plan.steps.iter().enumerate().filter(|(_, step)| step.op == *optimizer) {
        steps.entry(&step.layer).or_insert(index);
    }
    let update_of = |name: &String| steps.get(name.as_str()).copied();
    let names: Vec<&String> = small.iter().flat_map(|unit| &unit.names).collect();
    let updates: Option<Vec<usize>> = names.iter().copied().map(update_of).collect();
    let (Some(updates), [_, _, ..]) = (updates, names.as_slice()) else {
        let params: Vec<Option<BufferId>> = names.iter().map(|name| buffer(name)).collect();
        if params.iter().any(Option::is_some) {
            lay(plan, format!("{name}.param"), &small, &params, bytes);
        }
        return;
    };
    let (first, last) = (updates[0], updates.iter().copied().max().unwrap_or(updates[0]));
    let mut all = Step { layer: optimizer.name().into(), ..plan.steps[first].clone() };
    for (index, argument) in all.arguments.iter_mut().enumerate() {
        let parts: Vec<BufferId> =
            updates.iter().map(|&step| plan.steps[step].arguments[index].buffer).collect();
        // What all steps read is no part of anything.
        if parts.iter().any(|&part| part != parts[0]) {
            let parts: Vec<Option<BufferId>> = parts.into_iter().map(Some).collect();
            let buffer = lay(plan, format!("{name}.{}", argument.name), &small, &parts, bytes);
            *argument = Argument { buffer, shape: plan.buffers[buffer].shape.clone(), ..argument.clone() };
        }
    }
    plan.steps[last] = all;
    let updates: HashSet<usize> = updates.into_iter().collect();
    let mut index = 0;
    plan.steps.retain(|_| {
        index += 1;
        index - 1 == last || !updates.contains(&(index - 1))
    });
}

/// Makes the buffer that holds something of all small parameters, and lays what there is of it into it.
fn lay(plan: &mut Plan, name: String, units: &[&Unit], parts: &[Option<BufferId>], bytes: usize) -> BufferId {
    let spec = ArgumentSpec::shared([bytes / DType::F32.bytes()].into());
    // Nobody writes between the parts, and what nobody writes stays zero as long as it is not shared.
    plan.buffers.push(Buffer::new(name, spec, Kind::Persistent));
    let whole = plan.buffers.len() - 1;
    let mut rest = parts;
    for unit in units {
        let (parts, others) = rest.split_at(unit.names.len());
        rest = others;
        let joined = match parts {
            [part] => *part,
            parts => {
                parts.iter().copied().collect::<Option<Vec<BufferId>>>().and_then(|parts| join(plan, &parts))
            }
        };
        if let (Some(part), Some(offset_bytes)) = (joined, unit.offset_bytes) {
            plan.buffers[part].part_of = Some(Part { whole, offset_bytes });
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Purpose, lower};
    use crate::spec::Spec;

    fn plans(text: &str) -> [Plan; 3] {
        let spec = Spec::parse(text, "face.toml").unwrap();
        // Evaluations have batches of their own.
        [(20, Purpose::Training), (77, Purpose::Evaluation), (1, Purpose::Prediction)]
            .map(|(batch, purpose)| lower(&Graph::new(&spec, batch).unwrap(), "face", purpose))
    }

    #[test]
    fn all_plans_agree_on_where_parameters_lie() {
        let text = include_str!("../../assets/models/face-plus.toml");
        let [training, others @ ..] = plans(text);
        let graph = Graph::new(&Spec::parse(text, "face.toml").unwrap(), 1).unwrap();
        let mut together = 0;
        for (name, parameter) in graph.parameters() {
            let place = |plan: &Plan| {
                let buffer = &plan.buffers[plan.buffer(&name).unwrap()];
                let slot = &plan.slots[buffer.slot];
                (slot.shared_as.clone(), slot.bytes, buffer.offset_bytes)
            };
            others.iter().for_each(|plan| assert_eq!(place(plan), place(&training), "{name}"));
            together += usize::from(parameter.trained && place(&training).0 != Some(name));
        }
        assert!(together > 10, "{together} parameters lie together");
    }

    #[test]
    fn one_step_updates_every_small_parameter_once() {
        for optimizer in ["adam", "sgd"] {
            let text =
                include_str!("../../assets/models/face.toml").replace("\"adam\"", &format!("{optimizer:?}"));
            let [plan, ..] = plans(&text);
            let updates: Vec<&Step> =
                plan.steps.iter().filter(|step| step.label() == format!("{optimizer}.update")).collect();
            let whole = updates.last().unwrap().arguments.iter().find(|a| a.name == "param").unwrap().buffer;
            let is_parameter =
                |buffer: usize| plan.lasting().any(|(id, _)| id == buffer) && plan.root(buffer).0 == whole;
            let mut parts: Vec<&Buffer> =
                (0..plan.buffers.len()).filter(|&b| is_parameter(b)).map(|b| &plan.buffers[b]).collect();
            parts.sort_by_key(|part| part.offset_bytes);
            // The weights of four convolutions and all biases, of parameters in eight layers.
            assert_eq!(parts.len(), 12);
            // The four weights of dense layers are updated with their gradients by Adam alone.
            assert_eq!(updates.len(), if optimizer == "adam" { 1 } else { 5 });
            let mut end = 0;
            for part in parts {
                assert!(part.offset_bytes >= end && part.offset_bytes.is_multiple_of(ALIGNMENT));
                end = part.offset_bytes + part.bytes();
            }
            assert!(end <= plan.buffers[whole].bytes());
        }
    }
}
