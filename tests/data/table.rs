//! What `data check` prints.
use faceshader::data::check::{Summary, Table};
use faceshader::data::faces::Loaded;

use crate::make::*;

#[test]
fn the_table_is_aligned_and_its_totals_are_right() {
    let loaded = Loaded {
        photos: named(&["4_0_0_1.jpg", "101_1_0_12.jpg", "7_1_0_1.jpg", "8_1_0_1.jpg", "unknown.jpg"]),
        skipped: Vec::new(),
        ignored_files: 2,
        warning: None,
    };
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
         skipped       0\nignored       2  files that are no photos\n"
    );
    let json = serde_json::to_string(&Summary::of(&loaded)).unwrap();
    assert!(json.contains(r#""age":{"min":4,"median":7.5,"mean":30.0,"max":101}"#), "{json}");
}
