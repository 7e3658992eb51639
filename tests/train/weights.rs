//! Weights that any program can read: here one that knows nothing of faceshader but the file.

use crate::common::{backends, faces, tiny, train};
use faceshader::train::Trainer;
use faceshader::train::checkpoint::{Notes, save};
use std::collections::HashMap;

/// A tensor as the safetensors format has it: a header of JSON, then plain numbers.
struct File {
    header: serde_json::Value,
    data: Vec<u8>,
}

impl File {
    fn read(path: &std::path::Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        Self { header, data: bytes[8 + length..].to_vec() }
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Vec<f64> {
        let entry = &self.header[name];
        assert_eq!(entry["dtype"], "F32", "{name}");
        assert_eq!(entry["shape"], serde_json::json!(shape), "{name}");
        let at = |index: usize| entry["data_offsets"][index].as_u64().unwrap() as usize;
        let numbers = self.data[at(0)..at(1)].chunks_exact(4);
        numbers.map(|bytes| f64::from(f32::from_le_bytes(bytes.try_into().unwrap()))).collect()
    }
}

/// The age branch of `tiny.toml` for one photo, in plain loops.
fn age(file: &File, photo: &[u8]) -> f64 {
    let photo = |c: usize, y: usize, x: usize| f64::from(photo[(y * 12 + x) * 3 + c]) / 255.0;
    let (weight, bias) = (file.tensor("conv1.weight", &[5, 3, 3, 3]), file.tensor("conv1.bias", &[5]));
    let mut conv1: HashMap<(usize, usize, usize), f64> = HashMap::new();
    for o in 0..5 {
        for y in 0..10 {
            for x in 0..10 {
                let mut sum = bias[o];
                for c in 0..3 {
                    for i in 0..3 {
                        for j in 0..3 {
                            sum += weight[((o * 3 + c) * 3 + i) * 3 + j] * photo(c, y + i, x + j);
                        }
                    }
                }
                conv1.insert((o, y, x), sum.max(0.0));
            }
        }
    }
    let pool1 = |o: usize, y: usize, x: usize| {
        let corner = |i, j| conv1[&(o, 2 * y + i, 2 * x + j)];
        corner(0, 0).max(corner(0, 1)).max(corner(1, 0)).max(corner(1, 1))
    };
    let (weight, bias) = (file.tensor("conv2.weight", &[5, 5, 3, 3]), file.tensor("conv2.bias", &[5]));
    let [scale, shift, mean, variance] = ["weight", "bias", "running_mean", "running_var"]
        .map(|name| file.tensor(&format!("norm.{name}"), &[5]));
    let mut flat = Vec::new();
    for o in 0..5 {
        for y in 0..5 {
            for x in 0..5 {
                let mut sum = bias[o];
                for c in 0..5 {
                    for i in 0..3 {
                        for j in 0..3 {
                            let (v, u) = (y + i, x + j);
                            if (1..=5).contains(&v) && (1..=5).contains(&u) {
                                sum += weight[((o * 5 + c) * 3 + i) * 3 + j] * pool1(c, v - 1, u - 1);
                            }
                        }
                    }
                }
                let residual = sum + pool1(o, y, x);
                flat.push((residual - mean[o]) / (variance[o] + 1e-5).sqrt() * scale[o] + shift[o]);
            }
        }
    }
    let dense = |name: &str, input: &[f64], outputs: usize| -> Vec<f64> {
        let weight = file.tensor(&format!("{name}.weight"), &[outputs, input.len()]);
        let bias = file.tensor(&format!("{name}.bias"), &[outputs]);
        let row = |o: usize| weight[o * input.len()..].iter().zip(input).map(|(w, x)| w * x).sum::<f64>();
        (0..outputs).map(|o| row(o) + bias[o]).collect()
    };
    let hidden: Vec<f64> = dense("age.dense1", &flat, 9).iter().map(|h| h.max(0.0)).collect();
    dense("age.dense2", &hidden, 1)[0]
}

#[test]
fn another_program_computes_the_same_ages_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    let (photos, split) = faces(12);
    for (name, backend) in backends() {
        let mut trainer = Trainer::new(backend, &tiny()).unwrap();
        train(&mut trainer, 0, 2);
        save(&path, &trainer.weights().unwrap(), &Notes::new()).unwrap();
        let ages = trainer.predict(&photos, &split.validation).unwrap()[0].clone();
        let file = File::read(&path);
        for (&index, &got) in split.validation.iter().zip(&ages) {
            let want = age(&file, &photos.photos().unwrap().photo(index).unwrap());
            // Some hundred float32 operations on numbers of this size.
            assert!(
                (f64::from(got) - want).abs() <= 1e-5 * (1.0 + want.abs()),
                "{name}: {got} instead of {want}"
            );
        }
        assert!(ages.iter().any(|&other| other != ages[0]), "all ages are the same");
    }
}

#[test]
fn evaluation_is_the_mean_over_predictions() {
    let (photos, split) = faces(12);
    let age_target = &tiny().targets[0];
    for (name, backend) in backends() {
        let mut trainer = Trainer::new(backend, &tiny()).unwrap();
        train(&mut trainer, 0, 1);
        let results = trainer.evaluate(&photos, &split.validation, &mut |_, _| {}).unwrap();
        let outputs = trainer.predict(&photos, &split.validation).unwrap();
        let (mut off, mut right) = (0.0, 0.0);
        for (position, &index) in split.validation.iter().enumerate() {
            let [age, gender] = [0, 1].map(|target| photos.records.answers[target][index].unwrap());
            // No age is below zero, whatever the model says.
            off += (f64::from(age_target.bounded(outputs[0][position])) - f64::from(age)).abs() / 7.0;
            right += f64::from(u8::from((outputs[1][position] > 0.0) == (gender == 1.0))) / 7.0;
        }
        assert!((results[0].metric - off).abs() < 1e-4, "{name}: {} instead of {off}", results[0].metric);
        assert!((results[1].metric - right).abs() < 1e-6, "{name}: {} instead of {right}", results[1].metric);
    }
}

#[test]
fn weights_of_another_model_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    let (_, backend) = backends().swap_remove(0);
    let mut trainer = Trainer::new(backend, &tiny()).unwrap();
    let mut weights = trainer.weights().unwrap();
    weights.retain(|tensor| tensor.name != "conv2.bias");
    save(&path, &weights, &Notes::new()).unwrap();
    let error = trainer.load_weights(&path).unwrap_err().to_string();
    assert!(error.contains("conv2.bias") && error.contains("last.safetensors"), "{error}");
}
