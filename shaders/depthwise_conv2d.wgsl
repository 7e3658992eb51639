// Depthwise two-dimensional convolution (cross-correlation) with bias, and its gradients: each channel has one filter
// of its own.
//
//   output[n,c,y,x]  = bias[c] + sum over i,j of weight[c,i,j] * input[n,c,y*S+i-P,x*S+j-P]
//   d_input[n,c,v,u] = sum over i,j of weight[c,i,j] * d_output[n,c,(v+P-i)/S,(u+P-j)/S]
//   d_weight[c,i,j]  = sum over n,y,x of d_output[n,c,y,x] * input[n,c,y*S+i-P,x*S+j-P]
//   d_bias[c]        = sum over n,y,x of d_output[n,c,y,x]
//
// with stride S and padding P; positions outside of the input are zero, and (v+P-i)/S counts only where it is whole
// and within the output. Chollet, "Xception: Deep learning with depthwise separable convolutions", 2017.
//
// input, d_input      (BATCH, CHANNELS, IN_HEIGHT, IN_WIDTH)
// weight, d_weight    (CHANNELS, KERNEL_HEIGHT, KERNEL_WIDTH)
// bias, d_bias        (CHANNELS)
// output, d_output    (BATCH, CHANNELS, OUT_HEIGHT, OUT_WIDTH)
// partial             (PIECES, CHANNELS, KERNEL_HEIGHT * KERNEL_WIDTH + 1), the last column for the bias
//
// Invocations are numbered along one line (see line_index). One computes
//   forward                  four output pixels side by side of one plane, a channel of a sample
//   backward_input           four input pixels side by side of one plane
//   backward_weight          the sum of one tap of one channel over all pieces; the tap after the last is the bias
//
// One workgroup of backward_weight_partial computes up to 16 taps of one channel over PIECE output pixels, counted
// through all samples: neighbouring lanes look at neighbouring pixels, and their sums are added in workgroup memory.

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
override CHANNELS: i32;
override IN_HEIGHT: i32;
override IN_WIDTH: i32;
override OUT_HEIGHT: i32;
override OUT_WIDTH: i32;
override KERNEL_HEIGHT: i32;
override KERNEL_WIDTH: i32;
override STRIDE_Y: i32;
override STRIDE_X: i32;
override PAD_TOP: i32;
override PAD_LEFT: i32;
override PIECE: i32;
override PIECES: i32;

const WORKGROUP: u32 = 64u;
// Pixels side by side that one invocation computes.
const PIXELS: i32 = 4;
// Taps of a workgroup of backward_weight_partial.
const TILE_TAPS: i32 = 16;
// Pieces whose sums are added up before they are added to the others.
const SUMMED: i32 = 64;

// include parts/line_index.wgsl

// A pixel of the input's row that begins at `row`: zero outside of it.
fn input_at(row: i32, x: i32) -> f32 {
    let inside = x >= 0 && x < IN_WIDTH;
    return select(0.0, input[select(0, row + x, inside)], inside);
}

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let quads = (OUT_WIDTH + PIXELS - 1) / PIXELS;
    let index = i32(line_index(group, groups, lane));
    if index >= BATCH * CHANNELS * OUT_HEIGHT * quads {
        return;
    }
    let out_x = index % quads * PIXELS;
    let out_y = index / quads % OUT_HEIGHT;
    let plane = index / (quads * OUT_HEIGHT);
    let channel = plane % CHANNELS;

    var sum = vec4f();
    for (var i = 0; i < KERNEL_HEIGHT; i++) {
        let y = out_y * STRIDE_Y + i - PAD_TOP;
        if y < 0 || y >= IN_HEIGHT {
            continue;
        }
        let row = (plane * IN_HEIGHT + y) * IN_WIDTH;
        var values = vec4f();
        for (var j = 0; j < KERNEL_WIDTH; j++) {
            let x = out_x * STRIDE_X + j - PAD_LEFT;
            if STRIDE_X == 1 && j > 0 {
                // The next tap sees the same pixels, one further on.
                values = vec4f(values.yzw, input_at(row, x + 3));
            } else {
                values.x = input_at(row, x);
                values.y = input_at(row, x + STRIDE_X);
                values.z = input_at(row, x + 2 * STRIDE_X);
                values.w = input_at(row, x + 3 * STRIDE_X);
            }
            sum += values * weight[(channel * KERNEL_HEIGHT + i) * KERNEL_WIDTH + j];
        }
    }

    let first = (plane * OUT_HEIGHT + out_y) * OUT_WIDTH + out_x;
    for (var i = 0; i < min(OUT_WIDTH - out_x, PIXELS); i++) {
        output[first + i] = sum[i] + bias[channel];
    }
}

// The gradient of the window whose tap sees column x of the padded input, in the row of d_output that begins at
// `row`: zero where there is no such window.
fn d_output_at(row: i32, x: i32) -> f32 {
    let out_x = x / STRIDE_X;
    let inside = x >= 0 && x % STRIDE_X == 0 && out_x < OUT_WIDTH;
    return select(0.0, d_output[select(0, row + out_x, inside)], inside);
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let quads = (IN_WIDTH + PIXELS - 1) / PIXELS;
    let index = i32(line_index(group, groups, lane));
    if index >= BATCH * CHANNELS * IN_HEIGHT * quads {
        return;
    }
    let in_x = index % quads * PIXELS;
    let in_y = index / quads % IN_HEIGHT;
    let plane = index / (quads * IN_HEIGHT);
    let channel = plane % CHANNELS;

    var sum = vec4f();
    for (var i = 0; i < KERNEL_HEIGHT; i++) {
        let y = in_y + PAD_TOP - i;
        if y < 0 || y % STRIDE_Y != 0 || y / STRIDE_Y >= OUT_HEIGHT {
            continue;
        }
        let row = (plane * OUT_HEIGHT + y / STRIDE_Y) * OUT_WIDTH;
        var values = vec4f();
        for (var j = 0; j < KERNEL_WIDTH; j++) {
            let x = in_x + PAD_LEFT - j;
            if STRIDE_X == 1 && j > 0 {
                values = vec4f(d_output_at(row, x), values.xyz);
            } else {
                values.x = d_output_at(row, x);
                values.y = d_output_at(row, x + 1);
                values.z = d_output_at(row, x + 2);
                values.w = d_output_at(row, x + 3);
            }
            sum += values * weight[(channel * KERNEL_HEIGHT + i) * KERNEL_WIDTH + j];
        }
    }

    let first = (plane * IN_HEIGHT + in_y) * IN_WIDTH + in_x;
    for (var i = 0; i < min(IN_WIDTH - in_x, PIXELS); i++) {
        d_input[first + i] = sum[i];
    }
}

// include parts/sum_of_lanes.wgsl

// What four taps see of the window of a plane that begins at (y, x): zero outside of the input, and one for the bias,
// the tap after the last.
fn tapped(plane: i32, y: i32, x: i32, first_tap: i32) -> vec4f {
    let tap = first_tap + vec4i(0, 1, 2, 3);
    let taps = vec4i(KERNEL_HEIGHT * KERNEL_WIDTH);
    let in_y = y + tap / KERNEL_WIDTH;
    let in_x = x + tap % KERNEL_WIDTH;
    let inside = (in_y >= vec4i(0)) & (in_y < vec4i(IN_HEIGHT)) & (in_x >= vec4i(0))
        & (in_x < vec4i(IN_WIDTH)) & (tap < taps);
    let source = select(vec4i(0), (plane * IN_HEIGHT + in_y) * IN_WIDTH + in_x, inside);
    let seen = vec4f(input[source.x], input[source.y], input[source.z], input[source.w]);
    return select(select(vec4f(), seen, inside), vec4f(1.0), tap == taps);
}

@compute @workgroup_size(WORKGROUP)
fn backward_weight_partial(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let taps = KERNEL_HEIGHT * KERNEL_WIDTH;
    let blocks = (taps + TILE_TAPS) / TILE_TAPS;
    let index = i32(group.y * groups.x + group.x);
    if index >= PIECES * CHANNELS * blocks {
        return;
    }
    let tap = index % blocks * TILE_TAPS;
    let channel = index / blocks % CHANNELS;
    let piece = index / (blocks * CHANNELS);
    let pixels = OUT_HEIGHT * OUT_WIDTH;
    let first_pixel = piece * PIECE;

    // Four taps each; those beyond the bias are not computed.
    var sum_0 = vec4f();
    var sum_1 = vec4f();
    var sum_2 = vec4f();
    var sum_3 = vec4f();
    for (var i = i32(lane); i < PIECE && first_pixel + i < BATCH * pixels; i += i32(WORKGROUP)) {
        // Divisions take fewer instructions without signs.
        let at = u32(first_pixel + i);
        let pixel = at % u32(pixels);
        let plane = i32(at / u32(pixels)) * CHANNELS + channel;
        let y = i32(pixel / u32(OUT_WIDTH)) * STRIDE_Y - PAD_TOP;
        let x = i32(pixel % u32(OUT_WIDTH)) * STRIDE_X - PAD_LEFT;
        let d = d_output[plane * pixels + i32(pixel)];
        sum_0 += d * tapped(plane, y, x, tap);
        if tap + 4 <= taps {
            sum_1 += d * tapped(plane, y, x, tap + 4);
        }
        if tap + 8 <= taps {
            sum_2 += d * tapped(plane, y, x, tap + 8);
        }
        if tap + 12 <= taps {
            sum_3 += d * tapped(plane, y, x, tap + 12);
        }
    }

    let sum = sum_of_lanes(lane, mat4x4f(sum_0, sum_1, sum_2, sum_3));
    let tap_of = tap + i32(lane);
    if i32(lane) < TILE_TAPS && tap_of <= taps {
        partial[(piece * CHANNELS + channel) * (taps + 1) + tap_of] = sum;
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_weight(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let taps = KERNEL_HEIGHT * KERNEL_WIDTH;
    let columns = taps + 1;
    let index = i32(line_index(group, groups, lane));
    if index >= CHANNELS * columns {
        return;
    }
    // Four at a time, so that loads do not wait for each other, and few in a row, so that sums of many stay
    // accurate.
    let stride = CHANNELS * columns;
    var sums = vec4f();
    var piece = 0;
    while piece + 4 <= PIECES {
        var few = vec4f();
        let end = min(piece + SUMMED, PIECES);
        for (; piece + 4 <= end; piece += 4) {
            let at = piece * stride + index;
            few += vec4f(partial[at], partial[at + stride], partial[at + 2 * stride], partial[at + 3 * stride]);
        }
        sums += few;
    }
    var sum = sums.x + sums.y + sums.z + sums.w;
    for (; piece < PIECES; piece++) {
        sum += partial[piece * stride + index];
    }
    let tap = index % columns;
    let channel = index / columns;
    if tap == taps {
        d_bias[channel] = sum;
    } else {
        d_weight[channel * taps + tap] = sum;
    }
}
