//! `export onnx`: what the file holds. tests/onnx.sh has other programs check and run such files.

use crate::common::{faces, fail, succeed, tiny};
use faceshader::export::proto::{DataType, Graph, Model, ValueInfo};
use faceshader::train::checkpoint::load;
use prost::Message;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

/// Trains a model for an epoch into `folder/run`.
fn train(folder: &Path, model: &str, data: &[&str]) {
    let arguments = ["train", "--model", model, "--adapter", "cpu", "--epochs", "1", "--out", "run"];
    succeed(folder, &[&arguments[..], data].concat());
}

fn decode(file: &Path) -> (Model, Graph, HashMap<String, String>) {
    let model = Model::decode(fs::read(file).unwrap().as_slice()).unwrap();
    let metadata =
        model.metadata_props.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect();
    (model.clone(), model.graph.unwrap(), metadata)
}

/// Name, element type, and axes, with `N` for one of any extent.
fn described(value: &ValueInfo) -> (&str, i32, String) {
    let tensor = value.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref()).unwrap();
    let axes = tensor.shape.as_ref().unwrap().dim.iter().map(|dim| match (&dim.dim_param, dim.dim_value) {
        (Some(name), None) => name.clone(),
        (None, Some(extent)) => extent.to_string(),
        other => panic!("{other:?}"),
    });
    (&value.name, tensor.elem_type.unwrap(), axes.collect::<Vec<_>>().join(" "))
}

/// Every value is computed once, before it is read.
fn require_order(graph: &Graph) {
    let inputs = graph.input.iter().map(|input| input.name.clone());
    let mut known: HashSet<String> = inputs.collect();
    for constant in &graph.initializer {
        assert!(known.insert(constant.name.clone()), "{} is there twice", constant.name);
    }
    let mut names = HashSet::new();
    for node in &graph.node {
        assert!(names.insert(&node.name), "{} is there twice", node.name);
        node.input.iter().for_each(|input| assert!(known.contains(input), "{} reads {input}", node.name));
        node.output
            .iter()
            .for_each(|output| assert!(known.insert(output.clone()), "{output} is there twice"));
    }
    graph.output.iter().for_each(|output| assert!(known.contains(&output.name), "{}", output.name));
}

#[test]
fn an_exported_model_of_photos_says_what_it_reads_and_tells() {
    let folder = tempfile::tempdir().unwrap();
    let data = faces(folder.path());
    train(folder.path(), tiny().to_str().unwrap(), &["--data", &data]);
    let said = succeed(folder.path(), &["export", "onnx", "run", "--out", "model.onnx"]);
    assert_eq!(said.trim(), "model.onnx");
    let (model, graph, metadata) = decode(&folder.path().join("model.onnx"));
    assert_eq!((model.ir_version, model.opset_import[0].version), (Some(8), Some(17)));
    assert_eq!(model.producer_name, "faceshader");
    require_order(&graph);
    let inputs: Vec<_> = graph.input.iter().map(described).collect();
    assert_eq!(inputs, [("photos", DataType::Uint8 as i32, "N 12 12 3".to_string())]);
    let outputs: Vec<_> = graph.output.iter().map(described).collect();
    let float = DataType::Float as i32;
    assert_eq!(outputs, [("age", float, "N".to_string()), ("gender", float, "N 2".to_string())]);
    for (key, value) in [
        ("model", "tiny"),
        ("program", concat!("faceshader ", env!("CARGO_PKG_VERSION"))),
        ("source", "faces"),
        ("weights", "best"),
        ("labels", r#"["age","gender"]"#),
        ("age.kind", "number"),
        ("age.unit", "years"),
        ("gender.kind", "binary"),
        ("gender.classes", r#"["male","female"]"#),
        ("gender.unit", "probability"),
    ] {
        assert_eq!(metadata.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert!(metadata["date"].starts_with("20") && metadata["date"].ends_with('Z'), "{}", metadata["date"]);
    // No folder of this machine is in it.
    let path = folder.path().to_str().unwrap();
    let bytes = fs::read(folder.path().join("model.onnx")).unwrap();
    assert!(!bytes.windows(path.len()).any(|window| window == path.as_bytes()));
    // All weights, as they are.
    let (weights, _) = load(&folder.path().join("run/weights/best.safetensors")).unwrap();
    for weight in &weights {
        let constant = graph.initializer.iter().find(|constant| constant.name == weight.name).unwrap();
        assert_eq!(constant.raw_data.as_ref(), Some(&weight.bytes), "{}", weight.name);
        let shape: Vec<usize> = constant.dims.iter().map(|&extent| extent as usize).collect();
        assert_eq!(shape, weight.shape.0, "{}", weight.name);
    }
    assert!(!folder.path().join("model.tokens.json").exists());
}

#[test]
fn an_exported_model_of_texts_has_its_vocabulary_and_rules_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), "review-plus", &["--limit", "60"]);
    let said = succeed(folder.path(), &["export", "onnx", "run", "--out", "model.onnx", "--weights", "last"]);
    assert_eq!(said.lines().collect::<Vec<_>>(), ["model.onnx", "model.tokens.json"]);
    let (_, graph, metadata) = decode(&folder.path().join("model.onnx"));
    require_order(&graph);
    let inputs: Vec<_> = graph.input.iter().map(described).collect();
    assert_eq!(inputs, [("tokens", DataType::Int64 as i32, "N 400".to_string())]);
    assert_eq!((&*metadata["source"], &*metadata["weights"]), ("built-in set", "last"));
    let rules = fs::read_to_string(folder.path().join("model.tokens.json")).unwrap();
    let rules: serde_json::Value = serde_json::from_str(&rules).unwrap();
    let vocabulary = fs::read_to_string(folder.path().join("run/vocabulary.json")).unwrap();
    let vocabulary: serde_json::Value = serde_json::from_str(&vocabulary).unwrap();
    let stems = vocabulary["stems"].as_array().unwrap();
    assert!(!stems.is_empty());
    for (stem, id) in stems.iter().zip(1..) {
        assert_eq!(rules["ids"][stem.as_str().unwrap()], id, "{stem}");
    }
    for key in ["length", "tokens", "keep_negations", "distinct", "min_count"] {
        assert_eq!(rules[key], vocabulary["options"][key], "{key}");
    }
    assert_eq!((&rules["padding"], rules["stop_words"].as_array().unwrap().len()), (&0.into(), 179));
    assert!(rules["examples"].as_array().unwrap().iter().any(|example| example["tokens"][0].is_u64()));
}

#[test]
fn what_cannot_be_exported_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = faces(folder.path());
    train(folder.path(), tiny().to_str().unwrap(), &["--data", &data]);
    let export = |out| ["export", "onnx", "run", "--out", out];
    fail(folder.path(), &["export", "onnx", "faces", "--out", "a.onnx"], 1, &["faces is not a run folder"]);
    fail(folder.path(), &["export", "onnx", "run"], 2, &["--out"]);
    // Nothing is written over, least of all the run.
    let best = folder.path().join("run/weights/best.safetensors");
    let before = fs::read(&best).unwrap();
    fail(
        folder.path(),
        &export("run/weights/best.safetensors"),
        1,
        &["best.safetensors exists; name another"],
    );
    assert_eq!(fs::read(&best).unwrap(), before);
    fail(folder.path(), &export("nowhere/a.onnx"), 1, &["nowhere/a.onnx was not written"]);
    fail(folder.path(), &export("faces"), 1, &["faces is a folder"]);
    fs::remove_file(folder.path().join("run/weights/best.safetensors")).unwrap();
    fail(folder.path(), &export("a.onnx"), 1, &["use --weights last"]);
    assert!(!folder.path().join("a.onnx").exists());
}
