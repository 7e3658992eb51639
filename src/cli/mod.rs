//! The command line. The only place that prints or reads the environment.
//!
//! Results go to stdout, progress and logs to stderr. Exit codes: 0 done, 1 failed, 2 usage, 3 no
//! such adapter, 4 verification failed, 130 interrupted, a training after a clean checkpoint.

mod adapters;
mod backend;
mod bench;
mod cache;
mod compare;
mod data;
mod drivers;
mod epoch_bar;
mod eval;
mod export;
mod figures;
mod first_check;
mod guessing;
mod init;
mod interrupt;
mod lr_find;
mod model;
mod predict;
mod profile;
mod progress;
mod recipe;
mod recording;
mod report;
mod said;
mod saving;
mod session;
mod sessions;
mod setup;
mod storage;
mod summary;
mod sweep;
mod table;
mod tensorboard;
mod terminal;
mod texts;
mod threads;
mod train;
mod trajectory;
mod tune;
mod verify;
mod vocabulary;

use crate::gpu::adapter::NoSuchAdapter;
use crate::verify::KernelFailure;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::any::TypeId;
use std::io::{self, Write};
use std::process::ExitCode;
use terminal::{print, print_data, tell};
use trajectory::EndsElsewhere;

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
    /// Find a learning rate: train a little with rates that rise until the loss runs away
    LrFind(lr_find::Arguments),
    /// Train many times, with other values of some keys, and compare
    Sweep(sweep::Arguments),
    /// Losses and metrics of a trained model on labelled photos or reviews
    Eval(eval::Arguments),
    /// Several runs side by side: their best epochs, and their curves in one picture
    Compare(compare::Arguments),
    /// What a trained model says of photos or texts
    Predict(predict::Arguments),
    /// The models that come with the program, to train or to begin your own from
    Models(model::Arguments),
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
    /// Verify an adapter's kernels on samples: each against its CPU twin, or whole trainings
    ///
    /// By default every kernel is compared with its CPU twin in float64, on drawn numbers. Each element has to lie
    /// within a bound that is computed from float32's rounding. This verifies the adapter on these samples and within
    /// these bounds; it does not prove it right on all others. docs/verification.md says what is covered and what is
    /// not.
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
    terminal::let_large_writes_fail();
    terminal::start_log();
    let arguments = match parse() {
        Ok(arguments) => arguments,
        Err(error) => return help_or_refusal(&error),
    };
    fail_as_asked();
    if let Err(error) = threads::start() {
        terminal::say(format_args!("error: {}", message(&error)));
        return ExitCode::FAILURE;
    }
    let outcome = match arguments.command {
        Command::Train(arguments) => train::run(arguments),
        Command::LrFind(arguments) => lr_find::run(arguments),
        Command::Sweep(arguments) => sweep::run(arguments),
        Command::Eval(arguments) => eval::run(arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Predict(arguments) => predict::run(arguments),
        Command::Models(arguments) => model::run(&arguments),
        Command::Summary(arguments) => summary::run(&arguments),
        Command::Data(command) => data::run(command),
        Command::Export(command) => export::run(command),
        Command::Adapters(arguments) => adapters::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Profile(arguments) => profile::run(&arguments),
        Command::Tune(arguments) => tune::run(&arguments),
        Command::Verify(arguments) => verify::run(arguments),
    };
    let outcome = match terminal::untold() {
        Some(error) => outcome.and(Err(error.into())),
        None => outcome,
    };
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Interrupted) => ExitCode::from(130),
        // Whoever read our output has had enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            progress::clear();
            terminal::say(format_args!("error: {}", message(&error)));
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

/// Reads the command line. What stands behind a flag that takes a number is its value, also with a minus: the flag
/// then says what it takes.
fn parse() -> Result<Arguments, clap::Error> {
    fn with_negative_numbers(command: clap::Command) -> clap::Command {
        let numbers = [TypeId::of::<f64>(), TypeId::of::<u64>(), TypeId::of::<usize>()];
        let takes_number = move |arg: &clap::Arg| {
            let value = arg.get_value_parser().type_id();
            arg.get_long().is_some() && numbers.iter().any(|number| value == *number)
        };
        command
            .mut_args(|arg| if takes_number(&arg) { arg.allow_hyphen_values(true) } else { arg })
            .mut_subcommands(with_negative_numbers)
    }
    let mut command = with_negative_numbers(Arguments::command());
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Prints what clap has to say: help, the version, or what is wrong with the command line.
fn help_or_refusal(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        // clap repeats what it was given.
        let is_safe = |argument: std::ffi::OsString| {
            let text = argument.to_string_lossy();
            terminal::safe(&text) == text
        };
        if std::env::args_os().all(is_safe) {
            // With its colours. If it cannot be told, neither can that.
            let _ = error.print();
        } else {
            terminal::say(error.to_string().trim_end());
        }
    } else if let Err(error) = error.print().and_then(|()| io::stdout().flush())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        terminal::say(format_args!("error: {}", terminal::of_stdout(error)));
        return ExitCode::FAILURE;
    }
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
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
            || cause.is::<EndsElsewhere>()
            || cause.is::<verify::Missed>()
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

/// A count that must be at least 1.
fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("it must be at least 1".into()),
        Ok(count) => Ok(count),
        Err(_) => Err("it must be a whole number of at least 1".into()),
    }
}

/// A random seed.
fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("it must be a whole number from 0 to {}", u64::MAX))
}

/// A number above 0 that is finite.
fn above_zero(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        // It has to be a normal float32, too.
        Ok(value) if (value as f32).is_normal() && value > 0.0 => Ok(value),
        _ => Err("it must be a number above 0, such as 0.001".into()),
    }
}
