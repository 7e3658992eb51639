// Binary cross-entropy of logits, and its gradient.
//
//   loss       = sum over e < real of (max(x,0) - x*t + ln(1 + exp(-|x|))) / real
//   d_input[e] = WEIGHT * (sigmoid(x) - t) / real for e < real, else 0
//
// with x = input[e], t = targets[e], and real = batch[0] * FEATURES, the number of elements of real
// samples.
//
// input, targets, d_input  (ELEMENTS) = (samples, FEATURES)
// loss                    (1)
// batch                   see BATCH_WORDS in src/ops/mod.rs: [0] number of real samples
//
// forward runs in one invocation, which adds in the order of the elements. In backward_input,
// invocations are numbered along one line and one computes an element.

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<f32>;
@group(0) @binding(2) var<storage, read> batch: array<u32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_input: array<f32>;

override ELEMENTS: u32;
override FEATURES: u32;
override WEIGHT: f32;

const WORKGROUP: u32 = 64u;

// include parts/bce_with_logits.wgsl

fn line_index(group: vec3u, groups: vec3u, lane: u32) -> u32 {
    return (group.y * groups.x + group.x) * WORKGROUP + lane;
}

@compute @workgroup_size(1)
fn forward() {
    let real = min(batch[0] * FEATURES, ELEMENTS);
    var sum = 0.0;
    for (var e = 0u; e < real; e++) {
        sum += binary_cross_entropy(input[e], targets[e]);
    }
    loss[0] = sum / f32(real);
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let e = line_index(group, groups, lane);
    if e >= ELEMENTS {
        return;
    }
    let real = min(batch[0] * FEATURES, ELEMENTS);
    if e < real {
        d_input[e] = binary_cross_entropy_slope(input[e], targets[e]) * WEIGHT / f32(real);
    } else {
        d_input[e] = 0.0;
    }
}
