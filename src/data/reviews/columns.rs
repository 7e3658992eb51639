//! Which columns of a table hold the text and the label.

use csv::StringRecord;

use crate::data::csv::short;
use crate::data::table::plain;

/// What a column of texts is called, the likeliest first; in lower case, with `_` for a space.
const TEXT: [&str; 10] = [
    "text",
    "review",
    "review_text",
    "reviews",
    "comment",
    "content",
    "body",
    "sentence",
    "message",
    "description",
];

/// What a column of labels is called, the likeliest first.
const LABEL: [&str; 10] =
    ["label", "sentiment", "class", "category", "polarity", "rating", "stars", "score", "target", "labels"];

/// Columns that an error lists.
const LISTED: usize = 20;

/// The places of the two columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Columns {
    pub text: usize,
    pub label: Option<usize>,
}

impl Columns {
    /// Finds the columns that are asked for by name, or else such as are called what texts and labels
    /// usually are. Of two columns, one that is found tells the other.
    ///
    /// # Errors
    /// What is wrong and what to do: a column is not there, there twice, or both are the same; no column
    /// looks like a text.
    pub fn find(headers: &StringRecord, text: Option<&str>, label: Option<&str>) -> Result<Columns, String> {
        let found_text = find(headers, text, &TEXT, "--text-column")?;
        let found_label = find(headers, label, &LABEL, "--label-column")?;
        let other = |found: Option<usize>| found.filter(|_| headers.len() == 2).map(|column| 1 - column);
        let found = (found_text.or_else(|| other(found_label)), found_label.or_else(|| other(found_text)));
        let missing = |what: &str, option: &str| {
            let separated = match headers.as_slice() {
                one if headers.len() == 1 && one.contains([';', '\t', '|', ',']) => {
                    "; commas, semicolons or tabs must separate the columns"
                }
                _ => "",
            };
            let columns = listed(headers);
            format!("no column is named like a {what}; there is {columns}; name it by {option}{separated}")
        };
        match found {
            (Some(text), Some(label)) if text == label => {
                let name = short(&headers[text]);
                Err(format!(
                    "the column `{name}` cannot be both text and label; there is {}",
                    listed(headers)
                ))
            }
            (Some(text), label) => Ok(Columns { text, label }),
            (None, _) => Err(missing("text", "--text-column")),
        }
    }
}

fn find(
    headers: &StringRecord,
    asked: Option<&str>,
    usual: &[&str],
    option: &str,
) -> Result<Option<usize>, String> {
    let places = |fits: &dyn Fn(&str) -> bool| -> Vec<usize> {
        headers.iter().enumerate().filter(|(_, header)| fits(header.trim())).map(|(place, _)| place).collect()
    };
    let places = match asked {
        Some(asked) => {
            let exact = places(&|header| header == asked.trim());
            let places =
                if exact.is_empty() { places(&|header| plain(header) == plain(asked)) } else { exact };
            if places.is_empty() {
                let (asked, columns) = (short(asked), listed(headers));
                return Err(format!("no column `{asked}`; there is {columns}; correct {option}"));
            }
            places
        }
        None => {
            let found = usual.iter().map(|usual| places(&|header| plain(header) == *usual));
            found.into_iter().find(|places| !places.is_empty()).unwrap_or_default()
        }
    };
    match places[..] {
        [] => Ok(None),
        [place] => Ok(Some(place)),
        [first, second, ..] => {
            let (name, first, second) = (short(&headers[first]), first + 1, second + 1);
            Err(format!("columns {first} and {second} are both called `{name}`; rename one"))
        }
    }
}

fn listed(headers: &StringRecord) -> String {
    let names: Vec<String> =
        headers.iter().take(LISTED).map(|header| format!("`{}`", short(header))).collect();
    let more = if headers.len() > LISTED { ", …" } else { "" };
    names.join(", ") + more
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(headers: &[&str], text: Option<&str>, label: Option<&str>) -> Result<(usize, usize), String> {
        let columns = Columns::find(&StringRecord::from(headers.to_vec()), text, label)?;
        Ok((columns.text, columns.label.expect("it is there")))
    }

    #[test]
    fn columns_are_found_by_their_usual_names() {
        assert_eq!(find(&["Sentiment", "Review"], None, None), Ok((1, 0)));
        assert_eq!(find(&["id", " Review Text ", "LABEL", "x", "x"], None, None), Ok((1, 2)));
        assert_eq!(find(&["review", "text", "class", "stars"], None, None), Ok((1, 2)));
        assert_eq!(find(&["opinion", "stars"], None, None), Ok((0, 1)));
        assert_eq!(find(&["text", "verdict"], None, None), Ok((0, 1)));
    }

    #[test]
    fn columns_that_are_asked_for_come_first() {
        assert_eq!(find(&["text", "label", "Title", "stars"], Some("Title"), Some("stars")), Ok((2, 3)));
        assert_eq!(find(&["Text", "text", "label"], Some("text"), None), Ok((1, 2)));
        assert_eq!(find(&["text", "label", "My Title"], Some("my title"), None), Ok((2, 1)));
        assert_eq!(find(&["a", "b"], Some("b"), None), Ok((1, 0)));
    }

    #[test]
    fn a_choice_that_cannot_be_made_says_why() {
        for (headers, text, label, message) in [
            (
                &["a", "b", "c"][..],
                None,
                None,
                "like a text; there is `a`, `b`, `c`; name it by --text-column",
            ),
            (
                &["text", "label"],
                Some("body"),
                None,
                "no column `body`; there is `text`, `label`; correct --text-column",
            ),
            (
                &["text", "label"],
                None,
                Some("mood"),
                "no column `mood`; there is `text`, `label`; correct --label",
            ),
            (&["text", "label", "Text"], None, None, "columns 1 and 3 are both called `text`; rename one"),
            (&["text", "label", "label"], None, Some("label"), "columns 2 and 3 are both called `label`"),
            (&["text", "label"], Some("label"), None, "the column `label` cannot be both text and label"),
            (&["text|label"], None, None, "commas, semicolons or tabs must separate the columns"),
            (&["a\u{1b}[31m"], None, None, "`a\u{fffd}[31m`"),
        ] {
            let error = find(headers, text, label).unwrap_err();
            assert!(error.contains(message), "{error}\nbut expected: {message}");
        }
    }

    #[test]
    fn a_label_may_be_missing() {
        let columns = Columns::find(&StringRecord::from(vec!["text"]), None, None);
        assert_eq!(columns, Ok(Columns { text: 0, label: None }));
    }
}
