//! A small model, faces to train it on, and every backend that can.

use faceshader::cpu::CpuBackend;
use faceshader::data::labels::utkface;
use faceshader::data::photos::Photos;
use faceshader::data::records::{Key, Records};
use faceshader::data::samples::{Inputs, Samples};
use faceshader::data::split::Split;
use faceshader::data::synthetic::draw;
use faceshader::gpu::{GpuBackend, Options, adapter};
use faceshader::ops::Variant;
use faceshader::plan::Backend;
use faceshader::spec::Spec;
use faceshader::train::history::Epoch;
use faceshader::train::{Stopped, Trainer};
use std::sync::atomic::AtomicBool;

pub const TINY: &str = include_str!("../assets/tiny.toml");

pub fn tiny() -> Spec {
    Spec::parse(TINY, "tiny.toml").unwrap()
}

/// The same model with branches that begin alike, with convolutions that are large enough to lie side by side.
pub fn alike() -> Spec {
    let layer = |name: &str, rest: &str| format!("[[branch.layer]]\nname = \"{name}\"\n{rest}\n\n");
    let conv = "op = \"conv2d\"\nout_channels = 64\nkernel = 3\npadding = \"same\"";
    let begin = layer("conv3", conv)
        + &layer("relu3", "op = \"relu\"")
        + &layer("pool3", "op = \"max_pool2d\"\nkernel = 2");
    let flatten = layer("flatten", "op = \"flatten\"");
    let dropout = layer("dropout", "op = \"dropout\"\nrate = 0.5");
    let dense = "[[branch.layer]]\nname = \"dense1\"\n";
    let other = "op = \"conv2d\"\nout_channels = 3\nkernel = [2, 3]\nstride = 2";
    let text = TINY
        .replace(&format!("{flatten}{dense}"), &format!("{begin}{flatten}{dropout}{dense}"))
        .replace(&layer("conv3", other), &begin);
    Spec::parse(&text, "alike.toml").unwrap()
}

/// The same model with depthwise convolutions, the second of which leaves one pixel that is blown up for the sum.
pub fn separable() -> Spec {
    let layer = |name: &str, rest: &str| format!("[[layer]]\nname = \"{name}\"\n{rest}\n\n");
    let conv = layer("conv2", "op = \"conv2d\"\nout_channels = 5\nkernel = 3\npadding = \"same\"");
    let depthwise = "op = \"depthwise_conv2d\"\nkernel = 3";
    let layers = layer("depthwise", &format!("{depthwise}\npadding = 1"))
        + &layer("conv2", "op = \"conv2d\"\nout_channels = 5\nkernel = 1")
        + &layer("narrow", &format!("{depthwise}\nstride = [3, 4]"))
        + &layer("upsample", "op = \"upsample2d\"\nscale = 5");
    let text =
        TINY.replace(&conv, &layers).replace("[\"conv2\", \"dropout1\"]", "[\"upsample\", \"dropout1\"]");
    Spec::parse(&text, "separable.toml").unwrap()
}

/// 23 faces to train on, 7 to validate with: neither is a multiple of the batch. Their labels are the ages and
/// genders that the small models learn.
pub fn faces(side: u32) -> (Samples, Split) {
    let (mut photos, mut names) = (Photos::new(side, side), Vec::new());
    for index in 0..30 {
        let face = draw(3, index, side);
        names.push(face.label.file_name(index as usize));
        photos.push(&face.rgb);
    }
    let table = (utkface::WAY.label)(&names).table;
    let records = Records { table, ..Records::unlabelled(Key::File, names) };
    let (records, kept, _) = records.answer(&tiny()).unwrap();
    assert_eq!(kept.len(), 30);
    let split = Split { train: (0..23).collect(), validation: (23..30).collect(), ..Split::default() };
    (Samples::new(records, Inputs::Photos(photos), &tiny()), split)
}

/// The CPU backend and every adapter that can train, by name. Without any adapter this fails: a test
/// that skips the GPU proves nothing.
pub fn backends() -> Vec<(String, Box<dyn Backend>)> {
    backends_as(None)
}

/// The same, with kernels of one kind on every adapter.
pub fn backends_as(variant: Option<Variant>) -> Vec<(String, Box<dyn Backend>)> {
    let mut backends: Vec<(String, Box<dyn Backend>)> = vec![("cpu".into(), Box::new(CpuBackend::new()))];
    for adapter in adapter::list().iter().filter(|adapter| adapter.report.cannot_train.is_none()) {
        let backend = GpuBackend::open(adapter, Options { variant, ..Options::default() }).unwrap();
        backends.push((adapter.report.line(), Box::new(backend)));
    }
    assert!(
        backends.len() > 1,
        "no adapter can train; install a Vulkan driver (Debian: mesa-vulkan-drivers)"
    );
    backends
}

/// Trains epochs `first..last` to their end.
pub fn train(trainer: &mut Trainer, first: usize, last: usize) -> Vec<Epoch> {
    let (photos, split) = faces(12);
    let stop = AtomicBool::new(false);
    (first..last)
        .map(|epoch| match trainer.epoch(epoch, &photos, &split, &stop, &mut |_| {}).unwrap() {
            Stopped::Done(results) => results,
            Stopped::Interrupted(step) => panic!("interrupted after step {step}"),
        })
        .collect()
}
