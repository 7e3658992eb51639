//! The command line. The only place that prints or reads the environment.
//!
//! Results go to stdout, progress and logs to stderr. Exit codes: 0 done, 1 failed, 2 usage, 3 no
//! such adapter, 4 verification failed, 130 interrupted after a clean checkpoint.

mod adapters;
mod backend;
mod bench;
mod cache;
mod data;
mod drivers;
mod eval;
mod export;
mod first_check;
mod model;
mod photos;
mod predict;
mod profile;
mod progress;
mod recording;
mod report;
mod saving;
mod sessions;
mod set;
mod summary;
mod texts;
mod threads;
mod train;
mod tune;
mod verify;

use crate::gpu::adapter::NoSuchAdapter;
use crate::verify::KernelFailure;
use clap::{Parser, Subcommand};
use std::io::{self, Write};
use std::process::ExitCode;

/// Trains convolutional networks on any GPU, and on a CPU where there is none.
#[derive(Debug, Parser)]
#[command(name = "faceshader", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model; without --data, on the built-in set of drawn faces
    Train(train::Arguments),
    /// Losses and metrics of a trained model on labelled photos or reviews
    Eval(eval::Arguments),
    /// Age and gender of photos, or the sentiment of texts, by a trained model
    Predict(predict::Arguments),
    /// The layers of a model: shapes, parameters, FLOPs, memory
    Summary(summary::Arguments),
    /// Look at photos or reviews before training on them
    #[command(subcommand)]
    Data(data::Command),
    /// Write what a model computes as files that other programs can run
    #[command(subcommand)]
    Export(export::Command),
    /// The adapters of this machine, and whether each can train
    Adapters(adapters::Arguments),
    /// Samples a second, in training and prediction
    Bench(bench::Arguments),
    /// Where the time of a training step goes, kernel by kernel
    Profile(profile::Arguments),
    /// Measure which variant of each kernel an adapter runs fastest, and remember it
    Tune(tune::Arguments),
    /// Prove every kernel against its CPU twin on an adapter
    Verify(verify::Arguments),
}

/// What a command came to, if it did not fail.
enum Outcome {
    Done,
    Interrupted,
}

/// A mistake in how the program was called, found after the arguments were read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Runs the program.
pub fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("error,faceshader=info"))
        .format(|f, record| writeln!(f, "{}", record.args()))
        .init();
    fail_as_asked();
    let arguments = Arguments::parse();
    if let Err(error) = threads::start() {
        eprintln!("error: {}", message(&error));
        return ExitCode::FAILURE;
    }
    let outcome = match arguments.command {
        Command::Train(arguments) => train::run(arguments),
        Command::Eval(arguments) => eval::run(arguments),
        Command::Predict(arguments) => predict::run(arguments),
        Command::Summary(arguments) => summary::run(&arguments),
        Command::Data(command) => data::run(command),
        Command::Export(command) => export::run(command),
        Command::Adapters(arguments) => adapters::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Profile(arguments) => profile::run(&arguments),
        Command::Tune(arguments) => tune::run(&arguments),
        Command::Verify(arguments) => verify::run(arguments),
    };
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Interrupted) => ExitCode::from(130),
        // Whoever read our output has had enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", message(&error));
            ExitCode::from(code(&error))
        }
    }
}

/// Tests ask what a full disk does to a training: see [`fail_operation`](crate::file::fail_operation).
fn fail_as_asked() {
    if let Some(number) =
        std::env::var("FACESHADER_FAIL_OPERATION").ok().and_then(|number| number.parse().ok())
    {
        crate::file::fail_operation(number);
    }
}

/// The error and its causes, without those that an error before them has told already.
fn message(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text += &format!(": {cause}");
        }
    }
    text
}

fn code(error: &anyhow::Error) -> u8 {
    let any = |test: fn(&(dyn std::error::Error + 'static)) -> bool| error.chain().any(test);
    if any(|cause| cause.is::<Usage>()) {
        2
    } else if any(|cause| cause.is::<NoSuchAdapter>()) {
        3
    } else if any(|cause| {
        cause
            .downcast_ref::<KernelFailure>()
            .is_some_and(|failure| !matches!(failure, KernelFailure::Backend(_)))
    }) {
        4
    } else {
        1
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    error.chain().any(broken)
}

/// Writes a line to stdout.
fn print(line: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

/// Prints a line. Training goes on if nobody reads any more.
fn tell(line: &str) -> anyhow::Result<()> {
    match print(line) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A count that must be at least 1.
fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("it must be at least 1".into()),
        Ok(count) => Ok(count),
        Err(_) => Err("it must be a whole number of at least 1".into()),
    }
}

/// A number above 0 that is finite.
fn above_zero(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        // It has to be a normal float32, too.
        Ok(value) if (value as f32).is_normal() && value > 0.0 => Ok(value),
        _ => Err("it must be a number above 0, such as 0.001".into()),
    }
}
