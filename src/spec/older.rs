//! Models from before targets were part of them: their branches learn `age`, `gender` or `class`, of which everything
//! was known.

use super::{Branch, Target};
use crate::ops::Op;

/// The targets of these branches.
pub fn targets(branches: &[Branch]) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for branch in branches {
        if targets.iter().all(|target| target.name != branch.target) {
            targets.extend(target(branch));
        }
    }
    targets
}

fn target(branch: &Branch) -> Option<Target> {
    let line = branch.line;
    Some(match branch.target.as_str() {
        "age" => Target {
            unit: Some("years".into()),
            range: Some([0.0, 150.0]),
            line,
            ..Target::new("age", "number")
        },
        "gender" => {
            Target { classes: vec!["male".into(), "female".into()], line, ..Target::new("gender", "binary") }
        }
        "class" => {
            let kind = match branch.loss {
                Some(Op::SoftmaxCrossEntropy(_)) => "classes",
                _ => "binary",
            };
            Target { line, ..Target::new("class", kind) }
        }
        _ => return None,
    })
}
