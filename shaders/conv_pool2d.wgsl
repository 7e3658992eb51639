// A convolution of 3x3 with bias, ReLU and max pooling of 2x2 in one, and its gradients.
//
//   pixel[n,o,y,x]     = bias[o] + sum over c,i,j of weight[o,c,i,j] * input[n,c,y+i-P,x+j-P]
//   output[n,o,y,x]    = max(0, the four pixels[n,o,2y+a,2x+b])
//   code[n,o,y,x]      = 2a+b of the first largest pixel, or 4 where it is not above zero
//   d_pixel[n,o,y,x]   = d_output[n,o,y/2,x/2] where the code points at the pixel, else 0
//   d_input[n,c,v,u]   = sum over o,i,j of weight[o,c,i,j] * d_pixel[n,o,v+P-i,u+P-j]
//   d_weight[o,c,i,j]  = sum over n,y,x of d_pixel[n,o,y,x] * input[n,c,y+i-P,x+j-P]
//   d_bias[o]          = sum over n,y,x of d_pixel[n,o,y,x]
//
// with padding P. See conv2d.wgsl, relu.wgsl and max_pool2d.wgsl. Pixels are never stored.
//
// input, d_input      (BATCH, IN_CHANNELS, IN_HEIGHT, IN_WIDTH)
// weight, d_weight    (OUT_CHANNELS, IN_CHANNELS, 3, 3)
// bias, d_bias        (OUT_CHANNELS)
// output, d_output    (BATCH, OUT_CHANNELS, OUT_HEIGHT, OUT_WIDTH), after pooling
// code                (BATCH, OUT_CHANNELS / 8, OUT_HEIGHT, OUT_WIDTH), four bits a channel, the first
//                     of eight in the lowest
// partial             (PIECES, OUT_CHANNELS, IN_CHANNELS * 9 + 1), the last for the bias
// packed              weights in blocks of 32 channels: for forward (block of output channels, input
//                     channel, i, j, output channel in the block) and behind each block its biases, for
//                     backward_input (block of input channels, output channel, 2-i, 2-j, input channel in
//                     the block)
//
// where packed rows are padded to an even number a block. A dispatch of forward or backward_input sees
// ROWS rows of the packed weights from FIRST_ROW on, of the block of channels from FIRST_COLUMN on, as a
// uniform buffer: all lanes need the same weight at the same time. An invocation computes VECTORS * 4 of
// the block's 32 channels; where PARTS is above 1, workgroups along z share the block. Beyond the first
// rows backward_input adds to what is there. With WHOLE, one dispatch sees all weights as a storage buffer,
// and workgroups along z share all blocks.
//
// Invocations are numbered along one line (see line_index). One computes
//   pack_forward, pack_backward  one element of the packed weights
//   forward                      4 * VECTORS output channels of WIDTH (1 or 2) pooled pixels; neighbours
//                                differ in x
//   backward_input               4 * VECTORS input channels of WIDTH times 2x2 pixels; neighbours differ
//                                in x
//   backward_weight_partial      9 taps of two input channels and 16 filters over SPLIT_ROWS pooled rows of
//                                one sample, one of SPLITS such pieces; neighbours differ in the channels
//   backward_weight              the sum of one tap of one filter over all partial sums
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

override BATCH: i32;
override IN_CHANNELS: i32;
override IN_HEIGHT: i32;
override IN_WIDTH: i32;
override OUT_CHANNELS: i32;
override OUT_HEIGHT: i32;
override OUT_WIDTH: i32;
override PAD_TOP: i32;
override PAD_LEFT: i32;
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
// Filters of an invocation of backward_weight_partial.
const FILTERS: i32 = 16;
// Channels whose codes share a word.
const CODES: i32 = 8;

fn line_index(group: vec3u, groups: vec3u, lane: u32) -> i32 {
    return i32((group.y * groups.x + group.x) * WORKGROUP + lane);
}

// An element of the packed weights: (row, column) of a matrix of so many rows.
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
    let index = line_index(group, groups, lane);
    let taps = IN_CHANNELS * TAPS;
    let rows = taps + 1;
    let blocks = (OUT_CHANNELS + OUTS - 1) / OUTS;
    if index >= blocks * (rows + rows % 2) * OUTS {
        return;
    }
    let place = packed_place(index, rows);
    var value = 0.0;
    if place.x < taps && place.y < OUT_CHANNELS {
        value = weight[place.y * taps + place.x];
    } else if place.x == taps && place.y < OUT_CHANNELS {
        value = bias[place.y];
    }
    packed[index] = value;
}

@compute @workgroup_size(WORKGROUP)
fn pack_backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    let rows = OUT_CHANNELS * TAPS;
    let blocks = (IN_CHANNELS + OUTS - 1) / OUTS;
    if index >= blocks * (rows + rows % 2) * OUTS {
        return;
    }
    let place = packed_place(index, rows);
    var value = 0.0;
    if place.x < rows && place.y < IN_CHANNELS {
        value = weight[(place.x / TAPS * IN_CHANNELS + place.y) * TAPS + TAPS - 1 - place.x % TAPS];
    }
    packed[index] = value;
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

// Pools one channel, and returns its code.
fn pool(sums: vec4f, channel: i32, pooled: i32) -> u32 {
    if channel >= OUT_CHANNELS {
        return 0u;
    }
    var largest = sums.x;
    var winner = 0u;
    if sums.y > largest {
        largest = sums.y;
        winner = 1u;
    }
    if sums.z > largest {
        largest = sums.z;
        winner = 2u;
    }
    if sums.w > largest {
        largest = sums.w;
        winner = 3u;
    }
    output[pooled + channel * OUT_HEIGHT * OUT_WIDTH] = max(largest, 0.0);
    return select(4u, winner, largest > 0.0);
}

// Pools eight channels from the block's channel `first` on.
fn store_output(low: mat4x4f, high: mat4x4f, first: i32, sample: i32, pixel: i32) {
    let channel = FIRST_COLUMN + first;
    let biases = packed_start(first / 4) + IN_CHANNELS * TAPS * 8;
    let low_bias = weights(biases);
    let high_bias = weights(biases + 1);
    let plane = OUT_HEIGHT * OUT_WIDTH;
    let pooled = sample * OUT_CHANNELS * plane + pixel;
    let word = (sample * ((OUT_CHANNELS + CODES - 1) / CODES) + channel / CODES) * plane + pixel;
    code[word] = pool(low[0] + low_bias.x, channel, pooled)
        | pool(low[1] + low_bias.y, channel + 1, pooled) << 4u
        | pool(low[2] + low_bias.z, channel + 2, pooled) << 8u
        | pool(low[3] + low_bias.w, channel + 3, pooled) << 12u
        | pool(high[0] + high_bias.x, channel + 4, pooled) << 16u
        | pool(high[1] + high_bias.y, channel + 5, pooled) << 20u
        | pool(high[2] + high_bias.z, channel + 6, pooled) << 24u
        | pool(high[3] + high_bias.w, channel + 7, pooled) << 28u;
}

fn store_outputs(sums: Sums, first: i32, sample: i32, pixel: i32) {
    store_output(sums.sum_0, sums.sum_1, first, sample, pixel);
    if VECTORS > 2 {
        store_output(sums.sum_2, sums.sum_3, first + 8, sample, pixel);
    }
    if VECTORS > 4 {
        store_output(sums.sum_4, sums.sum_5, first + 16, sample, pixel);
    }
    if VECTORS > 6 {
        store_output(sums.sum_6, sums.sum_7, first + 24, sample, pixel);
    }
}

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let columns = (OUT_WIDTH + WIDTH - 1) / WIDTH;
    let index = line_index(group, groups, lane);
    if index >= BATCH * OUT_HEIGHT * columns {
        return;
    }
    let x = index % columns * WIDTH;
    let y = index / columns % OUT_HEIGHT;
    let sample = index / (columns * OUT_HEIGHT);
    let in_y = y * 2 - PAD_TOP;
    let in_x = x * 2 - PAD_LEFT;
    let vector = first_vector(group);

    let start = packed_start(vector);
    var tile = Tile();
    for (var channel = 0; channel < IN_CHANNELS; channel++) {
        let source = sample * IN_CHANNELS + channel;
        let second = input_columns(source, in_y, in_x + 2);
        let see = seen(joined(input_columns(source, in_y, in_x), second));
        var views = Views(see, see);
        if WIDTH > 1 {
            views.b = seen(joined(second, input_columns(source, in_y, in_x + 4)));
        }
        add_products(start + channel * TAPS * 8, views, &tile);
    }

    let pixel = y * OUT_WIDTH + x;
    store_outputs(tile.a, vector * 4, sample, pixel);
    if WIDTH > 1 && x + 1 < OUT_WIDTH {
        store_outputs(tile.b, vector * 4, sample, pixel + 1);
    }
}

// The gradients of a window's four pixels.
fn unpooled(gradient: f32, winner: u32) -> vec4f {
    return select(vec4f(0.0), vec4f(gradient), vec4u(0u, 1u, 2u, 3u) == vec4u(winner));
}

// Two pooling windows, one below the other: where they lie in a plane, and whether they are there.
struct Windows {
    place: vec2i,
    inside: vec2<bool>,
}

// The windows in the rows before and at y.
fn columns_at(y: i32, x: i32) -> Windows {
    let rows = vec2i(y - 1, y);
    let inside = (rows >= vec2i(0)) & (rows < vec2i(OUT_HEIGHT)) & vec2<bool>(x >= 0 && x < OUT_WIDTH);
    return Windows(select(vec2i(0), rows * OUT_WIDTH + x, inside), inside);
}

fn codes_of(sample: i32, channel: i32, windows: Windows) -> vec2u {
    let blocks = (OUT_CHANNELS + CODES - 1) / CODES;
    let words = (sample * blocks + channel / CODES) * OUT_HEIGHT * OUT_WIDTH + windows.place;
    return vec2u(code[words.x], code[words.y]);
}

// The gradients of two windows' pixels: two columns of four.
fn d_columns(sample: i32, channel: i32, windows: Windows, codes: vec2u) -> mat4x2f {
    let places = (sample * OUT_CHANNELS + channel) * OUT_HEIGHT * OUT_WIDTH + windows.place;
    let d_pooled = select(vec2f(0.0), vec2f(d_output[places.x], d_output[places.y]), windows.inside);
    let winners = codes >> vec2u(u32(channel % CODES) * 4u) & vec2u(7u);
    let upper = unpooled(d_pooled.x, winners.x);
    let lower = unpooled(d_pooled.y, winners.y);
    return mat4x2f(upper.xy, upper.zw, lower.xy, lower.zw);
}

// Adds the gradients of 2x2 pixels of four channels to what earlier rows left.
fn store_d_input(sums: mat4x4f, first_channel: i32, sample: i32, y: i32, x: i32) {
    for (var i = 0; i < 16; i++) {
        let channel = first_channel + i / 4;
        let at_y = y + i / 2 % 2;
        let at_x = x + i % 2;
        if channel < IN_CHANNELS && at_y >= 0 && at_y < IN_HEIGHT && at_x >= 0 && at_x < IN_WIDTH {
            let at = ((sample * IN_CHANNELS + channel) * IN_HEIGHT + at_y) * IN_WIDTH + at_x;
            let sum = sums[i / 4][i % 4];
            if FIRST_ROW == 0 {
                d_input[at] = sum;
            } else {
                d_input[at] += sum;
            }
        }
    }
}

fn store_d_inputs(sums: Sums, channel: i32, sample: i32, y: i32, x: i32) {
    store_d_input(sums.sum_0, channel, sample, y, x);
    if VECTORS > 1 {
        store_d_input(sums.sum_1, channel + 4, sample, y, x);
    }
    if VECTORS > 2 {
        store_d_input(sums.sum_2, channel + 8, sample, y, x);
    }
    if VECTORS > 3 {
        store_d_input(sums.sum_3, channel + 12, sample, y, x);
    }
    if VECTORS > 4 {
        store_d_input(sums.sum_4, channel + 16, sample, y, x);
    }
    if VECTORS > 5 {
        store_d_input(sums.sum_5, channel + 20, sample, y, x);
    }
    if VECTORS > 6 {
        store_d_input(sums.sum_6, channel + 24, sample, y, x);
    }
    if VECTORS > 7 {
        store_d_input(sums.sum_7, channel + 28, sample, y, x);
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    // Blocks of 2x2 pixels whose windows begin where a pooling window does.
    let rows = (IN_HEIGHT + PAD_TOP + 1) / 2;
    let columns = ((IN_WIDTH + PAD_LEFT + 1) / 2 + WIDTH - 1) / WIDTH;
    let index = line_index(group, groups, lane);
    if index >= BATCH * rows * columns {
        return;
    }
    let x = index % columns * WIDTH;
    let y = index / columns % rows;
    let sample = index / (columns * rows);

    let vector = first_vector(group);

    let start = packed_start(vector);
    var tile = Tile();
    let first = columns_at(y, x - 1);
    let second = columns_at(y, x);
    let third = columns_at(y, x + 1);
    var first_codes = vec2u();
    var second_codes = vec2u();
    var third_codes = vec2u();
    for (var row = 0; row < ROWS; row += TAPS) {
        let channel = (FIRST_ROW + row) / TAPS;
        if channel % CODES == 0 {
            first_codes = codes_of(sample, channel, first);
            second_codes = codes_of(sample, channel, second);
            if WIDTH > 1 {
                third_codes = codes_of(sample, channel, third);
            }
        }
        let d_second = d_columns(sample, channel, second, second_codes);
        let see = seen(joined(d_columns(sample, channel, first, first_codes), d_second));
        var views = Views(see, see);
        if WIDTH > 1 {
            views.b = seen(joined(d_second, d_columns(sample, channel, third, third_codes)));
        }
        add_products(start + row * 8, views, &tile);
    }

    let channel = FIRST_COLUMN + vector * 4;
    let in_y = y * 2 - PAD_TOP;
    let in_x = x * 2 - PAD_LEFT;
    store_d_inputs(tile.a, channel, sample, in_y, in_x);
    if WIDTH > 1 {
        store_d_inputs(tile.b, channel, sample, in_y, in_x + 2);
    }
}

// The gradients of four filters' windows at `pixel`, and which of their pixels they belong to.
struct Gradients {
    values: vec4f,
    winners: vec4u,
}

fn gradients(sample: i32, out_channel: i32, codes: u32, pixel: i32) -> Gradients {
    var channels = out_channel + vec4i(0, 1, 2, 3);
    if OUT_CHANNELS % FILTERS > 0 {
        // Beyond the last filter the last one again; what it gives is not stored.
        channels = min(channels, vec4i(OUT_CHANNELS - 1));
    }
    let at = (sample * OUT_CHANNELS + channels) * OUT_HEIGHT * OUT_WIDTH + pixel;
    let shifts = vec4u(0u, 4u, 8u, 12u) + u32(out_channel % CODES) * 4u;
    return Gradients(
        vec4f(d_output[at.x], d_output[at.y], d_output[at.z], d_output[at.w]),
        vec4u(codes) >> shifts & vec4u(7u),
    );
}

// Adds what the nine taps see from one of a window's pixels to the weights of the four filters of a block;
// `row_0` begins where the first tap does.
fn add_pixel(
    block: i32,
    d: Gradients,
    winner: u32,
    row_0: vec3f,
    row_1: vec3f,
    row_2: vec3f,
    sums: ptr<function, Sums>,
) {
    let d_pixel = select(vec4f(0.0), d.values, d.winners == vec4u(winner));
    (*sums).sum_0[block] += row_0.x * d_pixel;
    (*sums).sum_1[block] += row_0.y * d_pixel;
    (*sums).sum_2[block] += row_0.z * d_pixel;
    (*sums).sum_3[block] += row_1.x * d_pixel;
    (*sums).sum_4[block] += row_1.y * d_pixel;
    (*sums).sum_5[block] += row_1.z * d_pixel;
    (*sums).sum_6[block] += row_2.x * d_pixel;
    (*sums).sum_7[block] += row_2.y * d_pixel;
    (*sums).sum_8[block] += row_2.z * d_pixel;
}

fn add_window(block: i32, d: Gradients, area: Area, sums: ptr<function, Sums>) {
    add_pixel(block, d, 0u, area.row_0.xyz, area.row_1.xyz, area.row_2.xyz, sums);
    add_pixel(block, d, 1u, area.row_0.yzw, area.row_1.yzw, area.row_2.yzw, sums);
    add_pixel(block, d, 2u, area.row_1.xyz, area.row_2.xyz, area.row_3.xyz, sums);
    add_pixel(block, d, 3u, area.row_1.yzw, area.row_2.yzw, area.row_3.yzw, sums);
}

// The same for two input channels, and for the biases.
fn add_windows(
    block: i32,
    d: Gradients,
    area: Area,
    other_area: Area,
    sums: ptr<function, Sums>,
    others: ptr<function, Sums>,
    biases: ptr<function, mat4x4f>,
) {
    add_window(block, d, area, sums);
    add_window(block, d, other_area, others);
    (*biases)[block] += select(vec4f(0.0), d.values, d.winners < vec4u(4u));
}

fn store_partial(sums: mat4x4f, piece: i32, out_channel: i32, tap: i32) {
    let columns = IN_CHANNELS * TAPS + 1;
    for (var i = 0; i < min(FILTERS, OUT_CHANNELS - out_channel); i++) {
        partial[(piece * OUT_CHANNELS + out_channel + i) * columns + tap] = sums[i / 4][i % 4];
    }
}

fn store_partials(sums: Sums, piece: i32, out_channel: i32, tap: i32) {
    store_partial(sums.sum_0, piece, out_channel, tap);
    store_partial(sums.sum_1, piece, out_channel, tap + 1);
    store_partial(sums.sum_2, piece, out_channel, tap + 2);
    store_partial(sums.sum_3, piece, out_channel, tap + 3);
    store_partial(sums.sum_4, piece, out_channel, tap + 4);
    store_partial(sums.sum_5, piece, out_channel, tap + 5);
    store_partial(sums.sum_6, piece, out_channel, tap + 6);
    store_partial(sums.sum_7, piece, out_channel, tap + 7);
    store_partial(sums.sum_8, piece, out_channel, tap + 8);
}

@compute @workgroup_size(WORKGROUP)
fn backward_weight_partial(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let out_blocks = (OUT_CHANNELS + FILTERS - 1) / FILTERS;
    let index = line_index(group, groups, lane);
    let in_blocks = (IN_CHANNELS + 1) / 2;
    if index >= BATCH * SPLITS * out_blocks * in_blocks {
        return;
    }
    let channel = index % in_blocks * 2;
    let out_channel = index / in_blocks % out_blocks * FILTERS;
    let piece = index / (in_blocks * out_blocks);
    let sample = piece / SPLITS;
    let first_y = piece % SPLITS * SPLIT_ROWS;
    let source = sample * IN_CHANNELS + channel;
    let other_source = sample * IN_CHANNELS + min(channel + 1, IN_CHANNELS - 1);
    let plane = OUT_HEIGHT * OUT_WIDTH;
    let code_blocks = (OUT_CHANNELS + CODES - 1) / CODES;
    let low_codes = (sample * code_blocks + out_channel / CODES) * plane;
    let high_codes = (sample * code_blocks + min(out_channel / CODES + 1, code_blocks - 1)) * plane;

    var sums = Sums();
    var others = Sums();
    var biases = mat4x4f();
    for (var out_y = first_y; out_y < min(first_y + SPLIT_ROWS, OUT_HEIGHT); out_y++) {
        let in_y = out_y * 2 - PAD_TOP;
        var left = input_columns(source, in_y, -PAD_LEFT);
        var other_left = input_columns(other_source, in_y, -PAD_LEFT);
        for (var out_x = 0; out_x < OUT_WIDTH; out_x++) {
            let right = input_columns(source, in_y, out_x * 2 + 2 - PAD_LEFT);
            let area = joined(left, right);
            left = right;
            let other_right = input_columns(other_source, in_y, out_x * 2 + 2 - PAD_LEFT);
            let other = joined(other_left, other_right);
            other_left = other_right;
            let pixel = out_y * OUT_WIDTH + out_x;
            let low = code[low_codes + pixel];
            add_windows(0, gradients(sample, out_channel, low, pixel), area, other, &sums, &others, &biases);
            let high = code[high_codes + pixel];
            add_windows(1, gradients(sample, out_channel + 4, low, pixel), area, other, &sums, &others, &biases);
            add_windows(2, gradients(sample, out_channel + 8, high, pixel), area, other, &sums, &others, &biases);
            add_windows(3, gradients(sample, out_channel + 12, high, pixel), area, other, &sums, &others, &biases);
        }
    }

    store_partials(sums, piece, out_channel, channel * TAPS);
    if channel + 1 < IN_CHANNELS {
        store_partials(others, piece, out_channel, (channel + 1) * TAPS);
    }
    if channel == 0 {
        store_partial(biases, piece, out_channel, IN_CHANNELS * TAPS);
    }
}

var<workgroup> tile_sums: array<f32, 1024>; // 16 * WORKGROUP

fn share(first: u32, lane: u32, values: vec4f) {
    tile_sums[first * WORKGROUP + lane] = values.x;
    tile_sums[(first + 1u) * WORKGROUP + lane] = values.y;
    tile_sums[(first + 2u) * WORKGROUP + lane] = values.z;
    tile_sums[(first + 3u) * WORKGROUP + lane] = values.w;
}

// The sums of sixteen values over all lanes, of which the first sixteen lanes get one each: that of
// values[lane / 4][lane % 4].
fn sum_of_lanes(lane: u32, values: mat4x4f) -> f32 {
    share(0u, lane, values[0]);
    share(4u, lane, values[1]);
    share(8u, lane, values[2]);
    share(12u, lane, values[3]);
    workgroupBarrier();
    // Four lanes a value; those of each begin elsewhere, so that they do not wait for the same bank of memory.
    let value = lane / 4u;
    var sum = 0.0;
    for (var other = lane % 4u; other < WORKGROUP; other += 4u) {
        sum += tile_sums[value * WORKGROUP + (other + value * 4u) % WORKGROUP];
    }
    workgroupBarrier();
    tile_sums[lane] = sum;
    workgroupBarrier();
    let at = lane % 16u * 4u;
    let total = tile_sums[at] + tile_sums[at + 1u] + tile_sums[at + 2u] + tile_sums[at + 3u];
    workgroupBarrier();
    return total;
}

// Adds up the sums of four taps of four filters over all lanes, and stores them; the tap after the last is the
// bias.
fn store_tile(sums: mat4x4f, piece: i32, out_channel: i32, channel: i32, tap: i32, lane: u32) {
    let sum = sum_of_lanes(lane, sums);
    let tap_of = tap + i32(lane) / 4;
    let filter_of = out_channel + i32(lane) % 4;
    let is_there = tap_of < TAPS || (tap_of == TAPS && channel == 0);
    if lane < 16u && is_there && filter_of < OUT_CHANNELS {
        let column = select(channel * TAPS + tap_of, IN_CHANNELS * TAPS, tap_of == TAPS);
        partial[(piece * OUT_CHANNELS + filter_of) * (IN_CHANNELS * TAPS + 1) + column] = sum;
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_weight_tile(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let out_blocks = (OUT_CHANNELS + 3) / 4;
    let index = i32(group.y * groups.x + group.x);
    if index >= PIECES * out_blocks * IN_CHANNELS {
        return;
    }
    let channel = index % IN_CHANNELS;
    let out_channel = index / IN_CHANNELS % out_blocks * 4;
    let piece = index / (IN_CHANNELS * out_blocks);
    let plane = OUT_HEIGHT * OUT_WIDTH;
    let code_blocks = (OUT_CHANNELS + CODES - 1) / CODES;

    var sums = Sums();
    var biases = vec4f();
    let first_pixel = piece * PIECE;
    for (var i = i32(lane); i < PIECE && first_pixel + i < BATCH * plane; i += i32(WORKGROUP)) {
        let at = first_pixel + i;
        let sample = at / plane;
        let pixel = at % plane;
        let source = sample * IN_CHANNELS + channel;
        let in_y = pixel / OUT_WIDTH * 2 - PAD_TOP;
        let in_x = pixel % OUT_WIDTH * 2 - PAD_LEFT;
        let area = joined(input_columns(source, in_y, in_x), input_columns(source, in_y, in_x + 2));
        let codes = code[(sample * code_blocks + out_channel / CODES) * plane + pixel];
        let d = gradients(sample, out_channel, codes, pixel);
        add_window(0, d, area, &sums);
        biases += select(vec4f(0.0), d.values, d.winners < vec4u(4u));
    }

    let low = mat4x4f(sums.sum_0[0], sums.sum_1[0], sums.sum_2[0], sums.sum_3[0]);
    let high = mat4x4f(sums.sum_4[0], sums.sum_5[0], sums.sum_6[0], sums.sum_7[0]);
    let rest = mat4x4f(sums.sum_8[0], biases, vec4f(), vec4f());
    store_tile(low, piece, out_channel, channel, 0, lane);
    store_tile(high, piece, out_channel, channel, 4, lane);
    store_tile(rest, piece, out_channel, channel, 8, lane);
}

@compute @workgroup_size(WORKGROUP)
fn backward_weight(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let taps = IN_CHANNELS * TAPS;
    let columns = taps + 1;
    let index = line_index(group, groups, lane);
    if index >= OUT_CHANNELS * columns {
        return;
    }
    // Four at a time, so that loads do not wait for each other.
    let stride = OUT_CHANNELS * columns;
    var sums = vec4f();
    var piece = 0;
    for (; piece + 4 <= PIECES; piece += 4) {
        let at = piece * stride + index;
        sums += vec4f(partial[at], partial[at + stride], partial[at + 2 * stride], partial[at + 3 * stride]);
    }
    var sum = sums.x + sums.y + sums.z + sums.w;
    for (; piece < PIECES; piece++) {
        sum += partial[piece * stride + index];
    }
    let tap = index % columns;
    let out_channel = index / columns;
    if tap == taps {
        d_bias[out_channel] = sum;
    } else {
        d_weight[out_channel * taps + tap] = sum;
    }
}
