//! HTML pages from templates.

/// A template with its placeholders, such as `{{title}}`, replaced by what `value` gives for their names: in one pass, so
/// that no value is taken for a placeholder.
pub fn filled(template: &str, value: &dyn Fn(&str) -> String) -> String {
    let mut page = String::with_capacity(template.len() + 4096);
    let mut rest = template;
    while let Some((before, (name, after))) =
        rest.split_once("{{").and_then(|(before, after)| Some((before, after.split_once("}}")?)))
    {
        page.push_str(before);
        page.push_str(&value(name));
        rest = after;
    }
    page.push_str(rest);
    page
}

/// The text with the five characters replaced that mean something in HTML.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_taken_for_a_placeholder() {
        let value = |name: &str| format!("<{name} {{{{a}}}}>");
        assert_eq!(filled("1 {{a}} 2 {{b}} {{", &value), "1 <a {{a}}> 2 <b {{a}}> {{");
        assert_eq!(escaped("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
    }
}
