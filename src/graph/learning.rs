//! Which layers of a model learn, and by which optimiser each parameter does.

use super::Node;
use crate::ops::Op;
use crate::spec::{Freeze, Group, Spec, SpecError, matching};
use std::collections::HashSet;

/// Marks the layers that a model freezes.
pub(super) fn freeze(spec: &Spec, nodes: &mut [Node]) -> Result<(), SpecError> {
    for Freeze { layers, line } in &spec.frozen {
        let mut used = HashSet::new();
        for node in nodes.iter_mut().skip(1) {
            if let Some(pattern) = matching(layers, &node.name) {
                used.insert(pattern);
                node.frozen = true;
            }
        }
        require_all_used(spec, *line, "[[freeze]]", layers, &used)?;
    }
    // A normalisation by its running statistics has no gradient for what lies before it.
    let mut learns = vec![false; nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        let before = node.inputs.iter().any(|&input| learns[input]);
        learns[index] = before || !node.frozen && node.parameter_count() > 0;
        if before && node.training() != node.op.forward() {
            let message = format!(
                "[[freeze]]: layer {:?} ({}) cannot be frozen while a layer before it learns; freeze those too",
                node.name,
                node.op.name()
            );
            return Err(spec.error(spec.frozen[0].line, message));
        }
    }
    match spec.frozen.first() {
        Some(Freeze { line, .. }) if !learns.contains(&true) => {
            Err(spec.error(*line, "[[freeze]]: no layer is left that learns; freeze fewer"))
        }
        _ => Ok(()),
    }
}

/// The optimisers of a model, and which one each parameter has.
pub(super) fn optimizers(spec: &Spec, nodes: &mut [Node]) -> Result<Vec<Op>, SpecError> {
    let check = |op: &Op, line: usize, of: &str| {
        let shape = op.output_shape(&[[1].into()]);
        shape.map_err(|reason| spec.error(line, format!("{of} {:?}: {reason}", op.name())))
    };
    check(&spec.optimizer, spec.optimizer_line, "optimizer")?;
    let mut all = vec![spec.optimizer.clone()];
    for Group { layers, learning_rate, weight_decay, line } in &spec.groups {
        let op = spec.optimizer.clone();
        let name = op.name();
        let asked = [
            ("learning_rate", learning_rate, op.clone().learning_rate().is_some()),
            ("weight_decay", weight_decay, op.clone().weight_decay().is_some()),
        ];
        if let Some((key, ..)) = asked.iter().find(|(_, value, is_there)| value.is_some() && !is_there) {
            return Err(spec.error(*line, format!("[[group]]: the optimizer {name:?} has no {key}")));
        }
        let changed = |mut op: Op| {
            if let (Some(rate), Some(place)) = (*learning_rate, op.learning_rate()) {
                *place = rate;
            }
            if let (Some(decay), Some(place)) = (*weight_decay, op.weight_decay()) {
                *place = decay;
            }
            op
        };
        check(&changed(op), *line, "[[group]]: optimizer")?;
        let mut used = HashSet::new();
        for node in nodes.iter_mut() {
            let parameters = node.op.parameters(&node.input_shapes);
            for (parameter, optimizer) in parameters.iter().zip(&mut node.optimizers) {
                let full = format!("{}.{}", node.name, parameter.name);
                if let Some(pattern) = matching(layers, &node.name).or_else(|| matching(layers, &full)) {
                    used.insert(pattern);
                    // What an earlier group says of the other attribute stays. The same attributes are one optimiser.
                    let op = changed(all[*optimizer].clone());
                    *optimizer = all.iter().position(|other| *other == op).unwrap_or(all.len());
                    if *optimizer == all.len() {
                        all.push(op);
                    }
                }
            }
        }
        require_all_used(spec, *line, "[[group]]", layers, &used)?;
    }
    Ok(all)
}

/// Fails if a pattern says no layer: it is misspelt.
fn require_all_used(
    spec: &Spec,
    line: usize,
    table: &str,
    layers: &[String],
    used: &HashSet<&String>,
) -> Result<(), SpecError> {
    match layers.iter().find(|pattern| !used.contains(pattern)) {
        None if layers.is_empty() => Err(spec.error(line, format!("{table}: layers is empty; name some"))),
        None => Ok(()),
        Some(pattern) => Err(spec.error(
            line,
            format!(
                "{table}: no layer with parameters is called {pattern:?}; `faceshader summary` lists them"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::Graph;
    use crate::spec::Spec;

    #[test]
    fn groups_add_up_and_the_later_one_counts_where_both_say_something() {
        let text = include_str!("../../assets/models/face.toml");
        let groups = "[[group]]\nlayers = [\"*.bias\"]\nweight_decay = 0.0\nlearning_rate = 0.5\n\
                      [[group]]\nlayers = [\"age.*\"]\nlearning_rate = 0.25\n";
        let text = text.replace("op = \"adam\"", "op = \"adam\"\nweight_decay = 0.125");
        let graph = Graph::new(&Spec::parse(&format!("{text}\n{groups}"), "face.toml").unwrap(), 1).unwrap();
        let attributes = |name: &str| {
            let (layer, parameter) = name.rsplit_once('.').unwrap();
            let node = graph.nodes.iter().find(|node| node.name == layer).unwrap();
            let place = node.parameters().iter().position(|other| other.name == parameter).unwrap();
            let mut op = graph.optimizers[node.optimizers[place]].clone();
            (*op.learning_rate().unwrap(), *op.weight_decay().unwrap())
        };
        let usual = *graph.optimizers[0].clone().learning_rate().unwrap();
        assert_eq!(attributes("conv1.weight"), (usual, 0.125));
        assert_eq!(attributes("conv1.bias"), (0.5, 0.0));
        let [weight, bias] = ["age.conv3.weight", "age.conv3.bias"].map(attributes);
        assert_eq!((weight, bias), ((0.25, 0.125), (0.25, 0.0)));
        assert_eq!(graph.optimizers.len(), 4);
    }
}
