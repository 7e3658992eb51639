// The mean of every channel over the positions that hold a token, and its gradient.
//
//   scale[n]        = 1 / the number of l with tokens[n,l] != 0 (COMBINER 0), or 1 / its square root (1), or 1 / LENGTH
//                     (2); of no such l 1 in place of their number
//   output[n,c]     = scale[n] * sum of input[n,c,l] over the l with tokens[n,l] != 0
//   d_input[n,c,l]  = scale[n] * d_output[n,c] where tokens[n,l] != 0, and 0 elsewhere
//
// input, d_input    (SAMPLES, CHANNELS, LENGTH)
// tokens            (SAMPLES, LENGTH), 0 for padding
// output, d_output  (SAMPLES, CHANNELS)
// scale             (SAMPLES)
//
// Invocations are numbered along one line. count: one computes the scale of a sample; forward: one adds up a channel of
// a sample, in the order of the positions; backward_input: one computes an element.

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> tokens: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
@group(0) @binding(3) var<storage, read_write> scale: array<f32>;
@group(0) @binding(4) var<storage, read> d_output: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_input: array<f32>;

override SAMPLES: u32;
override CHANNELS: u32;
override LENGTH: u32;
override COMBINER: u32;

const WORKGROUP: u32 = 64u;

// include parts/line_index.wgsl

@compute @workgroup_size(WORKGROUP)
fn count(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let n = line_index(group, groups, lane);
    if n >= SAMPLES {
        return;
    }
    var real = 0u;
    for (var l = 0u; l < LENGTH; l++) {
        real += select(0u, 1u, tokens[n * LENGTH + l] != 0u);
    }
    var divisor = f32(max(real, 1u));
    if COMBINER == 1u {
        divisor = sqrt(divisor);
    } else if COMBINER == 2u {
        divisor = f32(LENGTH);
    }
    scale[n] = 1.0 / divisor;
}

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    if index >= SAMPLES * CHANNELS {
        return;
    }
    let n = index / CHANNELS;
    var sum = 0.0;
    for (var l = 0u; l < LENGTH; l++) {
        if tokens[n * LENGTH + l] != 0u {
            sum += input[index * LENGTH + l];
        }
    }
    output[index] = sum * scale[n];
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    if index >= SAMPLES * CHANNELS * LENGTH {
        return;
    }
    let plane = index / LENGTH;
    let n = plane / CHANNELS;
    let is_token = tokens[n * LENGTH + index % LENGTH] != 0u;
    d_input[index] = select(0.0, d_output[plane] * scale[n], is_token);
}
