// The mean that a weighted sum comes to; `total` is the sum of the weights of all terms. 0 where nothing counts.
fn weighted_mean(sum: f32, total: f32) -> f32 {
    if total > 0.0 {
        return sum / total;
    }
    return 0.0;
}
