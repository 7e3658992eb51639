// The logistic function and its gradient.
//
//   output  = 1 / (1 + exp(-input))
//   d_input = d_output * output * (1 - output)
//
// exp only ever sees numbers up to 0, so that nothing overflows.
//
// All arrays hold ELEMENTS floats. Invocations are numbered along one line; one computes an element.

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<storage, read> d_output: array<f32>;
@group(0) @binding(3) var<storage, read_write> d_input: array<f32>;

override ELEMENTS: u32;

const WORKGROUP: u32 = 64u;

// include parts/line_index.wgsl

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    if index >= ELEMENTS {
        return;
    }
    let x = input[index];
    let small = exp(-abs(x));
    output[index] = select(small, 1.0, x >= 0.0) / (1.0 + small);
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    if index >= ELEMENTS {
        return;
    }
    let y = output[index];
    d_input[index] = d_output[index] * (y * (1.0 - y));
}
