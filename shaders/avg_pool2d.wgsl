// Two-dimensional average pooling without padding, and its gradient.
//
//   output[p,y,x]  = sum over i,j of input[p,y*S+i,x*S+j] / (KERNEL_HEIGHT * KERNEL_WIDTH)
//   d_input[p,v,u] = sum of d_output[p,y,x] over the windows that hold (v,u), by the same divisor
//
// with stride S. A remainder at the end of an axis belongs to no window and gets no gradient.
//
// input, d_input    (PLANES, IN_HEIGHT, IN_WIDTH), PLANES = batch * channels
// output, d_output  (PLANES, OUT_HEIGHT, OUT_WIDTH)
//
// Invocations are numbered along one line. One computes
//   forward         one output pixel
//   backward_input  one input pixel, gathered from all windows that hold it

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<storage, read> d_output: array<f32>;
@group(0) @binding(3) var<storage, read_write> d_input: array<f32>;

override PLANES: i32;
override IN_HEIGHT: i32;
override IN_WIDTH: i32;
override OUT_HEIGHT: i32;
override OUT_WIDTH: i32;
override KERNEL_HEIGHT: i32;
override KERNEL_WIDTH: i32;
override STRIDE_Y: i32;
override STRIDE_X: i32;

const WORKGROUP: u32 = 64u;

// include parts/line_index.wgsl

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = i32(line_index(group, groups, lane));
    if index >= PLANES * OUT_HEIGHT * OUT_WIDTH {
        return;
    }
    let out_x = index % OUT_WIDTH;
    let out_y = index / OUT_WIDTH % OUT_HEIGHT;
    let plane = index / (OUT_WIDTH * OUT_HEIGHT);
    let first = (plane * IN_HEIGHT + out_y * STRIDE_Y) * IN_WIDTH + out_x * STRIDE_X;

    var sum = 0.0;
    for (var i = 0; i < KERNEL_HEIGHT; i++) {
        for (var j = 0; j < KERNEL_WIDTH; j++) {
            sum += input[first + i * IN_WIDTH + j];
        }
    }
    output[index] = sum / f32(KERNEL_HEIGHT * KERNEL_WIDTH);
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
    let in_x = index % IN_WIDTH;
    let in_y = index / IN_WIDTH % IN_HEIGHT;
    let plane = index / (IN_WIDTH * IN_HEIGHT);
    // The windows that hold the pixel: first_y <= y <= last_y, and the same along x.
    let first_y = max(0, in_y - KERNEL_HEIGHT + STRIDE_Y) / STRIDE_Y;
    let first_x = max(0, in_x - KERNEL_WIDTH + STRIDE_X) / STRIDE_X;
    let last_y = min(in_y / STRIDE_Y, OUT_HEIGHT - 1);
    let last_x = min(in_x / STRIDE_X, OUT_WIDTH - 1);

    var sum = 0.0;
    for (var out_y = first_y; out_y <= last_y; out_y++) {
        for (var out_x = first_x; out_x <= last_x; out_x++) {
            sum += d_output[(plane * OUT_HEIGHT + out_y) * OUT_WIDTH + out_x];
        }
    }
    d_input[index] = sum / f32(KERNEL_HEIGHT * KERNEL_WIDTH);
}
