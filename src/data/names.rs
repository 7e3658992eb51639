//! Photos of which only the names are known: which of them to load is chosen before any is decoded.

use super::split::{Names, Samples};

/// Names of photos, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotoNames(pub Vec<String>);

impl Samples for PhotoNames {
    const KEY: &'static str = "file";
    const NAME: &'static str = "photo";

    fn names(&self) -> &[String] {
        &self.0
    }

    fn finder(&self) -> impl Fn(&str) -> Result<Option<usize>, String> {
        let names = Names::of(&self.0);
        move |name| names.find(name)
    }

    fn chosen(&self, indices: &[usize]) -> PhotoNames {
        PhotoNames(indices.iter().map(|&index| self.0[index].clone()).collect())
    }
}
