// The part of conv2d.wgsl that computes the gradients of the weights; see there.

// What four taps see of one sample at one output pixel: zero outside of the input, and one for the
// bias, the tap after the last.
fn tapped(sample: i32, pixel: vec2i, tap: vec4i) -> vec4f {
    let taps = vec4i(IN_CHANNELS * KERNEL_HEIGHT * KERNEL_WIDTH);
    let in_y = pixel.y * STRIDE_Y + tap / KERNEL_WIDTH % KERNEL_HEIGHT - PAD_TOP;
    let in_x = pixel.x * STRIDE_X + tap % KERNEL_WIDTH - PAD_LEFT;
    let inside = (in_y >= vec4i(0)) & (in_y < vec4i(IN_HEIGHT)) & (in_x >= vec4i(0))
        & (in_x < vec4i(IN_WIDTH)) & (tap < taps);
    let plane = sample * IN_CHANNELS + tap / (KERNEL_WIDTH * KERNEL_HEIGHT);
    let source = select(vec4i(0), (plane * IN_HEIGHT + in_y) * IN_WIDTH + in_x, inside);
    let seen = vec4f(input[source.x], input[source.y], input[source.z], input[source.w]);
    return select(select(vec4f(0.0), seen, inside), vec4f(1.0), tap == taps);
}

// Stores the sums of four taps of four filters, a column a tap.
fn store_partial(sums: mat4x4f, piece: i32, out_channel: i32, tap: i32) {
    let columns = IN_CHANNELS * KERNEL_HEIGHT * KERNEL_WIDTH + 1;
    for (var i = 0; i < 16; i++) {
        if out_channel + i % 4 < OUT_CHANNELS && tap + i / 4 < columns {
            partial[(piece * OUT_CHANNELS + out_channel + i % 4) * columns + tap + i / 4] = sums[i / 4][i % 4];
        }
    }
}

fn added(sums: mat4x4f, taps: vec4f, d: vec4f) -> mat4x4f {
    return sums + mat4x4f(taps.x * d, taps.y * d, taps.z * d, taps.w * d);
}

// The gradients of four filters at a pixel, whose planes begin at `planes`.
fn d_pixel(planes: vec4i, pixel: i32) -> vec4f {
    let at = planes + pixel;
    return vec4f(d_output[at.x], d_output[at.y], d_output[at.z], d_output[at.w]);
}

@compute @workgroup_size(WORKGROUP)
fn backward_weight_partial(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let tap_blocks = (IN_CHANNELS * KERNEL_HEIGHT * KERNEL_WIDTH + BLOCK) / BLOCK;
    let out_blocks = (OUT_CHANNELS + BLOCK - 1) / BLOCK;
    let index = i32(line_index(group, groups, lane));
    if index >= BATCH * SPLITS * out_blocks * tap_blocks {
        return;
    }
    let tap = index % tap_blocks * BLOCK;
    let out_channel = index / tap_blocks % out_blocks * BLOCK;
    let piece = index / (tap_blocks * out_blocks);
    let sample = piece / SPLITS;
    let first_y = piece % SPLITS * SPLIT_ROWS;
    let low_taps = tap + vec4i(0, 1, 2, 3);
    let high_taps = tap + vec4i(4, 5, 6, 7);
    // Beyond the last channel the last one again; what it gives is not stored.
    let plane = OUT_HEIGHT * OUT_WIDTH;
    let last = vec4i(OUT_CHANNELS - 1);
    let low_planes = (sample * OUT_CHANNELS + min(out_channel + vec4i(0, 1, 2, 3), last)) * plane;
    let high_planes = (sample * OUT_CHANNELS + min(out_channel + vec4i(4, 5, 6, 7), last)) * plane;

    // The first four taps and the others, of the first four filters and the others.
    var low_low = mat4x4f();
    var high_low = mat4x4f();
    var low_high = mat4x4f();
    var high_high = mat4x4f();
    for (var out_y = first_y; out_y < min(first_y + SPLIT_ROWS, OUT_HEIGHT); out_y++) {
        for (var out_x = 0; out_x < OUT_WIDTH; out_x++) {
            let pixel = out_y * OUT_WIDTH + out_x;
            let first = tapped(sample, vec2i(out_x, out_y), low_taps);
            let second = tapped(sample, vec2i(out_x, out_y), high_taps);
            let low = d_pixel(low_planes, pixel);
            low_low = added(low_low, first, low);
            high_low = added(high_low, second, low);
            let high = d_pixel(high_planes, pixel);
            low_high = added(low_high, first, high);
            high_high = added(high_high, second, high);
        }
    }

    store_partial(low_low, piece, out_channel, tap);
    store_partial(high_low, piece, out_channel, tap + 4);
    store_partial(low_high, piece, out_channel + 4, tap);
    store_partial(high_high, piece, out_channel + 4, tap + 4);
}

// include parts/sum_of_lanes.wgsl

// Where four taps of backward_weight_tile look: the distances from where a window begins.
struct Tapping {
    y: vec4i,
    x: vec4i,
    source: vec4i,
}

fn tapping(tap: i32) -> Tapping {
    // Beyond the last tap the last one again; what it gives is not stored.
    let taps = min(tap + vec4i(0, 1, 2, 3), vec4i(IN_CHANNELS * KERNEL_HEIGHT * KERNEL_WIDTH - 1));
    let y = taps / KERNEL_WIDTH % KERNEL_HEIGHT;
    let x = taps % KERNEL_WIDTH;
    return Tapping(y, x, (taps / (KERNEL_HEIGHT * KERNEL_WIDTH) * IN_HEIGHT + y) * IN_WIDTH + x);
}

// Whether windows reach beyond the input.
fn is_padded() -> bool {
    return PAD_TOP > 0
        || PAD_LEFT > 0
        || (OUT_HEIGHT - 1) * STRIDE_Y + KERNEL_HEIGHT > IN_HEIGHT
        || (OUT_WIDTH - 1) * STRIDE_X + KERNEL_WIDTH > IN_WIDTH;
}

// What four taps see of the window of a sample that begins at (y, x): zero outside of the input.
fn tapped_at(sample: i32, y: i32, x: i32, taps: Tapping) -> vec4f {
    var source = (sample * IN_CHANNELS * IN_HEIGHT + y) * IN_WIDTH + x + taps.source;
    if !is_padded() {
        return vec4f(input[source.x], input[source.y], input[source.z], input[source.w]);
    }
    let inside = (y + taps.y >= vec4i(0))
        & (y + taps.y < vec4i(IN_HEIGHT))
        & (x + taps.x >= vec4i(0))
        & (x + taps.x < vec4i(IN_WIDTH));
    source = select(vec4i(0), source, inside);
    return select(vec4f(), vec4f(input[source.x], input[source.y], input[source.z], input[source.w]), inside);
}

// Adds up the sums of four taps of four filters over all lanes, and stores them.
fn store_tile(sums: mat4x4f, piece: i32, out_channel: i32, tap: i32, lane: u32) {
    let sum = sum_of_lanes(lane, sums);
    let tap_of = tap + i32(lane) / 4;
    let filter_of = out_channel + i32(lane) % 4;
    let columns = IN_CHANNELS * KERNEL_HEIGHT * KERNEL_WIDTH + 1;
    if lane < 16u && tap_of < columns && filter_of < OUT_CHANNELS {
        partial[(piece * OUT_CHANNELS + filter_of) * columns + tap_of] = sum;
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_weight_tile(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let taps = IN_CHANNELS * KERNEL_HEIGHT * KERNEL_WIDTH;
    let tap_blocks = (taps + TILE_TAPS) / TILE_TAPS;
    let out_blocks = (OUT_CHANNELS + TILE_FILTERS - 1) / TILE_FILTERS;
    let index = i32(group.y * groups.x + group.x);
    if index >= PIECES * out_blocks * tap_blocks {
        return;
    }
    let tap = index % tap_blocks * TILE_TAPS;
    let out_channel = index / tap_blocks % out_blocks * TILE_FILTERS;
    let piece = index / (tap_blocks * out_blocks);
    let look = tapping(tap);
    let is_bias = tap + vec4i(0, 1, 2, 3) == vec4i(taps);
    // Beyond the last channel the last one again; what it gives is not stored.
    let plane = OUT_HEIGHT * OUT_WIDTH;
    let last = vec4i(OUT_CHANNELS - 1);
    let low_planes = min(out_channel + vec4i(0, 1, 2, 3), last) * plane;
    let high_planes = min(out_channel + vec4i(4, 5, 6, 7), last) * plane;

    var low = mat4x4f();
    var high = mat4x4f();
    let first_pixel = piece * PIECE;
    for (var i = i32(lane); i < PIECE && first_pixel + i < BATCH * plane; i += i32(WORKGROUP)) {
        // Divisions take fewer instructions without signs.
        let at = u32(first_pixel + i);
        let place = at % u32(plane);
        let sample = i32(at / u32(plane));
        let y = i32(place / u32(OUT_WIDTH)) * STRIDE_Y - PAD_TOP;
        let x = i32(place % u32(OUT_WIDTH)) * STRIDE_X - PAD_LEFT;
        let seen = select(tapped_at(sample, y, x, look), vec4f(1.0), is_bias);
        let first = sample * OUT_CHANNELS * plane + i32(place);
        low = added(low, seen, d_pixel(low_planes, first));
        high = added(high, seen, d_pixel(high_planes, first));
    }

    store_tile(low, piece, out_channel, tap, lane);
    store_tile(high, piece, out_channel + 4, tap, lane);
}

@compute @workgroup_size(WORKGROUP)
fn backward_weight(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let taps = IN_CHANNELS * KERNEL_HEIGHT * KERNEL_WIDTH;
    let columns = taps + 1;
    let index = i32(line_index(group, groups, lane));
    if index >= OUT_CHANNELS * columns {
        return;
    }
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
    let tap = index % columns;
    let out_channel = index / columns;
    if tap == taps {
        d_bias[out_channel] = sum;
    } else {
        d_weight[out_channel * taps + tap] = sum;
    }
}
