//! Finds the model that the user means; `faceshader models`.

use super::{Outcome, Usage, print, print_data};
use crate::data::samples::Samples;
use crate::graph::Graph;
use crate::spec::{EVERY, InputSpec, Setting, Spec, set};
use anyhow::{Context, Result};
use std::path::Path;

/// The models that come with the program.
const BUILT_IN: [(&str, &str); 5] = [
    ("face", include_str!("../../assets/models/face.toml")),
    ("face-plus", include_str!("../../assets/models/face-plus.toml")),
    ("photo", include_str!("../../assets/models/photo.toml")),
    ("review", include_str!("../../assets/models/review.toml")),
    ("review-plus", include_str!("../../assets/models/review-plus.toml")),
];

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// One line of JSON a model
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print one of them as TOML, to begin a model of your own from
    Show {
        /// face, face-plus, photo, review or review-plus
        name: String,
    },
}

/// Lists the built-in models, or prints one.
pub fn run(arguments: &Arguments) -> Result<Outcome> {
    match &arguments.command {
        Some(Command::Show { name }) => {
            let Some((_, text)) = BUILT_IN.iter().find(|(built_in, _)| built_in == name) else {
                return Err(
                    Usage(format!("there is no built-in model {name:?}; there are {}", names())).into()
                );
            };
            print_data(text.trim_end())?;
        }
        None => {
            if !arguments.json {
                print(format_args!("{:<12} {:>10}  {:<38} about", "model", "parameters", "learns"))?;
            }
            for (name, text) in BUILT_IN {
                let spec = Spec::parse(text, &format!("{name}.toml"))?;
                let mut settled = spec.clone();
                Samples::settle_without_data(&mut settled)?;
                let parameters = Graph::new(&settled, 1)?.parameter_count();
                let (learns, about) = (learns(&spec), about(text));
                if arguments.json {
                    print_data(serde_json::json!({
                        "name": name, "parameters": parameters, "learns": learns, "about": about,
                    }))?;
                } else {
                    print(format_args!("{name:<12} {parameters:>10}  {learns:<38} {about}"))?;
                }
            }
        }
    }
    Ok(Outcome::Done)
}

/// What a model reads and tells.
fn learns(spec: &Spec) -> String {
    let reads = match spec.input {
        InputSpec::Photo(_) => "photos",
        InputSpec::Text(_) => "texts",
    };
    let targets: Vec<&str> = (spec.targets.iter())
        .map(|target| match target.name.as_str() {
            EVERY => "every column of labels",
            name if target.kind.is_none() => {
                if name == "class" {
                    "one column of labels"
                } else {
                    name
                }
            }
            name => name,
        })
        .collect();
    format!("{}, of {reads}", targets.join(" and "))
}

/// The beginning of a model's comment.
fn about(text: &str) -> String {
    let comment: Vec<&str> = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim).collect();
    let comment = comment.join(" ");
    let end = comment.find([':', '.', ',']).unwrap_or(comment.len());
    comment[..end].to_owned()
}

fn names() -> String {
    BUILT_IN.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// A model by name, or from a TOML file.
pub fn load(name: &str) -> Result<Spec> {
    let (text, file) = text_of(name)?;
    Ok(Spec::parse(&text, &file)?)
}

/// The same with some of its keys set to something else.
pub fn load_with(name: &str, settings: &[Setting]) -> Result<Spec> {
    if settings.is_empty() {
        return load(name);
    }
    let (text, file) = text_of(name)?;
    // A mistake in the file is told with its own line.
    Spec::parse(&text, &file)?;
    let text = set(&text, settings).map_err(|reason| Usage(format!("--set {reason}")))?;
    let mut spec = Spec::parse(&text, "").map_err(|error| Usage(format!("with --set: {}", error.message)))?;
    spec.file = format!("{file} with --set");
    Ok(spec)
}

/// The text of a model, and what its file is called.
pub fn text_of(name: &str) -> Result<(String, String)> {
    if let Some((name, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
        return Ok(((*text).to_owned(), format!("{name}.toml")));
    }
    let path = Path::new(name);
    let text = crate::file::read_plain_text(path).with_context(|| {
        format!("the model {name:?} is not built in ({}) and cannot be read as a file", names())
    })?;
    Ok((text, name.into()))
}

/// A model of which everything is known without data of its own.
pub fn settled(name: &str) -> Result<Spec> {
    let mut spec = load(name)?;
    Samples::settle_without_data(&mut spec)?;
    Ok(spec)
}
