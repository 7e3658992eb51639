// The cross-entropy of a sample's logits, and its derivative by one of them. The logits are those of `input` from
// `first` on, `classes` of them. exp only ever sees numbers up to 0, so that nothing overflows.
// The right class is wanted with the probability RIGHT and each other one with WRONG: 1 and 0 where labels are not
// smoothed.

// The largest logit, and the sum of exp(logit - largest).
fn shifted_sum(first: u32, classes: u32) -> vec2f {
    var largest = input[first];
    for (var c = 1u; c < classes; c++) {
        largest = max(largest, input[first + c]);
    }
    var sum = 0.0;
    for (var c = 0u; c < classes; c++) {
        sum += exp(input[first + c] - largest);
    }
    return vec2f(largest, sum);
}

// Where the logit of the right class lies. A class that is not there counts as the last one, rather than reading
// beyond the logits.
fn right_logit(first: u32, classes: u32, right_class: u32) -> u32 {
    return first + min(right_class, classes - 1u);
}

fn class_cross_entropy(first: u32, classes: u32, right: u32, shifted: vec2f) -> f32 {
    if WRONG == 0.0 {
        return log(shifted.y) + shifted.x - input[right];
    }
    var sum = 0.0;
    for (var at = first; at < first + classes; at++) {
        sum += (shifted.x - input[at]) * select(WRONG, RIGHT, at == right);
    }
    return log(shifted.y) + sum;
}

fn class_cross_entropy_slope(at: u32, right: u32, shifted: vec2f) -> f32 {
    return exp(input[at] - shifted.x) / shifted.y - select(WRONG, RIGHT, at == right);
}
