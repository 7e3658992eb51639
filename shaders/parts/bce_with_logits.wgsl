// The binary cross-entropy of one logit, and its derivative. exp only ever sees numbers up to 0, so that nothing
// overflows. The target t is smoothed to WRONG + t * SPAN, where WRONG is half of the smoothing and SPAN is one less it.

fn sigmoid(x: f32) -> f32 {
    let small = exp(-abs(x));
    return select(small, 1.0, x >= 0.0) / (1.0 + small);
}

fn binary_cross_entropy(x: f32, t: f32) -> f32 {
    return max(x, 0.0) - x * (WRONG + t * SPAN) + log(1.0 + exp(-abs(x)));
}

fn binary_cross_entropy_slope(x: f32, t: f32) -> f32 {
    return sigmoid(x) - (WRONG + t * SPAN);
}
