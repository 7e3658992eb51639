// The part of conv_pool2d.wgsl that computes the gradient of the input; see there.

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
    let words = code_plane(sample, channel) * OUT_HEIGHT * OUT_WIDTH + windows.place;
    return vec2u(code[words.x], code[words.y]);
}

// The gradients of two windows' pixels: two columns of four.
fn d_columns(sample: i32, channel: i32, windows: Windows, codes: vec2u) -> mat4x2f {
    let places = (plane_offset(sample, channel) + channel) * OUT_HEIGHT * OUT_WIDTH + windows.place;
    let d_pooled = select(vec2f(0.0), vec2f(d_output[places.x], d_output[places.y]), windows.inside);
    let winners = (codes >> vec2u(u32(channel % CODES) * 4u)) & vec2u(7u);
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

// Packs an element of the weights, if there is one of that number.
fn pack_backward(index: i32) {
    let rows = OUT_CHANNELS * TAPS;
    let blocks = (IN_CHANNELS + OUTS - 1) / OUTS;
    if index >= blocks * (rows + rows % 2) * OUTS {
        return;
    }
    let place = packed_place(index, rows);
    var value = 0.0;
    if place.x < rows && place.y < IN_CHANNELS {
        value = weight[(place.x / TAPS * IN_CHANNELS + place.y) * TAPS + TAPS - 1 - place.x % TAPS] * SCALE;
    }
    packed[index] = value;
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
    let index = i32(line_index(group, groups, lane));
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

