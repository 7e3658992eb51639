//! The mutants of a shader: its text, cut into tokens, with one change each.

use std::collections::HashSet;
use std::ops::Range;

/// A change of a shader.
#[derive(Debug, Clone, PartialEq)]
pub struct Mutant {
    /// The shader's name.
    pub shader: String,
    /// The kind of change.
    pub operator: &'static str,
    /// The function, or `const` outside of any.
    pub function: String,
    /// The lines that change, as they were.
    pub before: String,
    /// The same lines afterwards.
    pub after: String,
    /// Which of the same lines in this function it is, from 1.
    pub nth: usize,
    /// The whole text afterwards.
    pub source: String,
}

impl Mutant {
    /// The change in one line.
    pub fn line(&self) -> String {
        let Mutant { shader, function, before, after, nth, .. } = self;
        let nth = if *nth > 1 { format!(" (line {nth} of that kind)") } else { String::new() };
        format!("{shader}.{function}{nth}: {before} => {after}")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Name,
    Number,
    Symbol,
}

#[derive(Debug, Clone)]
pub struct Token {
    pub kind: Kind,
    pub at: Range<usize>,
}

/// Symbols of more than one character, longest first.
const LONG: &[&str] =
    &[">>=", "<<=", "&&", "||", "==", "!=", "<=", ">=", "<<", ">>", "+=", "-=", "*=", "/=", "++", "--", "->"];

fn tokens(source: &str) -> Vec<Token> {
    let bytes = source.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &source[at..];
        let run = |more: fn(char) -> bool| rest.find(|c| !more(c)).unwrap_or(rest.len());
        let first = bytes[at] as char;
        let (kind, length) = if first.is_whitespace() {
            at += 1;
            continue;
        } else if rest.starts_with("//") {
            at += run(|c| c != '\n');
            continue;
        } else if first.is_ascii_alphabetic() || first == '_' {
            (Kind::Name, run(|c| c.is_ascii_alphanumeric() || c == '_'))
        } else if first.is_ascii_digit() {
            (Kind::Number, run(|c| c.is_ascii_alphanumeric() || c == '.'))
        } else {
            let long = LONG.iter().find(|symbol| rest.starts_with(**symbol));
            (Kind::Symbol, long.map_or(first.len_utf8(), |symbol| symbol.len()))
        };
        tokens.push(Token { kind, at: at..at + length });
        at += length;
    }
    tokens
}

/// A stretch of tokens that may change: a function's body, or a constant.
pub struct Region {
    pub function: String,
    pub tokens: Range<usize>,
}

/// A change: its kind, where it lies, and what is written there.
pub type Edit = (&'static str, Range<usize>, String);

/// A shader's text, cut into tokens.
pub struct Text<'a> {
    pub source: &'a str,
    pub tokens: Vec<Token>,
}

/// Every mutant of a shader, in the order of the text. No two of them are the same text.
pub fn mutants(shader: &str, source: &str) -> Vec<Mutant> {
    let text = Text { source, tokens: tokens(source) };
    let mut seen = HashSet::from([source.to_string()]);
    let mut found = Vec::new();
    for region in text.regions() {
        for (operator, at, new) in text.edits(&region) {
            let mutated = format!("{}{new}{}", &source[..at.start], &source[at.end..]);
            if seen.insert(mutated.clone()) {
                found.push(text.mutant(shader, operator, &region, at, mutated));
            }
        }
    }
    found
}

impl Text<'_> {
    pub fn text(&self, token: usize) -> &str {
        self.tokens.get(token).map_or("", |token| &self.source[token.at.clone()])
    }

    pub fn span(&self, tokens: Range<usize>) -> Range<usize> {
        self.tokens[tokens.start].at.start..self.tokens[tokens.end - 1].at.end
    }

    /// The token that closes the bracket at `open`.
    pub fn closing(&self, open: usize) -> usize {
        let mut depth = 0;
        for token in open..self.tokens.len() {
            match self.text(token) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return token;
            }
        }
        self.tokens.len() - 1
    }

    fn regions(&self) -> Vec<Region> {
        let mut regions = Vec::new();
        let mut token = 0;
        while token < self.tokens.len() {
            match self.text(token) {
                "fn" => {
                    let function = self.text(token + 1).to_string();
                    let open = (token..self.tokens.len()).find(|&t| self.text(t) == "{").unwrap_or(token);
                    let close = self.closing(open);
                    regions.push(Region { function, tokens: open + 1..close });
                    token = close;
                }
                "const" => {
                    let end = (token..self.tokens.len()).find(|&t| self.text(t) == ";").unwrap_or(token);
                    regions.push(Region { function: "const".into(), tokens: token..end });
                    token = end;
                }
                _ => token += 1,
            }
        }
        regions
    }

    /// Describes the change of `at` that leads to the text `mutated`.
    fn mutant(
        &self,
        shader: &str,
        operator: &'static str,
        region: &Region,
        at: Range<usize>,
        mutated: String,
    ) -> Mutant {
        let source = self.source;
        let start = source[..at.start].rfind('\n').map_or(0, |newline| newline + 1);
        let end = source[at.end..].find('\n').map_or(source.len(), |newline| at.end + newline);
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let before = flat(&source[start..end]);
        let after = flat(&mutated[start..end + mutated.len() - source.len()]);
        let line = source[start..end].lines().next().unwrap_or("");
        let earlier = source[self.span(region.tokens.clone()).start.min(start)..start].lines();
        let nth = 1 + earlier.filter(|other| other.trim() == line.trim()).count();
        let (shader, function) = (shader.to_string(), region.function.clone());
        Mutant { shader, operator, function, before, after, nth, source: mutated }
    }
}
