//! Moving averages of the parameters: what training keeps of them, and an evaluation that reads them.

use super::{Argument, Buffer, BufferId, Kind, Part, Plan, Step};
use crate::graph::Graph;
use crate::ops::ema::Ema;
use crate::ops::{ArgumentSpec, BATCH_WORDS, Op};
use std::collections::{BTreeMap, HashSet};

/// The name of the moving average of the parameter `name`.
pub fn average_name(name: &str) -> String {
    format!("{name}.ema")
}

/// The parameters of a plan, running statistics included, and the buffers that hold some.
fn parameters(plan: &Plan, graph: &Graph) -> Vec<BufferId> {
    let names: HashSet<String> = graph.parameters().into_iter().map(|(name, _)| name).collect();
    let is_parameter = |buffer: &Buffer| buffer.kind == Kind::Persistent && names.contains(&buffer.name);
    let mut found: Vec<BufferId> =
        (0..plan.buffers.len()).filter(|&id| is_parameter(&plan.buffers[id])).collect();
    for parameter in found.clone() {
        let mut inner = parameter;
        while let Some(part) = plan.buffers[inner].part_of {
            inner = part.whole;
            if !found.contains(&inner) {
                found.push(inner);
            }
        }
    }
    found
}

/// Ends a training step with that of the moving averages, if the model has any: one for each buffer that holds
/// parameters, whose average is laid out alike.
pub fn average(plan: &mut Plan, graph: &Graph) {
    if !graph.averages {
        return;
    }
    let parameters = parameters(plan, graph);
    let averages: BTreeMap<BufferId, BufferId> = parameters
        .iter()
        .zip(plan.buffers.len()..)
        .map(|(&parameter, average)| (parameter, average))
        .collect();
    for &parameter in &parameters {
        let of = &plan.buffers[parameter];
        let part_of = of.part_of.map(|part| Part { whole: averages[&part.whole], ..part });
        let average = Buffer { name: average_name(&of.name), part_of, ..of.clone() };
        plan.buffers.push(average);
    }
    let batch = batch(plan);
    let op = Op::Ema(Ema {});
    let roots = parameters.into_iter().filter(|&parameter| plan.buffers[parameter].part_of.is_none());
    let steps: Vec<Step> = roots
        .map(|parameter| {
            let Buffer { name, shape, .. } = &plan.buffers[parameter];
            let argument = |name: &str, buffer| Argument { name: name.into(), buffer, shape: shape.clone() };
            let arguments = vec![
                argument("param", parameter),
                argument("average", averages[&parameter]),
                Argument { name: "batch".into(), buffer: batch, shape: [BATCH_WORDS].into() },
            ];
            Step { layer: average_name(name), op: op.clone(), kernel: "update".into(), arguments }
        })
        .collect();
    plan.steps.extend(steps);
}

/// The buffer of what the host writes for all samples.
fn batch(plan: &mut Plan) -> BufferId {
    plan.buffer("batch").unwrap_or_else(|| {
        let spec = ArgumentSpec::shared([BATCH_WORDS].into()).words();
        plan.buffers.push(Buffer::new("batch", spec, Kind::Input));
        plan.buffers.len() - 1
    })
}

/// Lets an evaluation read the moving averages in place of the parameters, if the model has any.
pub fn use_averages(plan: &mut Plan, graph: &Graph) {
    if graph.averages {
        for parameter in parameters(plan, graph) {
            plan.buffers[parameter].name = average_name(&plan.buffers[parameter].name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Purpose, lower};
    use crate::spec::Spec;

    #[test]
    fn every_parameter_has_an_average_and_the_evaluation_reads_it_there() {
        for (file, fuse) in [("face", true), ("face-plus", true), ("face-plus", false)] {
            let path = format!("{}/assets/models/{file}.toml", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap();
            let text = text.replace("[training]", &format!("[training]\nema = 0.999\nfuse = {fuse}"));
            let spec = Spec::parse(&text, file).unwrap();
            let plan = |batch, purpose| lower(&Graph::new(&spec, batch).unwrap(), file, purpose);
            let (training, evaluation) = (plan(20, Purpose::Training), plan(7, Purpose::Evaluation));
            let place = |plan: &Plan, name: &str| {
                let buffer = &plan.buffers[plan.buffer(name).unwrap()];
                let slot = &plan.slots[buffer.slot];
                (slot.shared_as.clone(), slot.bytes, buffer.offset_bytes)
            };
            for (name, _) in Graph::new(&spec, 1).unwrap().parameters() {
                let average = average_name(&name);
                assert_eq!(place(&training, &average), place(&evaluation, &average), "{name}");
                assert_ne!(place(&training, &average).0, place(&training, &name).0, "{name}");
                assert_eq!(evaluation.buffer(&name), None, "{name}");
                let lasting: Vec<&str> = training.lasting().map(|(_, buffer)| &*buffer.name).collect();
                assert!(lasting.contains(&&*average) && lasting.contains(&&*name), "{name} is saved");
            }
            let updates = training.steps.iter().filter(|step| step.label() == "ema.update");
            let moved: usize = updates.map(|step| step.shape("param").len()).sum();
            let all: usize =
                Graph::new(&spec, 1).unwrap().parameters().iter().map(|(_, p)| p.shape.len()).sum();
            // Small ones lie in one buffer with gaps between them.
            assert!(moved >= all && moved < all + all / 50 + 64 * 80, "{file}: {moved} of {all}");
        }
    }
}
