// A row of a table for every number, and the gradient of the table.
//
//   output[p,w]   = weight[min(input[p], VOCABULARY-1),w]
//   d_weight[v,w] = sum of d_output[p,w] over the positions p with min(input[p], VOCABULARY-1) = v
//
// input                 (POSITIONS) = (samples, LENGTH), whole numbers
// weight, d_weight      (VOCABULARY, WIDTH)
// output, d_output      (samples, LENGTH, WIDTH), or with CHANNELS_FIRST (samples, WIDTH, LENGTH)
// rows                  (POSITIONS, filled up to whole windows): min(input[p], VOCABULARY-1), then NONE
// before, equal         (CHUNKS, VOCABULARY): how many positions of a chunk belong to rows before this one, and
//                       to this one; place turns the latter into where the chunk's positions begin in order
// first, last           (VOCABULARY): where a row's positions begin and end in order
// order                 (POSITIONS): all positions, those of a row one after the other and ascending
// block_sums            (POSITIONS / SUMMED, WIDTH): the sums over each block of order that lies within one row
//
// Invocations are numbered along one line. One computes
//   forward          one element of one row
//   copy_rows        one element of rows
//   count, list      for one row of the table what one chunk of 4 * CHUNK positions gives to before and equal,
//                    or to order; z numbers the chunks. All lanes look at the same numbers at the same time,
//                    through a uniform window of whole chunks from FIRST_CHUNK on, one dispatch a window
//   place            first and last of one row, and where its chunks begin
//   sum_blocks       one element of block_sums: what fills short texts up is one row that has most positions,
//                    too many for one invocation to add up alone
//   backward_weight  one element of the table, added up in the order of the positions, whole blocks at once:
//                    no atomics, and the same sum every time

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
@group(0) @binding(3) var<storage, read> d_output: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_weight: array<f32>;
@group(0) @binding(5) var<storage, read_write> rows: array<u32>;
@group(0) @binding(6) var<uniform> rows_uniform: array<vec4u, 4096>;
@group(0) @binding(7) var<storage, read_write> first: array<u32>;
@group(0) @binding(8) var<storage, read_write> last: array<u32>;
@group(0) @binding(9) var<storage, read_write> order: array<u32>;
@group(0) @binding(10) var<storage, read_write> block_sums: array<f32>;
@group(0) @binding(11) var<storage, read_write> before: array<u32>;
@group(0) @binding(12) var<storage, read_write> equal: array<u32>;

override POSITIONS: u32;
override LENGTH: u32;
override VOCABULARY: u32;
override WIDTH: u32;
override CHANNELS_FIRST: u32;
override CHUNK: u32;
override CHUNKS: u32;
override FIRST_CHUNK: u32;

const WORKGROUP: u32 = 64u;
const WINDOW: u32 = 16384u;
const SUMMED: u32 = 64u;
const NONE: u32 = 0xffffffffu;

// include parts/line_index.wgsl

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    if index >= POSITIONS * WIDTH {
        return;
    }
    var position = index / WIDTH;
    var column = index % WIDTH;
    if CHANNELS_FIRST != 0u {
        position = index / (WIDTH * LENGTH) * LENGTH + index % LENGTH;
        column = index / LENGTH % WIDTH;
    }
    let row = min(input[position], VOCABULARY - 1u);
    output[index] = weight[row * WIDTH + column];
}

@compute @workgroup_size(WORKGROUP)
fn copy_rows(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let position = line_index(group, groups, lane);
    if position >= (POSITIONS + WINDOW - 1u) / WINDOW * WINDOW {
        return;
    }
    var row = NONE;
    if position < POSITIONS {
        row = min(input[position], VOCABULARY - 1u);
    }
    rows[position] = row;
}

@compute @workgroup_size(WORKGROUP)
fn count(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = line_index(group, groups, lane);
    if row >= VOCABULARY {
        return;
    }
    var less = vec4u();
    var same = vec4u();
    for (var i = 0u; i < CHUNK; i++) {
        let seen = rows_uniform[group.z * CHUNK + i];
        less += select(vec4u(0u), vec4u(1u), seen < vec4u(row));
        same += select(vec4u(0u), vec4u(1u), seen == vec4u(row));
    }
    let at = (FIRST_CHUNK + group.z) * VOCABULARY + row;
    before[at] = less.x + less.y + less.z + less.w;
    equal[at] = same.x + same.y + same.z + same.w;
}

@compute @workgroup_size(WORKGROUP)
fn place(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = line_index(group, groups, lane);
    if row >= VOCABULARY {
        return;
    }
    var end = 0u;
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        end += before[chunk * VOCABULARY + row];
    }
    first[row] = end;
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        let at = chunk * VOCABULARY + row;
        let here = equal[at];
        equal[at] = end;
        end += here;
    }
    last[row] = end;
}

@compute @workgroup_size(WORKGROUP)
fn list(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = line_index(group, groups, lane);
    if row >= VOCABULARY {
        return;
    }
    let chunk = FIRST_CHUNK + group.z;
    var end = equal[chunk * VOCABULARY + row];
    for (var i = 0u; i < CHUNK; i++) {
        let found = rows_uniform[group.z * CHUNK + i] == vec4u(row);
        if any(found) {
            for (var j = 0u; j < 4u; j++) {
                if found[j] {
                    order[min(end, POSITIONS - 1u)] = 4u * (chunk * CHUNK + i) + j;
                    end += 1u;
                }
            }
        }
    }
}

// A position in order. Whatever stands there: nothing but positions may be read.
fn position_at(place: u32) -> u32 {
    return min(order[place], POSITIONS - 1u);
}

// A column of the gradient at a position.
fn d_output_at(position: u32, column: u32) -> f32 {
    if CHANNELS_FIRST != 0u {
        return d_output[(position / LENGTH * WIDTH + column) * LENGTH + position % LENGTH];
    }
    return d_output[position * WIDTH + column];
}

@compute @workgroup_size(WORKGROUP)
fn sum_blocks(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    if index >= POSITIONS / SUMMED * WIDTH {
        return;
    }
    let first_of_block = index / WIDTH * SUMMED;
    let row = rows[position_at(first_of_block)];
    if rows[position_at(first_of_block + SUMMED - 1u)] != row {
        return;
    }
    var sum = 0.0;
    for (var i = first_of_block; i < first_of_block + SUMMED; i++) {
        sum += d_output_at(position_at(i), index % WIDTH);
    }
    block_sums[index] = sum;
}

@compute @workgroup_size(WORKGROUP)
fn backward_weight(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    if index >= VOCABULARY * WIDTH {
        return;
    }
    let end = min(last[index / WIDTH], POSITIONS);
    let column = index % WIDTH;
    var sum = 0.0;
    var i = first[index / WIDTH];
    while i < end {
        if i % SUMMED == 0u && i + SUMMED <= end {
            sum += block_sums[i / SUMMED * WIDTH + column];
            i += SUMMED;
        } else {
            sum += d_output_at(position_at(i), column);
            i += 1u;
        }
    }
    d_weight[index] = sum;
}
