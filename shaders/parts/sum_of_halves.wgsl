// The sum of a value over the lanes of a workgroup of WORKGROUP invocations, in every lane: half of the lanes add what
// the other half has, until one is left. All of them have to call it together.

var<workgroup> lane_sums: array<f32, WORKGROUP>;

fn sum_of_halves(lane: u32, value: f32) -> f32 {
    lane_sums[lane] = value;
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            lane_sums[lane] += lane_sums[lane + half];
        }
    }
    workgroupBarrier();
    let sum = lane_sums[0];
    workgroupBarrier();
    return sum;
}
