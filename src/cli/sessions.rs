//! A run's `env.json`: on what, and by which commands, it was trained.

use crate::file::read_plain_text;
use crate::gpu::Chosen;
use crate::plan::BackendInfo;
use crate::train::run::RunFolder;
use anyhow::{Context, Result};

/// What is known of earlier sessions of a run: machine, adapter and command line.
pub fn sessions(run: &RunFolder) -> Result<Vec<serde_json::Value>> {
    match read_plain_text(&run.environment()) {
        Ok(text) => {
            serde_json::from_str(&text).with_context(|| format!("{} is damaged", run.environment().display()))
        }
        Err(_) => Ok(Vec::new()),
    }
}

/// The kernels of a run's last session on this adapter, if there is one: others would round otherwise.
pub fn kernels_before(sessions: &[serde_json::Value], info: &BackendInfo) -> Option<Chosen> {
    let same = |session: &&serde_json::Value| {
        session["backend"] == info.backend
            && session["adapter"] == info.adapter
            && session["driver"] == info.driver
    };
    let last = sessions.iter().rfind(same)?;
    Some(serde_json::from_value(last["kernels"].clone()).unwrap_or_default())
}

/// What this session is.
pub fn this_session(info: &BackendInfo, kernels: &Chosen) -> Result<serde_json::Value> {
    let started = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let arguments: Vec<String> =
        std::env::args_os().map(|argument| argument.to_string_lossy().into()).collect();
    Ok(serde_json::json!({
        "faceshader": env!("CARGO_PKG_VERSION"),
        "command": arguments,
        "started_unix_secs": started,
        "os": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
        "threads": rayon::current_num_threads(),
        "backend": info.backend,
        "adapter": info.adapter,
        "driver": info.driver,
        "kernels": kernels,
    }))
}
