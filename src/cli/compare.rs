//! `faceshader compare`

use super::{Outcome, Usage, print};
use crate::report::curves::{Chart, Series, draw};
use crate::train::history::{Epoch, best};
use crate::train::run::RunFolder;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Run folders
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Draw the validation curves of all of them into this PNG, and into an SVG beside it
    #[arg(long, value_name = "FILE.png")]
    picture: Option<PathBuf>,
    /// One line of JSON a run
    #[arg(long)]
    json: bool,
}

/// A run and its epochs.
struct Run {
    name: String,
    epochs: Vec<Epoch>,
}

pub fn run(arguments: &Arguments) -> Result<Outcome> {
    let picture = arguments.picture.as_deref().map(free_picture).transpose()?;
    let runs = arguments.runs.iter().map(|path| read(path)).collect::<Result<Vec<Run>>>()?;
    let mut names: Vec<String> = Vec::new();
    for (name, _) in runs.iter().flat_map(|run| run.epochs[0].fields()) {
        if name.starts_with("val_") && !names.contains(&name) {
            names.push(name);
        }
    }
    let room = runs.iter().map(|run| run.name.chars().count()).max().unwrap_or(0).max("run".len());
    if !arguments.json {
        let heads: String = names.iter().map(|name| format!("  {name:>14}")).collect();
        print(format_args!("{:<room$}  best epoch{heads}", "run"))?;
    }
    for Run { name, epochs } in &runs {
        let Some(best) = best(epochs) else { continue };
        if arguments.json {
            let mut object =
                serde_json::json!({ "run": name, "epochs": epochs.len(), "best_epoch": best.epoch });
            for (name, value) in best.fields().into_iter().filter(|(name, _)| name.starts_with("val_")) {
                object[name] = value.into();
            }
            print(object)?;
            continue;
        }
        let figure = |name: &String| match value(best, name) {
            Some(value) => format!("  {value:>width$.4}", width = name.chars().count().max(14)),
            None => format!("  {:>width$}", "", width = name.chars().count().max(14)),
        };
        let figures: String = names.iter().map(figure).collect();
        let epoch = format!("{} of {}", best.epoch, epochs.len());
        print(format_args!("{name:<room$}  {epoch:>10}{figures}"))?;
    }
    if let Some(png) = picture {
        let charts: Vec<Chart> = names.iter().map(|name| chart(name, &runs)).collect();
        draw(&charts, &png, &png.with_extension("svg"))?;
        log::info!("picture: {}", png.display());
    }
    Ok(Outcome::Done)
}

/// A picture's place, where nothing lies that would be overwritten.
fn free_picture(path: &Path) -> Result<PathBuf> {
    if path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("png")) {
        return Err(Usage(format!("--picture {} must end in .png", path.display())).into());
    }
    for file in [path.to_path_buf(), path.with_extension("svg")] {
        if file.exists() {
            return Err(Usage(format!("{} exists; choose another --picture", file.display())).into());
        }
    }
    Ok(path.to_path_buf())
}

fn read(path: &Path) -> Result<Run> {
    let (run, spec) = RunFolder::open(path)?;
    let epochs = run.saved_history(&spec)?;
    if epochs.is_empty() {
        bail!("{}: no epoch was finished", path.display());
    }
    Ok(Run { name: path.display().to_string().trim_end_matches(['/', '\\']).into(), epochs })
}

fn value(epoch: &Epoch, name: &str) -> Option<f64> {
    epoch.fields().into_iter().find(|(other, _)| other == name).map(|(_, value)| value)
}

fn chart(name: &str, runs: &[Run]) -> Chart {
    let points = |run: &Run| {
        run.epochs.iter().filter_map(|epoch| Some((epoch.epoch as f64, value(epoch, name)?))).collect()
    };
    // The last folder tells runs apart.
    let short = |run: &Run| run.name.rsplit(['/', '\\']).next().unwrap_or(&run.name).to_string();
    Chart {
        title: name.replace('_', " "),
        y_label: name.into(),
        series: runs.iter().map(|run| Series { name: short(run), points: points(run) }).collect(),
        ..Chart::default()
    }
}
