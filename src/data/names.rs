//! Photos by what files call them: splits and tables of labels.

use super::csv::short;
use super::labels::base_name;
use std::collections::HashMap;

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
