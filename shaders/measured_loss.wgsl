// The end of a branch: its loss and its metric, added to the running sums, and the loss's gradient. The loss
// itself is not stored.
//
//   sums[0] += loss * total
//   sums[1] += sum of metric(n) over the n < real with w[n] > 0
//   sums[2] += the number of these n
//   sums[3] += total
//   d_input  = the gradient of WEIGHT * loss; 0 for samples that are not real or have a weight of 0
//
// with w = sample_weight, real = batch[0], the number of real samples, total = sum over n < real of w[n], metric by
// METRIC as in metrics.wgsl, and loss by LOSS
//
//   0  as in mse.wgsl
//   1  as in bce_with_logits.wgsl
//   2  as in softmax_cross_entropy.wgsl
//
// input, d_input (SAMPLES, FEATURES)
// targets        the bits of floats (SAMPLES, FEATURES), or with LOSS 2 whole numbers (SAMPLES)
// sample_weight  (SAMPLES), not negative
// batch          see BATCH_WORDS in src/ops/batch.rs: [0] number of real samples
// sums           (4)
//
// One workgroup computes everything, each lane every 64th sample. Every lane then adds what all lanes have, in their
// order, for the gradient needs the total. accumulate leaves out the gradient.

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read> sample_weight: array<f32>;
@group(0) @binding(3) var<storage, read> batch: array<u32>;
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_input: array<f32>;

override SAMPLES: u32;
override FEATURES: u32;
override WEIGHT: f32;
override RIGHT: f32;
override WRONG: f32;
override SPAN: f32;
override LOSS: u32;
override METRIC: u32;
override LOW: f32;
override HIGH: f32;

const WORKGROUP: u32 = 64u;

// Of a lane's samples that count: the weighted loss, the metric, how many they are, and their weights.
var<workgroup> lane_sums: array<vec4f, WORKGROUP>;

// include parts/weighted_mean.wgsl
// include parts/mse.wgsl
// include parts/bce_with_logits.wgsl
// include parts/softmax_cross_entropy.wgsl
// include parts/metrics.wgsl

// The sum of the weights of all terms that the loss is the mean of, where those of the samples have this `total`.
fn loss_terms(total: f32) -> f32 {
    if LOSS == 2u {
        return total;
    }
    return total * f32(FEATURES);
}

// What a sample of weight 1 adds to the sum whose mean is the loss.
fn loss_of(n: u32) -> f32 {
    let first = n * FEATURES;
    if LOSS == 2u {
        let right = right_logit(first, FEATURES, targets[n]);
        return class_cross_entropy(first, FEATURES, right, shifted_sum(first, FEATURES));
    }
    var sum = 0.0;
    for (var e = first; e < first + FEATURES; e++) {
        let t = bitcast<f32>(targets[e]);
        if LOSS == 1u {
            sum += binary_cross_entropy(input[e], t);
        } else {
            sum += squared_error(input[e], t);
        }
    }
    return sum;
}

// Stores the gradient of a sample that counts.
fn store_gradient(n: u32, weight: f32, terms: f32) {
    let first = n * FEATURES;
    if LOSS == 2u {
        let right = right_logit(first, FEATURES, targets[n]);
        let shifted = shifted_sum(first, FEATURES);
        for (var e = first; e < first + FEATURES; e++) {
            d_input[e] = class_cross_entropy_slope(e, right, shifted) * WEIGHT * weight / terms;
        }
        return;
    }
    for (var e = first; e < first + FEATURES; e++) {
        let t = bitcast<f32>(targets[e]);
        if LOSS == 1u {
            d_input[e] = binary_cross_entropy_slope(input[e], t) * WEIGHT * weight / terms;
        } else {
            d_input[e] = squared_error_slope(input[e], t) * WEIGHT * weight / terms;
        }
    }
}

// Adds all real samples to the running sums, and returns the sum of the weights of all terms of the loss.
fn measure(lane: u32, real: u32) -> f32 {
    var own = vec4f(0.0);
    for (var n = lane; n < real; n += WORKGROUP) {
        let weight = sample_weight[n];
        if weight > 0.0 {
            own += vec4f(weight * loss_of(n), metric_of(n), 1.0, weight);
        }
    }
    lane_sums[lane] = own;
    workgroupBarrier();
    var sum = vec4f(0.0);
    for (var other = 0u; other < min(SAMPLES, WORKGROUP); other++) {
        sum += lane_sums[other];
    }
    let terms = loss_terms(sum.w);
    if lane == 0u {
        add_to_sums(weighted_mean(sum.x, terms), sum.y, sum.z, sum.w);
    }
    return terms;
}

@compute @workgroup_size(WORKGROUP)
fn accumulate(@builtin(local_invocation_index) lane: u32) {
    measure(lane, min(batch[0], SAMPLES));
}

@compute @workgroup_size(WORKGROUP)
fn backward(@builtin(local_invocation_index) lane: u32) {
    let real = min(batch[0], SAMPLES);
    let terms = measure(lane, real);
    for (var n = lane; n < SAMPLES; n += WORKGROUP) {
        let weight = sample_weight[n];
        if n < real && weight > 0.0 {
            store_gradient(n, weight, terms);
        } else {
            for (var e = n * FEATURES; e < (n + 1u) * FEATURES; e++) {
                d_input[e] = 0.0;
            }
        }
    }
}
