//! Asks the proof about a mutant, in a process of its own: a mutant may hang or crash the driver.

use crate::mutate::Mutant;
use faceshader::gpu::{GpuBackend, Options, adapter};
use faceshader::ops::{Op, Variant};
use faceshader::verify::{Numbers, verify_case};
use std::io::{Read, Write};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What the proof says of a shader.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It fails: a wrong result, a write behind the end of a buffer, an error of the device, or a crash.
    Caught(String),
    /// It is still busy when its time is up, which counts as noticed.
    Hung(Duration),
    /// Every case passes.
    Survived,
}

impl Verdict {
    /// The verdict in one line.
    pub fn line(&self) -> String {
        match self {
            Verdict::Caught(reason) => format!("caught: {}", reason.chars().take(160).collect::<String>()),
            Verdict::Hung(patience) => format!("caught: no answer for {} s", patience.as_secs()),
            Verdict::Survived => "SURVIVED".into(),
        }
    }
}

/// How long the proof of a shader as it is may take, whatever else runs on the machine. The slowest, `conv_pool2d`,
/// takes 52 s of processor time on an AMD EPYC.
pub const PATIENCE: Duration = Duration::from_secs(900);
/// Mutants that are judged at a time.
const AT_A_TIME: usize = 2;
const SURVIVED: &str = "survived";

/// In the child: proves one shader, whose text comes from stdin, and prints what came out.
pub fn judge_stdin(adapter: &str, shader: &str) -> ExitCode {
    let mut source = String::new();
    let read = std::io::stdin().read_to_string(&mut source).map_err(|error| error.to_string());
    match read.and_then(|_| prove(adapter, shader, &source)) {
        Ok(()) => println!("{SURVIVED}"),
        Err(reason) => println!("{}", reason.replace('\n', " ")),
    }
    ExitCode::SUCCESS
}

/// Runs the very cases of `faceshader verify`, as far as they use the shader, with the kernels of every
/// variant. With the checks of wgpu and the driver, what is wrong with a shader stays the same each time:
/// it cannot damage the memory of others.
fn prove(adapter: &str, shader: &str, source: &str) -> Result<(), String> {
    let choice = adapter::choose(adapter).map_err(|error| error.to_string())?;
    let (adapter::Choice::Gpu(adapter), _) = choice else { return Err("it is no GPU".into()) };
    for variant in Variant::ALL {
        let options = Options { checked: true, variant: Some(variant), ..Options::default() };
        let mut backend = GpuBackend::open(&adapter, options).map_err(|error| error.to_string())?;
        backend.replace_shader(shader, source).map_err(|error| error.to_string())?;
        for (seed, case) in (0..).zip(Op::all_cases()).filter(|(_, case)| case.op.shader() == shader) {
            for numbers in [Numbers::Real, Numbers::Integer] {
                verify_case(&mut backend, &case, numbers, seed).map_err(|failure| failure.to_string())?;
            }
        }
    }
    Ok(())
}

/// A mutant's time, where its shader takes so long as it is. A machine that is merely busy must not pass for a hang.
pub fn patience_of(control: Duration) -> Duration {
    Duration::from_secs(60) + 8 * control
}

/// Judges all mutants, each in its own process, within the time that `patience` grants; `done` hears of each. With
/// each verdict comes how long it took.
pub fn judge_all(
    adapter: &str,
    mutants: &[Mutant],
    patience: impl Fn(&Mutant) -> Duration + Sync,
    done: impl Fn(&Mutant, &Verdict) + Sync,
) -> Vec<(Verdict, Duration)> {
    let verdicts = Mutex::new(vec![(Verdict::Survived, Duration::ZERO); mutants.len()]);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(mutant) = mutants.get(index) else { break };
                    let start = Instant::now();
                    let verdict = judge(adapter, mutant, patience(mutant));
                    done(mutant, &verdict);
                    verdicts.lock().unwrap()[index] = (verdict, start.elapsed());
                }
            });
        }
    });
    verdicts.into_inner().unwrap()
}

/// Starts a child for one mutant, and stops it if it hangs.
fn judge(adapter: &str, mutant: &Mutant, patience: Duration) -> Verdict {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["judge", adapter, &mutant.shader])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The pipe is closed at the end of the statement. A child that has died already is judged below.
    let _ = child.stdin.take().unwrap().write_all(mutant.source.as_bytes());
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > patience {
            child.kill().unwrap();
            child.wait().unwrap();
            return Verdict::Hung(patience);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    match said.lines().last() {
        Some(SURVIVED) if output.status.success() => Verdict::Survived,
        Some(reason) if output.status.success() => Verdict::Caught(reason.into()),
        _ => Verdict::Caught(format!("it crashed: {}", output.status)),
    }
}
