// The part of conv_pool2d.wgsl that computes the gradients of the weights; see there.

// The gradients of four filters' windows at `pixel`, and which of their pixels they belong to.
struct Gradients {
    values: vec4f,
    winners: vec4u,
}

fn d_outputs(sample: i32, out_channel: i32, pixel: i32) -> vec4f {
    var channels = out_channel + vec4i(0, 1, 2, 3);
    if OUT_CHANNELS % FILTERS > 0 {
        // Beyond the last filter the last one again; what it gives is not stored.
        channels = min(channels, vec4i(OUT_CHANNELS - 1));
    }
    let at = (plane_offset(sample, channels.x) + channels) * OUT_HEIGHT * OUT_WIDTH + pixel;
    return vec4f(d_output[at.x], d_output[at.y], d_output[at.z], d_output[at.w]);
}

fn gradients(sample: i32, out_channel: i32, codes: u32, pixel: i32) -> Gradients {
    let shifts = vec4u(0u, 4u, 8u, 12u) + u32(out_channel % CODES) * 4u;
    return Gradients(d_outputs(sample, out_channel, pixel), (vec4u(codes) >> shifts) & vec4u(7u));
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
    let index = i32(line_index(group, groups, lane));
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
    let low_codes = code_plane(sample, out_channel) * plane;
    let high_codes = code_plane(sample, min(out_channel + CODES, OUT_CHANNELS - 1)) * plane;

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

// include parts/sum_of_lanes.wgsl

// The sums of a filter for the weights of one input channel, and for its bias.
struct Filter {
    taps: mat3x3f,
    bias: f32,
}

// Adds what a window gives to a filter; `winner` is the pixel that its gradient belongs to. Filter by filter, few
// registers hold what is between the loads and the sums: GCN has 64 for each of four subgroups.
fn add_filter(d: f32, winner: u32, area: Area, sums: ptr<function, Filter>) {
    let d_0 = select(0.0, d, winner == 0u);
    (*sums).taps += d_0 * mat3x3f(area.row_0.xyz, area.row_1.xyz, area.row_2.xyz);
    let d_1 = select(0.0, d, winner == 1u);
    (*sums).taps += d_1 * mat3x3f(area.row_0.yzw, area.row_1.yzw, area.row_2.yzw);
    let d_2 = select(0.0, d, winner == 2u);
    (*sums).taps += d_2 * mat3x3f(area.row_1.xyz, area.row_2.xyz, area.row_3.xyz);
    let d_3 = select(0.0, d, winner == 3u);
    (*sums).taps += d_3 * mat3x3f(area.row_1.yzw, area.row_2.yzw, area.row_3.yzw);
    (*sums).bias += select(0.0, d, winner < 4u);
}

fn low_taps(one: Filter) -> vec4f {
    return vec4f(one.taps[0], one.taps[1].x);
}

fn high_taps(one: Filter) -> vec4f {
    return vec4f(one.taps[1].yz, one.taps[2].xy);
}

fn last_tap_and_bias(one: Filter) -> vec4f {
    return vec4f(one.taps[2].z, one.bias, 0.0, 0.0);
}

// Adds up the sums of four filters for four taps over all lanes, and stores them; the tap after the last is the
// bias.
fn store_tile(sums: mat4x4f, piece: i32, out_channel: i32, channel: i32, tap: i32, lane: u32) {
    let sum = sum_of_lanes(lane, sums);
    let tap_of = tap + i32(lane) % 4;
    let filter_of = out_channel + i32(lane) / 4;
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

    var sums_0 = Filter();
    var sums_1 = Filter();
    var sums_2 = Filter();
    var sums_3 = Filter();
    let shift = u32(out_channel % CODES) * 4u;
    let first_pixel = piece * PIECE;
    for (var i = i32(lane); i < PIECE && first_pixel + i < BATCH * plane; i += i32(WORKGROUP)) {
        // Divisions take fewer instructions without signs.
        let at = u32(first_pixel + i);
        let place = at % u32(plane);
        let sample = i32(at / u32(plane));
        let pixel = i32(place);
        let source = sample * IN_CHANNELS + channel;
        let in_y = i32(place / u32(OUT_WIDTH)) * 2 - PAD_TOP;
        let in_x = i32(place % u32(OUT_WIDTH)) * 2 - PAD_LEFT;
        let codes = code[code_plane(sample, out_channel) * plane + pixel] >> shift;
        let area = joined(input_columns(source, in_y, in_x), input_columns(source, in_y, in_x + 2));
        let d = d_outputs(sample, out_channel, pixel);
        add_filter(d.x, codes & 7u, area, &sums_0);
        add_filter(d.y, (codes >> 4u) & 7u, area, &sums_1);
        add_filter(d.z, (codes >> 8u) & 7u, area, &sums_2);
        add_filter(d.w, (codes >> 12u) & 7u, area, &sums_3);
    }

    let low = mat4x4f(low_taps(sums_0), low_taps(sums_1), low_taps(sums_2), low_taps(sums_3));
    let high = mat4x4f(high_taps(sums_0), high_taps(sums_1), high_taps(sums_2), high_taps(sums_3));
    let rest = mat4x4f(
        last_tap_and_bias(sums_0),
        last_tap_and_bias(sums_1),
        last_tap_and_bias(sums_2),
        last_tap_and_bias(sums_3),
    );
    store_tile(low, piece, out_channel, channel, 0, lane);
    store_tile(high, piece, out_channel, channel, 4, lane);
    store_tile(rest, piece, out_channel, channel, 8, lane);
}

// Adds up what all pieces have for one of the gradients, and stores it.
fn sum_pieces(index: i32) {
    let taps = IN_CHANNELS * TAPS;
    let columns = taps + 1;
    // Four at a time, so that loads do not wait for each other, and few in a row, so that sums of many stay
    // accurate.
    let stride = OUT_CHANNELS * columns;
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
    sum *= SCALE;
    let tap = index % columns;
    let out_channel = index / columns;
    if tap == taps {
        d_bias[out_channel] = sum;
    } else {
        d_weight[out_channel * taps + tap] = sum;
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_weight(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = i32(line_index(group, groups, lane));
    if index < OUT_CHANNELS * (IN_CHANNELS * TAPS + 1) {
        sum_pieces(index);
    }
}

@compute @workgroup_size(WORKGROUP)
fn sum_and_pack(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = i32(line_index(group, groups, lane));
    let sums = OUT_CHANNELS * (IN_CHANNELS * TAPS + 1);
    if index < sums {
        sum_pieces(index);
    } else {
        pack_backward(index - sums);
    }
}
