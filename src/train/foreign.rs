//! Weights from a safetensors file of any program, and which of them a model can begin with.

use super::checkpoint::{Notes, load, notes};
use crate::file::{FileError, read_plain};
use crate::graph::Graph;
use crate::ops::Op;
use crate::shape::{DType, Shape};
use half::{bf16, f16};
use safetensors::tensor::{SafeTensors, TensorView};
use std::path::Path;

/// A tensor of another program or training.
#[derive(Debug, Clone, PartialEq)]
pub struct Foreign {
    /// Such as `conv1.weight`.
    pub name: String,
    /// The extent of every axis.
    pub shape: Shape,
    /// Its elements as float32s, row-major; of what are no floats, the type that they have.
    pub values: Result<Vec<f32>, String>,
}

/// Reads all tensors of a file, with the notes of one that this program wrote. Floats of 16 and 64 bits become float32.
///
/// # Errors
/// Where the file cannot be read, is no safetensors, or is not what its checksum says.
pub fn read(path: &Path) -> Result<(Vec<Foreign>, Notes), FileError> {
    if !notes(path).is_empty() {
        let (tensors, notes) = load(path)?;
        let foreign = tensors.into_iter().map(|tensor| Foreign {
            values: match tensor.dtype {
                DType::F32 => Ok(bytemuck::pod_collect_to_vec(&tensor.bytes)),
                other => Err(format!("{other:?}")),
            },
            name: tensor.name,
            shape: tensor.shape,
        });
        return Ok((foreign.collect(), notes));
    }
    let bytes = read_plain(path).map_err(|source| FileError::Read { path: path.into(), source })?;
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|error| FileError::Contents { path: path.into(), reason: error.to_string() })?;
    let foreign = tensors.iter().map(|(name, view)| Foreign {
        name: name.into(),
        shape: Shape(view.shape().to_vec()),
        values: floats(&view),
    });
    Ok((foreign.collect(), Notes::new()))
}

/// The elements of a tensor as float32s, or the name of their type where they are no floats.
fn floats(view: &TensorView) -> Result<Vec<f32>, String> {
    fn each<const BYTES: usize>(bytes: &[u8], value: impl Fn([u8; BYTES]) -> f32) -> Vec<f32> {
        bytes.as_chunks::<BYTES>().0.iter().map(|&bytes| value(bytes)).collect()
    }
    let bytes = view.data();
    match view.dtype() {
        safetensors::Dtype::F32 => Ok(each(bytes, f32::from_le_bytes)),
        safetensors::Dtype::F64 => Ok(each(bytes, |bytes| f64::from_le_bytes(bytes) as f32)),
        safetensors::Dtype::F16 => Ok(each(bytes, |bytes| f16::from_le_bytes(bytes).to_f32())),
        safetensors::Dtype::BF16 => Ok(each(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32())),
        other => Err(format!("{other:?}")),
    }
}

/// Which tensors of a file are weights of a model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fit {
    /// The names of those that fit, in the model's order.
    pub taken: Vec<String>,
    /// The model's other weights, and why they are not taken.
    pub left: Vec<(String, String)>,
    /// Names and shapes of tensors that the model has no weight for.
    pub unused: Vec<(String, Shape)>,
}

impl Fit {
    /// Compares names and shapes. With `other_words`, the rows of the file's embeddings stand for other words than the
    /// model's.
    pub fn of(graph: &Graph, tensors: &[Foreign], other_words: bool) -> Fit {
        let mut fit = Fit::default();
        for node in &graph.nodes {
            let is_of_words = matches!(node.op, Op::Embedding(_));
            for parameter in node.parameters() {
                let name = format!("{}.{}", node.name, parameter.name);
                let tensor = tensors.iter().find(|tensor| tensor.name == name);
                let reason = match tensor {
                    None => Some("the file has none of this name".into()),
                    Some(Foreign { shape, .. }) if *shape != parameter.shape => {
                        Some(format!("{shape} in the file, {} in the model", parameter.shape))
                    }
                    Some(Foreign { values: Err(dtype), .. }) => {
                        Some(format!("{dtype} in the file, which are no floats"))
                    }
                    Some(_) if is_of_words && other_words => {
                        Some("its rows stand for the words of another vocabulary".into())
                    }
                    Some(_) => None,
                };
                match reason {
                    None => fit.taken.push(name),
                    Some(reason) => fit.left.push((name, reason)),
                }
            }
        }
        let is_known =
            |name: &String| fit.taken.contains(name) || fit.left.iter().any(|(other, _)| other == name);
        let unused = tensors.iter().filter(|tensor| !is_known(&tensor.name));
        fit.unused = unused.map(|tensor| (tensor.name.clone(), tensor.shape.clone())).collect();
        fit.unused.sort_by(|(a, _), (b, _)| a.cmp(b));
        fit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Spec;

    fn review() -> Graph {
        let mut spec =
            Spec::parse(include_str!("../../assets/models/review-plus.toml"), "review-plus.toml").unwrap();
        spec.targets[0] = crate::tasks::Target {
            classes: vec!["bad".into(), "good".into()],
            ..crate::tasks::Target::new("class", "binary")
        };
        Graph::new(&spec, 1).unwrap()
    }

    fn foreign(name: &str, shape: &[usize]) -> Foreign {
        let shape = Shape(shape.to_vec());
        Foreign { name: name.into(), values: Ok(vec![0.5; shape.len()]), shape }
    }

    #[test]
    fn weights_fit_by_name_and_shape() {
        let integers = Foreign { values: Err("I64".into()), ..foreign("sentiment.score.bias", &[1]) };
        let tensors = [
            foreign("words.weight", &[6000, 64]),
            foreign("sentiment.score.weight", &[2, 64]),
            integers,
            foreign("other", &[3, 4]),
        ];
        let fit = Fit::of(&review(), &tensors, false);
        assert_eq!(fit.taken, ["words.weight"]);
        let left: Vec<String> = fit.left.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
        assert_eq!(
            left,
            [
                "sentiment.score.weight: 2 x 64 in the file, 1 x 64 in the model",
                "sentiment.score.bias: I64 in the file, which are no floats"
            ]
        );
        assert_eq!(fit.unused, [("other".to_string(), [3, 4].into())]);
        let fit = Fit::of(&review(), &tensors, true);
        assert!(fit.taken.is_empty() && fit.left[0].1.contains("another vocabulary"), "{fit:?}");
    }

    #[test]
    fn floats_of_any_width_become_float32() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let f16s: Vec<u8> = [1.5, -2.0].iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect();
        let bf16s: Vec<u8> = [1.5, -2.0].iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect();
        let f64s: Vec<u8> = [1.5_f64, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let f32s: Vec<u8> = [1.5_f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let i64s: Vec<u8> = [7_i64, 8].iter().flat_map(|v| v.to_le_bytes()).collect();
        use safetensors::Dtype;
        let views = [
            ("a", Dtype::F16, &f16s),
            ("b", Dtype::BF16, &bf16s),
            ("c", Dtype::F64, &f64s),
            ("d", Dtype::F32, &f32s),
            ("e", Dtype::I64, &i64s),
        ]
        .map(|(name, dtype, bytes)| (name, TensorView::new(dtype, vec![2], bytes).unwrap()));
        std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
        let (mut tensors, notes) = read(&path).unwrap();
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(notes.is_empty());
        assert!(tensors[..4].iter().all(|tensor| tensor.values == Ok(vec![1.5, -2.0])), "{tensors:?}");
        assert_eq!(tensors[4].values, Err("I64".into()));
    }
}
