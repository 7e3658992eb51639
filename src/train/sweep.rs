//! Many trainings that differ in a few keys of the model: which values are tried, and what they come to.

mod ranking;
mod values;

pub use ranking::{Ranked, is_better_higher, ranking};
pub use values::{Bound, Range, Scale, Values};

use crate::file::checksum;
use crate::rng::{Generator, Stream};
use crate::spec::{Fold, Setting};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Value;

/// What a sweep's file says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// Flags of `faceshader train` that all trainings have, without the two dashes: `model`, `data`, `epochs` and so on.
    #[serde(default)]
    pub train: BTreeMap<String, Value>,
    /// Keys of the model and what they are tried with.
    pub values: BTreeMap<String, Values>,
    /// How values are combined.
    #[serde(default)]
    pub search: Search,
    /// How many combinations a random search draws.
    #[serde(default = "usual_trials")]
    pub trials: usize,
    /// The seed of a random search.
    #[serde(default)]
    pub seed: u64,
    /// Every combination is trained with each of these seeds.
    #[serde(default = "one_seed")]
    pub seeds: Vec<u64>,
    /// Every combination is validated with each of so many folds of the training samples; 0: as the data are split.
    #[serde(default)]
    pub folds: usize,
    /// The column of `results.csv` that counts.
    #[serde(default = "usual_metric")]
    pub metric: String,
}

fn usual_trials() -> usize {
    20
}

fn one_seed() -> Vec<u64> {
    vec![0]
}

fn usual_metric() -> String {
    "val_loss".into()
}

/// How values are combined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Search {
    /// Each with each.
    #[default]
    Grid,
    /// Drawn (Bergstra and Bengio, 2012).
    Random,
}

/// Flags of `train` that overwrite a key of the model, and these keys.
const FLAGS: [(&str, &str); 10] = [
    ("epochs", "training.epochs"),
    ("batch", "training.batch"),
    ("lr", "optimizer.learning_rate"),
    ("schedule", "training.schedule"),
    ("warmup-epochs", "training.warmup_epochs"),
    ("patience", "training.patience"),
    ("ema", "training.ema"),
    ("clip-norm", "training.clip_norm"),
    ("weight-decay", "optimizer.weight_decay"),
    ("init", "training.init"),
];

/// Flags of `train` that a run does not keep, so that they are said again when it goes on.
const SAID_AGAIN: [&str; 9] = [
    "adapter",
    "checked",
    "kernels",
    "memory",
    "cache",
    "no-verify",
    "tensorboard",
    "save-minutes",
    "profile",
];

/// Combinations that a sweep may have: more are a mistake.
const MOST_TRIALS: usize = 10_000;

/// One combination of values.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The keys and their values.
    pub settings: Vec<Setting>,
}

/// One training of a trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The place of its trial.
    pub trial: usize,
    /// Its random seed.
    pub seed: u64,
    /// What it is validated with.
    pub fold: Option<Fold>,
}

impl Sweep {
    /// Reads a sweep's file.
    ///
    /// # Errors
    /// Where it is no TOML or says what no sweep has; the message names the line.
    pub fn parse(text: &str, file: &str) -> Result<Sweep, String> {
        let sweep: Sweep = toml::from_str(text).map_err(|error| {
            let place = error.span().map_or(0, |span| span.start);
            let line = 1 + text.bytes().take(place).filter(|&byte| byte == b'\n').count();
            format!("{file}:{line}: {}", error.message())
        })?;
        sweep.check().map_err(|reason| format!("{file}: {reason}"))?;
        Ok(sweep)
    }

    fn check(&self) -> Result<(), String> {
        if self.values.is_empty() {
            return Err("[values] is empty; name a key of the model and what it is tried with".into());
        }
        for (key, values) in &self.values {
            match values {
                Values::List(list) if list.is_empty() => return Err(format!("{key} has no value")),
                Values::List(_) => {}
                Values::Range(_) if self.search == Search::Grid => {
                    return Err(format!("{key}: a range is for search = \"random\"; give a list of values"));
                }
                Values::Range(range) => range.check().map_err(|reason| format!("{key}: {reason}"))?,
            }
        }
        if self.seeds.is_empty() {
            return Err("seeds is empty; leave it out, or name one".into());
        }
        if self.folds == 1 {
            return Err("folds is 1; it must be at least 2, or 0 for the split of the data".into());
        }
        let repeated = |at: usize| self.seeds[..at].contains(&self.seeds[at]);
        if let Some(twice) = (1..self.seeds.len()).find(|&at| repeated(at)) {
            return Err(format!("the seed {} is there twice", self.seeds[twice]));
        }
        if let Some(key) = self.values.keys().find(|key| *key == "training.seed" || key.starts_with("data."))
        {
            return Err(format!(
                "{key} is no value to try: seeds and folds are keys of their own, data are in [train]"
            ));
        }
        let both =
            FLAGS.iter().find(|(flag, key)| self.train.contains_key(*flag) && self.values.contains_key(*key));
        if let Some((flag, key)) = both {
            return Err(format!(
                "{flag} in [train] would overwrite the values of {key}; leave one of both out"
            ));
        }
        let own = ["seed", "fold", "out", "resume", "json", "set"];
        if let Some(key) = own.into_iter().find(|key| self.train.contains_key(*key)) {
            return Err(format!("[train] has {key}, which the sweep says itself"));
        }
        match self.count() {
            0 => Err("trials is 0; it must be at least 1".into()),
            count if count > MOST_TRIALS => Err(format!(
                "these are {count} combinations, and {MOST_TRIALS} are the most; search = \"random\" draws some"
            )),
            _ => Ok(()),
        }
    }

    /// How many combinations there are.
    fn count(&self) -> usize {
        let lengths = self.values.values().map(|values| match values {
            Values::List(list) => list.len(),
            Values::Range(_) => 1,
        });
        match self.search {
            Search::Grid => lengths.fold(1, usize::saturating_mul),
            Search::Random => self.trials,
        }
    }

    /// The combinations, in a fixed order: of a grid, the last key changes first.
    pub fn trials(&self) -> Vec<Trial> {
        (0..self.count()).map(|number| Trial { settings: self.settings(number) }).collect()
    }

    fn settings(&self, number: usize) -> Vec<Setting> {
        let mut generator = Generator::new(self.seed, 0, number as u32, Stream::Sweep);
        let mut rest = number;
        let mut settings: Vec<Setting> = Vec::new();
        for (key, values) in self.values.iter().rev() {
            let value = match (values, self.search) {
                (Values::List(list), Search::Grid) => {
                    let place = rest % list.len();
                    rest /= list.len();
                    list[place].clone()
                }
                (Values::List(list), Search::Random) => {
                    list[generator.below(list.len() as u32) as usize].clone()
                }
                (Values::Range(range), _) => range.draw(&mut generator),
            };
            settings.push(Setting { key: key.clone(), value });
        }
        settings.reverse();
        settings
    }

    /// All trainings of so many trials: seeds and folds of one trial after those of the one before.
    pub fn jobs(&self, trials: usize) -> Vec<Job> {
        let folds: Vec<Option<Fold>> = match self.folds {
            0 => vec![None],
            of => (1..=of).map(|number| Some(Fold { number, of })).collect(),
        };
        let mut jobs = Vec::new();
        for trial in 0..trials {
            for &seed in &self.seeds {
                jobs.extend(folds.iter().map(|&fold| Job { trial, seed, fold }));
            }
        }
        jobs
    }

    /// The arguments of `faceshader train` for a training, without `--out`.
    pub fn arguments(&self, trial: &Trial, job: &Job) -> Vec<String> {
        let mut arguments = self.flags(|_| true);
        for Setting { key, value } in &trial.settings {
            arguments.extend(["--set".into(), format!("{key}={value}")]);
        }
        arguments.extend(["--seed".into(), job.seed.to_string()]);
        if let Some(Fold { number, of }) = job.fold {
            arguments.extend(["--fold".into(), format!("{number}/{of}")]);
        }
        arguments
    }

    fn flags(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let mut flags = Vec::new();
        for (flag, value) in self.train.iter().filter(|(flag, _)| wanted(flag)) {
            match value {
                Value::Boolean(false) => {}
                Value::Boolean(true) => flags.push(format!("--{flag}")),
                value => flags.extend([format!("--{flag}"), plain(value)]),
            }
        }
        flags
    }

    /// Those of the arguments that a training is told again when it goes on.
    pub fn resumed_arguments(&self) -> Vec<String> {
        self.flags(|flag| SAID_AGAIN.contains(&flag))
    }

    /// What the folder of a training is called: the same arguments and the same text of the model, the same name,
    /// whatever else the sweep's file says by then.
    pub fn folder_name(&self, trial: &Trial, job: &Job, model: &str) -> String {
        let mut arguments = self.arguments(trial, job);
        arguments.push(model.into());
        checksum(arguments.join("\u{0}").as_bytes())[..12].into()
    }
}

/// A value as the command line takes it.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(","),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: &str = "folds = 2\nseeds = [1, 2]\n[train]\nmodel = \"face\"\nepochs = 3\nno-fuse = true\nprofile = false\n\
        [values]\n\"optimizer.learning_rate\" = [0.001, 0.01]\n\"training.schedule\" = [\"cosine\", \"constant\", \"one_cycle\"]\n";

    #[test]
    fn a_grid_has_every_combination_once_and_each_is_trained_with_each_seed_and_fold() {
        let sweep = Sweep::parse(GRID, "sweep.toml").unwrap();
        let trials = sweep.trials();
        let texts: Vec<String> = trials
            .iter()
            .map(|trial| trial.settings.iter().map(|s| plain(&s.value)).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(texts.len(), 6);
        assert_eq!(texts[..4], ["0.001 cosine", "0.001 constant", "0.001 one_cycle", "0.01 cosine"]);
        let jobs = sweep.jobs(trials.len());
        assert_eq!(jobs.len(), 24);
        let want = "--epochs 3 --model face --no-fuse --set optimizer.learning_rate=0.001 --set \
                    training.schedule=\"constant\" --seed 2 --fold 1/2";
        assert_eq!(jobs[6], Job { trial: 1, seed: 2, fold: Some(Fold { number: 1, of: 2 }) });
        assert_eq!(sweep.arguments(&trials[1], &jobs[6]).join(" "), want);
        let names: std::collections::HashSet<String> =
            jobs.iter().map(|job| sweep.folder_name(&trials[job.trial], job, "")).collect();
        assert_eq!(names.len(), 24);
        // More values leave the folders of those before alone.
        let more = Sweep::parse(&GRID.replace("[0.001, 0.01]", "[0.1, 0.001, 0.01]"), "sweep.toml").unwrap();
        let again: Vec<String> =
            more.jobs(9).iter().map(|job| more.folder_name(&more.trials()[job.trial], job, "")).collect();
        assert!(names.iter().all(|name| again.contains(name)));
    }

    #[test]
    fn a_random_search_draws_within_its_ranges_and_the_same_every_time() {
        let text = "search = \"random\"\ntrials = 50\nseed = 7\n[values]\n\"optimizer.learning_rate\" = { from = 1e-4, to = \
                    1e-1, scale = \"log\" }\n\"training.batch\" = [10, 20]\n";
        let sweep = Sweep::parse(text, "sweep.toml").unwrap();
        let trials = sweep.trials();
        assert_eq!(trials, sweep.trials());
        let rates: Vec<f64> =
            trials.iter().map(|trial| trial.settings[0].value.as_float().unwrap()).collect();
        assert!(rates.iter().all(|rate| (1e-4..=1e-1).contains(rate)));
        let below = rates.iter().filter(|&&rate| rate < 3.16e-3).count();
        assert!((15..35).contains(&below), "half of them by the logarithm: {below}");
        assert!(trials.iter().any(|trial| trial.settings[1].value.as_integer() == Some(10)));
        // More trials leave those before as they are.
        let more = Sweep::parse(&text.replace("trials = 50", "trials = 60"), "sweep.toml").unwrap();
        assert_eq!(more.trials()[..50], trials);
    }

    #[test]
    fn numbers_stay_within_narrow_ranges_and_whole_ones_whole() {
        let draw = |range: &str| {
            let text = format!("search = \"random\"\ntrials = 200\n[values]\n\"a\" = {range}\n");
            let trials = Sweep::parse(&text, "sweep.toml").unwrap().trials();
            trials.into_iter().map(|trial| trial.settings[0].value.clone()).collect::<Vec<_>>()
        };
        let narrow: Vec<f64> =
            draw("{ from = 0.9996, to = 0.9999 }").iter().map(|value| value.as_float().unwrap()).collect();
        assert!(narrow.iter().all(|value| (0.9996..=0.9999).contains(value)));
        let different: std::collections::HashSet<String> = narrow.iter().map(f64::to_string).collect();
        assert!(different.len() > 100, "{} of 200", different.len());
        let whole = draw("{ from = 4, to = 8 }");
        assert!((4..=8).all(|number| whole.contains(&Value::Integer(number))));
    }

    #[test]
    fn a_training_that_goes_on_is_told_again_what_its_run_does_not_keep() {
        let text = GRID.replace("no-fuse = true", "no-fuse = true\nadapter = \"vulkan\"\nno-verify = true");
        let sweep = Sweep::parse(&text, "sweep.toml").unwrap();
        assert_eq!(sweep.resumed_arguments(), ["--adapter", "vulkan", "--no-verify"]);
    }

    #[test]
    fn what_no_sweep_is_is_refused() {
        let error = |text: &str| Sweep::parse(text, "sweep.toml").unwrap_err();
        assert!(error("[values]\n\"a.b\" = []").contains("no value"));
        assert!(error("[values]").contains("empty"));
        assert!(error("[values]\n\"a\" = { from = 1, to = 2 }").contains("random"));
        assert!(
            error("search = \"random\"\n[values]\n\"a\" = { from = 0, to = 2, scale = \"log\" }")
                .contains("above 0")
        );
        assert!(error("search = \"random\"\n[values]\n\"a\" = { from = 3, to = 2 }").contains("lower"));
        assert!(error("trails = 3\n[values]\n\"a\" = [1]").starts_with("sweep.toml:1:"));
        assert!(error("[train]\nseed = 3\n[values]\n\"a\" = [1]").contains("seed"));
        assert!(error("seeds = [1, 1]\n[values]\n\"a\" = [1]").contains("twice"));
        assert!(error("[values]\n\"training.seed\" = [1]").contains("seeds"));
        assert!(
            error("[train]\nlr = 0.1\n[values]\n\"optimizer.learning_rate\" = [1]").contains("overwrite")
        );
        assert!(error("folds = 1\n[values]\n\"a\" = [1]").contains("at least 2"));
        assert!(error("search = \"random\"\ntrials = 0\n[values]\n\"a\" = [1]").contains("at least 1"));
    }
}
