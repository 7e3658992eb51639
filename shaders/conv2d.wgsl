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
// partial             (PIECES, OUT_CHANNELS, TAPS + 1), the last column for the bias
// forward_packed      (blocks of 32 output channels, tap, output channel in the block)
// backward_packed     (blocks of 32 input channels, output channel's tap, input channel in the block)
//
// where a tap is one of (channel, i, j), and packed rows are padded to an even number a block. A
// dispatch of forward or backward_input sees ROWS taps from FIRST_ROW on of the block of channels from
// FIRST_COLUMN on, as a uniform buffer: all lanes need the same weight at the same time. An invocation
// computes VECTORS * 4 of the block's 32 channels; where PARTS is above 1, workgroups along z share the
// block. Beyond the first rows a dispatch adds to what is there. With WHOLE, one dispatch sees all weights
// as a storage buffer, and workgroups along z share all blocks.
//
// Invocations are numbered along one line (see line_index). One computes
//   pack_forward, pack_backward  one element of the packed weights
//   forward                      4 * VECTORS output channels of four output pixels side by side
//   backward_input               4 * VECTORS input channels of four input pixels side by side
//   backward_weight_partial      8 taps of 8 filters over SPLIT_ROWS output rows of one sample, one of
//                                SPLITS such pieces; neighbours differ in the taps, and the one after the
//                                last is the bias
//   backward_weight              the sum of one tap of one filter over all partial sums
//
// For GPUs, one workgroup of backward_weight_tile computes 4 taps of 8 filters over PIECE output pixels,
// counted through all samples: neighbours look at neighbouring pixels, as far as memory is wide, and their
// sums are added in workgroup memory.

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
@group(0) @binding(4) var<storage, read> d_output: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_input: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_weight: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_bias: array<f32>;
@group(0) @binding(8) var<storage, read_write> partial: array<f32>;
@group(0) @binding(9) var<storage, read_write> forward_packed: array<f32>;
@group(0) @binding(10) var<storage, read_write> backward_packed: array<f32>;
@group(0) @binding(11) var<uniform> forward_packed_uniform: array<vec4f, 4096>;
@group(0) @binding(12) var<uniform> backward_packed_uniform: array<vec4f, 4096>;
@group(0) @binding(13) var<storage, read> forward_packed_whole: array<vec4f>;
@group(0) @binding(14) var<storage, read> backward_packed_whole: array<vec4f>;

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
override PIECE: i32;
override PIECES: i32;
override FIRST_COLUMN: i32;
override VECTORS: i32;
override PARTS: i32;
override FIRST_ROW: i32;
override ROWS: i32;
override WHOLE: i32;

const WORKGROUP: u32 = 64u;
const BLOCK: i32 = 8;
// Taps and filters of a workgroup of backward_weight_tile.
const TILE_TAPS: i32 = 4;
const TILE_FILTERS: i32 = 8;
const OUTS: i32 = 32;
// Pieces whose sums are added up before they are added to the others.
const SUMMED: i32 = 64;

// include parts/line_index.wgsl

// An element of the packed weights: (block, row, column) of a matrix of rows x columns.
fn packed_place(index: i32, rows: i32) -> vec2i {
    let stride = rows + rows % 2;
    return vec2i(index / OUTS % stride, index / (OUTS * stride) * OUTS + index % OUTS);
}

@compute @workgroup_size(WORKGROUP)
fn pack_forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = i32(line_index(group, groups, lane));
    let taps = IN_CHANNELS * KERNEL_HEIGHT * KERNEL_WIDTH;
    let blocks = (OUT_CHANNELS + OUTS - 1) / OUTS;
    if index >= blocks * (taps + taps % 2) * OUTS {
        return;
    }
    let place = packed_place(index, taps);
    var value = 0.0;
    if place.x < taps && place.y < OUT_CHANNELS {
        value = weight[place.y * taps + place.x];
    }
    forward_packed[index] = value;
}

@compute @workgroup_size(WORKGROUP)
fn pack_backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = i32(line_index(group, groups, lane));
    let window = KERNEL_HEIGHT * KERNEL_WIDTH;
    let taps = OUT_CHANNELS * window;
    let blocks = (IN_CHANNELS + OUTS - 1) / OUTS;
    if index >= blocks * (taps + taps % 2) * OUTS {
        return;
    }
    let place = packed_place(index, taps);
    var value = 0.0;
    if place.x < taps && place.y < IN_CHANNELS {
        value = weight[(place.x / window * IN_CHANNELS + place.y) * window + place.x % window];
    }
    backward_packed[index] = value;
}

// An element of the input: zero outside of it.
fn input_at(plane: i32, y: i32, x: i32) -> f32 {
    let inside = y >= 0 && y < IN_HEIGHT && x >= 0 && x < IN_WIDTH;
    return select(0.0, input[select(0, (plane * IN_HEIGHT + y) * IN_WIDTH + x, inside)], inside);
}

// Where the packed weights of the first row begin for an invocation whose first vector of channels is this.
fn packed_start(first_vector: i32) -> i32 {
    return select(first_vector, first_vector / 8 * (ROWS + ROWS % 2) * 8 + first_vector % 8, WHOLE != 0);
}

fn forward_weights(at: i32) -> vec4f {
    if WHOLE != 0 {
        return forward_packed_whole[at];
    }
    return forward_packed_uniform[at];
}

fn backward_weights(at: i32) -> vec4f {
    if WHOLE != 0 {
        return backward_packed_whole[at];
    }
    return backward_packed_uniform[at];
}

// Adds a channel of up to four pixels side by side to what earlier rows left, or to the bias. `first` is
// where the first of them lies in channel 0.
fn store_output(sum: vec4f, channel: i32, first: i32, pixels: i32) {
    if channel >= OUT_CHANNELS {
        return;
    }
    let at = first + channel * OUT_HEIGHT * OUT_WIDTH;
    for (var i = 0; i < min(pixels, 4); i++) {
        if FIRST_ROW == 0 {
            output[at + i] = sum[i] + bias[channel];
        } else {
            output[at + i] += sum[i];
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let quads = (OUT_WIDTH + 3) / 4;
    let index = i32(line_index(group, groups, lane));
    if index >= BATCH * OUT_HEIGHT * quads {
        return;
    }
    let out_x = index % quads * 4;
    let out_y = index / quads % OUT_HEIGHT;
    let sample = index / (quads * OUT_HEIGHT);
    var first_vector = 0;
    if PARTS > 1 {
        first_vector = i32(group.z) * VECTORS;
    }
    // The first tap: all lanes walk through the taps together.
    var kernel_x = FIRST_ROW % KERNEL_WIDTH;
    var kernel_y = FIRST_ROW / KERNEL_WIDTH % KERNEL_HEIGHT;
    var plane = sample * IN_CHANNELS + FIRST_ROW / (KERNEL_WIDTH * KERNEL_HEIGHT);

    // Four pixels in each vector, one channel a vector.
    var values = vec4f();
    var sum_0 = vec4f();
    var sum_1 = vec4f();
    var sum_2 = vec4f();
    var sum_3 = vec4f();
    var sum_4 = vec4f();
    var sum_5 = vec4f();
    var sum_6 = vec4f();
    var sum_7 = vec4f();
    var sum_8 = vec4f();
    var sum_9 = vec4f();
    var sum_10 = vec4f();
    var sum_11 = vec4f();
    var sum_12 = vec4f();
    var sum_13 = vec4f();
    var sum_14 = vec4f();
    var sum_15 = vec4f();
    var sum_16 = vec4f();
    var sum_17 = vec4f();
    var sum_18 = vec4f();
    var sum_19 = vec4f();
    var sum_20 = vec4f();
    var sum_21 = vec4f();
    var sum_22 = vec4f();
    var sum_23 = vec4f();
    var sum_24 = vec4f();
    var sum_25 = vec4f();
    var sum_26 = vec4f();
    var sum_27 = vec4f();
    var sum_28 = vec4f();
    var sum_29 = vec4f();
    var sum_30 = vec4f();
    var sum_31 = vec4f();
    let start = packed_start(first_vector);
    for (var row = 0; row < ROWS; row++) {
        let y = out_y * STRIDE_Y + kernel_y - PAD_TOP;
        let x = out_x * STRIDE_X + kernel_x - PAD_LEFT;
        if STRIDE_X == 1 && kernel_x > 0 && row > 0 {
            // The next tap sees the same pixels, one further on.
            values = vec4f(values.yzw, input_at(plane, y, x + 3));
        } else {
            values.x = input_at(plane, y, x);
            values.y = input_at(plane, y, x + STRIDE_X);
            values.z = input_at(plane, y, x + 2 * STRIDE_X);
            values.w = input_at(plane, y, x + 3 * STRIDE_X);
        }
        let at = start + row * 8;
        let weights_0 = forward_weights(at);
        sum_0 += values * weights_0.x;
        sum_1 += values * weights_0.y;
        sum_2 += values * weights_0.z;
        sum_3 += values * weights_0.w;
        if VECTORS > 1 {
            let weights_1 = forward_weights(at + 1);
            sum_4 += values * weights_1.x;
            sum_5 += values * weights_1.y;
            sum_6 += values * weights_1.z;
            sum_7 += values * weights_1.w;
        }
        if VECTORS > 2 {
            let weights_2 = forward_weights(at + 2);
            sum_8 += values * weights_2.x;
            sum_9 += values * weights_2.y;
            sum_10 += values * weights_2.z;
            sum_11 += values * weights_2.w;
        }
        if VECTORS > 3 {
            let weights_3 = forward_weights(at + 3);
            sum_12 += values * weights_3.x;
            sum_13 += values * weights_3.y;
            sum_14 += values * weights_3.z;
            sum_15 += values * weights_3.w;
        }
        if VECTORS > 4 {
            let weights_4 = forward_weights(at + 4);
            sum_16 += values * weights_4.x;
            sum_17 += values * weights_4.y;
            sum_18 += values * weights_4.z;
            sum_19 += values * weights_4.w;
        }
        if VECTORS > 5 {
            let weights_5 = forward_weights(at + 5);
            sum_20 += values * weights_5.x;
            sum_21 += values * weights_5.y;
            sum_22 += values * weights_5.z;
            sum_23 += values * weights_5.w;
        }
        if VECTORS > 6 {
            let weights_6 = forward_weights(at + 6);
            sum_24 += values * weights_6.x;
            sum_25 += values * weights_6.y;
            sum_26 += values * weights_6.z;
            sum_27 += values * weights_6.w;
        }
        if VECTORS > 7 {
            let weights_7 = forward_weights(at + 7);
            sum_28 += values * weights_7.x;
            sum_29 += values * weights_7.y;
            sum_30 += values * weights_7.z;
            sum_31 += values * weights_7.w;
        }
        kernel_x++;
        if kernel_x == KERNEL_WIDTH {
            kernel_x = 0;
            kernel_y++;
            if kernel_y == KERNEL_HEIGHT {
                kernel_y = 0;
                plane++;
            }
        }
    }

    let channel = FIRST_COLUMN + first_vector * 4;
    let first = (sample * OUT_CHANNELS * OUT_HEIGHT + out_y) * OUT_WIDTH + out_x;
    let pixels = OUT_WIDTH - out_x;
    store_output(sum_0, channel + 0, first, pixels);
    store_output(sum_1, channel + 1, first, pixels);
    store_output(sum_2, channel + 2, first, pixels);
    store_output(sum_3, channel + 3, first, pixels);
    if VECTORS > 1 {
        store_output(sum_4, channel + 4, first, pixels);
        store_output(sum_5, channel + 5, first, pixels);
        store_output(sum_6, channel + 6, first, pixels);
        store_output(sum_7, channel + 7, first, pixels);
    }
    if VECTORS > 2 {
        store_output(sum_8, channel + 8, first, pixels);
        store_output(sum_9, channel + 9, first, pixels);
        store_output(sum_10, channel + 10, first, pixels);
        store_output(sum_11, channel + 11, first, pixels);
    }
    if VECTORS > 3 {
        store_output(sum_12, channel + 12, first, pixels);
        store_output(sum_13, channel + 13, first, pixels);
        store_output(sum_14, channel + 14, first, pixels);
        store_output(sum_15, channel + 15, first, pixels);
    }
    if VECTORS > 4 {
        store_output(sum_16, channel + 16, first, pixels);
        store_output(sum_17, channel + 17, first, pixels);
        store_output(sum_18, channel + 18, first, pixels);
        store_output(sum_19, channel + 19, first, pixels);
    }
    if VECTORS > 5 {
        store_output(sum_20, channel + 20, first, pixels);
        store_output(sum_21, channel + 21, first, pixels);
        store_output(sum_22, channel + 22, first, pixels);
        store_output(sum_23, channel + 23, first, pixels);
    }
    if VECTORS > 6 {
        store_output(sum_24, channel + 24, first, pixels);
        store_output(sum_25, channel + 25, first, pixels);
        store_output(sum_26, channel + 26, first, pixels);
        store_output(sum_27, channel + 27, first, pixels);
    }
    if VECTORS > 7 {
        store_output(sum_28, channel + 28, first, pixels);
        store_output(sum_29, channel + 29, first, pixels);
        store_output(sum_30, channel + 30, first, pixels);
        store_output(sum_31, channel + 31, first, pixels);
    }
}

// include parts/conv2d_input.wgsl
// include parts/conv2d_weights.wgsl
