// Cross-entropy of logits with one right class each, each sample weighted, and its gradient.
//
//   loss          = sum over n < real of w[n] * sum over c of q[n,c] * y[n,c] / total
//   y[n,c]        = ln(sum over k of exp(x[n,k]-m)) + m - x[n,c]
//   d_input[n,c]  = WEIGHT * w[n] * (exp(x[n,c]-m) / sum over k of exp(x[n,k]-m) - q[n,c]) / total
//
// with q[n,c] = RIGHT where c == t and WRONG elsewhere, which are 1 and 0 where labels are not smoothed, x = input,
// t = targets[n], m the largest logit of the sample, w = sample_weight, real = batch[0], the number of real samples, and
// total = sum over n < real of w[n]. Samples that are not real or have a weight of 0 add nothing, and their gradient is
// 0, whatever their input and target are. The loss is 0 where all weights are.
//
// input, d_input  (SAMPLES, CLASSES)
// targets         (SAMPLES), the number of the right class
// sample_weight   (SAMPLES), not negative
// loss            (1)
// batch           see BATCH_WORDS in src/ops/batch.rs: [0] number of real samples
//
// forward runs in one invocation, which adds in the order of the samples. In backward_input,
// invocations are numbered along one line and one computes a sample.

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read> sample_weight: array<f32>;
@group(0) @binding(3) var<storage, read> batch: array<u32>;
@group(0) @binding(4) var<storage, read_write> loss: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_input: array<f32>;

override SAMPLES: u32;
override CLASSES: u32;
override WEIGHT: f32;
override RIGHT: f32;
override WRONG: f32;

const WORKGROUP: u32 = 64u;

// include parts/total_weight.wgsl
// include parts/weighted_mean.wgsl
// include parts/softmax_cross_entropy.wgsl
// include parts/line_index.wgsl

@compute @workgroup_size(1)
fn forward() {
    let real = min(batch[0], SAMPLES);
    var sum = 0.0;
    for (var n = 0u; n < real; n++) {
        let weight = sample_weight[n];
        if weight > 0.0 {
            let first = n * CLASSES;
            let right = right_logit(first, CLASSES, targets[n]);
            sum += weight * class_cross_entropy(first, CLASSES, right, shifted_sum(first, CLASSES));
        }
    }
    loss[0] = weighted_mean(sum, total_weight(real));
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let n = line_index(group, groups, lane);
    if n >= SAMPLES {
        return;
    }
    let first = n * CLASSES;
    let real = min(batch[0], SAMPLES);
    let weight = sample_weight[n];
    if n >= real || weight <= 0.0 {
        for (var c = 0u; c < CLASSES; c++) {
            d_input[first + c] = 0.0;
        }
        return;
    }
    let shifted = shifted_sum(first, CLASSES);
    let right = right_logit(first, CLASSES, targets[n]);
    let total = total_weight(real);
    for (var c = 0u; c < CLASSES; c++) {
        d_input[first + c] = class_cross_entropy_slope(first + c, right, shifted) * WEIGHT * weight / total;
    }
}
