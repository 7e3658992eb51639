//! The rows that `predict` prints of photos, as CSV or JSON.

use crate::cli::texts::csv_line;
use crate::faces::Rectangle;
use crate::spec::Spec;
use crate::tasks::{Answer, Target};
use anyhow::Result;
use serde_json::{Map, Value, json};

/// A face of a photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaceBox {
    /// From 1, from left to right.
    pub number: usize,
    /// In pixels of the photo, upright.
    pub area: Rectangle,
    /// How sure the detector is, 0 to 1.
    pub score: f32,
}

/// How rows look.
pub struct Rows<'a> {
    pub spec: &'a Spec,
    /// JSON instead of CSV.
    pub json: bool,
    /// Whether each row is of a face, and not of a photo.
    pub of_faces: bool,
}

impl Rows<'_> {
    /// The names of the columns.
    pub fn header(&self) -> Result<String> {
        let mut columns = vec!["file".to_string()];
        if self.of_faces {
            columns.extend(["face", "x", "y", "width", "height"].map(str::to_owned));
        }
        columns.extend(self.spec.tasks().flat_map(|(_, target)| columns_of(target, self.spec)));
        columns.push("error".into());
        csv_line(&columns)
    }

    /// What is said of a photo, or of a face in it. What the model does not tell stays empty.
    pub fn answer(&self, file: &str, face: Option<FaceBox>, answers: &[Answer]) -> Result<String> {
        self.row(file, face, Ok(answers))
    }

    /// Why there is no answer.
    pub fn refusal(&self, file: &str, reason: &str) -> Result<String> {
        self.row(file, None, Err(reason))
    }

    fn row(&self, file: &str, face: Option<FaceBox>, answers: Result<&[Answer], &str>) -> Result<String> {
        let mut line = Map::new();
        line.insert("file".into(), file.into());
        let mut fields = vec![file.to_string()];
        if self.of_faces {
            fields.extend(of_face(face, &mut line));
        }
        for (place, (_, target)) in self.spec.tasks().enumerate() {
            let answer = answers.ok().map(|answers| &answers[place]);
            let columns = columns_of(target, self.spec);
            let value = answer.map(|answer| match answer.number {
                Some(number) => (number.into(), format!("{number:.2}")),
                None => (Value::from(target.shown(answer)), target.shown(answer)),
            });
            let (value, field) = value.unwrap_or_default();
            line.insert(columns[0].clone(), value);
            fields.push(field);
            if let Some(column) = columns.get(1) {
                let probability = answer.and_then(|answer| answer.probability);
                line.insert(column.clone(), probability.into());
                fields.push(probability.map_or(String::new(), |probability| format!("{probability:.4}")));
            }
        }
        if let Err(error) = answers {
            line.insert("error".into(), error.into());
        }
        fields.push(answers.err().unwrap_or_default().into());
        if self.json { Ok(Value::Object(line).to_string()) } else { csv_line(&fields) }
    }
}

/// The fields of a face; in JSON its number, its box in tenths of a pixel, and how sure the detector is.
fn of_face(face: Option<FaceBox>, line: &mut Map<String, Value>) -> [String; 5] {
    let Some(FaceBox { number, area: Rectangle { x, y, width, height }, score }) = face else {
        ["face", "box", "score"].into_iter().for_each(|key| drop(line.insert(key.into(), Value::Null)));
        return Default::default();
    };
    // Without the sign of a zero.
    let tenths = |value: f32| (f64::from(value) * 10.0).round() / 10.0 + 0.0;
    let [x, y, width, height] = [x, y, width, height].map(tenths);
    line.insert("face".into(), number.into());
    line.insert("box".into(), json!({ "x": x, "y": y, "width": width, "height": height }));
    line.insert("score".into(), score.into());
    [number.to_string(), x.to_string(), y.to_string(), width.to_string(), height.to_string()]
}

/// The columns of a target: its name, and of classes that of the probability, which has no name of its own where no
/// other target has classes.
fn columns_of(target: &Target, spec: &Spec) -> Vec<String> {
    let with_classes = spec.targets.iter().filter(|target| !target.classes.is_empty()).count();
    match (target.classes.is_empty(), with_classes) {
        (true, _) => vec![target.name.clone()],
        (false, 1) => vec![target.name.clone(), "probability".into()],
        (false, _) => vec![target.name.clone(), format!("{}_probability", target.name)],
    }
}
