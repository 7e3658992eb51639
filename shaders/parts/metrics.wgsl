// What a sample adds to a branch's metric, and a batch to its running sums. FEATURES are the values of `input` a
// sample; for METRIC, LOW and HIGH see metrics.wgsl.

fn metric_of(n: u32) -> f32 {
    if METRIC == 2u {
        var best = 0u;
        for (var other = 1u; other < FEATURES; other++) {
            if input[n * FEATURES + other] > input[n * FEATURES + best] {
                best = other;
            }
        }
        return select(0.0, 1.0, best == targets[n]);
    }
    let x = input[n * FEATURES];
    let t = bitcast<f32>(targets[n * FEATURES]);
    if METRIC == 1u {
        return select(0.0, 1.0, (x > 0.0) == (t > 0.5));
    }
    return abs(clamp(x, LOW, HIGH) - t);
}

fn add_to_sums(loss: f32, metric: f32, counted: f32, total: f32) {
    sums[0] += loss * total;
    sums[1] += metric;
    sums[2] += counted;
    sums[3] += total;
}
