//! The report of a run as one HTML page: no script, nothing from the network.

use crate::html::{escaped, filled};
use std::fmt::Write;

static TEMPLATE: &str = include_str!("../../assets/templates/report.html");

/// Fills the page: facts as cards, pictures by their path relative to the page, one table.
///
/// Everything is escaped. A path always stays relative: it can name neither another host nor
/// another scheme.
pub fn report(
    title: &str,
    facts: &[(String, String)],
    table_header: &[String],
    table_rows: &[Vec<String>],
    images: &[(String, String)],
) -> String {
    filled(TEMPLATE, &|name| match name {
        "title" => escaped(title),
        "facts" => fact_list(facts),
        "images" => figures(images),
        "table" => table(table_header, table_rows),
        _ => String::new(),
    })
}

/// The path as a URL below the page's own folder.
fn relative_url(path: &str) -> String {
    let mut url = String::from("./");
    for byte in path.replace('\\', "/").trim_start_matches('/').bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            url.push(byte as char);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

fn fact_list(facts: &[(String, String)]) -> String {
    if facts.is_empty() {
        return String::new();
    }
    let card = |(name, value): &(String, String)| {
        format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escaped(name), escaped(value))
    };
    format!("<dl>\n{}</dl>", facts.iter().map(card).collect::<String>())
}

fn figures(images: &[(String, String)]) -> String {
    let figure = |(caption, path): &(String, String)| {
        let (caption, url) = (escaped(caption), relative_url(path));
        format!("<figure><figcaption>{caption}</figcaption><img src=\"{url}\" alt=\"{caption}\"></figure>\n")
    };
    images.iter().map(figure).collect()
}

fn table(header: &[String], rows: &[Vec<String>]) -> String {
    if header.is_empty() && rows.is_empty() {
        return String::new();
    }
    let line = |cells: &[String], tag: &str| {
        let cells: String = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let body: String = rows.iter().map(|row| line(row, "td")).collect();
    let head = line(header, "th scope=\"col\"").replace("</th scope=\"col\">", "</th>");
    format!("<div class=\"scroll\"><table>\n<thead>{head}</thead>\n<tbody>\n{body}</tbody>\n</table></div>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    fn page(text: &str) -> String {
        let pair = (text.to_owned(), text.to_owned());
        report(
            text,
            std::slice::from_ref(&pair),
            &words(&[text]),
            &[words(&[text])],
            std::slice::from_ref(&pair),
        )
    }

    #[test]
    fn every_text_is_escaped() {
        let page = page("<script>alert(\"1\" & '2')</script>");
        assert!(!page.contains("<script") && !page.contains("alert(\""));
        let safe = "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;";
        // The title twice, a fact's two sides, a heading, a cell, a caption and its alternative.
        assert_eq!(page.matches(safe).count(), 8);
    }

    #[test]
    fn text_that_looks_like_a_placeholder_stays_text() {
        let page = page("{{table}}");
        assert_eq!(page.matches("{{table}}").count(), 8);
        assert_eq!(page.matches("<table>").count(), 1);
    }

    #[test]
    fn the_page_has_all_it_was_given_and_needs_no_network() {
        let rows = [words(&["1", "0.5"]), words(&["2", "0.25"])];
        let images = [("Curves".to_owned(), "plots/my curves.svg".to_owned())];
        let facts = [("adapter".to_owned(), "cpu".to_owned())];
        let page = report("face-001", &facts, &words(&["epoch", "loss"]), &rows, &images);
        if let Ok(keep) = std::env::var("PICTURES_OUT") {
            std::fs::write(format!("{keep}/report.html"), &page).expect("written");
        }
        for part in [
            "<title>face-001</title>",
            "<dt>adapter</dt><dd>cpu</dd>",
            "<td>0.25</td>",
            "<th scope=\"col\">loss</th>",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(page.contains("src=\"./plots/my%20curves.svg\""));
        assert!(!page.contains("http") && !page.contains("<script") && !page.contains("{{"));
    }

    #[test]
    fn no_path_leaves_the_page() {
        assert_eq!(relative_url("https://host/a.png"), "./https%3A//host/a.png");
        assert_eq!(relative_url("//host/a.png"), "./host/a.png");
        assert_eq!(relative_url("plots\\a\".png"), "./plots/a%22.png");
    }

    #[test]
    fn empty_parts_leave_nothing_behind() {
        let page = report("empty", &[], &[], &[], &[]);
        assert!(["<dl>", "<table>", "<figure>"].iter().all(|tag| !page.contains(tag)));
    }
}
