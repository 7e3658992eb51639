//! Label smoothing (Szegedy et al., 2016): of a label's probability of one, the share `smoothing` is spread evenly over
//! all classes, the right one among them, as PyTorch and Keras do.

/// What a label becomes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Smoothed {
    /// The probability of the right class.
    pub(super) right: f64,
    /// That of each wrong one.
    pub(super) wrong: f64,
    /// The right one's less the wrong one's.
    pub(super) span: f64,
}

impl Smoothed {
    /// Of so many classes.
    pub(super) fn of(smoothing: f64, classes: usize) -> Self {
        let wrong = smoothing / classes.max(1) as f64;
        Self { right: 1.0 - smoothing + wrong, wrong, span: 1.0 - smoothing }
    }

    /// As constants of a shader.
    pub(super) fn constants(self) -> [(&'static str, f64); 3] {
        [("RIGHT", self.right), ("WRONG", self.wrong), ("SPAN", self.span)]
    }
}

/// Fails if labels cannot be smoothed so.
pub(super) fn check(smoothing: f64) -> Result<(), String> {
    match (0.0..1.0).contains(&smoothing) {
        true => Ok(()),
        false => Err(format!("label_smoothing is {smoothing}; it must be at least 0 and below 1")),
    }
}

/// Whether a loss smooths nothing, so that a model file need not say it.
pub(super) fn is_none(smoothing: &f64) -> bool {
    *smoothing == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_add_up_to_one_and_those_of_plain_labels_are_exact() {
        let Smoothed { right, wrong, span } = Smoothed::of(0.1, 10);
        assert!((right + 9.0 * wrong - 1.0).abs() < 1e-15 && (right - 0.91).abs() < 1e-15);
        assert!((span - (right - wrong)).abs() < 1e-15);
        assert_eq!(Smoothed::of(0.0, 3), Smoothed { right: 1.0, wrong: 0.0, span: 1.0 });
        assert!(
            check(0.0).is_ok() && check(1.0).is_err() && check(-0.1).is_err() && check(f64::NAN).is_err()
        );
    }
}
