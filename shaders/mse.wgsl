// Mean squared error, each sample weighted, and its gradient.
//
//   loss          = sum over n < real of w[n] * sum over f of (input[n,f] - targets[n,f])^2 / total
//   d_input[n,f]  = WEIGHT * w[n] * 2 * (input[n,f] - targets[n,f]) / total
//
// with w = sample_weight, real = batch[0], the number of real samples, and total = FEATURES * sum over n < real of
// w[n]. Samples that are not real or have a weight of 0 add nothing, and their gradient is 0, whatever their input and
// targets are. The loss is 0 where all weights are.
//
// input, targets, d_input  (SAMPLES, FEATURES)
// sample_weight           (SAMPLES), not negative
// loss                    (1)
// batch                   see BATCH_WORDS in src/ops/batch.rs: [0] number of real samples
//
// forward runs in one invocation, which adds in the order of the elements. In backward_input,
// invocations are numbered along one line and one computes an element.

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<f32>;
@group(0) @binding(2) var<storage, read> sample_weight: array<f32>;
@group(0) @binding(3) var<storage, read> batch: array<u32>;
@group(0) @binding(4) var<storage, read_write> loss: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_input: array<f32>;

override SAMPLES: u32;
override FEATURES: u32;
override WEIGHT: f32;

const WORKGROUP: u32 = 64u;

// include parts/total_weight.wgsl
// include parts/weighted_mean.wgsl
// include parts/mse.wgsl
// include parts/line_index.wgsl

@compute @workgroup_size(1)
fn forward() {
    let real = min(batch[0], SAMPLES);
    var sum = 0.0;
    for (var n = 0u; n < real; n++) {
        let weight = sample_weight[n];
        if weight > 0.0 {
            for (var e = n * FEATURES; e < (n + 1u) * FEATURES; e++) {
                sum += weight * squared_error(input[e], targets[e]);
            }
        }
    }
    loss[0] = weighted_mean(sum, total_weight(real) * f32(FEATURES));
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let e = line_index(group, groups, lane);
    if e >= SAMPLES * FEATURES {
        return;
    }
    let real = min(batch[0], SAMPLES);
    let n = e / FEATURES;
    let weight = sample_weight[n];
    if n < real && weight > 0.0 {
        let total = total_weight(real) * f32(FEATURES);
        d_input[e] = squared_error_slope(input[e], targets[e]) * WEIGHT * weight / total;
    } else {
        d_input[e] = 0.0;
    }
}
