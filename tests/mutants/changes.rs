//! All small changes that are tried on a shader.

use crate::mutate::{Edit, Kind, Region, Text};

impl Text<'_> {
    /// Every change of a stretch of the text.
    pub fn edits(&self, region: &Region) -> Vec<Edit> {
        let mut edits = Vec::new();
        if region.function == "const" {
            self.literals(region, "tile edge", &mut edits);
        } else {
            self.returns_and_branches(region, &mut edits);
            self.statements(region, &mut edits);
            self.loops(region, &mut edits);
            self.indices(region, &mut edits);
            self.calls(region, &mut edits);
            self.symbols(region, &mut edits);
            self.literals(region, "literal", &mut edits);
            self.names(region, &mut edits);
        }
        edits
    }

    /// Early returns are left out, their bounds moved; other conditions are always or never true.
    fn returns_and_branches(&self, region: &Region, edits: &mut Vec<Edit>) {
        for token in region.tokens.clone() {
            if self.text(token) == "return" && self.text(token + 1) == ";" {
                let whole = self.span(token..token + 2);
                edits.push(("return", whole, String::new()));
            }
            if self.text(token) != "if" {
                continue;
            }
            let open = (token..region.tokens.end).find(|&t| self.text(t) == "{").unwrap_or(token);
            let condition = self.span(token + 1..open);
            if self.text(open + 1) == "return" && self.text(open + 2) == ";" {
                edits.push(("return", self.span(token..open + 4), String::new()));
                for more in [" + 1", " - 1"] {
                    edits.push(("bound", condition.end..condition.end, more.into()));
                }
            } else {
                edits.push(("branch", condition.clone(), "true".into()));
                edits.push(("branch", condition, "false".into()));
            }
        }
    }

    /// Assignments, calls and barriers are left out.
    fn statements(&self, region: &Region, edits: &mut Vec<Edit>) {
        let (mut begins, mut depth) = (true, 0);
        for token in region.tokens.clone() {
            let text = self.text(token);
            let keyword = ["let", "var", "return", "if", "else", "for", "while"].contains(&text);
            if begins && depth == 0 && self.tokens[token].kind == Kind::Name && !keyword {
                let end = (token..region.tokens.end).find(|&t| self.text(t) == ";").unwrap_or(token);
                let operator = if text == "workgroupBarrier" { "barrier" } else { "statement" };
                edits.push((operator, self.span(token..end + 1), String::new()));
            }
            let text = self.text(token);
            match text {
                "(" => depth += 1,
                ")" => depth -= 1,
                _ => {}
            }
            begins = [";", "{", "}"].contains(&text);
        }
    }

    /// Loops begin one later, and end one earlier or later.
    fn loops(&self, region: &Region, edits: &mut Vec<Edit>) {
        for token in region.tokens.clone().filter(|&t| self.text(t) == "for") {
            let stops: Vec<usize> =
                (token..region.tokens.end).filter(|&t| self.text(t) == ";").take(2).collect();
            let &[start, end] = stops.as_slice() else { continue };
            for (at, more) in [(start, " + 1"), (end, " + 1"), (end, " - 1")] {
                let at = self.tokens[at].at.start;
                edits.push(("bound", at..at, more.into()));
            }
        }
    }

    /// Indices are off by one.
    fn indices(&self, region: &Region, edits: &mut Vec<Edit>) {
        for token in region.tokens.clone().filter(|&t| self.text(t) == "[") {
            let inner = self.span(token + 1..self.closing(token));
            for more in ["+ 1", "- 1"] {
                let text = format!("({}) {more}", &self.source[inner.clone()]);
                edits.push(("index", inner.clone(), text));
            }
        }
    }

    /// Functions are swapped or left out, and so are the operands of `select`.
    fn calls(&self, region: &Region, edits: &mut Vec<Edit>) {
        for token in region.tokens.clone().filter(|&t| self.text(t + 1) == "(") {
            let other = match self.text(token) {
                "min" => "max",
                "max" => "min",
                "exp" => "log",
                "log" => "exp",
                "abs" | "sqrt" | "f32" => "",
                "select" => {
                    let close = self.closing(token + 1);
                    let mut commas = Vec::new();
                    let mut depth = 0;
                    for inner in token + 1..close {
                        match self.text(inner) {
                            "(" | "[" => depth += 1,
                            ")" | "]" => depth -= 1,
                            "," if depth == 1 => commas.push(inner),
                            _ => {}
                        }
                    }
                    if let &[first, second] = commas.as_slice() {
                        let (a, b) = (self.span(token + 2..first), self.span(first + 1..second));
                        let text = format!("{}, {}", &self.source[b.clone()], &self.source[a.clone()]);
                        edits.push(("call", a.start..b.end, text));
                    }
                    continue;
                }
                _ => continue,
            };
            edits.push(("call", self.tokens[token].at.clone(), other.into()));
        }
    }

    /// Arithmetic, comparisons and logic.
    fn symbols(&self, region: &Region, edits: &mut Vec<Edit>) {
        for token in region.tokens.clone().filter(|&t| self.tokens[t].kind == Kind::Symbol) {
            let before = token.checked_sub(1).map_or("", |t| self.text(t));
            let unary = ["(", ",", "=", "return", "["].contains(&before);
            let (operator, others): (_, &[&str]) = match self.text(token) {
                "-" if unary => ("arithmetic", &[""]),
                "+" => ("arithmetic", &["-", "*"]),
                "-" => ("arithmetic", &["+"]),
                "*" => ("arithmetic", &["+", "/"]),
                "/" => ("arithmetic", &["*", "%"]),
                "%" => ("arithmetic", &["*", "/"]),
                "+=" => ("arithmetic", &["-=", "="]),
                "/=" => ("arithmetic", &["-="]),
                "++" => ("arithmetic", &["--", " += 2"]),
                "<" => ("comparison", &["<=", ">"]),
                "<=" => ("comparison", &["<"]),
                ">" => ("comparison", &[">=", "<"]),
                ">=" => ("comparison", &[">", "<"]),
                "==" => ("comparison", &["!="]),
                "!=" => ("comparison", &["=="]),
                "&&" => ("logic", &["||"]),
                "||" => ("logic", &["&&"]),
                "&" => ("logic", &["|"]),
                "|" => ("logic", &["&"]),
                "^" => ("logic", &["&", "|"]),
                ">>" => ("logic", &["<<"]),
                "<<" => ("logic", &[">>"]),
                ">>=" => ("logic", &["<<="]),
                _ => continue,
            };
            for other in others {
                edits.push((operator, self.tokens[token].at.clone(), (*other).into()));
            }
        }
    }

    /// Numbers are one more or less.
    fn literals(&self, region: &Region, operator: &'static str, edits: &mut Vec<Edit>) {
        for token in region.tokens.clone().filter(|&t| self.tokens[t].kind == Kind::Number) {
            let text = self.text(token).to_string();
            let others: Vec<String> = if let Ok(value) = text.parse::<f32>()
                && text.contains('.')
            {
                [value + 1.0, value - 1.0].map(|value| format!("{value:?}")).into()
            } else {
                let (digits, suffix) = text.split_at(text.trim_end_matches(['u', 'i']).len());
                let value = match digits.strip_prefix("0x") {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => digits.parse(),
                };
                let Ok(value) = value else { continue };
                let near = [value.checked_add(1), value.checked_sub(1)];
                near.into_iter().flatten().map(|value| format!("{value}{suffix}")).collect()
            };
            for other in others {
                edits.push((operator, self.tokens[token].at.clone(), other));
            }
        }
    }

    /// Another component, constant or variable that the function knows stands in for the one meant.
    fn names(&self, region: &Region, edits: &mut Vec<Edit>) {
        let is_constant = |text: &str| text.len() > 1 && text.bytes().all(|b| !b.is_ascii_lowercase());
        let is_plain = |token: usize| {
            self.tokens[token].kind == Kind::Name
                && self.text(token - 1) != "."
                && !["(", "<"].contains(&self.text(token + 1))
        };
        let mut variables: Vec<String> = Vec::new();
        let mut constants: Vec<String> = Vec::new();
        for token in 0..self.tokens.len() {
            let text = self.text(token).to_string();
            let declares = ["override", "const"].contains(&self.text(token.saturating_sub(1)));
            if declares && is_constant(&text) && !constants.contains(&text) {
                constants.push(text);
            } else if region.tokens.contains(&token) && is_plain(token) && !is_constant(&text) {
                let keyword = ["let", "var", "return", "if", "else", "for", "while", "true", "false"];
                if !keyword.contains(&text.as_str()) && !variables.contains(&text) {
                    variables.push(text);
                }
            }
        }
        for token in region.tokens.clone() {
            let text = self.text(token).to_string();
            let at = self.tokens[token].at.clone();
            if self.text(token - 1) == "." && text.len() == 1 {
                for other in ["x", "y", "z", "w"] {
                    edits.push(("component", at.clone(), other.into()));
                }
            } else if is_plain(token) && is_constant(&text) {
                for other in &constants {
                    edits.push(("constant", at.clone(), other.into()));
                }
            } else if variables.contains(&text)
                && is_plain(token)
                && !["let", "var"].contains(&self.text(token - 1))
            {
                for other in &variables {
                    edits.push(("variable", at.clone(), other.into()));
                }
            }
        }
    }
}
