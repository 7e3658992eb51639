// A convolution of 3x3 with bias, ReLU, max pooling of 2x2 and, where there is one, dropout in one, and its
// gradients.
//
//   pixel[n,o,y,x]     = bias[o] + sum over c,i,j of weight[o,c,i,j] * input[n,c,y+i-P,x+j-P]
//   output[n,o,y,x]    = max(0, the four pixels[n,o,2y+a,2x+b]) * SCALE, or 0 where it is dropped
//   code[n,o,y,x]      = 2a+b of the first largest pixel, or 4 where it is not above zero or dropped
//   d_pixel[n,o,y,x]   = d_output[n,o,y/2,x/2] where the code points at the pixel, else 0
//   d_input[n,c,v,u]   = SCALE * sum over o,i,j of weight[o,c,i,j] * d_pixel[n,o,v+P-i,u+P-j]
//   d_weight[o,c,i,j]  = SCALE * sum over n,y,x of d_pixel[n,o,y,x] * input[n,c,y+i-P,x+j-P]
//   d_bias[o]          = SCALE * sum over n,y,x of d_pixel[n,o,y,x]
//
// with padding P. See conv2d.wgsl, relu.wgsl, max_pool2d.wgsl and parts/philox.wgsl. Pixels are never stored.
// Without dropout, nothing is dropped and SCALE is 1. With it, codes tell the gradients all that they need.
//
// Several layers side by side that share their input are one convolution with the filters of all of them;
// OUT_CHANNELS counts all, and each layer has an OUT_CHANNELS / LAYERS of them, a multiple of 8 if there are
// several. What comes after the convolution lies layer after layer, as if each had a batch of its own.
//
// input, d_input      (BATCH, IN_CHANNELS, IN_HEIGHT, IN_WIDTH)
// weight, d_weight    (OUT_CHANNELS, IN_CHANNELS, 3, 3)
// bias, d_bias        (OUT_CHANNELS)
// output, d_output    (LAYERS, BATCH, OUT_CHANNELS / LAYERS, OUT_HEIGHT, OUT_WIDTH), after pooling
// code                (LAYERS, BATCH, OUT_CHANNELS / LAYERS / 8, OUT_HEIGHT, OUT_WIDTH), four bits a channel,
//                     the first of eight in the lowest
// sample              (BATCH), the number of each sample in its set
// batch               see BATCH_WORDS in src/ops/batch.rs: [1] epoch, [2] [3] seed
// mask                (LAYERS, BATCH, words), a bit for each of a sample's outputs, the first in the lowest:
//                     whether it is kept
// partial             (PIECES, OUT_CHANNELS, IN_CHANNELS * 9 + 1), the last for the bias
// packed              weights in blocks of 32 channels: for forward (block of output channels, input
//                     channel, i, j, output channel in the block) and behind each block its biases, for
//                     backward_input, times SCALE, (block of input channels, output channel, 2-i, 2-j,
//                     input channel in the block)
//
// where packed rows are padded to an even number a block. A dispatch of forward or backward_input sees
// ROWS rows of the packed weights from FIRST_ROW on, of the block of channels from FIRST_COLUMN on, as a
// uniform buffer: all lanes need the same weight at the same time. An invocation computes VECTORS * 4 of
// the block's 32 channels; where PARTS is above 1, workgroups along z share the block. Beyond the first
// rows backward_input adds to what is there. With WHOLE, one dispatch sees all weights as a storage buffer,
// and workgroups along z share all blocks.
//
// Invocations are numbered along one line (see line_index). One computes
//   pack_forward                 one element of the packed weights
//   pack_and_draw                the same, or one word of the mask
//   forward, forward_dropout     4 * VECTORS output channels of WIDTH (1 or 2) pooled pixels; neighbours
//                                differ in x
//   backward_input               4 * VECTORS input channels of WIDTH times 2x2 pixels; neighbours differ
//                                in x
//   backward_weight_partial      9 taps of two input channels and 16 filters over SPLIT_ROWS pooled rows of
//                                one sample, one of SPLITS such pieces; neighbours differ in the channels
//   backward_weight              the sum of one tap of one filter over all partial sums
//   sum_and_pack                 the same, or one element of the packed weights for backward_input
//
// For GPUs, one workgroup of backward_weight_tile computes 9 taps of one input channel and 4 filters over
// PIECE pooled pixels, counted through all samples: neighbours look at neighbouring pixels, as far as
// memory is wide, and their sums are added in workgroup memory.

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
@group(0) @binding(4) var<storage, read_write> code: array<u32>;
@group(0) @binding(5) var<storage, read> d_output: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_input: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_weight: array<f32>;
@group(0) @binding(8) var<storage, read_write> d_bias: array<f32>;
@group(0) @binding(9) var<storage, read_write> partial: array<f32>;
@group(0) @binding(10) var<storage, read_write> packed: array<f32>;
@group(0) @binding(11) var<uniform> packed_uniform: array<vec4f, 4096>;
@group(0) @binding(12) var<storage, read> packed_whole: array<vec4f>;
@group(0) @binding(13) var<storage, read> sample: array<u32>;
@group(0) @binding(14) var<storage, read> batch: array<u32>;
@group(0) @binding(15) var<storage, read_write> mask: array<u32>;

override BATCH: i32;
override IN_CHANNELS: i32;
override IN_HEIGHT: i32;
override IN_WIDTH: i32;
override OUT_CHANNELS: i32;
override LAYERS: i32;
override OUT_HEIGHT: i32;
override OUT_WIDTH: i32;
override PAD_TOP: i32;
override PAD_LEFT: i32;
override SCALE: f32;
override SPLIT_ROWS: i32;
override SPLITS: i32;
override PIECE: i32;
override PIECES: i32;
override WIDTH: i32;
override FIRST_COLUMN: i32;
override VECTORS: i32;
override PARTS: i32;
override FIRST_ROW: i32;
override ROWS: i32;
override WHOLE: i32;

const WORKGROUP: u32 = 64u;
const OUTS: i32 = 32;
const TAPS: i32 = 9;
// Pieces whose sums are added up before they are added to the others.
const SUMMED: i32 = 64;
// Filters of an invocation of backward_weight_partial.
const FILTERS: i32 = 16;
// Channels whose codes share a word.
const CODES: i32 = 8;

// include parts/line_index.wgsl

// The layer that has an output channel, where those of all layers are numbered through.
fn layer_of(channel: i32) -> i32 {
    if LAYERS == 1 {
        return 0;
    }
    return channel / (OUT_CHANNELS / LAYERS);
}

// What the number of an output channel lacks to that of its plane for a sample, among those of all layers and
// samples.
fn plane_offset(sample: i32, channel: i32) -> i32 {
    return (layer_of(channel) * (BATCH - 1) + sample) * (OUT_CHANNELS / LAYERS);
}

// The plane of codes for a sample and an output channel.
fn code_plane(sample: i32, channel: i32) -> i32 {
    let channels = OUT_CHANNELS / LAYERS;
    let layer = layer_of(channel);
    let blocks = (channels + CODES - 1) / CODES;
    return (layer * BATCH + sample) * blocks + (channel - layer * channels) / CODES;
}

// An element of the packed weights: (row, column) of a matrix of so many rows.
fn packed_place(index: i32, rows: i32) -> vec2i {
    let stride = rows + rows % 2;
    return vec2i(index / OUTS % stride, index / (OUTS * stride) * OUTS + index % OUTS);
}

// Four rows of four pixels.
struct Area {
    row_0: vec4f,
    row_1: vec4f,
    row_2: vec4f,
    row_3: vec4f,
}

// What each of the nine taps sees of an area from the 2x2 pixels in its middle.
struct Seen {
    tap_0: vec4f,
    tap_1: vec4f,
    tap_2: vec4f,
    tap_3: vec4f,
    tap_4: vec4f,
    tap_5: vec4f,
    tap_6: vec4f,
    tap_7: vec4f,
    tap_8: vec4f,
}

fn seen(area: Area) -> Seen {
    let upper = vec4f(area.row_0.xy, area.row_1.xy);
    return Seen(
        upper,
        vec4f(area.row_0.yz, area.row_1.yz),
        vec4f(area.row_0.zw, area.row_1.zw),
        vec4f(area.row_1.xy, area.row_2.xy),
        vec4f(area.row_1.yz, area.row_2.yz),
        vec4f(area.row_1.zw, area.row_2.zw),
        vec4f(area.row_2.xy, area.row_3.xy),
        vec4f(area.row_2.yz, area.row_3.yz),
        vec4f(area.row_2.zw, area.row_3.zw),
    );
}

// Sums for the 2x2 pixels in the middle of an area, a column a channel and four channels a matrix; or
// for the taps of a filter, a matrix a tap.
struct Sums {
    sum_0: mat4x4f,
    sum_1: mat4x4f,
    sum_2: mat4x4f,
    sum_3: mat4x4f,
    sum_4: mat4x4f,
    sum_5: mat4x4f,
    sum_6: mat4x4f,
    sum_7: mat4x4f,
    sum_8: mat4x4f,
}

fn outer(weights: vec4f, tap: vec4f) -> mat4x4f {
    return mat4x4f(weights.x * tap, weights.y * tap, weights.z * tap, weights.w * tap);
}

// Where the weights begin that the nine taps of the first row on have for a vector of channels.
fn packed_start(vector: i32) -> i32 {
    return select(vector, vector / 8 * (ROWS + ROWS % 2) * 8 + vector % 8, WHOLE != 0);
}

fn weights(at: i32) -> vec4f {
    if WHOLE != 0 {
        return packed_whole[at];
    }
    return packed_uniform[at];
}

// Adds what the nine taps give for four channels, whose weights begin at `at`. One after the other, no
// product needs registers of its own.
fn added(sums: mat4x4f, at: i32, see: Seen) -> mat4x4f {
    return sums
        + outer(weights(at), see.tap_0)
        + outer(weights(at + 8), see.tap_1)
        + outer(weights(at + 16), see.tap_2)
        + outer(weights(at + 24), see.tap_3)
        + outer(weights(at + 32), see.tap_4)
        + outer(weights(at + 40), see.tap_5)
        + outer(weights(at + 48), see.tap_6)
        + outer(weights(at + 56), see.tap_7)
        + outer(weights(at + 64), see.tap_8);
}

// What the taps see of WIDTH areas side by side.
struct Views {
    a: Seen,
    b: Seen,
}

// The sums of WIDTH areas.
struct Tile {
    a: Sums,
    b: Sums,
}

// Adds the products of all channels for WIDTH areas.
fn add_products(at: i32, views: Views, tile: ptr<function, Tile>) {
    (*tile).a.sum_0 = added((*tile).a.sum_0, at, views.a);
    if WIDTH > 1 {
        (*tile).b.sum_0 = added((*tile).b.sum_0, at, views.b);
    }
    if VECTORS > 1 {
        (*tile).a.sum_1 = added((*tile).a.sum_1, at + 1, views.a);
        if WIDTH > 1 {
            (*tile).b.sum_1 = added((*tile).b.sum_1, at + 1, views.b);
        }
    }
    if VECTORS > 2 {
        (*tile).a.sum_2 = added((*tile).a.sum_2, at + 2, views.a);
        if WIDTH > 1 {
            (*tile).b.sum_2 = added((*tile).b.sum_2, at + 2, views.b);
        }
    }
    if VECTORS > 3 {
        (*tile).a.sum_3 = added((*tile).a.sum_3, at + 3, views.a);
        if WIDTH > 1 {
            (*tile).b.sum_3 = added((*tile).b.sum_3, at + 3, views.b);
        }
    }
    if VECTORS > 4 {
        (*tile).a.sum_4 = added((*tile).a.sum_4, at + 4, views.a);
        if WIDTH > 1 {
            (*tile).b.sum_4 = added((*tile).b.sum_4, at + 4, views.b);
        }
    }
    if VECTORS > 5 {
        (*tile).a.sum_5 = added((*tile).a.sum_5, at + 5, views.a);
        if WIDTH > 1 {
            (*tile).b.sum_5 = added((*tile).b.sum_5, at + 5, views.b);
        }
    }
    if VECTORS > 6 {
        (*tile).a.sum_6 = added((*tile).a.sum_6, at + 6, views.a);
        if WIDTH > 1 {
            (*tile).b.sum_6 = added((*tile).b.sum_6, at + 6, views.b);
        }
    }
    if VECTORS > 7 {
        (*tile).a.sum_7 = added((*tile).a.sum_7, at + 7, views.a);
        if WIDTH > 1 {
            (*tile).b.sum_7 = added((*tile).b.sum_7, at + 7, views.b);
        }
    }
}

// The first of the vectors that this part of the workgroups computes.
fn first_vector(group: vec3u) -> i32 {
    return select(0, i32(group.z) * VECTORS, PARTS > 1);
}

// Two neighbouring pixels of the input, zero outside of it.
fn input_pair(plane: i32, y: i32, x: i32) -> vec2f {
    let columns = vec2i(x, x + 1);
    // Without padding all windows lie inside; only one of two side by side may not be there.
    if PAD_TOP == 0 && PAD_LEFT == 0 && WIDTH == 1 {
        let source = (plane * IN_HEIGHT + y) * IN_WIDTH + x;
        return vec2f(input[source], input[source + 1]);
    }
    let inside = (columns >= vec2i(0)) & (columns < vec2i(IN_WIDTH)) & vec2<bool>(y >= 0 && y < IN_HEIGHT);
    let source = select(vec2i(0), (plane * IN_HEIGHT + y) * IN_WIDTH + columns, inside);
    return select(vec2f(0.0), vec2f(input[source.x], input[source.y]), inside);
}

// Two columns of an area of the input.
fn input_columns(plane: i32, y: i32, x: i32) -> mat4x2f {
    return mat4x2f(
        input_pair(plane, y, x),
        input_pair(plane, y + 1, x),
        input_pair(plane, y + 2, x),
        input_pair(plane, y + 3, x),
    );
}

fn joined(left: mat4x2f, right: mat4x2f) -> Area {
    return Area(
        vec4f(left[0], right[0]),
        vec4f(left[1], right[1]),
        vec4f(left[2], right[2]),
        vec4f(left[3], right[3]),
    );
}

// include parts/conv_pool2d_output.wgsl
// include parts/conv_pool2d_input.wgsl
// include parts/conv_pool2d_weights.wgsl
