//! Weights that a training begins with.

use super::{TrainError, Trainer};
use crate::graph::Graph;
use crate::train::foreign::{Fit, Foreign};
use std::path::Path;

/// Tensors and weights that a refusal names.
const NAMED: usize = 4;

impl Trainer<'_> {
    /// Takes those tensors of `file` that fit the model by name and shape; the other weights stay as they are. See
    /// [`Fit::of`] for `other_words`.
    ///
    /// # Errors
    /// Where none fits, or one that fits holds values that are no numbers or infinite.
    pub fn take_weights(
        &mut self,
        tensors: &[Foreign],
        file: &Path,
        other_words: bool,
    ) -> Result<Fit, TrainError> {
        let wrong = |reason: String| TrainError::Weights { file: file.display().to_string(), reason };
        let graph = Graph::new(&self.spec, 1)?;
        let fit = Fit::of(&graph, tensors, other_words);
        if fit.taken.is_empty() {
            return Err(wrong(none_fits(&graph, tensors, &fit)));
        }
        for (id, buffer) in self.training.plan.lasting() {
            let tensor = tensors.iter().find(|tensor| tensor.name == buffer.name);
            let Some(Foreign { name, values: Ok(values), .. }) = tensor else { continue };
            if !fit.taken.contains(name) {
                continue;
            }
            if !values.iter().all(|value| value.is_finite()) {
                return Err(wrong(format!("{name} holds values that are no numbers, or infinite")));
            }
            self.backend.write(self.training.id, id, bytemuck::cast_slice(values))?;
        }
        Ok(fit)
    }
}

/// Some names and shapes of both sides.
fn none_fits(graph: &Graph, tensors: &[Foreign], fit: &Fit) -> String {
    let listed = |names: Vec<String>| {
        let more = if names.len() > NAMED { ", …" } else { "" };
        format!("{}{more}", names[..names.len().min(NAMED)].join(", "))
    };
    let mut theirs: Vec<String> =
        tensors.iter().map(|tensor| format!("{} ({})", tensor.name, tensor.shape)).collect();
    theirs.sort();
    let ours =
        graph.parameters().into_iter().map(|(name, parameter)| format!("{name} ({})", parameter.shape));
    let of_words = fit.left.iter().find(|(_, reason)| reason.contains("vocabulary"));
    let of_words = of_words.map_or(String::new(), |(name, reason)| format!("; {name}: {reason}"));
    format!(
        "none of its {} tensors fits a weight by name and shape; it has {}; the model has {}{of_words}",
        tensors.len(),
        listed(theirs),
        listed(ours.collect())
    )
}
