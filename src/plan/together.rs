//! Small parameters lie side by side in one buffer, and so do their gradients and what the optimiser keeps
//! of each, so that one step changes them all. Where they lie depends on the model alone: all plans of a
//! backend share them.

use super::{Argument, Buffer, BufferId, Kind, Part, Plan, Step};
use crate::graph::Graph;
use crate::ops::ArgumentSpec;
use crate::shape::DType;

/// Larger parameters are enough work for a step of their own.
const MOST_BYTES: usize = 1 << 20;
/// A binding of WebGPU begins at a multiple of this.
const ALIGNMENT: usize = 256;

/// The parameters that lie together, by their names, each with the byte at which it begins, and the bytes of
/// all of them.
fn places(graph: &Graph) -> (Vec<(String, usize)>, usize) {
    let (mut places, mut end) = (Vec::new(), 0);
    for (name, parameter) in graph.parameters() {
        let bytes = parameter.shape.len() * DType::F32.bytes();
        if parameter.trained && !parameter.apart && bytes <= MOST_BYTES {
            places.push((name, end));
            end += bytes.next_multiple_of(ALIGNMENT);
        }
    }
    (places, end)
}

/// Puts the parameters together, and the steps of the optimiser, if this plan has one for each of them.
pub fn together(plan: &mut Plan, graph: &Graph) {
    let (places, bytes) = places(graph);
    let elements = bytes / DType::F32.bytes();
    let make_whole = |plan: &mut Plan, name: &str, parts: &[Option<BufferId>]| {
        let spec = ArgumentSpec::shared([elements].into());
        // Nobody writes between the parts, and what nobody writes stays zero as long as it is not shared.
        plan.buffers.push(Buffer::new(format!("optimizer.{name}"), spec, Kind::Persistent));
        let whole = plan.buffers.len() - 1;
        for (part, &(_, offset_bytes)) in parts.iter().zip(&places) {
            if let &Some(part) = part {
                plan.buffers[part].part_of = Some(Part { whole, offset_bytes });
            }
        }
        whole
    };
    let update_of = |(name, _): &(String, usize)| {
        let is_update = |step: &Step| step.layer == *name && step.op == graph.optimizer;
        plan.steps.iter().position(is_update)
    };
    let updates: Option<Vec<usize>> = places.iter().map(update_of).collect();
    let (Some(updates), [_, _, ..]) = (updates, places.as_slice()) else {
        let params: Vec<Option<BufferId>> = places.iter().map(|(name, _)| plan.buffer(name)).collect();
        if params.iter().any(Option::is_some) {
            make_whole(plan, "param", &params);
        }
        return;
    };
    let (first, last) = (updates[0], updates.iter().copied().max().unwrap_or(updates[0]));
    let mut all = Step { layer: graph.optimizer.name().into(), ..plan.steps[first].clone() };
    for (index, argument) in all.arguments.iter_mut().enumerate() {
        let parts: Vec<BufferId> =
            updates.iter().map(|&step| plan.steps[step].arguments[index].buffer).collect();
        // What all steps read is no part of anything.
        if parts.iter().any(|&part| part != parts[0]) {
            let parts: Vec<Option<BufferId>> = parts.into_iter().map(Some).collect();
            let buffer = make_whole(plan, &argument.name, &parts);
            *argument = Argument { buffer, shape: [elements].into(), ..argument.clone() };
        }
    }
    plan.steps[last] = all;
    let mut index = 0;
    plan.steps.retain(|_| {
        index += 1;
        index - 1 == last || !updates.contains(&(index - 1))
    });
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
                (slot.shared_as.clone(), slot.bytes, buffer.offset_bytes())
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
            let parts: Vec<&Buffer> =
                plan.buffers.iter().filter(|b| b.part_of.is_some_and(|p| p.whole == whole)).collect();
            // The weights of four convolutions and all biases, of parameters in eight layers.
            assert_eq!(parts.len(), 12);
            // The four weights of dense layers are updated with their gradients by Adam alone.
            assert_eq!(updates.len(), if optimizer == "adam" { 1 } else { 5 });
            let mut end = 0;
            for part in parts {
                assert!(part.offset_bytes() >= end && part.offset_bytes().is_multiple_of(ALIGNMENT));
                end = part.offset_bytes() + part.bytes();
            }
            assert!(end <= plan.buffers[whole].bytes());
        }
    }
}
