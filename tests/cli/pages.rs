//! `export page`: the file that it writes, and what it refuses. tests/web.sh opens such pages in a browser.

use crate::common::{faces, fail, succeed, tiny};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::read::GzDecoder;
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::Path;

/// What travels in a page under an id.
fn embedded(page: &str, id: &str) -> Option<Vec<u8>> {
    let (_, after) = page.split_once(&format!("<script type=\"text/plain\" id=\"{id}\">"))?;
    let packed = BASE64_STANDARD.decode(after.split_once("</script>")?.0).unwrap();
    let mut bytes = Vec::new();
    GzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).unwrap();
    Some(bytes)
}

fn export(folder: &Path, arguments: &[&str]) -> (String, Value) {
    let _ = fs::remove_file(folder.join("page.html"));
    let said = succeed(folder, &[&["export", "page", "--out", "page.html"], arguments].concat());
    assert_eq!(said.trim(), "page.html");
    let page = fs::read_to_string(folder.join("page.html")).unwrap();
    let model = serde_json::from_slice(&embedded(&page, "model").unwrap()).unwrap();
    (page, model)
}

fn train(folder: &Path) {
    let (tiny, data) = (tiny(), faces(folder));
    let model = tiny.to_str().unwrap();
    let train =
        ["train", "--model", model, "--data", &data, "--adapter", "cpu", "--epochs", "1", "--out", "run"];
    succeed(folder, &train);
}

/// The tiny model with more of its targets said.
fn write_model(folder: &Path, of_age: &str, second_class: &str) {
    let targets = format!(
        "\n[[target]]\nname = \"age\"\nkind = \"number\"\n{of_age}\n[[target]]\nname = \"gender\"\nkind = \"binary\"\n\
         classes = [\"male\", \"{second_class}\"]\n"
    );
    fs::write(folder.join("model.toml"), fs::read_to_string(tiny()).unwrap() + &targets).unwrap();
}

#[test]
fn a_page_of_a_run_holds_its_weights_and_what_is_known_of_it() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path());
    let (page, model) = export(folder.path(), &["run"]);
    let best = fs::read(folder.path().join("run/weights/best.safetensors")).unwrap();
    assert!(embedded(&page, "weights").unwrap() == best);
    assert!(embedded(&page, "detector-weights").is_none(), "photos of 12 pixels are taken whole");
    assert_eq!(model["photo"]["width"], 12);
    let target = &model["targets"][1];
    assert_eq!((&target["kind"], &target["classes"][1]), (&"binary".into(), &"female".into()));
    let outputs = model["prediction"]["buffers"].as_array().unwrap();
    assert!(outputs.iter().any(|buffer| buffer["name"] == target["output"] && buffer["kind"] == "output"));
    // Every shader that a program names is there, and a page tells nothing of the machine.
    let wgsl = |pipeline: &Value| pipeline["wgsl"].as_str().unwrap().to_owned();
    let pipelines = model["prediction"]["pipelines"].as_array().unwrap();
    assert!(!pipelines.is_empty() && pipelines.iter().all(|one| model["shaders"].get(wgsl(one)).is_some()));
    assert!(!model.to_string().contains(folder.path().to_str().unwrap()));
    // Asked for, faces are looked for, on photos of each size.
    let (page, model) = export(folder.path(), &["run", "--faces", "auto"]);
    assert!(embedded(&page, "detector-weights").is_some());
    assert_eq!(model["detector"].as_array().unwrap().len(), 5);
}

#[test]
fn a_page_that_trains_holds_its_training_and_drawn_faces() {
    let folder = tempfile::tempdir().unwrap();
    let (page, model) =
        export(folder.path(), &["--train", tiny().to_str().unwrap(), "--epochs", "7", "--seed", "3"]);
    let training = &model["training"];
    assert_eq!((&training["epochs"], &training["seed"]), (&7.into(), &"3".into()));
    // Numbers that are 0 are said as well.
    assert_eq!(training["augment"]["shift"], 0.0);
    let config = training["config"].as_str().unwrap();
    assert!(config.contains("epochs = 7\n") && config.contains("faces = \"whole\""), "{config}");
    assert!(embedded(&page, "weights").is_none());
    let photos = embedded(&page, "photos").unwrap();
    let starts = photos.windows(3).filter(|bytes| *bytes == [0xff, 0xd8, 0xff]).count();
    assert_eq!(starts, 240);
}

#[test]
fn what_labels_tell_is_left_to_those_of_the_page() {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path(), "standardize = true", "female");
    let (_, model) = export(folder.path(), &["--train", "model.toml"]);
    let target = &model["targets"][0];
    assert_eq!((&target["standardize"], &target["mean_and_deviation"]), (&true.into(), &Value::Null));
}

#[test]
fn no_name_ends_the_script_that_it_stands_in() {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path(), "", "</script><b>");
    let (page, model) = export(folder.path(), &["--train", "model.toml"]);
    assert!(!page.contains("</script><b>"));
    assert_eq!(model["targets"][1]["classes"][1], "</script><b>");
}

#[test]
fn what_is_no_page_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let page = ["export", "page", "--out", "page.html"];
    let refused = |more: &[&str], exit: i32, words: &[&str]| {
        fail(folder.path(), &[&page[..], more].concat(), exit, words);
        assert!(!folder.path().join("page.html").exists());
    };
    refused(&[], 2, &["RUN"]);
    refused(&["run", "--train", "face"], 2, &["--train"]);
    refused(&["run", "--epochs", "3"], 2, &["--epochs"]);
    refused(&["run"], 1, &["not a run folder"]);
    refused(&["--train", "review"], 1, &["review", "reads texts"]);
    refused(&["--train", "photo"], 1, &["photo.toml:", "class", "kind = \"classes\""]);
    let text =
        fs::read_to_string(tiny()).unwrap().replacen("height = 12\n", "height = 12\nfaces = \"detect\"\n", 1);
    fs::write(folder.path().join("detect.toml"), text).unwrap();
    refused(&["--train", "detect.toml"], 1, &["pages take photos whole", "data crop"]);
    fs::write(folder.path().join("page.html"), "mine").unwrap();
    fail(folder.path(), &[&page[..], &["--train", "face"]].concat(), 1, &["page.html exists"]);
    assert_eq!(fs::read(folder.path().join("page.html")).unwrap(), b"mine");
}
