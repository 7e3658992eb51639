//! One folder a class, with folders `train`, `val` and `test` above them or not.

use std::collections::BTreeSet;

use super::{Labelled, Way};
use crate::data::skipped::Skipped;
use crate::data::split::Side;
use crate::data::table::{Column, Table};
use crate::tasks::{Kind, PLAIN_NAME, Target, sorted};

/// See the module.
pub const WAY: Way = Way { name: "one folder a class", fits, label };

/// Where a photo lies below what all have in common.
struct Place<'a> {
    side: Option<Side>,
    class: Option<&'a str>,
}

/// Whether photos lie in two class folders or more.
fn fits(names: &[String]) -> bool {
    let mut classes = places(names).into_iter().filter_map(|place| place.class);
    let first = classes.next();
    first.is_some() && classes.any(|class| Some(class) != first)
}

fn places(names: &[String]) -> Vec<Place<'_>> {
    let folders: Vec<Vec<&str>> = names
        .iter()
        .map(|name| {
            let mut parts: Vec<&str> = name.split('/').collect();
            parts.pop();
            parts
        })
        .collect();
    // What an archive holds lies in a folder of its own, most often.
    let first = folders.first().map_or(&[][..], Vec::as_slice);
    let common = (0..first.len())
        .take_while(|&depth| folders.iter().all(|parts| parts.get(depth) == Some(&first[depth])))
        .count();
    let below = |parts: &Vec<&'_ str>| parts.get(common).and_then(|folder| Side::named(folder));
    // Of sides that hold classes, there are two or more; one folder `train` may as well be a class, of railways.
    let has_class = |parts: &&Vec<&'_ str>| parts.len() > common + 1;
    let sides: BTreeSet<Side> = folders.iter().filter(has_class).filter_map(below).collect();
    let has_sides = sides.len() > 1 || folders.iter().all(|parts| below(parts).is_some());
    folders
        .into_iter()
        .map(|parts| match has_sides {
            true => {
                let side = below(&parts);
                Place { side, class: side.and_then(|_| parts.get(common + 1).copied()) }
            }
            false => Place { side: None, class: parts.get(common).copied() },
        })
        .collect()
}

/// The column class, whose classes are in the order of numbers or of the alphabet.
fn label(names: &[String]) -> Labelled {
    let places = places(names);
    let mut labelled = Labelled::default();
    let mut classes = BTreeSet::new();
    let mut sides = Vec::new();
    for (index, (name, place)) in names.iter().zip(&places).enumerate() {
        let Some(class) = place.class else {
            let reason = "it lies in no folder of a class".into();
            labelled.skipped.push(Skipped { file: name.clone(), reason });
            continue;
        };
        labelled.kept.push(index);
        sides.extend(place.side);
        classes.insert(class);
    }
    let classes = sorted(classes);
    let kind = Kind::of_classes(classes.len());
    let mut column = Column::known(Target { kind, classes, ..Target::open(PLAIN_NAME) });
    places.iter().filter(|place| place.class.is_some()).for_each(|place| column.push_as_it_is(place.class));
    labelled.sides = Some(sides).filter(|sides| sides.len() == labelled.kept.len() && !sides.is_empty());
    labelled.table = Table { columns: vec![column], label: Some(0), ..Table::default() };
    labelled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn classes(labelled: &Labelled) -> Vec<(String, usize)> {
        labelled.table.columns[0].counts()
    }

    #[test]
    fn a_photo_is_of_the_class_that_its_folder_is_called() {
        let names = names(&["set/10/a.png", "set/9/b.png", "set/9/deep/c.png", "set/loose.png"]);
        assert!(fits(&names));
        let labelled = label(&names);
        assert_eq!(classes(&labelled), [("9".into(), 2), ("10".into(), 1)]);
        assert_eq!((labelled.kept, labelled.sides), (vec![0, 1, 2], None));
        assert_eq!(labelled.skipped[0].file, "set/loose.png");
    }

    #[test]
    fn folders_above_the_classes_may_be_sides() {
        let names = names(&["test/a/1.png", "train/a/2.png", "train/b/3.png", "val/b/4.png"]);
        let labelled = label(&names);
        assert_eq!(classes(&labelled), [("a".into(), 2), ("b".into(), 2)]);
        assert_eq!(labelled.sides, Some(vec![Side::Test, Side::Train, Side::Train, Side::Validation]));
        // Not all are below such folders, so that `train` is a class, of railways perhaps.
        let labelled = label(&self::names(&["bus/1.png", "bus/2.png", "train/3.png", "train/4.png"]));
        assert_eq!((classes(&labelled)[1].0.as_str(), labelled.sides), ("train", None));
    }

    #[test]
    fn one_folder_is_no_class() {
        assert!(!fits(&names(&["a/1.png", "a/2.png"])));
        assert!(!fits(&names(&["1.png", "2.png"])));
        assert!(!fits(&names(&["train/1.png", "test/2.png"])));
    }
}
