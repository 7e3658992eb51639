// Cross-entropy of logits with one right class each, and its gradient.
//
//   loss          = sum over n < real of (ln(sum over c of exp(x[n,c]-m)) + m - x[n,t]) / real
//   d_input[n,c]  = WEIGHT * (exp(x[n,c]-m) / sum over k of exp(x[n,k]-m) - (c == t)) / real
//                   for n < real, else 0
//
// with x = input, t = targets[n], m the largest logit of the sample, and real = batch[0], the number of
// real samples.
//
// input, d_input  (SAMPLES, CLASSES)
// targets         (SAMPLES), the number of the right class
// loss            (1)
// batch           see BATCH_WORDS in src/ops/mod.rs: [0] number of real samples
//
// forward runs in one invocation, which adds in the order of the samples. In backward_input,
// invocations are numbered along one line and one computes a sample.

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read> batch: array<u32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_input: array<f32>;

override SAMPLES: u32;
override CLASSES: u32;
override WEIGHT: f32;

const WORKGROUP: u32 = 64u;

// include parts/softmax_cross_entropy.wgsl

fn line_index(group: vec3u, groups: vec3u, lane: u32) -> u32 {
    return (group.y * groups.x + group.x) * WORKGROUP + lane;
}

@compute @workgroup_size(1)
fn forward() {
    let real = min(batch[0], SAMPLES);
    var sum = 0.0;
    for (var n = 0u; n < real; n++) {
        let first = n * CLASSES;
        sum += class_cross_entropy(right_logit(first, CLASSES, targets[n]), shifted_sum(first, CLASSES));
    }
    loss[0] = sum / f32(real);
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
    if n >= real {
        for (var c = 0u; c < CLASSES; c++) {
            d_input[first + c] = 0.0;
        }
        return;
    }
    let shifted = shifted_sum(first, CLASSES);
    let right = right_logit(first, CLASSES, targets[n]);
    for (var c = 0u; c < CLASSES; c++) {
        d_input[first + c] = class_cross_entropy_slope(first + c, right, shifted) * WEIGHT / f32(real);
    }
}
