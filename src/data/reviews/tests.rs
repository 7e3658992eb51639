use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use super::*;
use crate::data::DataError;
use crate::data::check::TextSummary;
use crate::data::records::Key;
use crate::data::skipped::SkippedReason;
use crate::data::split::{Split, SplitNotes};
use crate::spec::Tokens;

const OPTIONS: ReadOptions = ReadOptions { text_column: None, label_column: None };

fn parsed(bytes: impl AsRef<[u8]>, options: &ReadOptions) -> Result<Loaded, DataError> {
    parse(Path::new("cars.csv"), bytes.as_ref(), options)
}

/// The cells of a column.
fn cells<'a>(loaded: &'a Loaded, name: &str) -> Vec<Option<&'a str>> {
    let column = loaded.records.table.column(name).expect(name);
    (0..column.len()).map(|index| column.cell(index)).collect()
}

/// The name of the column that is the label.
fn label_column(loaded: &Loaded) -> Option<&str> {
    let table = &loaded.records.table;
    table.label.map(|label| table.columns[label].name.as_str())
}

/// Those of the tests' labels.
fn classes() -> Vec<String> {
    vec!["x".into(), "y".into()]
}

fn refusal(bytes: impl AsRef<[u8]>) -> String {
    let message = parsed(bytes, &OPTIONS).unwrap_err().to_string();
    assert!(message.starts_with("cars.csv"), "{message}");
    message
}

/// The texts, and lines and reasons of what was skipped.
fn read_and_skipped(bytes: impl AsRef<[u8]>) -> (Vec<String>, Vec<(String, String)>) {
    let Loaded { texts, skipped, .. } = parsed(bytes, &OPTIONS).unwrap();
    let rows = skipped.by_reason().into_iter().flat_map(|SkippedReason { reason, files, .. }| {
        files.into_iter().map(move |line| (line, reason.clone()))
    });
    let mut rows: Vec<(String, String)> = rows.collect();
    rows.sort_by_key(|(line, _)| line.trim_start_matches("line ").parse::<u64>().unwrap());
    (texts, rows)
}

#[test]
fn rows_become_texts_with_a_cell_of_every_other_column() {
    let text = "Sentiment,Review,Stars\nPos,\"Good, really\",5\nNeg, bad ,\nPos,\"two\nlines\", 1 \n";
    let loaded = parsed(text, &OPTIONS).unwrap();
    assert_eq!(loaded.texts, ["Good, really", " bad ", "two\nlines"]);
    assert_eq!(cells(&loaded, "Sentiment"), [Some("Pos"), Some("Neg"), Some("Pos")]);
    assert_eq!(cells(&loaded, "Stars"), [Some("5"), None, Some("1")]);
    assert_eq!((loaded.records.key, loaded.records.table.columns.len()), (Key::Row, 2));
    assert_eq!(loaded.records.names, ["0", "1", "2"]);
    assert_eq!(loaded.records.table.place(2).unwrap().to_string(), "cars.csv:4");
    assert_eq!((loaded.text_column.as_str(), label_column(&loaded)), ("Review", Some("Sentiment")));
}

#[test]
fn line_ends_and_a_byte_order_mark_make_no_difference() {
    let text = "label,text\nx,one\ny,two\n";
    let content = |loaded: Loaded| (loaded.texts, loaded.records);
    let expected = content(parsed(text, &OPTIONS).unwrap());
    for other in [text.replace('\n', "\r\n"), text.replace('\n', "\r"), format!("\u{feff}{text}")] {
        assert_eq!(content(parsed(&other, &OPTIONS).unwrap()), expected, "{other:?}");
    }
}

#[test]
fn bad_rows_are_skipped_with_their_lines_and_keep_their_numbers() {
    let bytes =
        b"label,text\nx,one\nx,two,three\ny\ny,\n,four\nx,\xff\ny,\0five\nx,\"si\"x\ny,seven\ny,\"eight\n";
    let (texts, skipped) = read_and_skipped(bytes);
    assert_eq!(texts, ["one", "four", "seven"]);
    let expected = [
        ("line 3", "fields: 3, but 2 in the first line; a text with commas"),
        ("line 4", "fields: 1, but 2 in the first line"),
        ("line 5", "the review is empty"),
        ("line 7", "field 2 is not UTF-8; save the file as UTF-8"),
        ("line 8", "there is a NUL byte in it"),
        ("line 9", "a field goes on behind its closing quote"),
        ("line 11", "a quote opens and is never closed"),
    ];
    assert_eq!(skipped.len(), expected.len(), "{skipped:?}");
    for ((line, reason), (expected_line, expected_reason)) in skipped.iter().zip(expected) {
        assert!(line == expected_line && reason.starts_with(expected_reason), "{line}: {reason}");
    }
    let loaded = parsed(bytes, &OPTIONS).unwrap();
    assert_eq!(loaded.records.names, ["0", "4", "8"]);
    assert_eq!(cells(&loaded, "label"), [Some("x"), None, Some("y")]);
}

#[test]
fn what_is_no_table_of_reviews_is_refused_with_what_to_do() {
    let utf16: Vec<u8> = "label,text\nx,y\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [b"\xff\xfe".as_slice(), &utf16].concat();
    for (bytes, message) in [
        (&b""[..], "the file is empty; give a CSV file"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"\n\r\n  \n", "the file is empty"),
        (b"label,text\n", "no usable review in it; there is nothing below its first line"),
        (b"label,text\nx,\ny,\n", "no usable review in it; 2 skipped: the review is empty (line 2, line 3)"),
        (&marked, "the file is in UTF-16; save it as UTF-8"),
        (&utf16, "line 1: there is a NUL byte in it; delete it, or save the file as UTF-8"),
        (b"PK\x03\x04\x14\x00", "an Excel workbook"),
        (b"label,te\xffxt\nx,y\n", "line 1: field 2 is not UTF-8"),
        (b"label,\"text\nx,y\n", "line 1: a quote opens and is never closed"),
        (b"a,b,c\n1,2,3\n", "line 1: no column is named like a text; there is `a`, `b`, `c`"),
        (b"\n\nmood,words\nx,y\n", "line 3: no column is named like a text"),
        (b"text,label,text\n1,2,3\n", "line 1: columns 1 and 3 are both called `text`"),
        (b"label|text\nx|y\n", "commas, semicolons or tabs must separate the columns"),
    ] {
        let refusal = refusal(bytes);
        assert!(refusal.contains(message), "{refusal}\nbut expected: {message}");
    }
    let missing = read(Path::new("nowhere.csv"), &OPTIONS).unwrap_err();
    assert!(matches!(missing, DataError::Missing { .. }), "{missing}");
}

#[test]
fn a_field_of_ten_megabytes_is_a_review_like_any_other() {
    let start = Instant::now();
    let (words, word) = ("seat ".repeat(2_000_000), "y".repeat(10_000_000));
    let loaded = parsed(format!("label,text\nx,{words}\ny,\"{word}\"\n"), &OPTIONS).unwrap();
    let texts = loaded.texts.iter().map(String::as_str).collect::<Vec<_>>();
    let vocabulary = Vocabulary::build(TextOptions::default(), classes(), texts).unwrap();
    assert_eq!(vocabulary.encode(&loaded.texts[0]).tokens, [1; 550]);
    assert_eq!(vocabulary.encode(&loaded.texts[1]).tokens, [0; 550]);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn tabs_and_semicolons_part_columns_too() {
    let content = |loaded: Loaded| (loaded.texts, loaded.records);
    let expected = content(parsed("label,text\nx,\"one, 1\"\ny,two\n", &OPTIONS).unwrap());
    for text in ["label\ttext\nx\tone, 1\ny\t\"two\"\n", "label;text\nx;\"one, 1\"\ny;two\n"] {
        assert_eq!(content(parsed(text, &OPTIONS).unwrap()), expected, "{text:?}");
    }
    let (texts, skipped) = read_and_skipped("label\ttext\nx\tone\ttwo\ny\tthree\nx\tfour\n");
    assert_eq!(texts, ["three", "four"]);
    assert!(skipped[0].1.ends_with("a text with tabs needs double quotes around it"), "{skipped:?}");
}

#[test]
fn copies_of_reviews_are_counted_whatever_their_white_space() {
    let text = "label,text\nx,a good car\ny,bad\nx,\" a good\n car \"\ny,a goodcar\nx,bad\n";
    let loaded = parsed(text, &OPTIONS).unwrap();
    let options = TextOptions { min_count: 1, ..TextOptions::default() };
    let vocabulary = Vocabulary::build(options, classes(), ["good"]).unwrap();
    let split = Split { train: vec![0, 1], validation: vec![2, 3], test: vec![4] };
    let summary = TextSummary::of(&loaded, &split, &vocabulary);
    assert_eq!((summary.copies, summary.copies_apart, summary.test), (2, 2, 1));
    let text = summary.to_string();
    assert!(
        text.contains("copies           2  of earlier reviews\n  apart          2  on another"),
        "{text}"
    );
    let seeded = Split::seeded(&loaded.records.names, &contents(&loaded.texts), 0);
    assert_eq!(TextSummary::of(&loaded, &seeded, &vocabulary).copies_apart, 0);
}

#[test]
fn texts_may_have_no_labels() {
    let bare = parsed("text\none\ntwo\n", &OPTIONS).unwrap();
    assert_eq!((bare.texts.len(), bare.records.table.columns.len(), label_column(&bare)), (2, 0, None));
}

#[test]
fn a_split_file_goes_by_the_numbers_of_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("split.csv");
    let Loaded { texts, records, .. } = parsed("label,text\nx,a\ny,b\nx,\ny,d\nx,e\n", &OPTIONS).unwrap();
    std::fs::write(&path, "row,split\n0,train\n 1 ,test\n2,train\n3,train\n").unwrap();
    let (split, notes) = Split::from_csv(&path, &records).unwrap();
    assert_eq!(split, Split { train: vec![0, 2], validation: vec![1], test: vec![] });
    assert_eq!(notes, SplitNotes { rows_without_sample: 1, samples_without_row: 1 });
    let (kept, places, split) = split.compact(records);
    let kept_texts: Vec<&str> = places.iter().map(|&place| texts[place].as_str()).collect();
    assert_eq!(
        (kept_texts.concat().as_str(), split.to_csv(&kept).as_str()),
        ("abd", "row,split\n0,train\n1,test\n3,train\n")
    );
    for (text, message) in [
        ("row,split\nfirst,train\n", "line 2: row `first` is no number of a row"),
        ("file,split\n0,train\n", "line 1: no column `row`; the first line must be `row,split`"),
        ("row,split\n0,test\n9,train\n", "no train review: 1 rows say train"),
        ("row,split\n0,test\n00,train\n", "line 3: `00` is in both train and test"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Split::from_csv(&path, &kept).unwrap_err().to_string();
        assert!(error.contains("split.csv") && error.contains(message), "{error}\nbut expected: {message}");
    }
}

#[test]
fn the_summary_counts_all_there_is() {
    let loaded = parsed("label,text\nx,the seat is 1\ny,seats and cars.\ny,\n", &OPTIONS).unwrap();
    let split = Split { train: vec![0], validation: vec![1], test: vec![] };
    let options = TextOptions { min_count: 1, ..TextOptions::default() };
    let vocabulary = Vocabulary::build(options, classes(), [loaded.texts[0].as_str()]);
    assert_eq!(
        TextSummary::of(&loaded, &split, &vocabulary.unwrap()).to_string(),
        "reviews          2\ncolumn   label: a target of kind binary\n        1  x\n        1  y\ntraining         1\nvalidation       1\n\
         stems            1  in the training reviews\n  kept           1\n\
         tokens           7\n  dropped        1  not made of letters only\n           numbers: 1 (1)\n\
         skipped          1\n        1  the review is empty\n           line 4\n"
    );
}

#[test]
fn tokens_that_are_dropped_for_their_form_are_told_when_they_are_many() {
    let summary = |text: &str| {
        let loaded = parsed(format!("label,text\nx,\"{text}\"\ny,the seat\n"), &OPTIONS).unwrap();
        let split = Split { train: vec![0, 1], ..Split::default() };
        let options = TextOptions { min_count: 1, ..TextOptions::default() };
        let texts = loaded.texts.iter().map(String::as_str).collect::<Vec<_>>();
        let vocabulary = Vocabulary::build(options, classes(), texts).unwrap();
        TextSummary::of(&loaded, &split, &vocabulary)
    };
    assert_eq!(summary("in 1999 it was a very good car!").warning(), None);
    let warning = summary("in 1999 and in 2001, 2001: 3.5 V6 it was").warning();
    let expected = "42 % of the tokens are dropped for their form: numbers: 4 (2001, 1999, 3.5, …), words with digits: 1 (v6)";
    assert_eq!(warning.as_deref(), Some(expected));
}

#[test]
fn built_in_reviews_are_the_same_each_time_and_balanced() {
    let (texts, records) = synthetic::reviews(7, 600);
    assert_eq!((texts.clone(), records.clone()), synthetic::reviews(7, 600));
    assert_ne!(texts, synthetic::reviews(8, 600).0);
    let [label] = &records.table.columns[..] else { panic!("one column") };
    let [negative, positive] = synthetic::CLASSES.map(str::to_owned);
    assert_eq!(label.counts(), [(negative, 300), (positive, 300)]);
    let lengths = || texts.iter().map(|text| text.split(' ').count());
    assert!(
        lengths().all(|words| (8..=60).contains(&words)),
        "{:?} to {:?}",
        lengths().min(),
        lengths().max()
    );
    let distinct: std::collections::HashSet<_> = texts.iter().collect();
    assert!(distinct.len() > 595, "{}", distinct.len());
    for rule in [Tokens::WhiteSpace, Tokens::UnicodeWords] {
        let mut tokens = texts.iter().flat_map(|text| tokens::tokens(text, rule));
        assert!(tokens.all(|token| token.form == tokens::Form::Word));
    }
}

/// The share of the second half of the reviews that naive Bayes on the presence of these features gets
/// right after counting them in the first half.
fn naive_bayes(texts: &[String], labels: &[usize], features: fn(&[String]) -> Vec<String>) -> f64 {
    let of = |text: &str| {
        let stems: Vec<String> =
            words::words(text, Tokens::UnicodeWords, false, 0).map(|word| word.stem).collect();
        features(&stems).into_iter().collect::<std::collections::HashSet<_>>()
    };
    let half = texts.len() / 2;
    let mut counts: HashMap<String, [f64; 2]> = HashMap::new();
    for index in 0..half {
        for feature in of(&texts[index]) {
            counts.entry(feature).or_insert([1.0; 2])[labels[index]] += 1.0;
        }
    }
    let right = (half..texts.len()).filter(|&index| {
        let known = of(&texts[index]).into_iter().filter_map(|feature| counts.get(&feature).copied());
        let odds: f64 = known.map(|[negative, positive]| (positive / negative).ln()).sum();
        usize::from(odds > 0.0) == labels[index]
    });
    right.count() as f64 / (texts.len() - half) as f64
}

#[test]
fn built_in_reviews_need_more_than_a_count_of_words() {
    let (texts, records) = synthetic::reviews(0, 4000);
    let is_positive = |index| records.table.columns[0].cell(index) == Some(synthetic::CLASSES[1]);
    let labels: Vec<usize> = (0..texts.len()).map(|index| usize::from(is_positive(index))).collect();
    let single = naive_bayes(&texts, &labels, |stems| stems.to_vec());
    let pairs = naive_bayes(&texts, &labels, |stems| {
        let pair =
            |at: usize, gap: usize| stems.get(at + gap).map(|other| format!("{} {gap} {other}", stems[at]));
        (0..stems.len()).flat_map(|at| (1..4).filter_map(move |gap| pair(at, gap))).collect()
    });
    assert!((0.6..0.9).contains(&single), "words alone: {single}");
    assert!(pairs > single + 0.05, "pairs: {pairs}, words alone: {single}");
}
