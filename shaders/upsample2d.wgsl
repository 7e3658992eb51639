// Nearest-neighbour upsampling by whole factors, and its gradient.
//
//   output[p,y,x]  = input[p,y/SCALE_Y,x/SCALE_X], rounded down
//   d_input[p,v,u] = sum over i,j of d_output[p,v*SCALE_Y+i,u*SCALE_X+j]
//
// with 0 <= i < SCALE_Y and 0 <= j < SCALE_X: every input pixel becomes a block of SCALE_Y x SCALE_X output pixels.
//
// input, d_input    (PLANES, IN_HEIGHT, IN_WIDTH), PLANES = batch * channels
// output, d_output  (PLANES, IN_HEIGHT * SCALE_Y, IN_WIDTH * SCALE_X)
//
// Invocations are numbered along one line. One computes
//   forward         one output pixel
//   backward_input  one input pixel

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<storage, read> d_output: array<f32>;
@group(0) @binding(3) var<storage, read_write> d_input: array<f32>;

override PLANES: i32;
override IN_HEIGHT: i32;
override IN_WIDTH: i32;
override SCALE_Y: i32;
override SCALE_X: i32;

const WORKGROUP: u32 = 64u;

// include parts/line_index.wgsl

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let out_width = IN_WIDTH * SCALE_X;
    let index = i32(line_index(group, groups, lane));
    if index >= PLANES * IN_HEIGHT * SCALE_Y * out_width {
        return;
    }
    let in_x = index % out_width / SCALE_X;
    // Rows of all planes lie one after the other, so that SCALE_Y of them always come from one.
    let in_row = index / out_width / SCALE_Y;
    output[index] = input[in_row * IN_WIDTH + in_x];
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = i32(line_index(group, groups, lane));
    if index >= PLANES * IN_HEIGHT * IN_WIDTH {
        return;
    }
    let out_width = IN_WIDTH * SCALE_X;
    let first = index / IN_WIDTH * SCALE_Y * out_width + index % IN_WIDTH * SCALE_X;
    var sum = 0.0;
    for (var i = 0; i < SCALE_Y; i++) {
        for (var j = 0; j < SCALE_X; j++) {
            sum += d_output[first + i * out_width + j];
        }
    }
    d_input[index] = sum;
}
