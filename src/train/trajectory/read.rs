//! From the files of a case to a [`Trajectory`]: nothing in them is taken for granted.

use super::{Inputs, Recorded, Trajectory, TrajectoryError};
use crate::file::FileError;
use crate::graph::Graph;
use crate::ops::{Metric, Op};
use crate::shape::{DType, Shape};
use crate::spec::{AugmentSpec, InputSpec, PhotoSpec, Spec, TextSpec};
use crate::tasks::Target;
use crate::train::checkpoint::Tensor;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::path::Path;

/// Steps and samples a step.
type Extents = [usize; 2];

impl Trajectory {
    /// Reads `model.toml` and `trajectory.safetensors` of a folder.
    ///
    /// # Errors
    /// Where a file cannot be read; where the model has dropout, augmentation or a schedule, which no record can
    /// tell; and where a tensor is missing, unknown, or not what the model needs.
    pub fn read(folder: &Path) -> Result<Trajectory, TrajectoryError> {
        let bytes =
            |path: &Path| std::fs::read(path).map_err(|source| FileError::Read { path: path.into(), source });
        let model = folder.join("model.toml");
        let damaged = |path: &Path, reason: String| FileError::Contents { path: path.into(), reason };
        let text = String::from_utf8(bytes(&model)?).map_err(|error| damaged(&model, error.to_string()))?;
        let mut spec = Spec::parse(&text, &model.display().to_string())?;
        refuse_chance(&spec, &text)?;
        let path = folder.join("trajectory.safetensors");
        let bytes = bytes(&path)?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| damaged(&path, error.to_string()))?;
        let file = File { path: &path, tensors };
        let (inputs, extents) = file.inputs(&spec)?;
        spec.training.batch = extents[1];
        let graph = Graph::new(&spec, extents[1])?;
        let mut answers = vec![Vec::new(); spec.targets.len()];
        for (branch, end) in spec.branches.iter().zip(&graph.branches) {
            let outputs = graph.nodes[end.node].shape.len() / extents[1];
            answers[spec.target_place(branch)] = file.answers(spec.target(branch), extents, outputs)?;
        }
        let losses = file.numbers("loss", &[vec![extents[0]]])?;
        let (initial, last) = file.weights(&graph)?;
        let samples = Recorded { inputs, answers };
        Ok(Trajectory { spec, file: path, samples, losses, initial, last })
    }
}

/// Refuses models whose training draws random numbers or depends on how many steps it has.
fn refuse_chance(spec: &Spec, text: &str) -> Result<(), TrajectoryError> {
    if spec.augment != AugmentSpec::default() {
        let line = text.lines().position(|line| line.trim().starts_with("[augment]"));
        let message = "a recorded training has no augmentation; remove [augment]";
        return Err(spec.error(line.map_or(1, |line| line + 1), message).into());
    }
    if !spec.training.rate_is_constant() {
        let keys = ["schedule", "warmup_epochs", "plateau"];
        let line = text.lines().position(|line| keys.iter().any(|key| line.trim().starts_with(key)));
        let message = "a recorded training has a constant learning rate; remove the schedule, warmup_epochs and plateau";
        return Err(spec.error(line.map_or(1, |line| line + 1), message).into());
    }
    let layers = spec.layers.iter().chain(spec.branches.iter().flat_map(|branch| &branch.layers));
    match layers.into_iter().find(|layer| matches!(layer.op, Op::Dropout(_))) {
        Some(layer) => {
            let name = &layer.name;
            let message = format!("layer {name:?}: a recorded training has no dropout; remove the layer");
            Err(spec.error(layer.line, message).into())
        }
        None => Ok(()),
    }
}

/// `trajectory.safetensors`.
struct File<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
}

impl File<'_> {
    fn error(&self, tensor: &str, reason: impl Into<String>) -> TrajectoryError {
        TrajectoryError::Tensor { file: self.path.into(), tensor: tensor.into(), reason: reason.into() }
    }

    fn view(&self, name: &str) -> Result<TensorView<'_>, TrajectoryError> {
        self.tensors.tensor(name).map_err(|_| self.error(name, "the file has no such tensor"))
    }

    /// The elements of a tensor of one of these shapes, all finite.
    fn numbers(&self, name: &str, shapes: &[Vec<usize>]) -> Result<Vec<f64>, TrajectoryError> {
        let view = self.view(name)?;
        if !shapes.iter().any(|shape| shape == view.shape()) {
            let [is, needs] = [view.shape(), &shapes[0]].map(|shape| Shape(shape.to_vec()));
            return Err(self.error(name, format!("it is {is}, but {needs} is needed")));
        }
        let numbers = numbers_of(&view).ok_or_else(|| {
            let needs = "floats of 32 or 64 bits, or whole numbers of 8, 32 or 64";
            self.error(name, format!("it holds {:?}; only {needs} are known", view.dtype()))
        })?;
        match numbers.iter().position(|number| !number.is_finite()) {
            Some(index) => Err(self.error(name, format!("element {index} is not a finite number"))),
            None => Ok(numbers),
        }
    }

    /// What the model sees, with the number of steps and of samples a step.
    fn inputs(&self, spec: &Spec) -> Result<(Inputs, Extents), TrajectoryError> {
        let (name, row) = match &spec.input {
            InputSpec::Photo(photo) => ("input", vec![3, photo.height, photo.width]),
            InputSpec::Text(text) => ("tokens", vec![text.length]),
        };
        let view = self.view(name)?;
        let (extents, inner) = view.shape().split_at_checked(2).unwrap_or((&[0, 0], &[]));
        let &[steps, size] = extents else { return Err(self.error(name, "it has no steps")) };
        if steps == 0 || size == 0 || inner != row {
            let [is, row] = [Shape(view.shape().to_vec()), Shape(row)];
            let reason =
                format!("it is {is}, but (steps, samples) x {row} is needed, with one of each at least");
            return Err(self.error(name, reason));
        }
        let numbers = self.numbers(name, &[view.shape().to_vec()])?;
        let inputs = match &spec.input {
            InputSpec::Photo(photo) => {
                photo_bytes(&numbers, photo).map(Inputs::Photos).map_err(|reason| self.error(name, reason))?
            }
            InputSpec::Text(text) => {
                tokens_of(&numbers, text).map(Inputs::Tokens).map_err(|reason| self.error(name, reason))?
            }
        };
        Ok((inputs, [steps, size]))
    }

    /// The labels of a target whose branch ends with so many outputs, a number a sample.
    fn answers(
        &self,
        target: &Target,
        [steps, size]: Extents,
        outputs: usize,
    ) -> Result<Vec<f32>, TrajectoryError> {
        let name = format!("target.{}", target.name);
        let numbers = self.numbers(&name, &[vec![steps, size], vec![steps, size, 1]])?;
        let metric = target.metric();
        let is_label = |&number: &f64| match metric {
            Metric::AbsoluteError => true,
            Metric::BinaryAccuracy => (0.0..=1.0).contains(&number),
            Metric::ClassAccuracy => number.fract() == 0.0 && (0.0..outputs as f64).contains(&number),
        };
        match numbers.iter().position(|number| !is_label(number)) {
            None => Ok(numbers.into_iter().map(|number| number as f32).collect()),
            Some(index) => {
                let needs = match metric {
                    Metric::ClassAccuracy => format!("a class from 0 to {}", outputs - 1),
                    _ => "a number from 0 to 1".into(),
                };
                Err(self.error(&name, format!("element {index} is {}, not {needs}", numbers[index])))
            }
        }
    }

    /// The weights before the first and after the last step.
    #[expect(clippy::type_complexity, reason = "each is used once")]
    fn weights(&self, graph: &Graph) -> Result<(Vec<Tensor>, Vec<(String, Vec<f64>)>), TrajectoryError> {
        let (mut initial, mut last, mut moved) = (Vec::new(), Vec::new(), false);
        for (name, parameter) in graph.parameters().into_iter().filter(|(_, parameter)| parameter.trained) {
            let shapes = [parameter.shape.0.clone()];
            let begins = self.numbers(&format!("initial.{name}"), &shapes)?;
            let ends = self.numbers(&format!("final.{name}"), &shapes)?;
            moved |= begins != ends;
            let values: Vec<f32> = begins.iter().map(|&value| value as f32).collect();
            let bytes = bytemuck::cast_slice(&values).to_vec();
            initial.push(Tensor { name: name.clone(), shape: parameter.shape, dtype: DType::F32, bytes });
            last.push((name, ends));
        }
        let is_known = |name: &str| last.iter().any(|(known, _)| known == name);
        for name in self.tensors.names() {
            let weight = name.strip_prefix("initial.").or_else(|| name.strip_prefix("final."));
            if weight.is_some_and(|weight| !is_known(weight)) {
                return Err(self.error(name, "the model has no such weight that is trained"));
            }
        }
        match moved {
            true => Ok((initial, last)),
            false => Err(self.error("final", "all weights end where they begin: nothing was trained")),
        }
    }
}

/// The elements of a tensor; `None` for types that no case has.
fn numbers_of(view: &TensorView) -> Option<Vec<f64>> {
    fn all<T: bytemuck::AnyBitPattern + bytemuck::NoUninit>(
        bytes: &[u8],
        as_f64: impl Fn(T) -> f64,
    ) -> Vec<f64> {
        bytes.chunks_exact(size_of::<T>()).map(|bytes| as_f64(bytemuck::pod_read_unaligned(bytes))).collect()
    }
    let bytes = view.data();
    Some(match view.dtype() {
        Dtype::F32 => all(bytes, |value: f32| value.into()),
        Dtype::F64 => all(bytes, |value: f64| value),
        Dtype::I32 => all(bytes, |value: i32| value.into()),
        Dtype::U32 => all(bytes, |value: u32| value.into()),
        Dtype::I64 => all(bytes, |value: i64| value as f64),
        Dtype::U8 => all(bytes, |value: u8| value.into()),
        _ => return None,
    })
}

/// (samples, height, width, 3) bytes of (samples, 3, height, width) scaled values: byte k is `low + k / 255 * (high -
/// low)`, but for the last places of float32.
fn photo_bytes(values: &[f64], photo: &PhotoSpec) -> Result<Vec<u8>, String> {
    let &PhotoSpec { width, height, range: [low, high], .. } = photo;
    let (pixels, room) = (width * height, 4.0 * f64::from(f32::EPSILON) * low.abs().max(high.abs()));
    let mut bytes = vec![0; values.len()];
    for (index, &value) in values.iter().enumerate() {
        let k = ((value - low) / (high - low) * 255.0).round();
        let is_byte = (0.0..=255.0).contains(&k) && (low + k / 255.0 * (high - low) - value).abs() <= room;
        if !is_byte {
            return Err(format!(
                "element {index} is {value}, which no byte k of a photo is scaled to: {low} + k / 255 * {}",
                high - low
            ));
        }
        let (sample, place) = (index / (3 * pixels), index % (3 * pixels));
        bytes[(sample * pixels + place % pixels) * 3 + place / pixels] = k as u8;
    }
    Ok(bytes)
}

fn tokens_of(values: &[f64], text: &TextSpec) -> Result<Vec<u32>, String> {
    let is_token = |value: f64| value.fract() == 0.0 && (0.0..text.vocabulary as f64).contains(&value);
    match values.iter().position(|&value| !is_token(value)) {
        None => Ok(values.iter().map(|&value| value as u32).collect()),
        Some(index) => Err(format!(
            "element {index} is {}, not a token from 0 to {}",
            values[index],
            text.vocabulary - 1
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_recovered_from_its_scaled_value_and_nothing_else_is_taken() {
        for range in [[0.0, 1.0], [-1.0, 1.0], [-0.5, 2.0]] {
            let photo = PhotoSpec { range, ..PhotoSpec::new(16, 16) };
            let [low, high] = range;
            let scaled = |k: u32| f64::from((low + (high - low) * (f64::from(k) / 255.0)) as f32);
            // Channel c of pixel p holds p + c.
            let values: Vec<f64> = (0..768).map(|index| scaled((index % 256 + index / 256) % 256)).collect();
            let bytes = photo_bytes(&values, &photo).unwrap();
            let right = (0..768).all(|index| usize::from(bytes[index]) == (index / 3 + index % 3) % 256);
            assert!(right, "{range:?}: {bytes:?}");
            for wrong in [scaled(7) + 1e-5, high + 0.01, low - 0.01] {
                let values = [values[..5].to_vec(), vec![wrong; 763]].concat();
                let reason = photo_bytes(&values, &photo).unwrap_err();
                assert!(reason.contains("element 5"), "{reason}");
            }
        }
    }
}
