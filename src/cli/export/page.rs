//! `faceshader export page`
//!
//! Writes one HTML file: a page that predicts by the model of a run, or, with `--train`, one that trains a model.

use crate::cli::backend::Kernels;
use crate::cli::eval::Weights;
use crate::cli::predict::FaceMode;
use crate::cli::vocabulary::{fill_classes, known_vocabulary};
use crate::cli::{Outcome, Usage, at_least_one, model, print};
use crate::data::error::shown_path;
use crate::data::pictures::jpeg;
use crate::data::samples::{Samples, built_in_faces, built_in_records};
use crate::export::page::{Contents, NotOnAPage, Page};
use crate::file::{FileError, read_plain, write_whole};
use crate::spec::{Faces, InputSpec, Spec};
use crate::tasks::Target;
use crate::train::checkpoint::load;
use crate::train::history::{best, total_loss};
use crate::train::run::RunFolder;
use anyhow::{Result, bail};
use image::RgbImage;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The run folder, for a page that predicts
    #[arg(required_unless_present = "train")]
    run: Option<PathBuf>,
    /// A page that trains this model instead: face, face-plus, or a TOML file
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["run", "weights"])]
    train: Option<String>,
    /// The file to write, such as face.html
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Which weights of the run to use
    #[arg(long, default_value = "best")]
    weights: Weights,
    /// Find the faces in each photo and predict for each (auto), or take each photo whole; auto if the model was trained
    /// on faces
    #[arg(long, conflicts_with = "train")]
    faces: Option<FaceMode>,
    /// Use the kernels made for GPUs or for software adapters
    #[arg(long, default_value = "gpu")]
    kernels: Kernels,
    /// Passes over the training photos, with --train; those of the model if not given
    #[arg(long, conflicts_with = "run", value_parser = at_least_one)]
    epochs: Option<usize>,
    /// Photos a step, with --train; those of the model if not given
    #[arg(long, conflicts_with = "run", value_parser = at_least_one)]
    batch: Option<usize>,
    /// Random seed for initial weights, order, augmentation and dropout, with --train
    #[arg(long, conflicts_with = "run")]
    seed: Option<u64>,
}

/// Drawn faces that travel in a page that trains.
const FACES: usize = 240;
/// Of these, as JPEG files, in percent.
const QUALITY: u8 = 90;

pub fn run(arguments: &Arguments) -> Result<Outcome> {
    if arguments.out.is_dir() {
        bail!("{} is a folder; name a file in it by --out", shown_path(&arguments.out));
    }
    if arguments.out.exists() {
        bail!("{} exists; name another file by --out, or delete it", shown_path(&arguments.out));
    }
    let html = match (&arguments.train, &arguments.run) {
        (Some(name), _) => training_page(name, arguments)?,
        (None, Some(run)) => prediction_page(run, arguments)?,
        (None, None) => return Err(Usage("name a run folder, or a model by --train".into()).into()),
    };
    write_whole(&arguments.out, html.as_bytes())?;
    log::info!("{:.1} MB; open it in a browser, from disk or from a server", html.len() as f64 / 1e6);
    print(arguments.out.display())?;
    Ok(Outcome::Done)
}

fn prediction_page(run: &Path, arguments: &Arguments) -> Result<String> {
    let (run, mut spec) = RunFolder::open(run)?;
    let vocabulary = known_vocabulary(&run, &spec)?;
    if let Some(vocabulary) = &vocabulary {
        fill_classes(&mut spec, vocabulary);
    }
    match &mut spec.input {
        InputSpec::Photo(input) => {
            input.faces = Some(match (FaceMode::looks_for_faces(arguments.faces, input), input.faces) {
                (true, Some(Faces::Detect)) => Faces::Detect,
                (true, _) => Faces::Cropped,
                (false, _) => Faces::Whole,
            });
        }
        InputSpec::Text(_) if arguments.faces.is_some() => {
            return Err(Usage("--faces is for models that see photos".into()).into());
        }
        InputSpec::Text(_) => {}
    }
    let file = arguments.weights.file(&run, &spec)?;
    // Whole, and the model's.
    load(&file)?;
    let weights = read_plain(&file).map_err(|source| FileError::Read { path: file, source })?;
    let page = Page {
        spec: &spec,
        vocabulary: vocabulary.as_ref(),
        facts: facts(&run, &spec)?,
        variant: arguments.kernels.variant(),
        contents: Contents::Prediction { weights },
    };
    Ok(page.html()?)
}

/// What is known of a trained model. Nothing of the machine that it was trained on, as pages travel.
fn facts(run: &RunFolder, spec: &Spec) -> Result<Vec<(String, String)>> {
    let epochs = run.saved_history(spec)?;
    let mut facts = vec![("model".to_owned(), spec.name.clone())];
    if let Some(best) = best(&epochs) {
        facts.push(("trained for".into(), format!("{} epochs; the best is {}", epochs.len(), best.epoch)));
        facts.push(("validation loss".into(), format!("{:.4}", total_loss(&best.validation))));
        for result in &best.validation {
            let title = format!("validation {}", result.target.metric_title());
            facts.push((title, result.target.shown_metric(result.metric, 2)));
        }
    }
    facts.push(("exported by".into(), format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))));
    Ok(facts)
}

fn training_page(name: &str, arguments: &Arguments) -> Result<String> {
    let mut spec = model::load(name)?;
    if spec.input.photo().is_none() {
        return Err(NotOnAPage::TrainsOnTexts(spec.name).into());
    }
    if let Some(target) = spec.targets.iter().find(|target| target.kind.is_none() || target.outputs() == 0) {
        let message = format!(
            "target {:?}: a page has no data that tell what it is; say its kind, and the names of its classes, such as \
             kind = \"classes\", classes = [\"cat\", \"dog\"]",
            target.name
        );
        return Err(spec.error(target.line, message).into());
    }
    Samples::settle_without_data(&mut spec)?;
    // What labels tell, those that the page is given will tell.
    for target in &mut spec.targets {
        target.mean_and_deviation = None;
        target.class_weights.clear();
    }
    spec.training.epochs = arguments.epochs.unwrap_or(spec.training.epochs);
    spec.training.batch = arguments.batch.unwrap_or(spec.training.batch);
    spec.training.seed = arguments.seed.unwrap_or(spec.training.seed);
    let mut photos = Vec::new();
    if let InputSpec::Photo(input) = &mut spec.input {
        // Photos are taken as they are chosen.
        input.faces.get_or_insert(Faces::Whole);
        let records = built_in_records(FACES);
        // Of no use to a model that learns anything else.
        let is_told = |target: &Target| {
            let column = target.column.as_ref().unwrap_or(&target.name);
            records.table.columns.iter().any(|known| known.name == *column)
        };
        let count = if spec.targets.iter().all(is_told) { FACES } else { 0 };
        let numbers: Vec<usize> = (0..count).collect();
        let faces = built_in_faces(input, &numbers, &crate::cli::progress::Bars::default());
        for (index, name) in records.names.into_iter().take(count).enumerate() {
            let rgb = RgbImage::from_raw(faces.width, faces.height, faces.photo(index)?.into_owned());
            if let Some(rgb) = rgb {
                photos.push((name, jpeg(&rgb, QUALITY)?));
            }
        }
    }
    let page = Page {
        spec: &spec,
        vocabulary: None,
        facts: vec![
            ("model".to_owned(), spec.name.clone()),
            ("exported by".into(), format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))),
        ],
        variant: arguments.kernels.variant(),
        contents: Contents::Training { photos },
    };
    Ok(page.html()?)
}
