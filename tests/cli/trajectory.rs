//! `verify --trajectory` and `verify --model`: what passes, what fails, and what is refused.

use crate::common::{fail, succeed, tiny};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn asset() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/assets/trajectory")
}

type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

fn tensors() -> Tensors {
    let bytes = std::fs::read(asset().join("trajectory.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let all = file
        .iter()
        .map(|(name, view)| (name.to_string(), (view.dtype(), view.shape().to_vec(), view.data().to_vec())));
    all.collect()
}

/// Writes the case into `folder/NAME` after a change of its model and tensors.
fn case(folder: &Path, name: &str, model: &dyn Fn(String) -> String, change: &dyn Fn(&mut Tensors)) {
    let case = folder.join(name);
    std::fs::create_dir_all(&case).unwrap();
    let text = std::fs::read_to_string(asset().join("model.toml")).unwrap();
    std::fs::write(case.join("model.toml"), model(text)).unwrap();
    let mut tensors = tensors();
    change(&mut tensors);
    let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    std::fs::write(case.join("trajectory.safetensors"), bytes).unwrap();
}

/// Writes a float over an element of a tensor.
fn set(tensors: &mut Tensors, name: &str, element: usize, value: f32) {
    let (_, _, bytes) = tensors.get_mut(name).unwrap();
    bytes[4 * element..][..4].copy_from_slice(&value.to_le_bytes());
}

/// A case's name, what makes it malformed, and what is said of it.
type Refused<'a> = (&'a str, &'a dyn Fn(&mut Tensors), &'a [&'a str]);

const VERIFY: [&str; 4] = ["verify", "--adapter", "cpu", "--trajectory"];

fn verify<'a>(case: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&VERIFY, [case].as_slice(), more].concat()
}

#[test]
fn a_recorded_training_is_replayed_with_and_without_fusion() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let asset = asset().display().to_string();
    let said = succeed(path, &verify(&asset, &[]));
    assert!(said.contains("trajectory           fused, cpu kernels"), "{said}");
    assert!(
        said.contains("all 2 trainings of 1 cases end where the recorded ones do, within 1e-4"),
        "{said}"
    );
    let said = succeed(path, &verify(&asset, &["--no-fuse", "--json"]));
    let line: serde_json::Value = serde_json::from_str(said.trim()).unwrap();
    assert_eq!([&line["fused"], &line["passed"]], [false, true]);
    assert!(
        line["loss_error"].as_f64().unwrap() < 1e-5 && line["weights_error"].as_f64().unwrap() < 1e-5,
        "{line}"
    );
    fail(path, &[&verify(&asset, &[])[..], &["--kernels", "gpu"]].concat(), 2, &["--kernels"]);
}

#[test]
fn a_training_that_ends_elsewhere_fails_the_verification_and_the_other_cases_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    case(path, "cases/a", &|model| model, &|tensors| set(tensors, "loss", 2, 1.0));
    case(path, "cases/b", &|model| model, &|tensors| set(tensors, "final.age.dense1.weight", 7, 0.5));
    case(path, "cases/c", &|model| model, &|_| {});
    fail(
        path,
        &verify("cases", &[]),
        4,
        &["a, fused", "the loss of step 3", "b, not fused", "age.dense1.weight"],
    );
    let said = crate::common::stdout(&crate::common::run(path, &verify("cases", &["--json"])));
    let passed: Vec<bool> = said
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["passed"] == true)
        .collect();
    assert_eq!(passed, [false, false, false, false, true, true]);
    // Another optimiser is another training.
    let without_decay = |model: String| model.replace("weight_decay = 0.05\n", "");
    case(path, "decay", &without_decay, &|_| {});
    fail(path, &verify("decay", &[]), 4, &["decay, fused"]);
}

#[test]
fn a_malformed_case_is_refused_with_its_file_and_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let refused: [Refused; 11] = [
        (
            "no_loss",
            &|t| drop(t.remove("loss")),
            &["trajectory.safetensors: loss: the file has no such tensor"],
        ),
        (
            "no_weight",
            &|t| drop(t.remove("initial.conv2.bias")),
            &["initial.conv2.bias: the file has no such"],
        ),
        ("no_target", &|t| drop(t.remove("target.gender")), &["target.gender: the file has no such tensor"]),
        ("no_input", &|t| drop(t.remove("input")), &["input: the file has no such tensor"]),
        ("no_byte", &|t| set(t, "input", 5, 0.123), &["input: element 5 is 0.123", "k / 255"]),
        (
            "nan",
            &|t| set(t, "final.conv1.weight", 1, f32::NAN),
            &["final.conv1.weight: element 1 is not a finite"],
        ),
        (
            "label",
            &|t| set(t, "target.gender", 3, 2.0),
            &["target.gender: element 3 is 2, not a number from 0 to 1"],
        ),
        (
            "short",
            &|t| {
                let (_, shape, bytes) = t.get_mut("loss").unwrap();
                shape[0] -= 1;
                bytes.truncate(4 * shape[0]);
            },
            &["loss: it is 5, but 6 is needed"],
        ),
        (
            "unknown",
            &|t| drop(t.insert("final.conv9.weight".into(), (Dtype::F32, vec![1], vec![0; 4]))),
            &["final.conv9.weight: the model has no such weight"],
        ),
        (
            "transposed",
            &|t| {
                let (_, shape, _) = t.get_mut("initial.age.dense1.weight").unwrap();
                shape.reverse();
            },
            &["initial.age.dense1.weight: it is 80 x 8, but 8 x 80 is needed"],
        ),
        (
            "still",
            &|t| {
                let names: Vec<String> =
                    t.keys().filter(|name| name.starts_with("final.")).cloned().collect();
                for name in names {
                    let initial = t[&name.replace("final.", "initial.")].clone();
                    t.insert(name, initial);
                }
            },
            &["nothing was trained"],
        ),
    ];
    for (name, change, words) in refused {
        case(path, name, &|model| model, change);
        fail(path, &verify(name, &[]), 1, words);
    }
    std::fs::write(path.join("no_loss/trajectory.safetensors"), [7; 50]).unwrap();
    fail(path, &verify("no_loss", &[]), 1, &["trajectory.safetensors"]);
    std::fs::remove_file(path.join("no_loss/trajectory.safetensors")).unwrap();
    fail(path, &verify("no_loss", &[]), 1, &["trajectory.safetensors cannot be read"]);
    std::fs::create_dir(path.join("empty")).unwrap();
    fail(path, &verify("empty", &[]), 1, &["empty holds no case"]);
    fail(path, &verify("gone", &[]), 1, &["gone cannot be read"]);
}

#[test]
fn a_model_that_trains_at_random_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let with = |text: &'static str| move |model: String| format!("{model}{text}");
    case(
        path,
        "dropout",
        &with("[[branch.layer]]\nname = \"drop\"\nop = \"dropout\"\nrate = 0.5\n"),
        &|_| {},
    );
    fail(
        path,
        &verify("dropout", &[]),
        1,
        &["model.toml:", "layer \"drop\"", "no dropout; remove the layer"],
    );
    case(path, "augment", &with("[augment]\nzoom = 0.1\n"), &|_| {});
    fail(path, &verify("augment", &[]), 1, &["model.toml:", "no augmentation; remove [augment]"]);
    let cosine = |model: String| model.replace("epochs = 1\n", "epochs = 1\nschedule = \"cosine\"\n");
    case(path, "cosine", &cosine, &|_| {});
    fail(path, &verify("cosine", &[]), 1, &["model.toml:", "constant learning rate; remove the schedule"]);
}

#[test]
fn a_model_is_verified_at_its_own_batch_in_all_that_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let tiny = tiny().display().to_string();
    let said = succeed(folder.path(), &["verify", "--adapter", "cpu", "--model", &tiny]);
    for section in [
        "training, batch 6, after 3 steps, cpu kernels",
        "training, 2 of 6 samples, what depends on their number, cpu kernels",
        "evaluation, batch 100, cpu kernels",
        "prediction, batch 6, cpu kernels",
    ] {
        assert!(said.contains(section), "{said}");
    }
    let said =
        succeed(folder.path(), &["verify", "--adapter", "cpu", "--model", &tiny, "--batch", "1", "--json"]);
    let sections: Vec<String> = said
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["section"].as_str().unwrap().into()
        })
        .collect();
    assert!(sections.contains(&"training, batch 1, after 3 steps".to_string()), "{sections:?}");
    assert!(!sections.iter().any(|section| section.contains("what depends")), "{sections:?}");
}

#[test]
fn verify_promises_no_proof() {
    let folder = tempfile::tempdir().unwrap();
    let help = succeed(folder.path(), &["verify", "--help"]);
    assert!(help.contains("docs/verification.md") && help.contains("does not prove"), "{help}");
    let said = succeed(folder.path(), &["verify", "--adapter", "cpu", "--op", "relu"]);
    assert!(said.contains("on these samples") && !said.to_lowercase().contains("prove"), "{said}");
}
