//! `train --init`: trainings that begin with weights of other ones.

use crate::common::{code, faces, fail, run, stderr, succeed, tiny};
use faceshader::shape::DType;
use faceshader::train::checkpoint::{Notes, Tensor, load, save};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::fs;
use std::path::Path;

/// Of a step with this learning rate no weight changes.
const STANDING: [&str; 2] = ["--lr", "1e-30"];

/// Trains the tiny model on drawn faces, and returns what it says.
fn train(folder: &Path, model: &str, out: &str, more: &[&str]) -> String {
    let arguments =
        ["train", "--model", model, "--data", "faces", "--adapter", "cpu", "--epochs", "1", "--out", out];
    let output = run(folder, &[&arguments[..], more].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    stderr(&output)
}

/// The weights of a run but for running statistics, by name.
fn weights(folder: &Path, file: &str) -> Vec<Tensor> {
    let (mut tensors, _) = load(&folder.join(file)).unwrap();
    tensors.retain(|tensor| !tensor.name.contains("running"));
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    tensors
}

#[test]
fn a_training_begins_with_the_weights_of_a_run_and_no_first_bias_replaces_them() {
    let folder = tempfile::tempdir().unwrap();
    let tiny = tiny().display().to_string();
    faces(folder.path());
    train(folder.path(), &tiny, "first", &[]);
    let said = train(folder.path(), &tiny, "second", &[&STANDING[..], &["--init", "first"]].concat());
    assert!(said.contains("initial weights: 16 of the model's 16 are taken"), "{said}");
    let first = weights(folder.path(), "first/weights/best.safetensors");
    assert!(first.iter().any(|tensor| tensor.name == "age.dense2.bias"));
    assert_eq!(weights(folder.path(), "second/weights/last.safetensors"), first);
    let config = fs::read_to_string(folder.path().join("second/config.toml")).unwrap();
    assert!(config.contains("init = ") && config.contains("first/weights/best.safetensors"), "{config}");
    // Without it, others are drawn.
    train(folder.path(), &tiny, "third", &STANDING);
    assert_ne!(weights(folder.path(), "third/weights/last.safetensors"), first);
}

#[test]
fn a_training_that_was_not_saved_begins_anew_with_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let tiny = tiny().display().to_string();
    faces(folder.path());
    train(folder.path(), &tiny, "first", &[]);
    train(
        folder.path(),
        &tiny,
        "second",
        &[&STANDING[..], &["--init", "first/weights/best.safetensors"]].concat(),
    );
    for file in ["checkpoint.safetensors", "weights/last.safetensors", "weights/best.safetensors"] {
        fs::remove_file(folder.path().join("second").join(file)).unwrap();
    }
    succeed(folder.path(), &["train", "--resume", "second", "--adapter", "cpu"]);
    let first = weights(folder.path(), "first/weights/best.safetensors");
    assert_eq!(weights(folder.path(), "second/weights/last.safetensors"), first);
}

#[test]
fn weights_that_do_not_fit_are_named_and_where_none_fits_nothing_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let tiny = tiny().display().to_string();
    faces(folder.path());
    train(folder.path(), &tiny, "first", &[]);
    let other = fs::read_to_string(&tiny).unwrap();
    let other = other.replace("out_features = 9", "out_features = 7").replace("\"conv2\"", "\"conv4\"");
    fs::write(folder.path().join("other.toml"), other).unwrap();
    let said = train(folder.path(), "other.toml", "second", &["--init", "first"]);
    for words in [
        "initial weights: 11 of the model's 16",
        "not taken: age.dense1.bias: 9 in the file, 7 in the model",
        "not taken: conv4.weight: the file has none of this name",
        "not in the model: conv2.weight (5 x 5 x 3 x 3)",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let begin = ["train", "--adapter", "cpu", "--out", "third", "--init"];
    let refused = |init: &str, more: &[&str], words: &[&str]| {
        fail(folder.path(), &[&begin[..], &[init], more].concat(), 1, words);
        assert!(!folder.path().join("third").exists());
    };
    let words = ["best.safetensors does not fit", "none of its", "age.dense1.bias (9)", "words.weight ("];
    refused("first", &["--model", "review-plus", "--limit", "60"], &words);
    refused("nothing.safetensors", &[], &["nothing.safetensors does not exist", "--init"]);
    refused("faces", &[], &["--init takes", "faces is not a run folder"]);
    fs::write(folder.path().join("text.safetensors"), "some text, which is no safetensors").unwrap();
    let data = ["--model", tiny.as_str(), "--data", "faces"];
    refused("text.safetensors", &data, &["text.safetensors is damaged or not of this kind"]);
    let bytes = [f32::NAN; 5].iter().flat_map(|value| value.to_le_bytes()).collect();
    let wrong = Tensor { name: "conv1.bias".into(), shape: [5].into(), dtype: DType::F32, bytes };
    save(&folder.path().join("nan.safetensors"), &[wrong], &Notes::new()).unwrap();
    refused(
        "nan.safetensors",
        &data,
        &["nan.safetensors does not fit", "conv1.bias holds values that are no numbers"],
    );
    fail(folder.path(), &["train", "--resume", "first", "--init", "first"], 2, &["--init", "--resume"]);
}

#[test]
fn an_embedding_is_taken_where_the_vocabulary_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let train = |out: &str, more: &[&str]| {
        let begin = ["train", "--model", "review-plus", "--limit", "60", "--adapter", "cpu", "--epochs", "1"];
        let output = run(folder.path(), &[&begin[..], &["--out", out], more].concat());
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        stderr(&output)
    };
    train("first", &[]);
    let said = train("second", &["--init", "first"]);
    assert!(said.contains("3 of the model's 3 are taken"), "{said}");
    // As many words in another order.
    let vocabulary = folder.path().join("first/weights/best.safetensors");
    let (tensors, mut notes) = load(&vocabulary).unwrap();
    notes.insert("vocabulary".into(), "another".into());
    save(&folder.path().join("other.safetensors"), &tensors, &notes).unwrap();
    let said = train("third", &["--init", "other.safetensors"]);
    assert!(said.contains("not taken: words.weight: its rows stand for the words of another"), "{said}");
    notes.clear();
    save(&folder.path().join("other.safetensors"), &tensors, &notes).unwrap();
    let said = train("fourth", &["--init", "other.safetensors"]);
    assert!(
        said.contains("3 of the model's 3") && said.contains("does not say of which vocabulary"),
        "{said}"
    );
}

/// The blocks of a language in a page.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let begin = format!("```{language}\n");
    page.split(&begin).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// What PyTorch's `state_dict` of the page's module holds: (name, shape, whether it is an integer).
const STATE: [(&str, &[usize], bool); 11] = [
    ("conv1.weight", &[8, 3, 3, 3], false),
    ("conv1.bias", &[8], false),
    ("norm1.weight", &[8], false),
    ("norm1.bias", &[8], false),
    ("norm1.running_mean", &[8], false),
    ("norm1.running_var", &[8], false),
    ("norm1.num_batches_tracked", &[], true),
    ("conv2.weight", &[16, 8, 3, 3], false),
    ("conv2.bias", &[16], false),
    ("age.out.weight", &[2, 16], false),
    ("age.out.bias", &[2], false),
];

#[test]
fn the_example_with_pytorch_weights_says_what_the_page_says() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/weights.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    faces(folder.path());
    fs::write(folder.path().join("net.toml"), blocks(&page, "toml")[0]).unwrap();
    let values = vec![0.5_f32; 16 * 8 * 9];
    let views = STATE.map(|(name, shape, is_integer)| {
        let (dtype, bytes) = if is_integer { (Dtype::I64, 8) } else { (Dtype::F32, 4) };
        let bytes = &bytemuck::cast_slice(&values)[..bytes * shape.iter().product::<usize>()];
        (name, TensorView::new(dtype, shape.to_vec(), bytes).unwrap())
    });
    fs::write(folder.path().join("pytorch.safetensors"), safetensors::serialize(views, None).unwrap())
        .unwrap();
    let example = blocks(&page, "text")[0];
    let mut lines = example.lines();
    let command = lines.next().unwrap().strip_prefix("$ faceshader ").unwrap();
    let output = run(folder.path(), &command.split(' ').collect::<Vec<_>>());
    let said = stderr(&output);
    assert_eq!(code(&output), 0, "{said}");
    // The page names the file as the user did.
    let said = said.replace(&format!("{}/", folder.path().display()), "");
    lines.for_each(|line| assert!(said.lines().any(|other| other == line), "{line}\n{said}"));
}
