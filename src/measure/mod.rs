//! Figures about predictions with their 95 % intervals: for all samples, by class, and by group.
//!
//! Every interval has a closed form, so that the same predictions give the same figures everywhere and at
//! once. Each function names the source of its formula.

mod bands;
mod binary;
mod classes;
pub mod confusion;
mod groups;
pub mod interval;
mod number;
#[cfg(test)]
mod tests;

pub use bands::{Bands, bands, by_band, by_class};
pub use binary::binary;
pub use classes::{class, classes};
pub use groups::{COMPARED_FROM, Gap, Group, GroupFigures, Groups, Predictions, by_group};
pub use number::number;

/// Which of two values of a figure is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// The smaller one, as of an error.
    Lower,
    /// The larger one.
    Higher,
}

/// What a figure's value is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// The unit of the target, such as years.
    Unit,
    /// A share of samples, 0 to 1, which people read as a percentage.
    Share,
    /// A number without a unit, at most 1.
    Plain,
}

/// One figure with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// `mae`, `rmse`, `r2`, `median_error`; `accuracy`, `balanced_accuracy`, `top5_accuracy`, `auc`, `f1`,
    /// `macro_f1`; of a class `precision`, `recall`, `f1`.
    pub name: &'static str,
    /// The estimate; NaN where a prediction is.
    pub value: f64,
    /// Lower end of the interval; NaN where there are too few samples for one.
    pub low: f64,
    /// Upper end of the interval; NaN where there are too few samples for one.
    pub high: f64,
    /// Which values are good.
    pub better: Better,
    /// How to write the value.
    pub scale: Scale,
}

impl Figure {
    fn new(name: &'static str, value: f64, (low, high): interval::Interval) -> Self {
        let (better, scale) = match name {
            "mae" | "rmse" | "median_error" => (Better::Lower, Scale::Unit),
            "r2" | "auc" | "f1" | "macro_f1" => (Better::Higher, Scale::Plain),
            _ => (Better::Higher, Scale::Share),
        };
        Self { name, value, low, high, better, scale }
    }

    fn without_value(self) -> Self {
        Self { value: f64::NAN, low: f64::NAN, high: f64::NAN, ..self }
    }

    /// The name as people write it, such as "mean absolute error".
    pub fn title(&self) -> &'static str {
        match self.name {
            "mae" => "mean absolute error",
            "rmse" => "root mean square error",
            "r2" => "R²",
            "median_error" => "median absolute error",
            "balanced_accuracy" => "balanced accuracy",
            "top5_accuracy" => "top-5 accuracy",
            "auc" => "area under the ROC curve",
            "f1" => "F1",
            "macro_f1" => "macro F1",
            name => name,
        }
    }
}
