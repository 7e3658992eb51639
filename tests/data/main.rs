//! Photos from folders and archives, good and bad, made on the spot.
#![allow(clippy::unwrap_used)]

mod archives;
mod choosing;
mod content;
mod damage;
mod faces;
mod hand_made_archives;
mod jpeg_kinds;
mod make;
mod photos;
mod sources;
mod split;
mod table;
