//! What `data check` prints.
use faceshader::data::check::{PhotoSummary, Rows};
use faceshader::data::load::Survey;
use faceshader::data::skipped::Ignored;

use crate::make::*;

#[test]
fn the_table_is_aligned_and_its_totals_are_right() {
    let mut listed = Survey::default();
    ["text", "empty", "text"].into_iter().for_each(|kind| listed.ignored.add(kind));
    let mut records = named(&["4_0_0_1.jpg", "101_1_0_12.jpg", "7_1_2_1.jpg", "8_1_0_1.jpg"]);
    records.names.push("unknown.jpg".into());
    records.table.columns.iter_mut().for_each(|column| column.push(None));
    let mut contents = different(5).contents().to_vec();
    assert_eq!(
        Rows(&records).to_string(),
        "file            age  gender  race\n\
         4_0_0_1.jpg     4    male    white\n\
         101_1_0_12.jpg  101  female  white\n\
         7_1_2_1.jpg     7    female  asian\n\
         8_1_0_1.jpg     8    female  white\n\
         unknown.jpg     -    -       -\n"
    );
    let rows: Vec<String> = Rows(&records).json().map(|row| row.to_string()).collect();
    assert_eq!(rows[2], r#"{"file":"7_1_2_1.jpg","age":7,"gender":"female","race":"asian"}"#);
    assert_eq!(rows[4], r#"{"file":"unknown.jpg","age":null,"gender":null,"race":null}"#);
    let summary = PhotoSummary::of(&records, &contents, &listed);
    assert_eq!(
        summary.to_string(),
        "photos        5\n\
         column   age: a target of kind number\n         min 4, median 7.5, mean 30.0, max 101 years\n\
         \x20       1  have no label\n\
         column   gender: a target of kind binary\n        1  male\n        3  female\n\
         \x20       1  have no label\n\
         column   race: a target of kind classes\n        3  white\n        1  asian\n\
         \x20       1  have no label\n\
         skipped       0\nignored       3  files that are no photos: 2 text, 1 empty\n"
    );
    let json = serde_json::to_string(&summary).unwrap();
    assert!(json.contains(r#""numbers":{"min":4.0,"median":7.5,"mean":30.0,"max":101.0}"#), "{json}");
    assert!(json.contains(r#""copies":0,"#), "{json}");
    assert!(json.contains(r#""ignored_files":3,"ignored_by_kind":{"empty":1,"text":2}"#), "{json}");

    // A copy of the one before it, of the same labels but for its age.
    contents[3] = contents[2];
    let text = PhotoSummary::of(&records, &contents, &listed).to_string();
    assert!(text.contains("copies        1  photos with the same pixels as another\n"), "{text}");
    assert!(text.contains("  of which    1  with other labels than the first: correct them"), "{text}");
    listed.ignored = Ignored::default();
    let text = PhotoSummary::of(&records, &contents, &listed).to_string();
    assert!(text.contains("ignored       0  files that are no photos\n"), "{text}");
}

#[test]
fn a_column_that_can_be_no_target_says_why() {
    let mut records = numbered(120);
    for name in ["id", "site", "note"] {
        let mut column = faceshader::data::table::Column::new(name);
        for photo in 0..120 {
            let cell = match name {
                "id" => Some(format!("photo {photo}")),
                "site" => Some("here".to_owned()),
                _ => None,
            };
            column.push(cell.as_deref());
        }
        records.table.columns.push(column);
    }
    let text = PhotoSummary::of(&records, different(120).contents(), &Survey::default()).to_string();
    for line in [
        "column   id: no target: 120 different texts\n",
        "column   site: no target: all labels are the same\n",
        "column   note: no label at all\n      120  have no label\n",
    ] {
        assert!(text.contains(line), "{text}\nbut expected: {line}");
    }
}
