//! What each epoch came to.

use crate::file::checksum;
use crate::ops::metrics::SUMS;
use crate::spec::Spec;
use crate::tasks::Target;

/// One branch's results over a set of samples.
#[derive(Debug, Clone, PartialEq)]
pub struct BranchResult {
    /// What the branch learns.
    pub target: Target,
    /// What its loss counts in the total.
    pub weight: f64,
    /// The mean loss.
    pub loss: f64,
    /// The mean metric: of a number in its unit, or a share of 1.
    pub metric: f64,
}

impl BranchResult {
    /// From the sums that `metrics.accumulate` keeps; `None` if no sample counted.
    pub fn from_sums(target: &Target, weight: f64, sums: &[f32]) -> Option<Self> {
        let &[loss, metric, counted, total_weight] = sums.get(..SUMS)? else { return None };
        let mean = |sum: f32, of: f32| f64::from(sum) / f64::from(of);
        let (loss, metric) =
            (mean(loss, total_weight), mean(metric, counted) * f64::from(target.deviation()));
        (counted > 0.0).then(|| Self { target: target.clone(), weight, loss, metric })
    }
}

/// The weighted sum of all branches' losses.
pub fn total_loss(results: &[BranchResult]) -> f64 {
    results.iter().map(|result| result.weight * result.loss).sum()
}

/// The validation losses of epochs.
pub fn validation_losses(epochs: &[Epoch]) -> Vec<f64> {
    epochs.iter().map(|epoch| total_loss(&epoch.validation)).collect()
}

/// The epoch whose validation loss is least, the first of equals.
pub fn best(epochs: &[Epoch]) -> Option<&Epoch> {
    epochs.iter().min_by(|a, b| total_loss(&a.validation).total_cmp(&total_loss(&b.validation)))
}

/// One epoch's results.
#[derive(Debug, Clone, PartialEq)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// Of the training samples, as they were trained on.
    pub train: Vec<BranchResult>,
    /// Of the validation samples, after the epoch.
    pub validation: Vec<BranchResult>,
    /// How long training and validation took.
    pub seconds: f64,
}

impl Epoch {
    /// Names and values, in the order of `results.csv`. Files and JSON have all their digits: what is read back is
    /// what was written.
    pub fn fields(&self) -> Vec<(String, f64)> {
        let mut fields = vec![
            ("epoch".to_string(), self.epoch as f64),
            ("train_loss".into(), total_loss(&self.train)),
            ("val_loss".into(), total_loss(&self.validation)),
        ];
        for (train, validation) in self.train.iter().zip(&self.validation) {
            let name = train.target.metric_name();
            fields.push((format!("train_{name}"), train.metric));
            fields.push((format!("val_{name}"), validation.metric));
        }
        fields.push(("seconds".into(), self.milliseconds()));
        fields
    }

    /// A clock tells no more.
    fn milliseconds(&self) -> f64 {
        (self.seconds * 1e3).round() / 1e3
    }

    /// Names and values, in the order of `plots/curves.csv`: each branch's own loss and metric.
    fn curve_fields(&self) -> Vec<(String, f64)> {
        let mut fields = vec![("epoch".to_string(), self.epoch as f64)];
        for (train, validation) in self.train.iter().zip(&self.validation) {
            let (target, metric) = (&train.target.name, train.target.metric_name());
            fields.push((format!("train_{target}_loss"), train.loss));
            fields.push((format!("val_{target}_loss"), validation.loss));
            fields.push((format!("train_{metric}"), train.metric));
            fields.push((format!("val_{metric}"), validation.metric));
        }
        fields.push(("seconds".into(), self.milliseconds()));
        fields
    }

    /// One line of JSON with the fields of `results.csv`.
    pub fn json(&self) -> String {
        let number = |(name, value): (String, f64)| {
            let value = if name == "epoch" { self.epoch.into() } else { serde_json::json!(value) };
            (name, value)
        };
        let object: serde_json::Map<_, _> = self.fields().into_iter().map(number).collect();
        serde_json::Value::Object(object).to_string()
    }
}

fn csv(rows: &[Vec<(String, f64)>]) -> String {
    let mut text = String::new();
    if let Some(first) = rows.first() {
        let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
        text.push_str(&names.join(","));
        text.push('\n');
    }
    for row in rows {
        let values: Vec<String> = row.iter().map(|(_, value)| value.to_string()).collect();
        text.push_str(&values.join(","));
        text.push('\n');
    }
    text
}

/// `results.csv`: a line an epoch with total losses and metrics.
pub fn results_csv(epochs: &[Epoch]) -> String {
    csv(&epochs.iter().map(Epoch::fields).collect::<Vec<_>>())
}

/// `plots/curves.csv`: a line an epoch with each branch's loss and metric.
pub fn curves_csv(epochs: &[Epoch]) -> String {
    csv(&epochs.iter().map(Epoch::curve_fields).collect::<Vec<_>>())
}

/// What tells the results of epochs from others; how long they took does not count.
pub fn history_checksum(epochs: &[Epoch]) -> String {
    let epochs: Vec<Epoch> = epochs.iter().map(|epoch| Epoch { seconds: 0.0, ..epoch.clone() }).collect();
    checksum(curves_csv(&epochs).as_bytes())
}

/// Reads `plots/curves.csv` back. `Err` names the line that is wrong.
pub fn read_curves(text: &str, spec: &Spec) -> Result<Vec<Epoch>, String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers().map_err(|error| error.to_string())?.clone();
    let mut epochs = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let line = epochs.len() + 2;
        let get = |name: &str| {
            let column = names.iter().position(|other| other == name);
            let value = column.and_then(|column| record.get(column)?.parse::<f64>().ok());
            let value = value.filter(|value| value.is_finite());
            value.ok_or_else(|| format!("line {line} has no number {name:?}"))
        };
        let side = |side: &str| {
            let branch = |branch: &crate::spec::Branch| {
                let (target, weight) = (spec.target(branch).clone(), branch.weight());
                let loss = get(&format!("{side}_{}_loss", target.name))?;
                let metric = get(&format!("{side}_{}", target.metric_name()))?;
                Ok(BranchResult { target, weight, loss, metric })
            };
            spec.branches.iter().map(branch).collect::<Result<Vec<_>, String>>()
        };
        let epoch = epochs.len() + 1;
        if get("epoch")? != epoch as f64 {
            return Err(format!("line {line} is not that of epoch {epoch}"));
        }
        epochs.push(Epoch {
            epoch,
            train: side("train")?,
            validation: side("val")?,
            seconds: get("seconds")?,
        });
    }
    Ok(epochs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face() -> Spec {
        Spec::parse(include_str!("../../assets/models/face.toml"), "face.toml").unwrap()
    }

    fn epoch(number: usize) -> Epoch {
        let [age, gender] = &face().targets[..] else { panic!("two targets") };
        let age = BranchResult { target: age.clone(), weight: 1.0, loss: 100.5, metric: 8.25 };
        let gender = BranchResult { target: gender.clone(), weight: 500.0, loss: 0.5, metric: 0.75 };
        let both = vec![age, gender];
        Epoch { epoch: number, train: both.clone(), validation: both, seconds: 1.5 }
    }

    #[test]
    fn results_have_the_promised_columns_and_total_losses() {
        let csv = results_csv(&[epoch(1)]);
        let mut lines = csv.lines();
        let names = "epoch,train_loss,val_loss,train_age_mae,val_age_mae,\
                     train_gender_accuracy,val_gender_accuracy,seconds";
        assert_eq!(lines.next().unwrap(), names);
        assert_eq!(lines.next().unwrap(), "1,350.5,350.5,8.25,8.25,0.75,0.75,1.5");
        let json: serde_json::Value = serde_json::from_str(&epoch(1).json()).unwrap();
        assert_eq!(json["epoch"], 1);
        assert_eq!(json["val_gender_accuracy"], 0.75);
        assert_eq!(json.as_object().unwrap().keys().len(), 8);
    }

    #[test]
    fn curves_are_read_back_as_written() {
        let spec = face();
        let mut epochs = [epoch(1), epoch(2)];
        epochs[1].validation[1].loss = 1.0 / 3.0;
        assert_eq!(read_curves(&curves_csv(&epochs), &spec).unwrap(), epochs);
        let broken = curves_csv(&epochs).replace("0.75", "many");
        assert!(read_curves(&broken, &spec).unwrap_err().contains("line 2"));
        let skipped = curves_csv(&[epoch(1), epoch(3)]);
        assert!(read_curves(&skipped, &spec).unwrap_err().contains("line 3 is not that of epoch 2"));
        assert!(read_curves(&curves_csv(&epochs).replace("0.75", "NaN"), &spec).is_err());
    }

    #[test]
    fn the_loss_is_a_weighted_mean_and_the_metric_a_plain_one_of_the_samples_that_count() {
        let target = Target::new("age", "number");
        assert_eq!(BranchResult::from_sums(&target, 1.0, &[0.0; SUMS]), None);
        let result = BranchResult::from_sums(&target, 1.0, &[30.0, 9.0, 3.0, 3.0]).unwrap();
        assert_eq!((result.loss, result.metric), (10.0, 3.0));
        let result = BranchResult::from_sums(&target, 1.0, &[5.0, 9.0, 3.0, 0.5]).unwrap();
        assert_eq!((result.loss, result.metric), (10.0, 3.0));
        let target = Target { mean_and_deviation: Some([1.0, 5.0]), ..target };
        let result = BranchResult::from_sums(&target, 1.0, &[30.0, 9.0, 3.0, 3.0]).unwrap();
        assert_eq!((result.loss, result.metric), (10.0, 15.0), "the metric is in the label's unit");
    }
}
