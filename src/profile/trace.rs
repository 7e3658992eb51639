//! A profile in Chrome's trace event format, for <https://ui.perfetto.dev> and `chrome://tracing`.

use super::Profile;
use serde_json::{Value, json};

/// One event a step, on one track, in microseconds.
pub fn chrome_trace(profile: &Profile) -> Value {
    let info = &profile.info;
    let name = |kind: &str, name: String| json!({ "ph": "M", "name": kind, "pid": 0, "tid": 0, "args": { "name": name } });
    let mut events = vec![
        name("process_name", format!("{}: {}, {}", info.backend, info.adapter, info.driver)),
        name("thread_name", format!("{}, batch {}", profile.name, profile.batch)),
    ];
    events.extend(profile.steps.iter().map(|step| {
        json!({
            "ph": "X",
            "name": step.kernel,
            "cat": step.kernel.split('.').next(),
            "pid": 0,
            "tid": 0,
            "ts": 1e6 * step.span.start,
            "dur": 1e6 * step.span.seconds,
            "args": { "layer": step.layer, "flop": step.flops, "bytes": step.bytes },
        })
    }));
    json!({ "traceEvents": events, "displayTimeUnit": "ms" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_an_event_in_microseconds() {
        let trace = chrome_trace(&super::super::tests::profile());
        let events = trace["traceEvents"].as_array().expect("a list");
        assert_eq!(events.len(), 2 + 3);
        let last = &events[4];
        assert_eq!((last["ph"].as_str(), last["cat"].as_str()), (Some("X"), Some("conv2d")));
        assert_eq!((last["ts"].as_f64(), last["dur"].as_f64()), (Some(5e3), Some(5e3)));
        assert_eq!(last["args"]["layer"], "conv2");
    }
}
