// The part of conv2d.wgsl that computes the gradient of the input; see there.

// The element of d_output that has (y, x) in its window's first tap: zero where there is none.
fn d_output_at(plane: i32, y: i32, x: i32) -> f32 {
    let out_y = y / STRIDE_Y;
    let out_x = x / STRIDE_X;
    let inside = y >= 0 && y % STRIDE_Y == 0 && out_y < OUT_HEIGHT
        && x >= 0 && x % STRIDE_X == 0 && out_x < OUT_WIDTH;
    return select(0.0, d_output[select(0, (plane * OUT_HEIGHT + out_y) * OUT_WIDTH + out_x, inside)], inside);
}

// Adds a channel of up to four pixels side by side to what earlier rows left.
fn store_d_input(sum: vec4f, channel: i32, first: i32, pixels: i32) {
    if channel >= IN_CHANNELS {
        return;
    }
    let at = first + channel * IN_HEIGHT * IN_WIDTH;
    for (var i = 0; i < min(pixels, 4); i++) {
        if FIRST_ROW == 0 {
            d_input[at + i] = sum[i];
        } else {
            d_input[at + i] += sum[i];
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let quads = (IN_WIDTH + 3) / 4;
    let index = i32(line_index(group, groups, lane));
    if index >= BATCH * IN_HEIGHT * quads {
        return;
    }
    let in_x = index % quads * 4;
    let in_y = index / quads % IN_HEIGHT;
    let sample = index / (quads * IN_HEIGHT);
    var first_vector = 0;
    if PARTS > 1 {
        first_vector = i32(group.z) * VECTORS;
    }
    // The first tap: all lanes walk through the taps together.
    var kernel_x = FIRST_ROW % KERNEL_WIDTH;
    var kernel_y = FIRST_ROW / KERNEL_WIDTH % KERNEL_HEIGHT;
    var plane = sample * OUT_CHANNELS + FIRST_ROW / (KERNEL_WIDTH * KERNEL_HEIGHT);

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
        let y = in_y + PAD_TOP - kernel_y;
        let x = in_x + PAD_LEFT - kernel_x;
        if STRIDE_X == 1 && kernel_x > 0 && row > 0 {
            values = vec4f(d_output_at(plane, y, x), values.xyz);
        } else {
            values.x = d_output_at(plane, y, x);
            values.y = d_output_at(plane, y, x + 1);
            values.z = d_output_at(plane, y, x + 2);
            values.w = d_output_at(plane, y, x + 3);
        }
        let at = start + row * 8;
        let weights_0 = backward_weights(at);
        sum_0 += values * weights_0.x;
        sum_1 += values * weights_0.y;
        sum_2 += values * weights_0.z;
        sum_3 += values * weights_0.w;
        if VECTORS > 1 {
            let weights_1 = backward_weights(at + 1);
            sum_4 += values * weights_1.x;
            sum_5 += values * weights_1.y;
            sum_6 += values * weights_1.z;
            sum_7 += values * weights_1.w;
        }
        if VECTORS > 2 {
            let weights_2 = backward_weights(at + 2);
            sum_8 += values * weights_2.x;
            sum_9 += values * weights_2.y;
            sum_10 += values * weights_2.z;
            sum_11 += values * weights_2.w;
        }
        if VECTORS > 3 {
            let weights_3 = backward_weights(at + 3);
            sum_12 += values * weights_3.x;
            sum_13 += values * weights_3.y;
            sum_14 += values * weights_3.z;
            sum_15 += values * weights_3.w;
        }
        if VECTORS > 4 {
            let weights_4 = backward_weights(at + 4);
            sum_16 += values * weights_4.x;
            sum_17 += values * weights_4.y;
            sum_18 += values * weights_4.z;
            sum_19 += values * weights_4.w;
        }
        if VECTORS > 5 {
            let weights_5 = backward_weights(at + 5);
            sum_20 += values * weights_5.x;
            sum_21 += values * weights_5.y;
            sum_22 += values * weights_5.z;
            sum_23 += values * weights_5.w;
        }
        if VECTORS > 6 {
            let weights_6 = backward_weights(at + 6);
            sum_24 += values * weights_6.x;
            sum_25 += values * weights_6.y;
            sum_26 += values * weights_6.z;
            sum_27 += values * weights_6.w;
        }
        if VECTORS > 7 {
            let weights_7 = backward_weights(at + 7);
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
    let first = (sample * IN_CHANNELS * IN_HEIGHT + in_y) * IN_WIDTH + in_x;
    let pixels = IN_WIDTH - in_x;
    store_d_input(sum_0, channel + 0, first, pixels);
    store_d_input(sum_1, channel + 1, first, pixels);
    store_d_input(sum_2, channel + 2, first, pixels);
    store_d_input(sum_3, channel + 3, first, pixels);
    if VECTORS > 1 {
        store_d_input(sum_4, channel + 4, first, pixels);
        store_d_input(sum_5, channel + 5, first, pixels);
        store_d_input(sum_6, channel + 6, first, pixels);
        store_d_input(sum_7, channel + 7, first, pixels);
    }
    if VECTORS > 2 {
        store_d_input(sum_8, channel + 8, first, pixels);
        store_d_input(sum_9, channel + 9, first, pixels);
        store_d_input(sum_10, channel + 10, first, pixels);
        store_d_input(sum_11, channel + 11, first, pixels);
    }
    if VECTORS > 3 {
        store_d_input(sum_12, channel + 12, first, pixels);
        store_d_input(sum_13, channel + 13, first, pixels);
        store_d_input(sum_14, channel + 14, first, pixels);
        store_d_input(sum_15, channel + 15, first, pixels);
    }
    if VECTORS > 4 {
        store_d_input(sum_16, channel + 16, first, pixels);
        store_d_input(sum_17, channel + 17, first, pixels);
        store_d_input(sum_18, channel + 18, first, pixels);
        store_d_input(sum_19, channel + 19, first, pixels);
    }
    if VECTORS > 5 {
        store_d_input(sum_20, channel + 20, first, pixels);
        store_d_input(sum_21, channel + 21, first, pixels);
        store_d_input(sum_22, channel + 22, first, pixels);
        store_d_input(sum_23, channel + 23, first, pixels);
    }
    if VECTORS > 6 {
        store_d_input(sum_24, channel + 24, first, pixels);
        store_d_input(sum_25, channel + 25, first, pixels);
        store_d_input(sum_26, channel + 26, first, pixels);
        store_d_input(sum_27, channel + 27, first, pixels);
    }
    if VECTORS > 7 {
        store_d_input(sum_28, channel + 28, first, pixels);
        store_d_input(sum_29, channel + 29, first, pixels);
        store_d_input(sum_30, channel + 30, first, pixels);
        store_d_input(sum_31, channel + 31, first, pixels);
    }
}

