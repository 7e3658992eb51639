//! Splits, seeded and from a file.
use faceshader::data::faces::Photos;
use faceshader::data::split::{Split, SplitNotes};
use tempfile::TempDir;

use crate::make::*;

#[test]
fn the_seeded_split_is_80_to_20_and_repeats() {
    let photos = numbered(1003);
    let split = Split::seeded(&photos, 7);
    assert_eq!((split.train.len(), split.validation.len()), (802, 201));
    let mut all = [split.train.clone(), split.validation.clone()].concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..1003));
    assert_eq!(split, Split::seeded(&photos, 7));
    assert_ne!(split, Split::seeded(&photos, 8));
    assert_ne!(split.validation[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let sizes = |count| {
        let split = Split::seeded(&numbered(count), 1);
        (split.train.len(), split.validation.len())
    };
    assert_eq!([0, 1, 2, 3, 5].map(sizes), [(0, 0), (1, 0), (1, 1), (2, 1), (4, 1)]);
}

#[test]
fn the_seeded_split_goes_by_names_not_by_order() {
    let (sorted, reversed) = (named(&["a", "b", "c", "d", "e"]), named(&["e", "d", "c", "b", "a"]));
    for seed in 0..10 {
        let name = |photos: &Photos, split: Split| photos.names[split.validation[0]].clone();
        assert_eq!(
            name(&sorted, Split::seeded(&sorted, seed)),
            name(&reversed, Split::seeded(&reversed, seed))
        );
    }
}

#[test]
fn a_limited_split_keeps_the_proportion() {
    let split = Split::seeded(&numbered(1000), 1);
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
    let text = "\u{feff}split,file,more\r\ntrain,x/1.jpg,\r\ntest,2.jpg,\r\nTrain,other\\3.jpg,\r\n\
                val , x/4.jpg,\r\ntrain,gone.jpg,\r\n";
    let path = saved(&temp, "split.csv", text.as_bytes());
    let (split, notes) = Split::from_csv(&path, &photos).unwrap();
    assert_eq!(split, Split { train: vec![0, 2], validation: vec![1, 3] });
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
        ("file,split\nx/1.jpg,train\nx/2.jpg,dev\n", "line 3: split `dev` is none of"),
        ("file,split\nx/1.jpg,train\n2.jpg,test\n", "line 3: `2.jpg` could be any of several"),
        (&format!("{both}1.jpg,validation\n"), "line 4: `1.jpg` is in both train and test"),
        (&format!("{both}\"x/1.jpg\n"), "line 4: not a row of CSV"),
        ("file,split\nx/1.jpg,train\n", "no validation photo: 0 rows say validation"),
        ("file,split\nx/1.jpg,test\n7.jpg,train\n", "no train photo: 1 rows say train"),
    ] {
        let path = saved(&temp, "split.csv", text.as_bytes());
        let error = Split::from_csv(&path, &photos).unwrap_err().to_string();
        assert!(error.contains("split.csv") && error.contains(message), "{error}\nbut expected: {message}");
    }
    let twice = format!("{both}x/2.jpg,val\n");
    assert!(Split::from_csv(&saved(&temp, "split.csv", twice.as_bytes()), &photos).is_ok());
}

#[test]
fn a_written_split_reads_back() {
    let temp = TempDir::new().unwrap();
    let photos = named(&["b.jpg", "a, \"quoted\".jpg", "left out.jpg", " c.jpg"]);
    let split = Split { train: vec![1, 3], validation: vec![0] };
    let text = split.to_csv(&photos);
    assert_eq!(text, "file,split\nb.jpg,test\n\"a, \"\"quoted\"\".jpg\",train\n\" c.jpg\",train\n");
    let mut written = Vec::new();
    split.write_csv(&photos, &mut written).unwrap();
    let path = saved(&temp, "split.csv", &written);
    let (read, notes) = Split::from_csv(&path, &photos).unwrap();
    assert_eq!(read, split);
    assert_eq!(notes, SplitNotes { rows_without_sample: 0, samples_without_row: 1 });
}
