//! A model that reads texts, on every backend.

use crate::common::backends;
use faceshader::data::batches::batch;
use faceshader::data::records::{Key, Records};
use faceshader::data::reviews::{TextOptions, Texts, Vocabulary};
use faceshader::data::samples::{Inputs, Samples};
use faceshader::data::split::Split;
use faceshader::data::table::{Column, Table};
use faceshader::measure::confusion::{Confusion, chosen_class};
use faceshader::spec::{InputSpec, Spec};
use faceshader::train::{Stopped, Trainer};
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

/// 33 texts of three classes, each with words of its own among words of all.
fn texts() -> (Spec, Samples, Split) {
    let mut spec = Spec::parse(include_str!("../assets/tiny_text.toml"), "tiny_text.toml").unwrap();
    let classes = ["calm", "cross", "glad"].map(str::to_string).to_vec();
    let own = [["quiet", "soft", "slow"], ["rattle", "broken", "stuck"], ["bright", "smooth", "quick"]];
    let common = ["engine", "seat", "wheel", "door", "road"];
    let (mut texts, mut names, mut labels) = (Vec::new(), Vec::new(), Column::new("class"));
    for index in 0..33_usize {
        let class = index % 3;
        let word = |n: usize| {
            if n.is_multiple_of(3) { own[class][(index + n) % 3] } else { common[(index * 7 + n) % 5] }
        };
        let text: Vec<&str> = (0..4 + index % 9).map(word).collect();
        names.push(index.to_string());
        texts.push(text.join(" "));
        labels.push(Some(&classes[class]));
    }
    let table = Table { columns: vec![labels], label: Some(0), ..Table::default() };
    let records = Records { table, ..Records::unlabelled(Key::Row, names) };
    records.settle(&mut spec).unwrap();
    assert_eq!(spec.targets[0].classes, classes);
    let (records, ..) = records.answer(&spec).unwrap();
    let InputSpec::Text(text) = &mut spec.input else { panic!("it reads texts") };
    let options = TextOptions { min_count: text.min_count, length: text.length, ..TextOptions::default() };
    let training: Vec<&str> = texts[..26].iter().map(String::as_str).collect();
    let vocabulary = Vocabulary::build(options, classes, training).unwrap();
    text.vocabulary = vocabulary.rows();
    let samples = Samples::new(records, Inputs::Texts(Texts::new(texts, vocabulary)), &spec);
    (spec, samples, Split { train: (0..26).collect(), validation: (26..33).collect(), ..Split::default() })
}

#[test]
fn three_classes_are_learned_alike_on_every_backend() {
    let (spec, texts, split) = texts();
    let mut losses = Vec::new();
    for (name, backend) in backends() {
        let mut trainer = Trainer::new(backend, &spec).unwrap();
        let stop = AtomicBool::new(false);
        let mut last = None;
        for epoch in 0..12 {
            match trainer.epoch(epoch, &texts, &split, &stop, &mut |_| {}).unwrap() {
                Stopped::Done(results) => last = Some(results),
                Stopped::Interrupted(_) => panic!("nobody stopped it"),
            }
        }
        let last = last.unwrap();
        assert_eq!(last.validation[0].metric, 1.0, "{name}: {last:?}");
        losses.push(last.train[0].loss);
        let values = trainer.predict(&texts, &split.validation).unwrap().remove(0);
        assert_eq!(values.len(), 3 * split.validation.len());
        let pairs = split.validation.iter().zip(values.chunks(3));
        let pairs = pairs.map(|(&index, values)| {
            (texts.records.answers[0][index].unwrap() as usize, chosen_class(values))
        });
        let confusion = Confusion::of(&spec.targets[0].classes, pairs);
        assert_eq!(confusion.accuracy(), last.validation[0].metric, "{name}");
    }
    let close = |loss: &f64| (loss - losses[0]).abs() <= 1e-3 * losses[0];
    assert!(losses.iter().all(close), "{losses:?}");
}

#[test]
fn every_step_on_texts_computes_what_its_twin_says() {
    let (spec, texts, split) = texts();
    for (name, backend) in backends() {
        let mut trainer = Trainer::new(backend, &spec).unwrap();
        trainer.train_step(&batch(&texts, &split.train[..6], 6, None).unwrap()).unwrap();
        let mut proven = BTreeSet::new();
        let short = batch(&texts, &split.train[6..10], 6, None).unwrap();
        let result = trainer.verify_step(&short, &mut |report| {
            proven.insert(report.kernel.clone());
        });
        result.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        for kernel in ["embedding.backward_weight", "conv1d.backward_weight", "max_pool1d.backward_input"] {
            assert!(proven.contains(kernel), "{name}: no {kernel} among {proven:?}");
        }
    }
}
