//! Splits, seeded and from a file.
use faceshader::data::photos::Photos;
use faceshader::data::records::Records;
use faceshader::data::split::{Apart, Content, Copies, Side, Split, SplitNotes};
use tempfile::TempDir;

use crate::make::*;

/// The seeded split of photos that are all different.
fn seeded(photos: &Records, seed: u64) -> Split {
    Split::seeded(&photos.names, different(photos.len()).contents(), seed)
}

#[test]
fn the_seeded_split_is_80_to_20_and_repeats() {
    let photos = numbered(1003);
    let split = seeded(&photos, 7);
    assert_eq!((split.train.len(), split.validation.len()), (802, 201));
    let mut all = [split.train.clone(), split.validation.clone()].concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..1003));
    assert_eq!(split, seeded(&photos, 7));
    assert_ne!(split, seeded(&photos, 8));
    assert_ne!(split.validation[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let sizes = |count| {
        let split = seeded(&numbered(count), 1);
        (split.train.len(), split.validation.len())
    };
    assert_eq!([0, 1, 2, 3, 5].map(sizes), [(0, 0), (1, 0), (1, 1), (2, 1), (4, 1)]);
}

#[test]
fn the_seeded_split_goes_by_names_not_by_order() {
    let (sorted, reversed) = (named(&["a", "b", "c", "d", "e"]), named(&["e", "d", "c", "b", "a"]));
    for seed in 0..10 {
        let name = |photos: &Records, split: Split| photos.names[split.validation[0]].clone();
        assert_eq!(name(&sorted, seeded(&sorted, seed)), name(&reversed, seeded(&reversed, seed)));
    }
}

#[test]
fn a_limited_split_keeps_the_proportion() {
    let split = seeded(&numbered(1000), 1);
    let limited = split.clone().limited(50, 3);
    assert_eq!((limited.train.len(), limited.validation.len()), (40, 10));
    assert!(limited.train.iter().all(|index| split.train.contains(index)));
    assert!(limited.validation.iter().all(|index| split.validation.contains(index)));
    assert!(limited.train.is_sorted() && limited.validation.is_sorted());
    assert_eq!(limited, split.clone().limited(50, 3));
    assert_ne!(limited, split.clone().limited(50, 4));
    assert_ne!(limited.train, split.train[..40]);
    assert_eq!(split.clone().limited(5000, 3), split);
    for limit in 0..3 {
        let least = split.clone().limited(limit, 3);
        assert_eq!((least.train.len(), least.validation.len()), (1, 1));
    }
}

#[test]
fn a_split_file_goes_by_path_or_else_by_file_name() {
    let temp = TempDir::new().unwrap();
    let photos = named(&["x/1.jpg", "x/2.jpg", "x/3.jpg", "x/4.jpg", "y/4.jpg"]);
    let text = "\u{feff}split,file,more\r\ntrain,x/1.jpg,\r\nvalidation,2.jpg,\r\nTrain,other\\3.jpg,\r\n\
                val , x/4.jpg,\r\ntrain,gone.jpg,\r\n";
    let path = saved(&temp, "split.csv", text.as_bytes());
    let (split, notes) = Split::from_csv(&path, &photos).unwrap();
    assert_eq!(split, Split { train: vec![0, 2], validation: vec![1, 3], test: vec![] });
    assert_eq!(notes, SplitNotes { rows_without_sample: 1, samples_without_row: 1 });
}

#[test]
fn a_bad_split_file_is_refused_with_its_line() {
    let temp = TempDir::new().unwrap();
    let photos = named(&["x/1.jpg", "x/2.jpg", "y/2.jpg"]);
    let both = "file,split\nx/1.jpg,train\nx/2.jpg,test\n";
    for (text, message) in [
        ("file,part\n", "line 1: no column `split`"),
        ("", "line 1: no column `file`"),
        ("file,split\nx/1.jpg,train\nx/2.jpg,holdout\n", "line 3: split `holdout` is none of"),
        ("file,split\nx/1.jpg,train\n2.jpg,test\n", "line 3: `2.jpg` could be any of several"),
        (&format!("{both}1.jpg,validation\n"), "line 4: `1.jpg` is in both train and validation"),
        (&format!("{both}2.jpg,train\n").replace("y/", "x/"), "line 4: `2.jpg` could be any of several"),
        (&format!("{both}x/2.jpg,val\n"), "line 4: `x/2.jpg` is in both validation and test"),
        (&format!("{both}\"x/1.jpg\n"), "line 4: not a row of CSV"),
        ("file,split\nx/1.jpg,train\n", "no validation photo: 0 rows say validation"),
        ("file,split\nx/1.jpg,test\n7.jpg,train\n", "no train photo: 1 rows say train"),
    ] {
        let path = saved(&temp, "split.csv", text.as_bytes());
        let error = Split::from_csv(&path, &photos).unwrap_err().to_string();
        assert!(error.contains("split.csv") && error.contains(message), "{error}\nbut expected: {message}");
    }
    let twice = format!("{both}x/2.jpg,test\n");
    assert!(Split::from_csv(&saved(&temp, "split.csv", twice.as_bytes()), &photos).is_ok());
}

#[test]
fn sides_have_several_names() {
    let temp = TempDir::new().unwrap();
    let words = ["TRAIN", "training", "val", "Valid", "validation", "dev", "test", "testing"];
    let rows: String = words.iter().enumerate().map(|(n, word)| format!("{n:04}.jpg,{word}\n")).collect();
    let path = saved(&temp, "split.csv", format!("file,split\n{rows}").as_bytes());
    let (split, _) = Split::from_csv(&path, &numbered(8)).unwrap();
    assert_eq!(split, Split { train: vec![0, 1], validation: vec![2, 3, 4, 5], test: vec![6, 7] });
}

#[test]
fn a_written_split_reads_back() {
    let temp = TempDir::new().unwrap();
    let photos = named(&["b.jpg", "a, \"quoted\".jpg", "left out.jpg", " c.jpg"]);
    let split = Split { train: vec![1, 3], validation: vec![0], test: vec![] };
    let text = split.to_csv(&photos);
    assert_eq!(text, "file,split\nb.jpg,test\n\"a, \"\"quoted\"\".jpg\",train\n\" c.jpg\",train\n");
    let mut written = Vec::new();
    split.write_csv(&photos, &mut written).unwrap();
    let path = saved(&temp, "split.csv", &written);
    let (read, notes) = Split::from_csv(&path, &photos).unwrap();
    assert_eq!(read, split);
    assert_eq!(notes, SplitNotes { rows_without_sample: 0, samples_without_row: 1 });
}

/// Names, and the contents of photos whose pixels are those of the letter in front.
fn copies(names: &[&str]) -> (Vec<String>, Vec<Content>) {
    let mut photos = Photos::new(1, 1);
    names.iter().for_each(|name| photos.push(&[name.as_bytes()[0]; 3]));
    (names.iter().map(|name| (*name).to_owned()).collect(), photos.contents().to_vec())
}

#[test]
fn the_seeded_split_keeps_copies_on_one_side() {
    let names: Vec<String> =
        (0..36).map(|n| format!("{}/{}.jpg", char::from(b'A' + n % 12), n / 12)).collect();
    let (names, contents) = copies(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut sizes = 0;
    for seed in 0..50 {
        let split = Split::seeded(&names, &contents, seed);
        assert_eq!(split.len(), 36);
        assert!(!split.train.is_empty() && !split.validation.is_empty());
        let letter = |index: &usize| names[*index].as_bytes()[0];
        let learnt: Vec<u8> = split.train.iter().map(letter).collect();
        assert!(split.validation.iter().all(|index| !learnt.contains(&letter(index))), "seed {seed}");
        assert_eq!(Copies::of(&names, &contents).apart(&split).samples, 0);
        sizes += split.validation.len();
    }
    assert!((250..470).contains(&sizes), "{sizes} of 1800, expected 360");
    assert_eq!(Copies::of(&names, &contents).count(), 24);
}

#[test]
fn a_set_without_copies_is_split_by_its_names_alone() {
    let photos = numbered(101);
    for seed in 0..5 {
        assert_eq!(seeded(&photos, seed), Split::by_names(&photos.names, seed));
    }
    // As it was before there was talk of copies.
    assert_eq!(seeded(&numbered(15), 3).validation, [0, 4, 8]);
}

#[test]
fn copies_leave_no_side_empty_while_there_are_two_photos() {
    for seed in 0..20 {
        let (names, contents) = copies(&["a1", "a2", "a3", "b1"]);
        let split = Split::seeded(&names, &contents, seed);
        let sizes = [split.train.len(), split.validation.len()];
        assert!(sizes == [3, 1] || sizes == [1, 3], "{split:?}");
        let split = Split::seeded(&names[..3], &contents[..3], seed);
        assert!(split.train.is_empty() || split.validation.is_empty());
    }
}

#[test]
fn copies_on_two_sides_of_a_split_file_are_found() {
    let (names, contents) = copies(&["a1", "a2", "b1", "b2", "c1", "b3"]);
    let split = Split { train: vec![0, 3], validation: vec![1, 4], test: vec![2] };
    let apart = Copies::of(&names, &contents).apart(&split);
    assert_eq!(apart, Apart { samples: 2, first: vec![(1, 0), (2, 3)] });
    assert_eq!(Copies::of(&names, &contents).apart(&Split::default()), Apart::default());
}

#[test]
fn a_split_of_three_sides_keeps_them_apart() {
    let temp = TempDir::new().unwrap();
    let photos = named(&["1.jpg", "2.jpg", "3.jpg", "4.jpg"]);
    let text = "file,split\n1.jpg,train\n2.jpg,val\n3.jpg,test\n4.jpg,train\n";
    let path = saved(&temp, "split.csv", text.as_bytes());
    let (split, _) = Split::from_csv(&path, &photos).unwrap();
    assert_eq!(split, Split { train: vec![0, 3], validation: vec![1], test: vec![2] });
    assert_eq!((split.to_csv(&photos).as_str(), split.measured()), (text, Side::Test));
    let two = saved(&temp, "two.csv", text.replace("val", "test").as_bytes());
    let (split, _) = Split::from_csv(&two, &photos).unwrap();
    assert_eq!(split, Split { train: vec![0, 3], validation: vec![1, 2], test: vec![] });
    assert_eq!(split.measured(), Side::Validation);
    let gone = saved(&temp, "gone.csv", text.replace("3.jpg", "7.jpg").as_bytes());
    let error = Split::measured_from_csv(&gone, &photos).unwrap_err().to_string();
    assert!(error.contains("no test photo: 1 rows say test"), "{error}");
}

#[test]
fn a_limit_keeps_three_sides_in_proportion() {
    let all =
        Split { train: (0..600).collect(), validation: (600..800).collect(), test: (800..1000).collect() };
    let sizes = |limit| {
        let split = all.clone().limited(limit, 3);
        [split.train.len(), split.validation.len(), split.test.len()]
    };
    assert_eq!([sizes(50), sizes(1), sizes(5000)], [[30, 10, 10], [1, 1, 1], [600, 200, 200]]);
    let photos = numbered(1000);
    let (kept, places, split) = all.clone().limited(10, 3).compact(photos.clone());
    assert_eq!((kept.len(), split.len(), split.test.len()), (10, 10, 2));
    assert!(places.iter().map(|&place| &photos.names[place]).eq(&kept.names));
    let original = all.limited(10, 3).test.into_iter().map(|index| photos.names[index].clone());
    assert!(original.eq(split.test.iter().map(|&index| kept.names[index].clone())));
}

#[test]
fn a_split_may_be_parted_by_tabs_or_semicolons() {
    let temp = TempDir::new().unwrap();
    let photos = named(&["1.jpg", "2.jpg"]);
    for text in ["file\tsplit\n1.jpg\ttrain\n2.jpg\ttest\n", "file;split\n1.jpg;train\n2.jpg;test\n"] {
        let (split, _) = Split::from_csv(&saved(&temp, "split.csv", text.as_bytes()), &photos).unwrap();
        assert_eq!(split, Split { train: vec![0], validation: vec![1], test: vec![] });
    }
}

#[test]
fn a_bad_line_is_counted_right_at_line_ends_of_every_kind() {
    let temp = TempDir::new().unwrap();
    for end in ["\n", "\r\n", "\r"] {
        let rows = ["file,split", "0000.jpg,train", "", "0001.jpg,test", "0002.jpg,who", ""];
        let path = saved(&temp, "split.csv", rows.join(end).as_bytes());
        let error = Split::from_csv(&path, &numbered(3)).unwrap_err().to_string();
        assert!(error.contains("line 5: split `who`"), "{end:?}: {error}");
    }
}
