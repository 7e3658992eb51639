// The end of a branch: its loss and its metric, added to the running sums, and the loss's gradient. The loss
// itself is not stored.
//
//   sums[0] += loss * count
//   sums[1] += sum over n < count of metric(n)
//   sums[2] += count
//   d_input  = the gradient of WEIGHT * loss; 0 for samples that are not real
//
// with count = batch[0], the number of real samples, metric by METRIC as in metrics.wgsl, and loss by LOSS
//
//   0  as in mse.wgsl
//   1  as in bce_with_logits.wgsl
//   2  as in softmax_cross_entropy.wgsl
//
// input, d_input (SAMPLES, FEATURES)
// targets        the bits of floats (SAMPLES, FEATURES), or with LOSS 2 whole numbers (SAMPLES)
// batch          see BATCH_WORDS in src/ops/mod.rs: [0] number of real samples
// sums           (3)
//
// One workgroup computes everything, each lane every 64th sample. The first lane then adds what all lanes have,
// in their order. accumulate leaves out the gradient.

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read> batch: array<u32>;
@group(0) @binding(3) var<storage, read_write> sums: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_input: array<f32>;

override SAMPLES: u32;
override FEATURES: u32;
override WEIGHT: f32;
override LOSS: u32;
override METRIC: u32;
override LOW: f32;
override HIGH: f32;

const WORKGROUP: u32 = 64u;

// The loss and the metric of a lane's samples.
var<workgroup> lane_sums: array<vec2f, WORKGROUP>;

// include parts/mse.wgsl
// include parts/bce_with_logits.wgsl
// include parts/softmax_cross_entropy.wgsl
// include parts/metrics.wgsl

// How many terms the loss of so many samples is the mean of.
fn loss_terms(count: u32) -> f32 {
    if LOSS == 2u {
        return f32(count);
    }
    return f32(count * FEATURES);
}

// What a sample adds to the sum whose mean is the loss.
fn loss_of(n: u32) -> f32 {
    let first = n * FEATURES;
    if LOSS == 2u {
        let right = right_logit(first, FEATURES, targets[n]);
        return class_cross_entropy(right, shifted_sum(first, FEATURES));
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

// Stores the gradient of a real sample.
fn store_gradient(n: u32, count: u32) {
    let first = n * FEATURES;
    let terms = loss_terms(count);
    if LOSS == 2u {
        let right = right_logit(first, FEATURES, targets[n]);
        let shifted = shifted_sum(first, FEATURES);
        for (var e = first; e < first + FEATURES; e++) {
            d_input[e] = class_cross_entropy_slope(e, right, shifted) * WEIGHT / terms;
        }
        return;
    }
    for (var e = first; e < first + FEATURES; e++) {
        let t = bitcast<f32>(targets[e]);
        if LOSS == 1u {
            d_input[e] = binary_cross_entropy_slope(input[e], t) * WEIGHT / terms;
        } else {
            d_input[e] = squared_error_slope(input[e], t) * WEIGHT / terms;
        }
    }
}

// Adds all real samples to the running sums.
fn measure(lane: u32, count: u32) {
    var own = vec2f(0.0);
    for (var n = lane; n < count; n += WORKGROUP) {
        own += vec2f(loss_of(n), metric_of(n));
    }
    lane_sums[lane] = own;
    workgroupBarrier();
    if lane == 0u {
        var sum = vec2f(0.0);
        for (var other = 0u; other < min(SAMPLES, WORKGROUP); other++) {
            sum += lane_sums[other];
        }
        add_to_sums(sum.x / loss_terms(count), sum.y, count);
    }
}

@compute @workgroup_size(WORKGROUP)
fn accumulate(@builtin(local_invocation_index) lane: u32) {
    measure(lane, min(batch[0], SAMPLES));
}

@compute @workgroup_size(WORKGROUP)
fn backward(@builtin(local_invocation_index) lane: u32) {
    let count = min(batch[0], SAMPLES);
    for (var n = lane; n < count; n += WORKGROUP) {
        store_gradient(n, count);
    }
    for (var e = count * FEATURES + lane; e < SAMPLES * FEATURES; e += WORKGROUP) {
        d_input[e] = 0.0;
    }
    measure(lane, count);
}
