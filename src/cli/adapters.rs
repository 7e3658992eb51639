//! `faceshader adapters`

use super::drivers::heard;
use super::{Outcome, print};
use crate::cpu::CpuBackend;
use crate::gpu::adapter::list;
use crate::plan::Backend;
use anyhow::Result;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// One line of JSON an adapter
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<Outcome> {
    for adapter in heard(list) {
        let report = &adapter.report;
        if arguments.json {
            print(serde_json::to_string(report)?)?;
            continue;
        }
        print(format_args!("{}: {}", report.backend, report.name))?;
        print(format_args!("    driver           {}", report.driver))?;
        let software = if report.is_software { " (a software adapter: used only if asked for)" } else { "" };
        print(format_args!("    kind             {}{software}", report.kind))?;
        print(format_args!("    largest binding  {} MiB", report.max_binding_bytes >> 20))?;
        print(format_args!("    largest buffer   {} MiB", report.max_buffer_bytes >> 20))?;
        print(format_args!(
            "    workgroup        {} invocations, {} KiB",
            report.max_workgroup_invocations,
            report.max_workgroup_bytes >> 10
        ))?;
        print(format_args!("    storage buffers  {} a shader", report.max_storage_buffers))?;
        print(match &report.cannot_train {
            None => "    can train        yes".to_string(),
            Some(why) => format!("    can train        no: {why}"),
        })?;
    }
    let cpu = CpuBackend::new().info();
    if arguments.json {
        let line = serde_json::json!({ "backend": "cpu", "name": cpu.adapter, "driver": cpu.driver });
        print(line)?;
    } else {
        print(format_args!("cpu: {}", cpu.adapter))?;
        print(format_args!("    driver           {}", cpu.driver))?;
        print("    can train        yes")?;
    }
    Ok(Outcome::Done)
}
