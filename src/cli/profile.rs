//! `faceshader profile`, and the same after `train --profile`.

use super::backend::AdapterArguments;
use super::progress::Bars;
use super::{Outcome, at_least_one, model, print};
use crate::data::samples::Samples;
use crate::file::write_whole;
use crate::plan::Clock;
use crate::profile::{KernelTime, Profile, chrome_trace};
use crate::report::bars::{Bar, bars};
use crate::report::save_png;
use crate::train::Trainer;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// face, face-plus, photo, review, review-plus, or a TOML file
    #[arg(long, default_value = "face")]
    model: String,
    /// Samples a step
    #[arg(long, value_parser = at_least_one)]
    batch: Option<usize>,
    /// Steps measured; the medians count
    #[arg(long, default_value_t = 5, value_parser = at_least_one)]
    steps: usize,
    /// Run every layer's kernels on their own
    #[arg(long)]
    no_fuse: bool,
    /// Tell of every layer, and not of all that run the same kernel at once
    #[arg(long)]
    layers: bool,
    /// Write profile.json, profile.png and trace.json (Chrome's format, for ui.perfetto.dev) to this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    adapter: AdapterArguments,
    /// One object of JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<Outcome> {
    let mut spec = model::settled(&arguments.model)?;
    spec.training.fuse &= !arguments.no_fuse;
    let size = arguments.batch.unwrap_or(spec.training.batch);
    spec.training.batch = size;
    let mut trainer = Trainer::new(arguments.adapter.open()?, &spec)?;
    let samples = Samples::built_in(&mut spec, size, &Bars::default())?;
    trainer.train_step(&samples.first_batch(&spec)?)?;
    let profile = trainer.profile(arguments.steps)?;
    if let Some(folder) = &arguments.out {
        write(&profile, folder)?;
    }
    if arguments.json {
        print(profile.json())?;
    } else {
        tell(&profile, arguments.layers)?;
    }
    Ok(Outcome::Done)
}

/// Writes the profile as JSON, as a trace and as a picture.
pub fn write(profile: &Profile, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    let json = |value: &serde_json::Value| serde_json::to_string_pretty(value).map(|text| text + "\n");
    write_whole(&folder.join("profile.json"), json(&profile.json())?.as_bytes())?;
    write_whole(&folder.join("trace.json"), json(&chrome_trace(profile))?.as_bytes())?;
    save_png(&picture(profile), &folder.join("profile.png"))?;
    log::info!("profile: {}", folder.join("profile.png").display());
    Ok(())
}

fn picture(profile: &Profile) -> image::RgbImage {
    let title =
        format!("{}, batch {}: {} ms a step", profile.name, profile.batch, short(1e3 * profile.run_seconds));
    let subtitle = format!(
        "{}: {}; probes: {:.1} GFLOP/s of arithmetic, a copy of {:.1} GB/s",
        profile.info.backend,
        profile.info.adapter,
        profile.rates.flops_per_s / 1e9,
        profile.rates.bytes_per_s / 1e9
    );
    let rows: Vec<Bar> = profile
        .kernels()
        .into_iter()
        .map(|kernel| Bar {
            group: kernel.kernel.split('.').next().unwrap_or_default().into(),
            value: kernel.ms,
            note: note(&kernel),
            label: kernel.kernel,
        })
        .collect();
    bars(&title, &subtitle, &rows)
}

/// What stands behind a bar: time, share, and which probe of the device the kernel comes closest to. What stays in
/// caches between two kernels is faster than the copy probe, whose buffers are larger than any cache.
fn note(kernel: &KernelTime) -> String {
    let of = match kernel.gflop_percent > kernel.gb_percent {
        true => format!("{:.0} % of the arithmetic probe", kernel.gflop_percent),
        false => format!("{:.0} % of the copy probe", kernel.gb_percent),
    };
    format!("{} ms, {:.1} %; {of}", short(kernel.ms), kernel.percent)
}

/// Three digits, or as many as a whole number has.
fn short(value: f64) -> String {
    match value {
        0.0..1.0 => format!("{value:.3}"),
        1.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Prints the profile as a table.
pub fn tell(profile: &Profile, layers: bool) -> Result<()> {
    let first = if layers { "layer: kernel" } else { "kernel" };
    let rows: Vec<KernelTime> = if layers { profile.layers() } else { profile.kernels() };
    let width = rows.iter().map(|row| row.kernel.len()).max().unwrap_or(0).max(first.len());
    print(format_args!(
        "{first:<width$} {:>6} {:>10} {:>7} {:>9} {:>5} {:>8} {:>5}",
        "calls", "ms", "share", "GFLOP/s", "%", "GB/s", "%"
    ))?;
    for row in rows {
        let KernelTime { kernel, calls, ms, percent, gb_per_s, gb_percent, .. } = &row;
        let arithmetic = match row.gflop_per_s > 0.0 {
            true => format!("{:>9.1} {:>5.0}", row.gflop_per_s, row.gflop_percent),
            false => format!("{:>9} {:>5}", "", ""),
        };
        print(format_args!(
            "{kernel:<width$} {calls:>6} {ms:>10.3} {percent:>6.1}% {arithmetic} {gb_per_s:>8.2} {gb_percent:>5.0}"
        ))?;
    }
    let (sum, step) = (1e3 * profile.seconds(), 1e3 * profile.run_seconds);
    print(format_args!("{:<width$} {:>6} {sum:>10.3}", "all", profile.steps.len()))?;
    print(format_args!(
        "a step takes {step:.3} ms among others; the kernels, timed one by one by the {}, add up to {:.1} % of it",
        match profile.clock {
            Clock::Device => "device",
            Clock::Host => "host",
        },
        100.0 * sum / step
    ))?;
    print(format_args!(
        "% is of what probes reach here: {:.1} GFLOP/s of arithmetic, and a copy of {:.1} GB/s",
        profile.rates.flops_per_s / 1e9,
        profile.rates.bytes_per_s / 1e9
    ))?;
    if profile.kernels().iter().any(|kernel| kernel.gb_percent > 100.0) {
        print(
            "above 100 %: what the kernels before have left in caches comes faster than a copy from memory",
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{note, short};
    use crate::profile::KernelTime;

    #[test]
    fn a_probe_is_not_called_a_peak() {
        let kernel = KernelTime {
            kernel: "relu.forward".into(),
            calls: 1,
            ms: 2.0,
            percent: 10.0,
            gflop_per_s: 0.0,
            gflop_percent: 0.0,
            gb_per_s: 30.0,
            gb_percent: 150.0,
        };
        assert_eq!(note(&kernel), "2.00 ms, 10.0 %; 150 % of the copy probe");
    }

    #[test]
    fn three_digits_are_enough() {
        assert_eq!([0.0123, 1.234, 12.34, 1234.5].map(short), ["0.012", "1.23", "12.3", "1234"]);
    }
}
