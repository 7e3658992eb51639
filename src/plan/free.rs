//! Which of many slots is free for a while.

use std::collections::BTreeMap;

/// The first and the last step of a buffer's life.
pub type Life = [usize; 2];

/// Slots of one size, in the order in which they were made, and when each is taken. The first one that is free is
/// found without looking at all of them: a tree over the slots knows of stretches in which all slots below are taken.
#[derive(Debug, Default)]
pub struct Free {
    slots: Vec<usize>,
    /// By slot: the lives in it by their beginnings, each with its end. They do not overlap.
    taken: Vec<BTreeMap<usize, usize>>,
    /// A binary tree, the root at 1 and a leaf a slot: a stretch in which every slot below is taken, where there is
    /// one. Leaves behind the last slot are taken for ever.
    stretches: Vec<Option<Life>>,
}

const FOREVER: Option<Life> = Some([0, usize::MAX]);

fn meet(a: Life, b: Life) -> bool {
    a[0] <= b[1] && b[0] <= a[1]
}

/// The stretch that two have in common.
fn common(a: Option<Life>, b: Option<Life>) -> Option<Life> {
    let (a, b) = (a?, b?);
    meet(a, b).then(|| [a[0].max(b[0]), a[1].min(b[1])])
}

impl Free {
    /// Adds a slot that is taken for a life.
    pub fn add(&mut self, slot: usize, life: Life) {
        self.slots.push(slot);
        self.taken.push(BTreeMap::from([(life[0], life[1])]));
        let leaves = self.stretches.len() / 2;
        if self.slots.len() > leaves {
            self.grow();
        }
        self.update(self.slots.len() - 1, life);
    }

    /// Takes the first slot that is free for a life.
    pub fn take(&mut self, life: Life) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let index = self.first(1, life)?;
        self.taken[index].insert(life[0], life[1]);
        self.update(index, life);
        Some(self.slots[index])
    }

    /// The first free slot below a node.
    fn first(&self, node: usize, life: Life) -> Option<usize> {
        if self.stretches[node].is_some_and(|stretch| meet(stretch, life)) {
            return None;
        }
        let leaves = self.stretches.len() / 2;
        if node < leaves {
            return self.first(2 * node, life).or_else(|| self.first(2 * node + 1, life));
        }
        // Of the lives that begin before this one ends, the last one ends last.
        let last = self.taken[node - leaves].range(..=life[1]).next_back();
        last.is_none_or(|(_, &end)| end < life[0]).then_some(node - leaves)
    }

    /// Twice as many leaves.
    fn grow(&mut self) {
        let leaves = (self.stretches.len() / 2).max(1) * 2;
        let old = std::mem::replace(&mut self.stretches, vec![FOREVER; 2 * leaves]);
        let known = old.len() / 2;
        self.stretches[leaves..leaves + known].copy_from_slice(&old[known..]);
        for node in (1..leaves).rev() {
            self.stretches[node] = common(self.stretches[2 * node], self.stretches[2 * node + 1]);
        }
    }

    /// A leaf keeps the longest life of its slot.
    fn update(&mut self, index: usize, life: Life) {
        let mut node = self.stretches.len() / 2 + index;
        let kept = self.stretches[node].filter(|stretch| Some(*stretch) != FOREVER);
        let length = |life: Life| life[1] - life[0];
        if kept.is_some_and(|kept| length(kept) >= length(life)) {
            return;
        }
        self.stretches[node] = Some(life);
        while node > 1 {
            node /= 2;
            self.stretches[node] = common(self.stretches[2 * node], self.stretches[2 * node + 1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Generator, Stream};

    #[test]
    fn the_first_free_slot_is_found_as_by_looking_at_all() {
        let mut generator = Generator::new(3, 0, 0, Stream::Test);
        for most in [3, 20, 200] {
            let (mut free, mut all): (Free, Vec<Vec<Life>>) = (Free::default(), Vec::new());
            for _ in 0..400 {
                let first = generator.below(200) as usize;
                let life = [first, first + generator.below(most) as usize];
                let is_free = |lives: &Vec<Life>| lives.iter().all(|&other| !meet(other, life));
                let want = all.iter().position(is_free);
                assert_eq!(free.take(life), want.map(|slot| slot + 7));
                match want {
                    Some(slot) => all[slot].push(life),
                    None => {
                        free.add(all.len() + 7, life);
                        all.push(vec![life]);
                    }
                }
            }
            assert!(all.len() > 5);
        }
    }
}
