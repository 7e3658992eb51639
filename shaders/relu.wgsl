// Rectified linear unit and its gradient.
//
//   output  = max(input, 0)
//   d_input = d_output where output > 0, else 0
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
    output[index] = max(input[index], 0.0);
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
    d_input[index] = select(0.0, d_output[index], output[index] > 0.0);
}
