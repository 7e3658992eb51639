//! Gradient clipping by the global norm: see [`ClipNorm`](crate::ops::clip_norm::ClipNorm).

use super::{Argument, Buffer, BufferId, Kind, Plan, Step};
use crate::graph::Graph;
use crate::ops::clip_norm::ClipNorm;
use crate::ops::{Kernel, Op, Role};
use std::collections::HashMap;

/// Measures all gradients and scales them before the optimiser's first step, if the model asks for it.
pub fn clip(plan: &mut Plan, graph: &Graph) {
    let Some(max_norm) = graph.clip_norm else { return };
    let is_update = |step: &&Step| step.op.role_of() == Role::Optimizer;
    let Some(first) = plan.steps.iter().position(|step| is_update(&step)) else { return };
    let gradient = |step: &Step| step.arguments.iter().find(|argument| argument.name == "grad").cloned();
    let gradients: Vec<Argument> = plan.steps.iter().filter(is_update).filter_map(gradient).collect();
    let op = Op::ClipNorm(ClipNorm { max_norm });
    let of_each = |kernel: fn(usize) -> &'static str| {
        gradients.iter().enumerate().map(move |(place, gradient)| (kernel(place), gradient))
    };
    let sums = of_each(|place| if place == 0 { "begin" } else { "add" });
    let calls: Vec<(&str, &Argument)> = sums.chain(of_each(|_| "scale")).collect();
    let mut made: HashMap<&str, BufferId> = HashMap::new();
    let mut steps = Vec::new();
    for (name, gradient) in calls {
        let Some(kernel) = op.kernel(name) else { unreachable!("clip_norm has no kernel {name}") };
        let arguments = arguments(plan, &op, kernel, gradient, &mut made);
        let layer = plan.buffers[gradient.buffer].name.clone();
        steps.push(Step { layer, op: op.clone(), kernel: name.into(), arguments });
    }
    plan.steps.splice(first..first, steps);
}

/// The arguments of one kernel for one gradient. All share the sum of squares; each sum has room of its own.
fn arguments(
    plan: &mut Plan,
    op: &Op,
    kernel: &Kernel,
    gradient: &Argument,
    made: &mut HashMap<&'static str, BufferId>,
) -> Vec<Argument> {
    let names = kernel.arguments().chain(kernel.scratch.iter().copied());
    let argument = |name: &'static str| {
        if name == "grad" {
            return gradient.clone();
        }
        let Some(spec) = op.argument(name, std::slice::from_ref(&gradient.shape)) else {
            unreachable!("clip_norm does not tell the shape of {name}")
        };
        let shape = spec.shape.clone();
        let mut make = || {
            plan.buffers.push(Buffer::new(format!("gradients.{name}"), spec.clone(), Kind::Transient));
            plan.buffers.len() - 1
        };
        let buffer = match name {
            "squares" => *made.entry(name).or_insert_with(make),
            _ => make(),
        };
        Argument { name: name.into(), buffer, shape }
    };
    names.map(argument).collect()
}

#[cfg(test)]
mod tests {
    use crate::graph::Graph;
    use crate::plan::{Purpose, lower};
    use crate::spec::Spec;

    #[test]
    fn every_gradient_is_measured_before_any_is_scaled_and_scaled_before_it_is_used() {
        let text = include_str!("../../assets/models/face.toml")
            .replace("[training]", "[training]\nclip_norm = 1.0");
        let spec = Spec::parse(&text, "face.toml").unwrap();
        let plan = lower(&Graph::new(&spec, 4).unwrap(), "face", Purpose::Training);
        let labels: Vec<String> = plan.steps.iter().map(|step| step.label()).collect();
        let places =
            |label: &str| (0..labels.len()).filter(|&place| labels[place] == label).collect::<Vec<usize>>();
        let (begin, add, scale) =
            (places("clip_norm.begin"), places("clip_norm.add"), places("clip_norm.scale"));
        let updates = places("adam.update");
        // All small parameters together, and the weights of four dense layers.
        assert_eq!([begin.len(), add.len(), scale.len(), updates.len()], [1, 4, 5, 5]);
        assert!(begin[0] < add[0] && add[3] < scale[0] && scale[4] < updates[0], "{labels:?}");
        assert!(!labels.iter().any(|label| label.starts_with("dense_adam")), "gradients are whole");
        let last_gradient = labels.iter().rposition(|label| label.contains("backward")).unwrap();
        assert!(last_gradient < begin[0]);
        let gradient = |place: usize| {
            plan.steps[place].arguments.iter().find(|argument| argument.name == "grad").unwrap().buffer
        };
        let scaled: Vec<usize> = scale.iter().map(|&place| gradient(place)).collect();
        assert_eq!(scaled, updates.iter().map(|&place| gradient(place)).collect::<Vec<_>>());
        // Both optimisers' steps measure gradients that lie apart.
        assert_eq!(scaled.iter().collect::<std::collections::HashSet<_>>().len(), 5);
    }
}
