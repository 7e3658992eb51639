//! What is wrong with a model that no single key can tell.

use super::{
    EVERY, InputSpec, MAX_TEXT_LENGTH, PhotoSpec, Spec, SpecError, Target, TextSpec, is_plain, nearest,
};

/// The lines of the tables that are checked as a whole.
pub(super) struct Lines {
    pub(super) input: usize,
    pub(super) augment: usize,
    pub(super) training: usize,
}

/// What no single key can tell.
pub(super) fn check(spec: &Spec, lines: &Lines) -> Result<(), SpecError> {
    let top = |message: String| Err(spec.error(1, message));
    let refuse = |line: usize, message: String| Err(spec.error(line, message));
    if spec.name.is_empty() || !spec.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        return top(format!(
            "the name {:?} may only hold letters, digits, - and _: folders are named after it",
            spec.name
        ));
    }
    if spec.branches.is_empty() {
        return top("the model has no [[branch]]; add one with a name, a target and a loss".into());
    }
    check_targets(spec)?;
    check_branches(spec)?;
    check_input(&spec.input).or_else(|message| refuse(lines.input, message))?;
    let a = &spec.augment;
    if !(0.0..=180.0).contains(&a.rotation_degrees) {
        let message = format!("rotation_degrees is {}; it must be from 0 to 180", a.rotation_degrees);
        return refuse(lines.augment, message);
    }
    if !(0.0..0.95).contains(&a.zoom) {
        return refuse(lines.augment, format!("zoom is {}; it must be at least 0 and below 0.95", a.zoom));
    }
    if !(0.0..=0.5).contains(&a.shift) {
        return refuse(lines.augment, format!("shift is {}; it must be from 0 to 0.5", a.shift));
    }
    if !(0.0..=1.0).contains(&a.flip_probability) {
        let message = format!("flip_probability is {}; it must be from 0 to 1", a.flip_probability);
        return refuse(lines.augment, message);
    }
    for (name, value, below) in [
        ("window_probability", a.window_probability, 1.0 + f64::EPSILON),
        ("token_dropout", a.token_dropout, 1.0),
    ] {
        if !(0.0..below).contains(&value) {
            return refuse(lines.augment, format!("{name} is {value}; it must be a probability below 1"));
        }
    }
    if (a.window_probability > 0.0) != (a.window_tokens > 0) {
        let message = "window_probability and window_tokens go together; say both, or none";
        return refuse(lines.augment, message.into());
    }
    let of_photos = [a.rotation_degrees, a.zoom, a.shift, a.flip_probability].iter().any(|&by| by > 0.0);
    match spec.input {
        InputSpec::Photo(_) if !a.keeps_texts() => {
            return refuse(lines.augment, "windows and token_dropout are for texts; leave them out".into());
        }
        InputSpec::Text(_) if of_photos => {
            let message = "rotation_degrees, zoom, shift and flip_probability are for photos; leave them out";
            return refuse(lines.augment, message.into());
        }
        InputSpec::Text(TextSpec { keep_negations: false, negation_window: 1.., .. }) => {
            let message = "negation_window needs keep_negations = true, or nothing negates";
            return refuse(lines.input, message.into());
        }
        _ => {}
    }
    spec.training.check().or_else(|message| refuse(lines.training, message))?;
    Ok(())
}

fn check_targets(spec: &Spec) -> Result<(), SpecError> {
    for (index, target) in spec.targets.iter().enumerate() {
        let Target { name, line, classes, .. } = target;
        let refuse = |message: String| Err(spec.error(*line, format!("target {name:?}: {message}")));
        let is_every = name == EVERY;
        if !is_plain(name) && !is_every {
            return refuse("its name may only hold letters, digits and _".into());
        }
        if is_every && (target.kind.is_some() || target.column.is_some() || !classes.is_empty()) {
            return refuse(
                "it stands for every column, so that it can have no kind, column or classes".into(),
            );
        }
        if spec.targets[..index].iter().any(|other| other.name == *name) {
            return refuse("there is another of this name; rename one".into());
        }
        if let Some([low, high]) = target.range
            && !(low.is_finite() && high.is_finite() && low < high)
        {
            return refuse(format!("its range [{low}, {high}] must run from a lower to a higher number"));
        }
        if let Some([mean, deviation]) = target.mean_and_deviation
            && !(mean.is_finite() && deviation.is_normal() && deviation > 0.0)
        {
            return refuse("mean_and_deviation must be a number and one above 0".into());
        }
        let is_number = target.kind.is_none() || !target.has_classes();
        let of_numbers = [
            (target.unit.is_some(), "unit"),
            (target.range.is_some(), "range"),
            (target.standardize && !is_every, "standardize"),
        ];
        let of_classes = [(!classes.is_empty(), "classes"), (target.balance && !is_every, "balance")];
        let wrong = match target.kind {
            None => None,
            Some(_) if is_number => {
                of_classes.iter().find(|(is_there, _)| *is_there).map(|(_, key)| (key, "classes"))
            }
            Some(_) => of_numbers.iter().find(|(is_there, _)| *is_there).map(|(_, key)| (key, "a number")),
        };
        if let (Some((key, of)), Some(kind)) = (wrong, target.kind) {
            return refuse(format!("{key} is for {of}, and its kind is {kind}; leave it out"));
        }
        if let Some(twice) = (1..classes.len()).find(|&place| classes[..place].contains(&classes[place])) {
            return refuse(format!("the class {:?} is there twice", classes[twice]));
        }
        let needed = target.kind.map_or(classes.len() >= 2, |kind| kind.takes(classes.len()));
        if !classes.is_empty() && !needed {
            return refuse(format!(
                "it has {} classes; a binary target has 2, others 2 or more",
                classes.len()
            ));
        }
    }
    Ok(())
}

fn check_branches(spec: &Spec) -> Result<(), SpecError> {
    for (index, branch) in spec.branches.iter().enumerate() {
        let refuse = |message: String| Err(spec.error(branch.line, message));
        let before = &spec.branches[..index];
        if before.iter().any(|other| other.target == branch.target) {
            return refuse(format!("a second branch learns {}; one is enough", branch.target));
        }
        // Buffers are named after layers and branches, so that these must not be mixed up.
        let name = &branch.name;
        let is_every = branch.target == EVERY;
        if spec.is_taken(name) || before.iter().any(|other| other.name == *name) {
            return refuse(format!("the branch's name {name:?} is taken; choose another"));
        }
        if !(is_plain(name) || is_every && name == EVERY) {
            return refuse(format!("the branch's name {name:?} may only hold letters, digits and _"));
        }
        let Some(target) = spec.targets.iter().find(|target| target.name == branch.target) else {
            let known: Vec<&str> = spec.targets.iter().map(|target| target.name.as_str()).collect();
            let near = nearest(&branch.target, &known)
                .map_or(String::new(), |near| format!("; did you mean {near:?}?"));
            let known = if known.is_empty() { "no other".into() } else { known.join(", ") };
            return refuse(format!(
                "branch {name:?} learns {:?}, which is no [[target]] of the model; there is {known}{near}",
                branch.target
            ));
        };
        if let (Some(kind), Some(loss)) = (target.kind, &branch.loss)
            && !kind.losses().contains(&loss.name())
        {
            let (losses, loss) = (kind.losses().join(", "), loss.name());
            let target = &branch.target;
            return refuse(format!("branch {name:?}: {target} is {kind}, learned with {losses}, not {loss}"));
        }
        let weight = branch.weight();
        if !((weight as f32).is_normal() && weight > 0.0) {
            return refuse(format!(
                "branch {name:?}: the loss's weight is {weight}; it must be above 0 and finite"
            ));
        }
    }
    // Last, since a branch that is misspelt has been told of by now.
    let unlearned = |target: &&Target| !spec.branches.iter().any(|branch| branch.target == target.name);
    match spec.targets.iter().find(unlearned) {
        Some(Target { name, line, .. }) => {
            let message = format!("target {name:?}: no branch learns it; add a [[branch]] or leave it out");
            Err(spec.error(*line, message))
        }
        None => Ok(()),
    }
}

fn check_input(input: &InputSpec) -> Result<(), String> {
    let within = |name: &str, number: usize, low: usize, high: usize| match (low..=high).contains(&number) {
        true => Ok(()),
        false => Err(format!("the input's {name} is {number}; it must be from {low} to {high}")),
    };
    match input {
        InputSpec::Photo(PhotoSpec { width, height, range: [low, high], crop, .. }) => {
            crop.check()?;
            // Both 0: the photos tell.
            if (*width, *height) != (0, 0) {
                within("width", *width, 1, 4096)?;
                within("height", *height, 1, 4096)?;
            }
            if !((*low as f32).is_finite() && (*high as f32).is_finite() && low < high) {
                return Err(format!(
                    "the input's range [{low}, {high}] must run from a lower to a higher number"
                ));
            }
        }
        InputSpec::Text(TextSpec { length, vocabulary, min_count, .. }) => {
            within("length", *length, 1, MAX_TEXT_LENGTH)?;
            within("vocabulary", *vocabulary, 2, 1 << 24)?;
            within("min_count", *min_count, 1, 1 << 16)?;
        }
    }
    Ok(())
}
