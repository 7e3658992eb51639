//! Tensors in files: weights that any tool can read, and all that training needs to go on.
//!
//! The format is safetensors.

use crate::file::{FileError, write_whole};
use crate::shape::{DType, Shape};
use safetensors::tensor::{SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::Path;

/// A named tensor in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Such as `age.conv3.weight`.
    pub name: String,
    /// The extent of every axis.
    pub shape: Shape,
    /// What one element is.
    pub dtype: DType,
    /// The elements, row-major, little-endian.
    pub bytes: Vec<u8>,
}

/// Writes tensors with notes of text.
pub fn save<'t>(
    path: &Path,
    tensors: impl IntoIterator<Item = &'t Tensor>,
    notes: &[(&str, String)],
) -> Result<(), FileError> {
    let contents = |reason: String| FileError::Contents { path: path.into(), reason };
    let mut views = Vec::new();
    for tensor in tensors {
        let dtype = match tensor.dtype {
            DType::F32 => safetensors::Dtype::F32,
            DType::U32 => safetensors::Dtype::U32,
            DType::U8 => safetensors::Dtype::U8,
        };
        let view = TensorView::new(dtype, tensor.shape.0.clone(), &tensor.bytes)
            .map_err(|error| contents(format!("{}: {error}", tensor.name)))?;
        views.push((tensor.name.as_str(), view));
    }
    // One note at most: a map of several would be written in no fixed order, and the same training
    // has to give the same file.
    let notes: serde_json::Map<String, serde_json::Value> =
        notes.iter().map(|(name, value)| (name.to_string(), value.clone().into())).collect();
    let note = HashMap::from([("faceshader".to_string(), serde_json::Value::Object(notes).to_string())]);
    let bytes = safetensors::serialize(views, Some(note)).map_err(|error| contents(error.to_string()))?;
    write_whole(path, &bytes)
}

/// Reads tensors and their notes.
pub fn load(path: &Path) -> Result<(Vec<Tensor>, HashMap<String, String>), FileError> {
    let bytes = std::fs::read(path).map_err(|source| FileError::Read { path: path.into(), source })?;
    let contents = |error: safetensors::SafeTensorError| FileError::Contents {
        path: path.into(),
        reason: error.to_string(),
    };
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(contents)?;
    let note = header.metadata().as_ref().and_then(|notes| notes.get("faceshader"));
    let notes = note.and_then(|note| serde_json::from_str(note).ok()).unwrap_or_default();
    let file = SafeTensors::deserialize(&bytes).map_err(contents)?;
    let mut tensors = Vec::new();
    for (name, view) in file.iter() {
        let dtype = match view.dtype() {
            safetensors::Dtype::F32 => DType::F32,
            safetensors::Dtype::U32 => DType::U32,
            safetensors::Dtype::U8 => DType::U8,
            other => {
                let reason = format!("{name} holds {other:?}; only F32, U32 and U8 are known");
                return Err(FileError::Contents { path: path.into(), reason });
            }
        };
        let shape = Shape(view.shape().to_vec());
        tensors.push(Tensor { name: name.into(), shape, dtype, bytes: view.data().to_vec() });
    }
    Ok((tensors, notes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, value: f32) -> Tensor {
        let bytes = bytemuck::cast_slice(&[value; 6]).to_vec();
        Tensor { name: name.into(), shape: [2, 3].into(), dtype: DType::F32, bytes }
    }

    #[test]
    fn tensors_and_notes_are_read_back_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        save(&path, &[tensor("b", 1.5), tensor("a", 2.5)], &[("epoch", "3".into())]).unwrap();
        let (mut tensors, notes) = load(&path).unwrap();
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(tensors, [tensor("a", 2.5), tensor("b", 1.5)]);
        assert_eq!(notes["epoch"], "3");
    }

    #[test]
    fn the_same_tensors_give_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            let notes = [("epoch", "3".to_string()), ("step", "4".into()), ("seed", "5".into())];
            save(&path, &[tensor("b", 1.5), tensor("a", 2.5)], &notes).unwrap();
            std::fs::read(path).unwrap()
        };
        assert!((0..8).all(|_| write("one") == write("two")));
    }

    #[test]
    fn a_cut_file_is_refused_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        save(&path, &[tensor("a", 1.0)], &[]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(load(&path).unwrap_err().to_string().contains("a.safetensors is damaged"));
    }
}
