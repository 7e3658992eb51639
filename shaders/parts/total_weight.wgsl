// The sum of the weights of the first `count` samples, in their order.
fn total_weight(count: u32) -> f32 {
    var total = 0.0;
    for (var n = 0u; n < count; n++) {
        total += sample_weight[n];
    }
    return total;
}
