//! Texts: where they come from, and how they become numbers.
mod columns;
pub mod porter;
mod read;
pub mod synthetic;
mod texts;
pub mod tokens;
pub mod vocabulary;
pub mod words;

#[cfg(test)]
mod tests;

pub use read::{Loaded, ReadOptions, parse, read};
pub use texts::{Texts, contents};
pub use vocabulary::{TextOptions, Vocabulary};
