// Two-dimensional convolution (cross-correlation) with bias, and its gradients.
//
//   output[n,o,y,x]    = bias[o] + sum over c,i,j of weight[o,c,i,j] * input[n,c,y*S+i-P,x*S+j-P]
//   d_input[n,c,v,u]   = sum over o,i,j of weight[o,c,i,j] * d_output[n,o,(v+P-i)/S,(u+P-j)/S]
//   d_weight[o,c,i,j]  = sum over n,y,x of d_output[n,o,y,x] * input[n,c,y*S+i-P,x*S+j-P]
//   d_bias[o]          = sum over n,y,x of d_output[n,o,y,x]
//
// with stride S and padding P; positions outside of the input are zero, and (v+P-i)/S counts only
// where it is whole and within the output. Dumoulin and Visin, "A guide to convolution arithmetic
// for deep learning", 2016.
//
// input, d_input      (BATCH, IN_CHANNELS, IN_HEIGHT, IN_WIDTH)
// weight, d_weight    (OUT_CHANNELS, IN_CHANNELS, KERNEL_HEIGHT, KERNEL_WIDTH)
// bias, d_bias        (OUT_CHANNELS)
// output, d_output    (BATCH, OUT_CHANNELS, OUT_HEIGHT, OUT_WIDTH)
// partial             (BATCH * SPLITS, OUT_CHANNELS, TAPS + 1), the last column for the bias
//
// Invocations are numbered along one line (see line_index). One computes
//   forward                  8 output channels of one output pixel; neighbours differ in x
//   backward_input           8 input channels of one input pixel; neighbours differ in x
//   backward_weight_partial  one tap of 8 filters over SPLIT_ROWS output rows of one sample;
//                            neighbours differ in the tap, and the one after the last is the bias
//   backward_weight          the sum of one tap of one filter over all partial sums, in their order

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
@group(0) @binding(4) var<storage, read> d_output: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_input: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_weight: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_bias: array<f32>;
@group(0) @binding(8) var<storage, read_write> partial: array<f32>;

override BATCH: i32;
override IN_CHANNELS: i32;
override IN_HEIGHT: i32;
override IN_WIDTH: i32;
override OUT_CHANNELS: i32;
override OUT_HEIGHT: i32;
override OUT_WIDTH: i32;
override KERNEL_HEIGHT: i32;
override KERNEL_WIDTH: i32;
override STRIDE_Y: i32;
override STRIDE_X: i32;
override PAD_TOP: i32;
override PAD_LEFT: i32;
override SPLIT_ROWS: i32;
override SPLITS: i32;

const WORKGROUP: u32 = 64u;
const BLOCK: i32 = 8;

fn line_index(group: vec3u, groups: vec3u, lane: u32) -> i32 {
    return i32((group.y * groups.x + group.x) * WORKGROUP + lane);
}

// Eight floats of `weight`, `stride` apart; beyond `last` the last one again.
fn weights(first: i32, stride: i32, block: i32, channels: i32) -> array<vec4f, 2> {
    let last = channels - 1 - block;
    return array<vec4f, 2>(
        vec4f(
            weight[first],
            weight[first + min(1, last) * stride],
            weight[first + min(2, last) * stride],
            weight[first + min(3, last) * stride],
        ),
        vec4f(
            weight[first + min(4, last) * stride],
            weight[first + min(5, last) * stride],
            weight[first + min(6, last) * stride],
            weight[first + min(7, last) * stride],
        ),
    );
}

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let out_pixels = OUT_HEIGHT * OUT_WIDTH;
    let blocks = (OUT_CHANNELS + BLOCK - 1) / BLOCK;
    let index = line_index(group, groups, lane);
    if index >= BATCH * blocks * out_pixels {
        return;
    }
    let out_x = index % OUT_WIDTH;
    let out_y = index / OUT_WIDTH % OUT_HEIGHT;
    let out_channel = index / out_pixels % blocks * BLOCK;
    let sample = index / (out_pixels * blocks);
    let taps = IN_CHANNELS * KERNEL_HEIGHT * KERNEL_WIDTH;

    var low = vec4f();
    var high = vec4f();
    for (var in_channel = 0; in_channel < IN_CHANNELS; in_channel++) {
        for (var kernel_y = 0; kernel_y < KERNEL_HEIGHT; kernel_y++) {
            let in_y = out_y * STRIDE_Y + kernel_y - PAD_TOP;
            if in_y < 0 || in_y >= IN_HEIGHT {
                continue;
            }
            let row = ((sample * IN_CHANNELS + in_channel) * IN_HEIGHT + in_y) * IN_WIDTH;
            let tap_row = out_channel * taps + (in_channel * KERNEL_HEIGHT + kernel_y) * KERNEL_WIDTH;
            for (var kernel_x = 0; kernel_x < KERNEL_WIDTH; kernel_x++) {
                let in_x = out_x * STRIDE_X + kernel_x - PAD_LEFT;
                if in_x < 0 || in_x >= IN_WIDTH {
                    continue;
                }
                let value = input[row + in_x];
                let w = weights(tap_row + kernel_x, taps, out_channel, OUT_CHANNELS);
                low += value * w[0];
                high += value * w[1];
            }
        }
    }

    let first = (sample * OUT_CHANNELS + out_channel) * out_pixels + out_y * OUT_WIDTH + out_x;
    for (var i = 0; i < min(BLOCK, OUT_CHANNELS - out_channel); i++) {
        let sum = select(high[i & 3], low[i & 3], i < 4);
        output[first + i * out_pixels] = sum + bias[out_channel + i];
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let in_pixels = IN_HEIGHT * IN_WIDTH;
    let blocks = (IN_CHANNELS + BLOCK - 1) / BLOCK;
    let index = line_index(group, groups, lane);
    if index >= BATCH * blocks * in_pixels {
        return;
    }
    let in_x = index % IN_WIDTH;
    let in_y = index / IN_WIDTH % IN_HEIGHT;
    let in_channel = index / in_pixels % blocks * BLOCK;
    let sample = index / (in_pixels * blocks);
    let window = KERNEL_HEIGHT * KERNEL_WIDTH;

    var low = vec4f();
    var high = vec4f();
    for (var out_channel = 0; out_channel < OUT_CHANNELS; out_channel++) {
        let tap_plane = (out_channel * IN_CHANNELS + in_channel) * window;
        for (var kernel_y = 0; kernel_y < KERNEL_HEIGHT; kernel_y++) {
            let shifted_y = in_y + PAD_TOP - kernel_y;
            let out_y = shifted_y / STRIDE_Y;
            if shifted_y < 0 || shifted_y % STRIDE_Y != 0 || out_y >= OUT_HEIGHT {
                continue;
            }
            let row = ((sample * OUT_CHANNELS + out_channel) * OUT_HEIGHT + out_y) * OUT_WIDTH;
            for (var kernel_x = 0; kernel_x < KERNEL_WIDTH; kernel_x++) {
                let shifted_x = in_x + PAD_LEFT - kernel_x;
                let out_x = shifted_x / STRIDE_X;
                if shifted_x < 0 || shifted_x % STRIDE_X != 0 || out_x >= OUT_WIDTH {
                    continue;
                }
                let gradient = d_output[row + out_x];
                let tap = tap_plane + kernel_y * KERNEL_WIDTH + kernel_x;
                let w = weights(tap, window, in_channel, IN_CHANNELS);
                low += gradient * w[0];
                high += gradient * w[1];
            }
        }
    }

    let first = (sample * IN_CHANNELS + in_channel) * in_pixels + in_y * IN_WIDTH + in_x;
    for (var i = 0; i < min(BLOCK, IN_CHANNELS - in_channel); i++) {
        d_input[first + i * in_pixels] = select(high[i & 3], low[i & 3], i < 4);
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_weight_partial(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let taps = IN_CHANNELS * KERNEL_HEIGHT * KERNEL_WIDTH;
    let columns = taps + 1;
    let blocks = (OUT_CHANNELS + BLOCK - 1) / BLOCK;
    let index = line_index(group, groups, lane);
    if index >= BATCH * SPLITS * blocks * columns {
        return;
    }
    let tap = index % columns;
    let out_channel = index / columns % blocks * BLOCK;
    let piece = index / (columns * blocks);
    let sample = piece / SPLITS;
    let first_y = piece % SPLITS * SPLIT_ROWS;
    let is_bias = tap == taps;
    let kernel_x = tap % KERNEL_WIDTH;
    let kernel_y = tap / KERNEL_WIDTH % KERNEL_HEIGHT;
    let in_channel = tap / (KERNEL_WIDTH * KERNEL_HEIGHT);
    let last = OUT_CHANNELS - 1 - out_channel;
    let plane = OUT_HEIGHT * OUT_WIDTH;

    var low = vec4f();
    var high = vec4f();
    for (var out_y = first_y; out_y < min(first_y + SPLIT_ROWS, OUT_HEIGHT); out_y++) {
        let in_y = out_y * STRIDE_Y + kernel_y - PAD_TOP;
        if !is_bias && (in_y < 0 || in_y >= IN_HEIGHT) {
            continue;
        }
        let row = ((sample * IN_CHANNELS + in_channel) * IN_HEIGHT + in_y) * IN_WIDTH;
        let out_row = ((sample * OUT_CHANNELS + out_channel) * OUT_HEIGHT + out_y) * OUT_WIDTH;
        for (var out_x = 0; out_x < OUT_WIDTH; out_x++) {
            let in_x = out_x * STRIDE_X + kernel_x - PAD_LEFT;
            var value = 1.0;
            if !is_bias {
                if in_x < 0 || in_x >= IN_WIDTH {
                    continue;
                }
                value = input[row + in_x];
            }
            let at = out_row + out_x;
            low += value * vec4f(
                d_output[at],
                d_output[at + min(1, last) * plane],
                d_output[at + min(2, last) * plane],
                d_output[at + min(3, last) * plane],
            );
            high += value * vec4f(
                d_output[at + min(4, last) * plane],
                d_output[at + min(5, last) * plane],
                d_output[at + min(6, last) * plane],
                d_output[at + min(7, last) * plane],
            );
        }
    }

    let first = (piece * OUT_CHANNELS + out_channel) * columns + tap;
    for (var i = 0; i < min(BLOCK, OUT_CHANNELS - out_channel); i++) {
        partial[first + i * columns] = select(high[i & 3], low[i & 3], i < 4);
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_weight(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let taps = IN_CHANNELS * KERNEL_HEIGHT * KERNEL_WIDTH;
    let columns = taps + 1;
    let index = line_index(group, groups, lane);
    if index >= OUT_CHANNELS * columns {
        return;
    }
    var sum = 0.0;
    for (var piece = 0; piece < BATCH * SPLITS; piece++) {
        sum += partial[piece * OUT_CHANNELS * columns + index];
    }
    let tap = index % columns;
    let out_channel = index / columns;
    if tap == taps {
        d_bias[out_channel] = sum;
    } else {
        d_weight[out_channel * taps + tap] = sum;
    }
}
