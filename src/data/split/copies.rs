//! Copies of one sample, which must not be on two sides: what is learnt by heart would be measured.

use std::collections::HashMap;

use super::{Side, Split};

/// The BLAKE3 hash of what a sample is: copies have the same.
pub type Content = [u8; 32];

/// The samples that are there more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies {
    /// Indices of two or more, each group and the groups by the order of the samples' names.
    groups: Vec<Vec<usize>>,
    /// How many samples there are, copies counted once.
    distinct: usize,
}

/// Samples of one side that are copies of samples on another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Apart {
    /// How many there are, on the later side: validation and test.
    pub samples: usize,
    /// Indices of the first few, and of one of their copies on an earlier side.
    pub first: Vec<(usize, usize)>,
}

/// Samples that [`Apart`] names.
const NAMED: usize = 3;

impl Copies {
    /// Finds the copies among samples of these names.
    pub fn of(names: &[String], contents: &[Content]) -> Copies {
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by(|&a, &b| names[a].cmp(&names[b]));
        let mut group_of = HashMap::new();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for index in order {
            let group = *group_of.entry(contents[index]).or_insert(groups.len());
            match groups.get_mut(group) {
                Some(group) => group.push(index),
                None => groups.push(vec![index]),
            }
        }
        let distinct = groups.len();
        groups.retain(|group| group.len() > 1);
        Copies { groups, distinct }
    }

    /// How many samples could be left out, so that each is there once.
    pub fn count(&self) -> usize {
        self.groups.iter().map(|group| group.len() - 1).sum()
    }

    /// How many copies differ, as `differ` tells, from the first of them by name.
    pub fn differing(&self, differ: impl Fn(usize, usize) -> bool) -> usize {
        let of_group = |group: &Vec<usize>| group[1..].iter().filter(|&&copy| differ(group[0], copy)).count();
        self.groups.iter().map(of_group).sum()
    }

    /// Puts copies to the first of them by name. A side that would have no sample left gets the smallest
    /// group of copies, if there are two different samples at all.
    pub fn together(&self, split: Split) -> Split {
        if self.groups.is_empty() {
            return split;
        }
        let before = split.clone();
        let mut sides = Sides::of(&split);
        for group in &self.groups {
            let Some(side) = group.iter().find_map(|&index| sides.of_sample(index)) else { continue };
            sides.put(group, side);
        }
        for (side, _) in before.sides().into_iter().filter(|(_, indices)| !indices.is_empty()) {
            let moved = sides.clone().split();
            if moved.on(side).is_empty() && self.distinct > 1 {
                // Of the smallest, the last: the others stay where they are with the first of them.
                let smallest = self.groups.iter().rev().min_by_key(|group| group.len());
                sides.put(smallest.map_or(&[], Vec::as_slice), side);
            }
        }
        sides.split()
    }

    /// Copies on different sides.
    pub fn apart(&self, split: &Split) -> Apart {
        let sides = Sides::of(split);
        let mut pairs = Vec::new();
        for group in &self.groups {
            let first = group
                .iter()
                .filter_map(|&index| Some((sides.of_sample(index)?, index)))
                .min_by_key(|&(side, _)| side);
            let Some((earliest, original)) = first else { continue };
            let later = group.iter().filter(|&&index| sides.of_sample(index).is_some_and(|s| s > earliest));
            pairs.extend(later.map(|&index| (index, original)));
        }
        pairs.sort_unstable();
        Apart { samples: pairs.len(), first: pairs.into_iter().take(NAMED).collect() }
    }
}

/// The side of each sample that is on one.
#[derive(Clone)]
struct Sides(Vec<Option<Side>>);

impl Sides {
    fn of(split: &Split) -> Sides {
        let indices =
            || split.sides().into_iter().flat_map(|(side, indices)| indices.iter().map(move |&i| (side, i)));
        let mut sides = vec![None; indices().map(|(_, index)| index + 1).max().unwrap_or(0)];
        indices().for_each(|(side, index)| sides[index] = Some(side));
        Sides(sides)
    }

    fn of_sample(&self, index: usize) -> Option<Side> {
        self.0.get(index).copied().flatten()
    }

    /// Samples on no side stay there.
    fn put(&mut self, group: &[usize], side: Side) {
        for &index in group {
            if let Some(Some(old)) = self.0.get_mut(index) {
                *old = side;
            }
        }
    }

    fn split(self) -> Split {
        let on = |side| (0..self.0.len()).filter(|&index| self.0[index] == Some(side)).collect();
        Split { train: on(Side::Train), validation: on(Side::Validation), test: on(Side::Test) }
    }
}
