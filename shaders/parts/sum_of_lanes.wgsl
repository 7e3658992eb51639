// Sums over the lanes of a workgroup of WORKGROUP (64) invocations, in the same order every time. All of them
// have to call it together.

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
