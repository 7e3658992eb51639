// The cross-entropy of a sample's logits, and its derivative by one of them. The logits are those of `input` from
// `first` on, `classes` of them. exp only ever sees numbers up to 0, so that nothing overflows.

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

fn class_cross_entropy(right: u32, shifted: vec2f) -> f32 {
    return log(shifted.y) + shifted.x - input[right];
}

fn class_cross_entropy_slope(at: u32, right: u32, shifted: vec2f) -> f32 {
    return exp(input[at] - shifted.x) / shifted.y - select(0.0, 1.0, at == right);
}
