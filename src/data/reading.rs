//! Reads photos ahead of whoever decodes them.

use super::error::DataError;
use super::source::{Ask, Entry, Source};
use rayon::iter::{ParallelBridge, ParallelIterator};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, sync_channel};

/// Why a photo that was listed has not come.
pub const GONE: &str = "it is gone, or lies behind damage";

/// Calls `visit` with the photos of these names, from several threads, until it fails.
pub fn each<E: From<DataError> + Send>(
    source: &Source,
    only: &HashSet<String>,
    visit: &(dyn Fn(Entry) -> Result<(), E> + Sync),
) -> Result<(), E> {
    read_ahead(source, only, |entries| entries.into_iter().par_bridge().try_for_each(visit))
}

/// Reads the photos of these names in a thread of its own, as many ahead as there are threads, while `take` takes them.
pub fn read_ahead<E: From<DataError>>(
    source: &Source,
    only: &HashSet<String>,
    take: impl FnOnce(Receiver<Entry>) -> Result<(), E>,
) -> Result<(), E> {
    if only.is_empty() {
        return Ok(());
    }
    let listed = source.list()?;
    let (sender, receiver) = sync_channel::<Entry>(rayon::current_num_threads());
    std::thread::scope(|scope| {
        // The sender goes with the reader, so that the receiver ends.
        let reader = scope.spawn(move || {
            let mut read = HashSet::new();
            listed.for_each(Ask::Only(only), &mut |entry| {
                read.extend(only.get(&entry.name));
                // What comes behind the last that is wanted need not be looked at.
                match sender.send(entry) {
                    Ok(()) if read.len() < only.len() => ControlFlow::Continue(()),
                    _ => ControlFlow::Break(()),
                }
            })
        });
        let taken = take(receiver);
        let read = reader.join().unwrap_or_else(|panic| resume_unwind(panic));
        taken.and(read.map(|_| ()).map_err(E::from))
    })
}
