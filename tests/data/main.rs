//! Photos from folders and archives, good and bad, made on the spot.
#![allow(clippy::unwrap_used)]

mod archives;
mod make;
mod photos;
mod sources;
mod split;
mod table;
