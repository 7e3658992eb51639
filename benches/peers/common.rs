//! What the peers in Rust share, as `common.py` is what those in Python do: shapes, options, random data, line
//! of JSON.

/// Words of a text, and words there are.
pub const LENGTH: usize = 550;
pub const VOCABULARY: usize = 3425;
/// Steps that are not measured.
pub const WARM_UP: usize = 2;

/// Xorshift: any numbers do.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) % end
    }
}

/// The value of an option of the command line.
pub fn option(name: &str, default: &str) -> String {
    std::env::args().skip_while(|argument| argument != name).nth(1).unwrap_or_else(|| default.into())
}

/// What was measured, in seconds a step.
pub struct Measured {
    pub peer: &'static str,
    pub version: String,
    pub backend: String,
    pub model: &'static str,
    /// Samples a step in training, and in prediction.
    pub batches: [usize; 2],
    pub training: Vec<f64>,
    pub prediction: Vec<f64>,
}

impl Measured {
    pub fn print(self) {
        let [batch, large_batch] = self.batches;
        let result = serde_json::json!({
            "peer": self.peer,
            "version": self.version,
            "backend": self.backend,
            "model": self.model,
            "batch": batch,
            "train_images_per_s": batch as f64 / median(self.training),
            "predict_images_per_s": large_batch as f64 / median(self.prediction),
            "peak_memory_bytes": peak_memory_bytes(),
        });
        println!("{result}");
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
}

/// What the process has held at most, as Linux tells.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

/// The version of a package by the text of a Cargo.lock.
pub fn version(lock: &str, package: &str) -> String {
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \"")).expect("it is in there");
    rest.split('"').next().unwrap_or_default().into()
}
