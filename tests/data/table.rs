//! What `data check` prints.
use faceshader::data::check::{Summary, Table};
use faceshader::data::faces::Loaded;
use faceshader::data::source::Ignored;

use crate::make::*;

#[test]
fn the_table_is_aligned_and_its_totals_are_right() {
    let mut ignored = Ignored::default();
    ["text", "empty", "text"].into_iter().for_each(|kind| ignored.add(kind));
    let mut loaded = Loaded {
        photos: named(&["4_0_0_1.jpg", "101_1_0_12.jpg", "7_1_0_1.jpg", "8_1_0_1.jpg", "unknown.jpg"]),
        skipped: Vec::new(),
        ignored,
        warning: None,
    };
    // As many different photos as there are.
    (0..).zip(loaded.photos.pixels.chunks_mut(3)).for_each(|(number, pixel)| pixel[0] = number);
    assert_eq!(
        Table(&loaded.photos).to_string(),
        "file            age  gender\n\
         4_0_0_1.jpg       4  male\n\
         101_1_0_12.jpg  101  female\n\
         7_1_0_1.jpg       7  female\n\
         8_1_0_1.jpg       8  female\n\
         unknown.jpg       -  -\n"
    );
    assert_eq!(
        Summary::of(&loaded).to_string(),
        "photos        5\n  male        1\n  female      3\n  no label    1\n\
         age      min 4, median 7.5, mean 30.0, max 101\n\
         skipped       0\nignored       3  files that are no photos: 2 text, 1 empty\n"
    );
    let json = serde_json::to_string(&Summary::of(&loaded)).unwrap();
    assert!(json.contains(r#""age":{"min":4,"median":7.5,"mean":30.0,"max":101}"#), "{json}");
    assert!(json.contains(r#""copies":0,"#), "{json}");
    assert!(json.contains(r#""ignored_files":3,"ignored_by_kind":{"empty":1,"text":2}"#), "{json}");

    loaded.photos.pixels[6..9].copy_from_slice(&[4, 0, 0]);
    let text = Summary::of(&loaded).to_string();
    assert!(text.contains("copies        1  photos with the same pixels as another\n"), "{text}");
}
