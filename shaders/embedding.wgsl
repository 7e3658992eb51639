// A row of a table for every number, and the gradient of the table.
//
//   output[p,w]   = weight[min(input[p], VOCABULARY-1),w]
//   d_weight[v,w] = sum of d_output[p,w] over the positions p with min(input[p], VOCABULARY-1) = v
//
// input                 (POSITIONS) = (samples, LENGTH), whole numbers
// weight, d_weight      (VOCABULARY, WIDTH)
// output, d_output      (samples, LENGTH, WIDTH), or with CHANNELS_FIRST (samples, WIDTH, LENGTH)
// rows                  (POSITIONS, filled up to whole windows): min(input[p], VOCABULARY-1), then NONE
// first, last           (VOCABULARY): where a row's positions begin and end in order
// order                 (POSITIONS): all positions, those of a row one after the other and ascending
//
// Invocations are numbered along one line. One computes
//   forward          one element of one row
//   copy_rows        one element of rows
//   count, list      first or last of one row of the table, and its part of order. All lanes look at the
//                    same numbers at the same time, through a uniform window of 4 * VECTORS positions
//                    from FIRST_POSITION on, one dispatch a window
//   backward_weight  one element of the table, added up in the order of the positions: no atomics, and
//                    the same sum every time

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

override POSITIONS: u32;
override LENGTH: u32;
override VOCABULARY: u32;
override WIDTH: u32;
override CHANNELS_FIRST: u32;
override FIRST_POSITION: u32;
override VECTORS: u32;

const WORKGROUP: u32 = 64u;
const WINDOW: u32 = 16384u;
const NONE: u32 = 0xffffffffu;

fn line_index(group: vec3u, groups: vec3u, lane: u32) -> u32 {
    return (group.y * groups.x + group.x) * WORKGROUP + lane;
}

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

// first[row]: how many positions belong to rows before it.
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
    var before = vec4u();
    for (var i = 0u; i < VECTORS; i++) {
        before += select(vec4u(0u), vec4u(1u), rows_uniform[i] < vec4u(row));
    }
    let sum = before.x + before.y + before.z + before.w;
    first[row] = sum + select(first[row], 0u, FIRST_POSITION == 0u);
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
    var end = select(last[row], first[row], FIRST_POSITION == 0u);
    for (var i = 0u; i < VECTORS; i++) {
        let found = rows_uniform[i] == vec4u(row);
        if any(found) {
            for (var j = 0u; j < 4u; j++) {
                if found[j] {
                    order[end] = FIRST_POSITION + 4u * i + j;
                    end += 1u;
                }
            }
        }
    }
    last[row] = end;
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
    let row = index / WIDTH;
    let column = index % WIDTH;
    var sum = 0.0;
    for (var i = first[row]; i < last[row]; i++) {
        let position = order[i];
        var at = position * WIDTH + column;
        if CHANNELS_FIRST != 0u {
            at = (position / LENGTH * WIDTH + column) * LENGTH + position % LENGTH;
        }
        sum += d_output[at];
    }
    d_weight[index] = sum;
}
