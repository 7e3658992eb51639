//! `faceshader eval`

use super::backend::AdapterArguments;
use super::figures::{Grouped, Predicted, figures_as_json, groups_by, print_figures};
use super::progress::{Bars, bar};
use super::said::{Said, confusion_json, print_confusion};
use super::setup::FacesArgument;
use super::vocabulary::known_vocabulary;
use super::{Outcome, Usage, guessing, print, print_data, storage, texts};
use crate::data::samples::{Purpose, Samples};
use crate::data::split::Side;
use crate::spec::{InputSpec, Spec};
use crate::tasks::PLAIN_NAME;
use crate::train::Trainer;
use crate::train::history::{BranchResult, total_loss};
use crate::train::run::RunFolder;
use anyhow::{Result, bail};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The run folder
    run: PathBuf,
    /// A folder, zip or tar.gz of photos, or a CSV of texts; the run's own if not given
    #[arg(long)]
    data: Option<PathBuf>,
    /// A CSV with the labels of photos: a column of file names, and others; with --data
    #[arg(long, requires = "data")]
    labels: Option<PathBuf>,
    /// A CSV with the columns file (or row, of reviews) and split: its test samples count, or those for validation if there
    /// are none. Without it,
    /// all of --data do, and the run's own split if there is no --data
    #[arg(long)]
    split: Option<PathBuf>,
    /// Which samples of a split of three sides count; those for the test if not given
    #[arg(long)]
    side: Option<Measured>,
    /// How the photos of --data show faces; as the training photos if not given
    #[arg(long, requires = "data")]
    faces: Option<FacesArgument>,
    #[command(flatten)]
    columns: texts::Columns,
    /// Every figure by the groups of this column of labels (of a number, by bands), and the largest gaps
    #[arg(long, value_name = "COLUMN")]
    by: Option<String>,
    /// Which weights of the run to use
    #[arg(long, default_value = "best")]
    weights: Weights,
    #[command(flatten)]
    adapter: AdapterArguments,
    /// Skip the short check of the kernels before an adapter's first use
    #[arg(long)]
    no_verify: bool,
    #[command(flatten)]
    storage: storage::Arguments,
    /// One object of JSON
    #[arg(long)]
    json: bool,
}

/// A side of a split that is not learnt from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Measured {
    /// What the best epoch was chosen by
    Validation,
    /// What nothing was chosen by
    Test,
}

/// Which weights of a run are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Weights {
    /// Those of the epoch with the lowest validation loss
    Best,
    /// Those after the last epoch
    Last,
    /// Their moving average after the last epoch, of a training with ema
    Ema,
}

impl Weights {
    /// What they are called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Weights::Best => "best",
            Weights::Last => "last",
            Weights::Ema => "ema",
        }
    }

    /// The file in the run folder, which has to be of this run.
    pub fn file(self, run: &RunFolder, spec: &Spec) -> Result<PathBuf> {
        let file = match self {
            Weights::Best if !run.best().exists() && run.last().exists() => {
                bail!("{}: no epoch was finished; use --weights last", run.path().display())
            }
            Weights::Best => run.best(),
            Weights::Last => run.last(),
            Weights::Ema if spec.training.ema.is_none() => {
                bail!(
                    "{} was trained without a moving average; use --weights best or last",
                    run.path().display()
                )
            }
            Weights::Ema => run.ema(),
        };
        run.require_own(&file)?;
        if self == Weights::Best {
            run.require_best(&run.saved_history(spec)?)?;
        }
        Ok(file)
    }
}

pub fn run(arguments: Arguments) -> Result<Outcome> {
    let (run, mut spec) = RunFolder::open(&arguments.run)?;
    let trains_on_own = arguments.data.is_none();
    if let Some(path) = arguments.data {
        spec.data.path = Some(path);
        spec.data.limit = None;
        spec.data.fold = None;
        spec.data.labels = arguments.labels;
        // Another file has columns of its own.
        spec.data.text_column = arguments.columns.text_column;
        spec.data.label_column = arguments.columns.label_column;
    } else {
        spec.data.split = Some(run.split());
        spec.data.limit = None;
        spec.data.fold = None;
    }
    if let Some(faces) = arguments.faces {
        match &mut spec.input {
            InputSpec::Photo(photo) => photo.faces = Some(faces.into()),
            InputSpec::Text(_) => return Err(Usage("--faces is for models that see photos".into()).into()),
        }
    }
    let own_or_all = arguments.split.is_none() && !trains_on_own;
    if let Some(split) = arguments.split {
        spec.data.split = Some(split);
    }
    if own_or_all && arguments.side.is_some() {
        return Err(Usage("--side needs a split: give --split, or leave out --data".into()).into());
    }
    let purpose = if own_or_all { Purpose::EvaluationOfAll } else { Purpose::Evaluation };
    let vocabulary = known_vocabulary(&run, &spec)?;
    let storage = arguments.storage.storage(Some(&arguments.run));
    let (samples, split) = Samples::load(&mut spec, purpose, vocabulary, &storage, &Bars::default())?;
    let side = match arguments.side {
        None => split.measured(),
        Some(Measured::Validation) => Side::Validation,
        Some(Measured::Test) => Side::Test,
    };
    let asked = split.on(side).to_vec();
    let side = if own_or_all { "all" } else { side.name() };
    if asked.is_empty() {
        bail!("the split has no {} on its side {side}", samples.noun());
    }
    let mut trainer = Trainer::new(arguments.adapter.open_proven(!arguments.no_verify)?, &spec)?;
    trainer.load_weights(&arguments.weights.file(&run, &spec)?)?;
    let bar = bar("evaluating", None);
    let results = trainer.evaluate(&samples, &asked, &mut |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    let said = Said::of(&spec, &samples, &asked, &mut trainer)?;
    let predicted = Predicted::all(&said);
    let groups = arguments.by.as_ref().map(|column| groups_by(&samples, &asked, column)).transpose()?;
    let grouped = match (&arguments.by, &groups) {
        (Some(column), Some(groups)) => Some(Grouped::of(&predicted, column, groups)),
        _ => None,
    };
    if arguments.json {
        let mut object = object(samples.noun(), side, asked.len(), &results);
        for (target, confusion) in said.confusions() {
            let key =
                if target.name == PLAIN_NAME { "confusion" } else { &format!("{}_confusion", target.name) };
            object.insert(key.into(), confusion_json(&confusion));
        }
        object.insert("figures".into(), figures_as_json(&predicted));
        if let Some(grouped) = &grouped {
            object.insert("groups".into(), grouped.json());
        }
        print_data(serde_json::Value::Object(object))?;
    } else {
        print(format_args!("{:<16} {}", samples.noun(), asked.len()))?;
        print(format_args!("side             {side}"))?;
        print(format_args!("loss             {:.4}", total_loss(&results)))?;
        for result in &results {
            print(line(result))?;
        }
        for (target, confusion) in said.confusions() {
            print_confusion(target, &confusion)?;
        }
        print_figures(&predicted)?;
        if let Some(grouped) = &grouped {
            grouped.print()?;
        }
    }
    if let Some(grouped) = &grouped {
        grouped.draw(&run)?;
    }
    guessing::warn_of(&run, &spec, &samples, side, &asked, &results)?;
    Ok(Outcome::Done)
}

/// What was measured on `count` samples of a side, for machines.
pub fn object(
    noun: &str,
    side: &str,
    count: usize,
    results: &[BranchResult],
) -> serde_json::Map<String, serde_json::Value> {
    let mut object = serde_json::Map::new();
    object.insert(noun.into(), count.into());
    object.insert("side".into(), side.into());
    object.insert("loss".into(), total_loss(results).into());
    for result in results {
        object.insert(format!("{}_loss", result.target.name), result.loss.into());
        object.insert(result.target.metric_name(), result.metric.into());
    }
    object
}

/// One branch's metric in a sentence.
pub fn plain(result: &BranchResult) -> String {
    line(result).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One branch's metric for people.
pub fn line(result: &BranchResult) -> String {
    format!("{:<16} {}", result.target.metric_title(), result.target.shown_metric(result.metric, 3))
}
