//! Plans whose kernels do at once what several layers do.

use crate::common::{alike, tiny};
use faceshader::graph::Graph;
use faceshader::plan::{Purpose, lower};
use faceshader::spec::Spec;
use std::collections::BTreeSet;

fn unfused() -> Spec {
    let mut spec = tiny();
    spec.training.fuse = false;
    spec
}

fn kernels(spec: &Spec, purpose: Purpose) -> BTreeSet<String> {
    let plan = lower(&Graph::new(spec, 6).unwrap(), "tiny", purpose);
    plan.steps.iter().map(|step| format!("{} {}", step.layer, step.label())).collect()
}

#[test]
fn a_fused_plan_has_fewer_kernels_and_less_memory() {
    for purpose in [Purpose::Training, Purpose::Evaluation, Purpose::Prediction] {
        let (fused, plain) = (kernels(&tiny(), purpose), kernels(&unfused(), purpose));
        assert!(plain.contains("relu1 relu.forward") && !fused.contains("relu1 relu.forward"), "{fused:?}");
        // Dropout is for training only.
        let forward = match purpose {
            Purpose::Training => "conv1 conv_pool2d.forward_dropout",
            Purpose::Evaluation | Purpose::Prediction => "conv1 conv_pool2d.forward",
        };
        assert!(fused.contains(forward), "{fused:?}");
        assert!(!fused.iter().any(|kernel| kernel.starts_with("dropout1 ")), "{fused:?}");
        assert!(fused.contains("age.dense1 dense_relu.forward"), "{fused:?}");
        assert!(!fused.iter().any(|kernel| kernel.contains(" relu.")), "{fused:?}");
    }
    let memory = |spec: &Spec| lower(&Graph::new(spec, 6).unwrap(), "tiny", Purpose::Training).memory_bytes();
    assert!(memory(&tiny()) < memory(&unfused()));
}

#[test]
fn a_relu_that_somebody_else_reads_stays() {
    // The sum reads the ReLU as well, by a pooling of its own.
    let half = "[[layer]]\nname = \"half\"\nop = \"avg_pool2d\"\nkernel = 2\n\n";
    let pool = "[[layer]]\nname = \"pool1\"\n";
    let text = include_str!("../assets/tiny.toml")
        .replace(pool, &format!("{half}{pool}input = \"relu1\"\n"))
        .replace("\"dropout1\"]", "\"half\"]");
    let spec = Spec::parse(&text, "tiny.toml").unwrap();
    for purpose in [Purpose::Training, Purpose::Evaluation] {
        let fused = kernels(&spec, purpose);
        assert!(fused.contains("relu1 relu.forward") && fused.contains("conv1 conv2d.forward"), "{fused:?}");
    }
}

#[test]
fn dropout_of_what_somebody_else_reads_stays() {
    // The sum reads the pooling as well.
    let text = include_str!("../assets/tiny.toml").replace("\"dropout1\"]", "\"pool1\"]");
    let fused = kernels(&Spec::parse(&text, "tiny.toml").unwrap(), Purpose::Training);
    let there = [
        "conv1 conv_pool2d.forward",
        "conv1 conv_pool2d.backward_weight",
        "dropout1 dropout.forward",
        "dropout1 dropout.backward_input",
    ];
    assert!(there.iter().all(|&kernel| fused.contains(kernel)), "{fused:?}");
}

#[test]
fn a_flattened_pooling_is_dropped_at_once() {
    let text = include_str!("../../assets/models/face.toml");
    let graph = Graph::new(&Spec::parse(text, "face.toml").unwrap(), 2).unwrap();
    let steps = lower(&graph, "face", Purpose::Training).steps;
    assert!(steps.iter().all(|step| step.op.name() != "dropout"));
    let forward = steps.iter().filter(|step| step.label() == "conv_pool2d.forward_dropout");
    assert_eq!(
        forward.map(|step| step.layer.as_str()).collect::<Vec<_>>(),
        ["conv2", "age.conv3 + gender.conv3"]
    );
}

#[test]
fn branches_that_begin_alike_do_their_convolutions_at_once() {
    let of_branches = |purpose: Purpose| {
        let kernels = kernels(&alike(), purpose).into_iter();
        kernels.filter(|kernel| kernel.contains(".conv3 ")).collect::<Vec<_>>()
    };
    let at_once = |kernel: &str| format!("age.conv3 + gender.conv3 conv_pool2d.{kernel}");
    let kernels_of_training = ["backward", "forward_dropout"].map(at_once);
    assert_eq!(of_branches(Purpose::Training), kernels_of_training);
    // The gradient of what both read is no sum of two.
    let training = kernels(&alike(), Purpose::Training);
    assert!(!training.iter().any(|kernel| kernel.starts_with("dropout.d_output")), "{training:?}");
    for purpose in [Purpose::Evaluation, Purpose::Prediction] {
        assert_eq!(of_branches(purpose), [at_once("forward")]);
    }
}

#[test]
fn alike_layers_of_branches_are_done_at_once() {
    let text = include_str!("../../assets/models/face.toml");
    let graph = Graph::new(&Spec::parse(text, "face.toml").unwrap(), 2).unwrap();
    for purpose in [Purpose::Training, Purpose::Evaluation, Purpose::Prediction] {
        let steps = lower(&graph, "face", purpose).steps;
        // The last layers' outputs, one a sample, cannot lie side by side.
        let of = |label: &str| {
            let steps = steps.iter().filter(|step| step.label() == label);
            steps.map(|step| (step.layer.as_str(), step.shape("weight").batch())).collect::<Vec<_>>()
        };
        assert_eq!(of("dense_relu.forward"), [("age.dense1 + gender.dense1", 2 * 512)]);
        if purpose == Purpose::Training {
            let mut gradients = of("dense_adam.backward");
            gradients.sort();
            assert_eq!(
                gradients,
                [("age.dense1 + gender.dense1", 2 * 512), ("age.dense2", 1), ("gender.dense2", 1)]
            );
        }
    }
}

#[test]
fn a_relu_between_dense_layers_goes_as_far_as_nobody_else_reads_it() {
    const RELU: &str = "[[branch.layer]]\nname = \"relu\"\nop = \"relu\"\n\n";
    let next = "[[branch.layer]]\nname = \"dense2\"\n";
    let fused = |text: String| kernels(&Spec::parse(&text, "tiny.toml").unwrap(), Purpose::Training);
    let has = |fused: &BTreeSet<String>, kernel: &str| fused.contains(kernel);
    // A layer between ReLU and the next dense layer: that one's gradient is not yet what ReLU needs.
    let layer = "[[branch.layer]]\nname = \"between\"\nop = \"sigmoid\"\n\n";
    let between = fused(include_str!("../assets/tiny.toml").replace(RELU, &format!("{RELU}{layer}")));
    assert!(has(&between, "age.dense1 dense_relu.forward"), "{between:?}");
    assert!(has(&between, "age.relu relu.backward_input"), "{between:?}");
    // A layer between dense and ReLU: only the gradients become one.
    let before = fused(include_str!("../assets/tiny.toml").replace(RELU, &format!("{layer}{RELU}")));
    assert!(has(&before, "age.relu relu.forward") && has(&before, "age.dense1 dense.forward"), "{before:?}");
    assert!(!has(&before, "age.relu relu.backward_input"), "{before:?}");
    // Somebody else reads what ReLU gives, so that its gradient is a sum.
    let dense = "[[branch.layer]]\nname = \"other\"\nop = \"dense\"\nout_features = 9\n\n";
    let add = "[[branch.layer]]\nname = \"both\"\nop = \"add\"\ninput = [\"other\", \"relu\"]\n\n";
    let text = include_str!("../assets/tiny.toml").replace(next, &format!("{dense}{add}{next}"));
    let shared = fused(text);
    assert!(has(&shared, "age.dense1 dense_relu.forward"), "{shared:?}");
    assert!(has(&shared, "age.relu relu.backward_input"), "{shared:?}");
    // Somebody else reads what the dense layer gives.
    let add = add.replace("other", "dense1");
    let text = include_str!("../assets/tiny.toml").replace(next, &format!("{add}{next}"));
    let shared = fused(text);
    assert!(has(&shared, "age.relu relu.forward") && has(&shared, "age.dense1 dense.forward"), "{shared:?}");
}

#[test]
fn weights_are_updated_with_their_gradient_as_far_as_a_batch_lets_them() {
    let kernels = |batch: usize, optimizer: &str| {
        let text = include_str!("../assets/tiny.toml").replace("\"adam\"", optimizer);
        let graph = Graph::new(&Spec::parse(&text, "tiny.toml").unwrap(), batch).unwrap();
        let steps = lower(&graph, "tiny", Purpose::Training).steps;
        let of_layer = steps.iter().filter(|step| step.layer.starts_with("age.dense1"));
        of_layer.map(|step| step.label()).collect::<Vec<_>>()
    };
    // Its bias is updated together with all other small parameters.
    assert_eq!(kernels(32, "\"adam\""), ["dense_relu.forward", "dense_adam.backward"]);
    let apart = ["dense_relu.forward", "dense.backward_input", "dense_adam.update"];
    assert_eq!(kernels(33, "\"adam\""), apart);
    assert_eq!(kernels(513, "\"adam\"")[1..3], ["dense.backward_weight", "dense.backward_input"]);
    assert_eq!(kernels(6, "\"sgd\"")[1..3], ["dense.backward_weight", "dense.backward_input"]);
}

#[test]
fn the_end_of_a_branch_is_one_kernel_whatever_its_loss() {
    let models = [
        ("tiny.toml", include_str!("../assets/tiny.toml"), ["age", "gender"].as_slice()),
        ("tiny_text.toml", include_str!("../assets/tiny_text.toml"), &["mood"]),
    ];
    for (file, text, branches) in models {
        let kernels = |purpose: Purpose, fuse: bool, branch: &str| {
            let mut spec = Spec::parse(text, file).unwrap();
            spec.training.fuse = fuse;
            let steps = lower(&Graph::new(&spec, 6).unwrap(), "tiny", purpose).steps;
            let of_branch = steps.iter().filter(|step| step.layer == branch);
            of_branch.map(|step| step.label()).collect::<Vec<_>>()
        };
        for branch in branches {
            assert_eq!(kernels(Purpose::Training, true, branch), ["measured_loss.backward"]);
            assert_eq!(kernels(Purpose::Evaluation, true, branch), ["measured_loss.accumulate"]);
            assert!(kernels(Purpose::Prediction, true, branch).is_empty());
            assert_eq!(kernels(Purpose::Training, false, branch)[1], "metrics.accumulate");
            assert_eq!(kernels(Purpose::Evaluation, false, branch)[1..], ["metrics.accumulate"]);
        }
    }
}
