//! Tensors in files: weights that any tool can read, and all that training needs to go on.
//!
//! The format is safetensors.

use crate::file::{FileError, open_plain, read_plain, write_whole_parts};
use crate::shape::{DType, Shape};
use safetensors::tensor::{Metadata, SafeTensors, TensorInfo};
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
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

/// Texts by their names, in a file beside its tensors.
pub type Notes = BTreeMap<String, String>;

/// The note that holds the file's checksum.
const CHECKSUM: &str = "blake3";
/// The name under which safetensors' metadata hold the notes, as JSON.
const NOTES: &str = "faceshader";

/// Writes tensors with notes, and a checksum of both.
pub fn save<'t>(
    path: &Path,
    tensors: impl IntoIterator<Item = &'t Tensor>,
    notes: &Notes,
) -> Result<(), FileError> {
    let contents = |reason: String| FileError::Contents { path: path.into(), reason };
    let mut tensors: Vec<&Tensor> = tensors.into_iter().collect();
    // Larger elements first, so that all are aligned.
    tensors.sort_by(|a, b| (b.dtype.bytes(), &a.name).cmp(&(a.dtype.bytes(), &b.name)));
    let mut notes = notes.clone();
    notes.insert(CHECKSUM.into(), checksum(tensors.clone(), &notes));
    // One entry: a map of several would be written in no fixed order, and the same training has to give the
    // same file.
    let notes = serde_json::to_string(&notes).map_err(|error| contents(error.to_string()))?;
    let metadata = HashMap::from([(NOTES.to_string(), notes)]);
    let mut end = 0;
    let infos = tensors.iter().map(|tensor| {
        let begin = end;
        end += tensor.bytes.len();
        let (dtype, shape) = (stored(tensor.dtype), tensor.shape.0.clone());
        (tensor.name.clone(), TensorInfo { dtype, shape, data_offsets: (begin, end) })
    });
    let header =
        Metadata::new(Some(metadata), infos.collect()).map_err(|error| contents(error.to_string()))?;
    let mut header = serde_json::to_vec(&header).map_err(|error| contents(error.to_string()))?;
    header.resize(header.len().next_multiple_of(8), b' ');
    // The tensors go to the file from where they lie: a copy of them could be more than there is memory for.
    let length = (header.len() as u64).to_le_bytes();
    let parts = [length.as_slice(), &header].into_iter();
    let parts: Vec<&[u8]> = parts.chain(tensors.iter().map(|tensor| tensor.bytes.as_slice())).collect();
    write_whole_parts(path, &parts)
}

fn stored(dtype: DType) -> safetensors::Dtype {
    match dtype {
        DType::F32 => safetensors::Dtype::F32,
        DType::U32 => safetensors::Dtype::U32,
        DType::U8 => safetensors::Dtype::U8,
    }
}

/// Reads tensors and their notes.
///
/// # Errors
/// Where the file cannot be read, is no safetensors, or is not what its checksum says. Files of other programs,
/// and of older versions, have none.
pub fn load(path: &Path) -> Result<(Vec<Tensor>, Notes), FileError> {
    let contents = |reason: String| FileError::Contents { path: path.into(), reason };
    let mut bytes = read_plain(path).map_err(|source| FileError::Read { path: path.into(), source })?;
    let (header_len, header) =
        SafeTensors::read_metadata(&bytes).map_err(|error| contents(error.to_string()))?;
    let mut notes = match header.metadata().as_ref().and_then(|notes| notes.get(NOTES)) {
        Some(notes) => serde_json::from_str(notes).map_err(|error| contents(error.to_string()))?,
        None => Notes::new(),
    };
    let mut infos: Vec<(String, &TensorInfo)> = header.tensors().into_iter().collect();
    infos.sort_by_key(|(_, info)| info.data_offsets);
    let mut tensors = Vec::new();
    // From the last one on, so that the file's bytes shrink as the tensors grow: both at once could be more than there
    // is memory for.
    for (name, info) in infos.into_iter().rev() {
        let dtype = match info.dtype {
            safetensors::Dtype::F32 => DType::F32,
            safetensors::Dtype::U32 => DType::U32,
            safetensors::Dtype::U8 => DType::U8,
            other => {
                return Err(contents(format!("{name} holds {other:?}; only F32, U32 and U8 are known")));
            }
        };
        let own = bytes.split_off(size_of::<u64>() + header_len + info.data_offsets.0);
        bytes.shrink_to_fit();
        tensors.push(Tensor { name, shape: Shape(info.shape.clone()), dtype, bytes: own });
    }
    if let Some(sum) = notes.remove(CHECKSUM)
        && sum != checksum(tensors.iter().collect(), &notes)
    {
        return Err(contents("its checksum does not fit its contents; restore it from a copy".into()));
    }
    Ok((tensors, notes))
}

/// Reads a file's notes alone; none where it has none or is no safetensors.
pub fn notes(path: &Path) -> Notes {
    let read = || -> Option<Notes> {
        let mut file = open_plain(path).ok()?;
        let mut length = [0; 8];
        file.read_exact(&mut length).ok()?;
        let mut header = Vec::new();
        file.take(u64::from_le_bytes(length).min(MAX_HEADER_BYTES)).read_to_end(&mut header).ok()?;
        let header: serde_json::Value = serde_json::from_slice(&header).ok()?;
        serde_json::from_str(header["__metadata__"][NOTES].as_str()?).ok()
    };
    read().unwrap_or_default()
}

/// As in the safetensors crate.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Of all that a file holds, in whatever order it lies there.
fn checksum(mut tensors: Vec<&Tensor>, notes: &Notes) -> String {
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let mut hasher = blake3::Hasher::new();
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for Tensor { name, shape, dtype, bytes } in tensors {
        add(name.as_bytes());
        add(format!("{shape} {dtype:?}").as_bytes());
        add(bytes);
    }
    for (name, note) in notes {
        add(name.as_bytes());
        add(note.as_bytes());
    }
    hasher.finalize().to_hex()[..32].to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

    fn tensor(name: &str, value: f32) -> Tensor {
        let bytes = bytemuck::cast_slice(&[value; 6]).to_vec();
        Tensor { name: name.into(), shape: [2, 3].into(), dtype: DType::F32, bytes }
    }

    #[test]
    fn tensors_and_notes_are_read_back_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        save(&path, &[tensor("b", 1.5), tensor("a", 2.5)], &Notes::from([("epoch".into(), "3".into())]))
            .unwrap();
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
            let notes = ["epoch", "step", "seed"].map(|name| (name.to_string(), "3".to_string()));
            save(&path, &[tensor("b", 1.5), tensor("a", 2.5)], &Notes::from(notes)).unwrap();
            std::fs::read(path).unwrap()
        };
        assert!((0..8).all(|_| write("one") == write("two")));
    }

    #[test]
    fn a_cut_file_is_refused_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        save(&path, &[tensor("a", 1.0)], &Notes::new()).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(load(&path).unwrap_err().to_string().contains("a.safetensors is damaged"));
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let tensors = [tensor("a", 1.0), tensor("b", 2.0)];
        save(&path, &tensors, &Notes::from([("epoch".into(), "3".into())])).unwrap();
        let (good, right) = (std::fs::read(&path).unwrap(), tensors.clone());
        assert_eq!(notes(&path)["epoch"], "3");
        let read_by_others = SafeTensors::deserialize(&good).unwrap();
        assert_eq!(read_by_others.tensor("b").unwrap().data(), tensors[1].bytes);
        let mut noticed = 0;
        for bit in 0..8 * good.len() {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &bytes).unwrap();
            // A bit of the name of all notes makes the file one without notes; the tensors are still right.
            match load(&path) {
                Ok((mut tensors, notes)) => {
                    tensors.sort_by(|a, b| a.name.cmp(&b.name));
                    assert!(tensors == right, "bit {bit}: {tensors:?}");
                    assert!(notes.is_empty() || notes["epoch"] == "3", "bit {bit}: {notes:?}");
                }
                Err(_) => noticed += 1,
            }
        }
        assert!(noticed > 7 * good.len(), "{noticed} of {} bits", 8 * good.len());
    }

    #[test]
    fn a_file_of_another_program_needs_no_checksum() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let bytes = bytemuck::cast_slice(&[1.5_f32; 6]);
        let view = TensorView::new(safetensors::Dtype::F32, vec![2, 3], bytes).unwrap();
        std::fs::write(&path, safetensors::serialize([("a", view)], None).unwrap()).unwrap();
        assert_eq!(load(&path).unwrap(), (vec![tensor("a", 1.5)], Notes::new()));
        assert!(notes(&path).is_empty());
    }
}
