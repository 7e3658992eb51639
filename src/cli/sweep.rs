//! `faceshader sweep`

use super::progress::styled;
use super::terminal::print;
use super::{Outcome, Usage, interrupt, model, tell};
use crate::file::{read_plain_text, write_whole};
use crate::report::groups::{self, Row};
use crate::spec::Setting;
use crate::train::history::{Epoch, best, validation_losses};
use crate::train::run::RunFolder;
use crate::train::sweep::{Job, Ranked, Sweep, Trial, is_better_higher, plain, ranking};
use anyhow::{Context, Result, anyhow, bail};
use indicatif::ProgressBar;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A TOML file that says which keys are tried with which values; see docs/models.md
    file: PathBuf,
    /// The folder of the sweep, which goes on if it is there; sweeps/NAME if not given, after the file
    #[arg(long)]
    out: Option<PathBuf>,
    /// Print the trainings as commands, and run none
    #[arg(long)]
    dry_run: bool,
}

/// What a training came to.
enum Ended {
    /// Its epochs, of which the best counts.
    Done(Vec<Epoch>),
    /// Why it did not end.
    Failed(String),
    /// The user asked to stop.
    Interrupted,
}

/// Lines of the messages of a training that failed.
const TOLD_LINES: usize = 3;

pub fn run(arguments: Arguments) -> Result<Outcome> {
    let file = arguments.file.display().to_string();
    let text = read_plain_text(&arguments.file).with_context(|| format!("{file} cannot be read"))?;
    let sweep = Sweep::parse(&text, &file).map_err(|reason| anyhow!(reason))?;
    let folder = match &arguments.out {
        Some(out) => out.clone(),
        None => Path::new("sweeps").join(arguments.file.file_stem().unwrap_or_default()),
    };
    let trials = sweep.trials();
    let jobs = sweep.jobs(trials.len());
    // Another model under the same name is another training.
    let model = match sweep.train.get("model") {
        Some(model) => model::text_of(&plain(model))?.0,
        None => String::new(),
    };
    let place = |job: &Job| folder.join("runs").join(sweep.folder_name(&trials[job.trial], job, &model));
    if arguments.dry_run {
        for job in &jobs {
            let arguments = sweep.arguments(&trials[job.trial], job);
            let out = ["--out".to_string(), place(job).display().to_string()];
            print(format_args!("faceshader train {}", quoted(&[&arguments[..], &out].concat())))?;
        }
        return Ok(Outcome::Done);
    }
    let stop = interrupt::watched()?;
    std::fs::create_dir_all(folder.join("runs"))
        .with_context(|| format!("{} cannot be made", folder.display()))?;
    write_whole(&folder.join("sweep.toml"), text.as_bytes())?;
    log::info!("{} trials, {} trainings in {}", trials.len(), jobs.len(), folder.display());
    let bar = styled("{msg} {wide_bar} {count} {pace}", Some(jobs.len()));
    let (mut results, mut failed): (Vec<(&Job, Epoch)>, Vec<&Job>) = (Vec::new(), Vec::new());
    for (number, job) in jobs.iter().enumerate() {
        let trial = &trials[job.trial];
        bar.set_message(named(trial));
        let ended = match finished(&place(job)) {
            Some(epochs) => Ended::Done(epochs),
            None => train(&sweep, trial, job, &place(job), &bar)?,
        };
        match ended {
            Ended::Done(epochs) => {
                let best = best(&epochs).cloned().context("a training without epochs")?;
                let value = value(&best, &sweep.metric)?;
                bar.suspend(|| {
                    tell(&format!(
                        "{} of {}: {}{}: {} {value:.4}",
                        number + 1,
                        jobs.len(),
                        named(trial),
                        told(job),
                        sweep.metric
                    ))
                });
                results.push((job, best));
                write_whole(
                    &folder.join("trainings.csv"),
                    trainings_csv(&trials, &results, &place)?.as_bytes(),
                )?;
            }
            Ended::Failed(reason) => {
                bar.suspend(|| {
                    log::error!(
                        "error: {} of {}: {}{}: {reason}",
                        number + 1,
                        jobs.len(),
                        named(trial),
                        told(job)
                    )
                });
                failed.push(job);
            }
            Ended::Interrupted => {
                bar.finish_and_clear();
                log::info!("stopped; go on with the same command");
                return Ok(Outcome::Interrupted);
            }
        }
        bar.inc(1);
        if stop.load(Ordering::Relaxed) {
            bar.finish_and_clear();
            log::info!("stopped; go on with the same command");
            return Ok(Outcome::Interrupted);
        }
    }
    bar.finish_and_clear();
    finish(&sweep, &trials, &results, jobs.len() / trials.len().max(1), &folder)?;
    match failed.len() {
        0 => Ok(Outcome::Done),
        count => {
            bail!("{count} of {} trainings failed; their messages are above, the others are kept", jobs.len())
        }
    }
}

/// The epochs of a run that has them all.
fn finished(path: &Path) -> Option<Vec<Epoch>> {
    let (run, spec) = RunFolder::open(path).ok()?;
    let epochs = run.saved_history(&spec).ok()?;
    let is_whole =
        epochs.len() >= spec.training.epochs || spec.training.ends_early(&validation_losses(&epochs));
    (is_whole && run.report().exists() && run.best().exists()).then_some(epochs)
}

/// Runs one training as a program of its own, so that whatever happens to it the sweep goes on.
fn train(sweep: &Sweep, trial: &Trial, job: &Job, out: &Path, bar: &ProgressBar) -> Result<Ended> {
    let program = std::env::current_exe().context("the program does not know where it is")?;
    let is_begun = RunFolder::open(out).is_ok();
    let mut command = Command::new(program);
    match is_begun {
        true => command.arg("train").arg("--resume").arg(out).args(sweep.resumed_arguments()),
        false => command.arg("train").args(sweep.arguments(trial, job)).arg("--out").arg(out),
    };
    let mut child = command
        .arg("--json")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("the training could not be started")?;
    // Both are read, or a full pipe would stop it.
    let mut errors = child.stderr.take().context("the training has no stderr")?;
    let messages = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        errors.read_to_end(&mut bytes).map(|_| String::from_utf8_lossy(&bytes).into_owned())
    });
    let lines = child.stdout.take().map(BufReader::new).context("the training has no stdout")?;
    for (line, epoch) in lines.lines().zip(1..) {
        if line.is_ok() {
            bar.set_message(format!("{}, epoch {epoch} done", named(trial)));
        }
    }
    let status = child.wait().context("the training was lost")?;
    let messages = messages.join().ok().and_then(std::io::Result::ok).unwrap_or_default();
    if status.code() == Some(130) {
        return Ok(Ended::Interrupted);
    }
    if status.success() {
        return Ok(match finished(out) {
            Some(epochs) => Ended::Done(epochs),
            None => Ended::Failed("it ended without all of its epochs".into()),
        });
    }
    let lines: Vec<&str> = messages.lines().filter(|line| line.starts_with("error")).collect();
    let last = lines.len().saturating_sub(TOLD_LINES);
    let reason = lines[last..].join("; ");
    let reason = reason.strip_prefix("error: ").unwrap_or(&reason).to_string();
    Ok(Ended::Failed(if reason.is_empty() { status.to_string() } else { reason }))
}

/// A figure of an epoch by its name in `results.csv`.
fn value(epoch: &Epoch, metric: &str) -> Result<f64> {
    let fields = epoch.fields();
    match fields.iter().find(|(name, _)| name == metric) {
        Some(&(_, value)) => Ok(value),
        None => {
            let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
            Err(Usage(format!("there is no metric {metric:?}; there are {}", names.join(", "))).into())
        }
    }
}

/// The values of a trial; of a key the last name is enough for people where it is the only one of this name.
fn named(trial: &Trial) -> String {
    let short = |key: &str| key.rsplit('.').next().unwrap_or(key).to_string();
    let is_only =
        |key: &str| trial.settings.iter().filter(|other| short(&other.key) == short(key)).count() == 1;
    let text = |Setting { key, value }: &Setting| {
        let name = if is_only(key) { short(key) } else { key.clone() };
        format!("{name} {}", plain(value))
    };
    trial.settings.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn told(job: &Job) -> String {
    let fold = job.fold.map_or(String::new(), |fold| format!(", fold {}/{}", fold.number, fold.of));
    format!(", seed {}{fold}", job.seed)
}

/// Arguments for a shell.
fn quoted(arguments: &[String]) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+".contains(c);
    let quote = |argument: &String| match argument.chars().all(is_plain) && !argument.is_empty() {
        true => argument.clone(),
        false => format!("'{}'", argument.replace('\'', "'\\''")),
    };
    arguments.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// A row a training: its values, seed and fold, and its best epoch.
fn trainings_csv(
    trials: &[Trial],
    results: &[(&Job, Epoch)],
    place: &dyn Fn(&Job) -> PathBuf,
) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for (index, (job, epoch)) in results.iter().enumerate() {
        let settings = &trials[job.trial].settings;
        let fields = epoch.fields();
        if index == 0 {
            let keys = settings.iter().map(|setting| setting.key.clone());
            let names = fields.iter().map(|(name, _)| name.clone());
            let own = ["trial", "seed", "fold", "run"].map(String::from);
            writer.write_record(own.into_iter().chain(keys).chain(names))?;
        }
        let own = [
            (job.trial + 1).to_string(),
            job.seed.to_string(),
            job.fold.map_or(String::new(), |fold| format!("{}/{}", fold.number, fold.of)),
            place(job).file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned()),
        ];
        let values = settings.iter().map(|setting| plain(&setting.value));
        let figures = fields.iter().map(|(_, value)| value.to_string());
        writer.write_record(own.into_iter().chain(values).chain(figures))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// What all trials come to: a table, its file, and a picture.
fn finish(
    sweep: &Sweep,
    trials: &[Trial],
    results: &[(&Job, Epoch)],
    planned: usize,
    folder: &Path,
) -> Result<()> {
    let values = results.iter().map(|(job, epoch)| Ok((job.trial, value(epoch, &sweep.metric)?)));
    let values: Vec<(usize, f64)> = values.collect::<Result<_>>()?;
    let higher = is_better_higher(&sweep.metric);
    let ranking = ranking(&values, planned, higher);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let keys = sweep.values.keys().cloned();
    let error = format!("{}_standard_error", sweep.metric);
    let names = ["trial".into(), sweep.metric.clone(), error, "trainings".into()];
    writer.write_record(names.into_iter().chain(keys))?;
    print(format_args!("{:>5}  {:>16}  {:>8}  values", "trial", sweep.metric, "± error"))?;
    for Ranked { trial, mean, error, done } in &ranking {
        let own = [(trial + 1).to_string(), mean.to_string(), error.to_string(), done.to_string()];
        let values = trials[*trial].settings.iter().map(|setting| plain(&setting.value));
        writer.write_record(own.into_iter().chain(values))?;
        let error = if error.is_finite() { format!("{error:.4}") } else { String::new() };
        let missing =
            if *done < planned { format!(" ({done} of {planned} trainings)") } else { String::new() };
        print(format_args!(
            "{:>5}  {mean:>16.4}  {error:>8}  {}{missing}",
            trial + 1,
            named(&trials[*trial])
        ))?;
    }
    write_whole(&folder.join("trials.csv"), &writer.into_inner()?)?;
    draw(sweep, trials, &ranking, folder)?;
    log::info!("picture: {}", folder.join("sweep.png").display());
    Ok(())
}

fn draw(sweep: &Sweep, trials: &[Trial], ranking: &[Ranked], folder: &Path) -> Result<()> {
    let row = |&Ranked { trial, mean, error, done }: &Ranked| {
        let text = named(&trials[trial]);
        let (label, note) = text.split_once(", ").unwrap_or((&text, ""));
        Row {
            label: label.into(),
            note: if note.is_empty() { format!("{done} trainings") } else { note.into() },
            value: mean,
            low: mean - error,
            high: mean + error,
            text: format!("{mean:.4}"),
            faint: false,
        }
    };
    let better = if is_better_higher(&sweep.metric) { "higher is better" } else { "lower is better" };
    let chart = groups::Chart {
        title: format!("{} of the best epoch, {better}", sweep.metric),
        overall: f64::NAN,
        overall_text: String::new(),
        rows: ranking.iter().map(row).collect(),
    };
    let foot =
        ["Dot: mean over seeds and folds. Bar: standard error of the mean.", "The best trial comes first."];
    groups::draw("Sweep", &[chart], foot, &folder.join("sweep.png"), &folder.join("sweep.svg"))?;
    Ok(())
}
