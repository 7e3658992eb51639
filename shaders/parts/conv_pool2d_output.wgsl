// The part of conv_pool2d.wgsl that computes the output; see there.

// Elements of the weights that are packed for the output.
fn packed_elements() -> i32 {
    let rows = IN_CHANNELS * TAPS + 1;
    return (OUT_CHANNELS + OUTS - 1) / OUTS * (rows + rows % 2) * OUTS;
}

fn packed_weight(index: i32) -> f32 {
    let taps = IN_CHANNELS * TAPS;
    let place = packed_place(index, taps + 1);
    if place.x < taps && place.y < OUT_CHANNELS {
        return weight[place.y * taps + place.x];
    } else if place.x == taps && place.y < OUT_CHANNELS {
        return bias[place.y];
    }
    return 0.0;
}

@compute @workgroup_size(WORKGROUP)
fn pack_forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = i32(line_index(group, groups, lane));
    if index < packed_elements() {
        packed[index] = packed_weight(index);
    }
}

// include parts/philox.wgsl

// Words of a sample's mask.
fn mask_words() -> i32 {
    return (OUT_CHANNELS / LAYERS * OUT_HEIGHT * OUT_WIDTH + 31) / 32;
}

// A word of a row of the mask: eight draws of four bits.
fn mask_word(row: i32, word: i32) -> u32 {
    let n = u32(row % BATCH);
    let layer = u32(row / BATCH);
    var kept = 0u;
    for (var i = 0; i < 8; i++) {
        let bits = select(vec4u(1u, 2u, 4u, 8u), vec4u(0u), dropped(n, u32(word * 8 + i), layer));
        kept |= (bits.x | bits.y | bits.z | bits.w) << u32(i * 4);
    }
    return kept;
}

@compute @workgroup_size(WORKGROUP)
fn pack_and_draw(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = i32(line_index(group, groups, lane));
    let at = index - packed_elements();
    if at < 0 {
        packed[index] = packed_weight(index);
    } else if at < LAYERS * BATCH * mask_words() {
        mask[at] = mask_word(at / mask_words(), at % mask_words());
    }
}

// Pools one channel, and returns its code.
fn pool(sums: vec4f, channel: i32, pooled: i32, is_kept: bool) -> u32 {
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
    output[pooled + channel * OUT_HEIGHT * OUT_WIDTH] = select(0.0, max(largest, 0.0) * SCALE, is_kept);
    return select(4u, winner, is_kept && largest > 0.0);
}

// Pools eight channels from the block's channel `first` on; `kept` has a bit for each.
fn store_output(low: mat4x4f, high: mat4x4f, first: i32, at: Pixel, kept: u32) {
    let channel = FIRST_COLUMN + first;
    let biases = packed_start(first / 4) + IN_CHANNELS * TAPS * 8;
    let low_bias = weights(biases);
    let high_bias = weights(biases + 1);
    let plane = OUT_HEIGHT * OUT_WIDTH;
    let pixel = at.y * OUT_WIDTH + at.x;
    let pooled = plane_offset(at.sample, channel) * plane + pixel;
    let word = code_plane(at.sample, channel) * plane + pixel;
    code[word] = pool(low[0] + low_bias.x, channel, pooled, (kept & 1u) != 0u)
        | (pool(low[1] + low_bias.y, channel + 1, pooled, (kept & 2u) != 0u) << 4u)
        | (pool(low[2] + low_bias.z, channel + 2, pooled, (kept & 4u) != 0u) << 8u)
        | (pool(low[3] + low_bias.w, channel + 3, pooled, (kept & 8u) != 0u) << 12u)
        | (pool(high[0] + high_bias.x, channel + 4, pooled, (kept & 16u) != 0u) << 16u)
        | (pool(high[1] + high_bias.y, channel + 5, pooled, (kept & 32u) != 0u) << 20u)
        | (pool(high[2] + high_bias.z, channel + 6, pooled, (kept & 64u) != 0u) << 24u)
        | (pool(high[3] + high_bias.w, channel + 7, pooled, (kept & 128u) != 0u) << 28u);
}

// Pools an invocation's channels, of which the block's channel `first` is the first.
fn store_outputs(sums: Sums, first: i32, at: Pixel, kept: u32) {
    store_output(sums.sum_0, sums.sum_1, first, at, kept);
    if VECTORS > 2 {
        store_output(sums.sum_2, sums.sum_3, first + 8, at, kept >> 8u);
    }
    if VECTORS > 4 {
        store_output(sums.sum_4, sums.sum_5, first + 16, at, kept >> 16u);
    }
    if VECTORS > 6 {
        store_output(sums.sum_6, sums.sum_7, first + 24, at, kept >> 24u);
    }
}

// A pooled pixel of a sample.
struct Pixel {
    sample: i32,
    y: i32,
    x: i32,
}

// Invocations that compute the pixels of a block of channels.
fn pixel_groups() -> i32 {
    return BATCH * OUT_HEIGHT * ((OUT_WIDTH + WIDTH - 1) / WIDTH);
}

// The first pixel of an invocation.
fn first_pixel(index: i32) -> Pixel {
    let columns = (OUT_WIDTH + WIDTH - 1) / WIDTH;
    return Pixel(index / (columns * OUT_HEIGHT), index / columns % OUT_HEIGHT, index % columns * WIDTH);
}

// The pixel beside it.
fn next_pixel(at: Pixel) -> Pixel {
    return Pixel(at.sample, at.y, at.x + 1);
}

// Adds what all input channels give to WIDTH pixels from `at` on.
fn add_inputs(at: Pixel, vector: i32, tile: ptr<function, Tile>) {
    let in_y = at.y * 2 - PAD_TOP;
    let in_x = at.x * 2 - PAD_LEFT;
    let start = packed_start(vector);
    for (var channel = 0; channel < IN_CHANNELS; channel++) {
        let source = at.sample * IN_CHANNELS + channel;
        let second = input_columns(source, in_y, in_x + 2);
        let see = seen(joined(input_columns(source, in_y, in_x), second));
        var views = Views(see, see);
        if WIDTH > 1 {
            views.b = seen(joined(second, input_columns(source, in_y, in_x + 4)));
        }
        add_products(start + channel * TAPS * 8, views, tile);
    }
}

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = i32(line_index(group, groups, lane));
    if index >= pixel_groups() {
        return;
    }
    let at = first_pixel(index);
    let vector = first_vector(group);
    var tile = Tile();
    add_inputs(at, vector, &tile);

    let all = 0xffffffffu;
    store_outputs(tile.a, vector * 4, at, all);
    if WIDTH > 1 && at.x + 1 < OUT_WIDTH {
        store_outputs(tile.b, vector * 4, next_pixel(at), all);
    }
}

// The bits of the mask for an invocation's channels, of which the block's channel `first` is the first.
fn kept_channels(first: i32, at: Pixel) -> u32 {
    var kept = 0u;
    for (var i = 0; i < VECTORS * 4 && FIRST_COLUMN + first + i < OUT_CHANNELS; i++) {
        let channel = FIRST_COLUMN + first + i;
        let layer = layer_of(channel);
        let element = ((channel - layer * (OUT_CHANNELS / LAYERS)) * OUT_HEIGHT + at.y) * OUT_WIDTH + at.x;
        let word = mask[(layer * BATCH + at.sample) * mask_words() + element / 32];
        kept |= ((word >> u32(element % 32)) & 1u) << u32(i);
    }
    return kept;
}

@compute @workgroup_size(WORKGROUP)
fn forward_dropout(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = i32(line_index(group, groups, lane));
    if index >= pixel_groups() {
        return;
    }
    let at = first_pixel(index);
    let vector = first_vector(group);
    var tile = Tile();
    add_inputs(at, vector, &tile);

    store_outputs(tile.a, vector * 4, at, kept_channels(vector * 4, at));
    if WIDTH > 1 && at.x + 1 < OUT_WIDTH {
        let next = next_pixel(at);
        store_outputs(tile.b, vector * 4, next, kept_channels(vector * 4, next));
    }
}
