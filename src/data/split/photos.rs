//! Photos as they are split: by their paths, and copies by their pixels.

use std::collections::HashMap;

use rayon::prelude::*;

use super::file::short;
use super::{Content, Contents, Samples};
use crate::data::faces::Photos;
use crate::data::label::base_name;

impl Samples for Photos {
    const KEY: &'static str = "file";
    const NAME: &'static str = "photo";

    fn names(&self) -> &[String] {
        &self.names
    }

    fn finder(&self) -> impl Fn(&str) -> Result<Option<usize>, String> {
        let names = Names::of(&self.names);
        move |name| names.find(name)
    }

    fn chosen(&self, indices: &[usize]) -> Photos {
        let mut chosen = Photos::new(self.width, self.height);
        for &index in indices {
            chosen.push(self.names[index].clone(), self.labels[index], self.photo(index));
        }
        chosen
    }
}

impl Contents for Photos {
    /// Of the pixels: copies may have other names, and be compressed in other ways without loss.
    fn contents(&self) -> Vec<Content> {
        (0..self.len()).into_par_iter().map(|index| blake3::hash(self.photo(index)).into()).collect()
    }
}

/// Finds photos by what a split file calls them.
pub(in crate::data) struct Names<'a> {
    by_path: HashMap<&'a str, usize>,
    /// `None` where several photos in different folders are called the same.
    by_base: HashMap<&'a str, Option<usize>>,
}

impl<'a> Names<'a> {
    pub(in crate::data) fn of(all: &'a [String]) -> Names<'a> {
        let mut names = Names { by_path: HashMap::new(), by_base: HashMap::new() };
        for (index, name) in all.iter().enumerate() {
            names.by_path.insert(name, index);
            names.by_base.entry(base_name(name)).and_modify(|found| *found = None).or_insert(Some(index));
        }
        names
    }

    pub(in crate::data) fn find(&self, name: &str) -> Result<Option<usize>, String> {
        // Exactly as written comes first: a name may contain what is cleaned away here.
        let slashed = name.trim().replace('\\', "/");
        let path = slashed.strip_prefix("./").unwrap_or(&slashed);
        if let Some(&index) = self.by_path.get(name).or_else(|| self.by_path.get(path)) {
            return Ok(Some(index));
        }
        match self.by_base.get(base_name(path)) {
            Some(None) => Err(format!(
                "`{}` could be any of several photos of that name; give its folder as `data check` shows it",
                short(name)
            )),
            Some(&found) => Ok(found),
            None => Ok(None),
        }
    }
}
