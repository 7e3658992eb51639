//! How much memory photos may take.

use sysinfo::{MemoryRefreshKind, System};

/// Bytes that can still be had: of the machine, of the container that the program runs in, and of its own
/// address space where that is limited. A tenth is left for everything else. As many as there can be, if
/// the system does not tell.
pub fn available_bytes() -> u64 {
    let system = System::new().ok().map(|mut system| {
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        // What files are cached counts against a container's limit, but is given up when it is needed.
        let container =
            system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory.saturating_sub(limits.rss));
        system.available_memory().min(container)
    });
    // A system that is not known tells 0.
    let system = system.filter(|&bytes| bytes > 0).unwrap_or(u64::MAX);
    let least = system.min(address_space().unwrap_or(u64::MAX));
    if least == u64::MAX { least } else { least / 10 * 9 }
}

/// What `ulimit -v` leaves, on Linux.
fn address_space() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let limit: u64 = line.split_whitespace().next()?.parse().ok()?;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let used = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    let used_kib: u64 = used.split_whitespace().next()?.parse().ok()?;
    Some(limit.saturating_sub(used_kib << 10))
}

#[cfg(test)]
mod tests {
    #[test]
    fn some_memory_is_available() {
        assert!(super::available_bytes() > 1 << 20);
    }
}
