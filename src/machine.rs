//! The machine that the program runs on.

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// Memory that is free, or may become so without swapping, in bytes: what the machine has left, or the container or
/// the limit on this process's address space where that is less. `None` where nobody can tell.
pub fn free_bytes() -> Option<u64> {
    let refresh = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(refresh).ok()?;
    let free = system.available_memory();
    // What a container has read of files counts as used, but may go at any time.
    let limited = system.cgroup_limits().map(|limits| limits.total_memory.saturating_sub(limits.rss));
    let least = free.min(limited.unwrap_or(u64::MAX)).min(address_space_bytes().unwrap_or(u64::MAX));
    (system.total_memory() > 0).then_some(least)
}

/// What `ulimit -v` leaves, on Linux.
fn address_space_bytes() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let limit: u64 = line.split_whitespace().next()?.parse().ok()?;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let used = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    let used_kib: u64 = used.split_whitespace().next()?.parse().ok()?;
    Some(limit.saturating_sub(used_kib << 10))
}

/// Features of the CPU that decide how code for it is compiled, such as `avx2 fma`.
pub fn cpu_features() -> String {
    let mut features: Vec<&str> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! detect {
            ($($feature:tt),+) => { $(if std::arch::is_x86_feature_detected!($feature) { features.push($feature) })+ };
        }
        detect!("sse4.1", "sse4.2", "avx", "avx2", "fma", "f16c", "bmi1", "bmi2");
        detect!("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl");
    }
    #[cfg(target_arch = "aarch64")]
    {
        macro_rules! detect {
            ($($feature:tt),+) => { $(if std::arch::is_aarch64_feature_detected!($feature) { features.push($feature) })+ };
        }
        detect!("neon", "fp16", "dotprod", "sve", "sve2");
    }
    features.insert(0, std::env::consts::ARCH);
    features.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_memory_and_a_cpu() {
        assert!(free_bytes().is_some_and(|bytes| bytes > 1 << 24), "{:?}", free_bytes());
        assert!(cpu_features().starts_with(std::env::consts::ARCH));
        assert!(!cfg!(target_arch = "x86_64") || cpu_features().contains(' '));
    }
}
