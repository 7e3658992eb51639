// From photos as bytes to floats: an affine transform with bilinear reading, and a range.
//
//   output[n,c,y,x] = LOW + SCALE * sum over i,j of weight(i,j) * photos[n,row+i,column+j,c]
//
// where the photo is read at (t0*x + t1*y + t2, t3*x + t4*y + t5) with t = transform[n], in signed
// 16.16 fixed point: row and column are its whole part, and the weights, in 256ths along each axis,
// its fraction. Positions outside of the photo read its border. The sum is an integer of at most 24
// bits, so that it is exact as a float too, and SCALE holds the factor 1/65536 of the weights.
//
// photos     (BATCH, HEIGHT, WIDTH, CHANNELS) bytes, four in a word, the first in the lowest bits
// transform  (BATCH, 6)
// output     (BATCH, CHANNELS, HEIGHT, WIDTH)
//
// Invocations are numbered along one line; one computes all channels of one pixel.

@group(0) @binding(0) var<storage, read> photos: array<u32>;
@group(0) @binding(1) var<storage, read> transform: array<i32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

override BATCH: i32;
override HEIGHT: i32;
override WIDTH: i32;
override CHANNELS: i32;
override SCALE: f32;
override LOW: f32;

const WORKGROUP: u32 = 64u;

// include parts/line_index.wgsl

fn byte(pixel: i32, channel: i32) -> i32 {
    let at = u32(pixel * CHANNELS + channel);
    return i32((photos[at / 4u] >> (at % 4u * 8u)) & 255u);
}

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = i32(line_index(group, groups, lane));
    let pixels = HEIGHT * WIDTH;
    if index >= BATCH * pixels {
        return;
    }
    let x = index % WIDTH;
    let y = index / WIDTH % HEIGHT;
    let n = index / pixels;
    let t = n * 6;
    let from_x = transform[t] * x + transform[t + 1] * y + transform[t + 2];
    let from_y = transform[t + 3] * x + transform[t + 4] * y + transform[t + 5];
    let right = (from_x >> 8u) & 255;
    let bottom = (from_y >> 8u) & 255;
    let column_0 = clamp(from_x >> 16u, 0, WIDTH - 1);
    let column_1 = clamp((from_x >> 16u) + 1, 0, WIDTH - 1);
    let row_0 = (n * HEIGHT + clamp(from_y >> 16u, 0, HEIGHT - 1)) * WIDTH;
    let row_1 = (n * HEIGHT + clamp((from_y >> 16u) + 1, 0, HEIGHT - 1)) * WIDTH;

    for (var channel = 0; channel < CHANNELS; channel++) {
        let sum = (256 - bottom) * (256 - right) * byte(row_0 + column_0, channel)
            + (256 - bottom) * right * byte(row_0 + column_1, channel)
            + bottom * (256 - right) * byte(row_1 + column_0, channel)
            + bottom * right * byte(row_1 + column_1, channel);
        output[(n * CHANNELS + channel) * pixels + y * WIDTH + x] = f32(sum) * SCALE + LOW;
    }
}
