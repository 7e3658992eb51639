// Adds a batch to the running sums of a branch.
//
//   sums[0] += loss * total
//   sums[1] += sum of metric(n) over the n < real with w[n] > 0
//   sums[2] += the number of these n
//   sums[3] += total
//
// with w = sample_weight, real = batch[0], the number of real samples, total = sum over n < real of w[n], and by METRIC
//
//   0  metric(n) = |clamp(x, LOW, HIGH) - t|, since no label lies beyond LOW and HIGH
//   1  metric(n) = 1 where x > 0 and t > 0.5 agree, else 0
//   2  metric(n) = 1 where the largest of input[n,..], the first of equals, stands at class targets[n]
//
// where x = input[n,0] and t = targets[n,0].
//
// input          (SAMPLES, FEATURES)
// targets        the bits of floats (SAMPLES, FEATURES), or with METRIC 2 whole numbers (SAMPLES)
// sample_weight  (SAMPLES), not negative
// loss           (1)
// batch          see BATCH_WORDS in src/ops/batch.rs: [0] number of real samples
// sums           (4)
//
// Runs in one invocation, which adds in the order of the samples.

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read> sample_weight: array<f32>;
@group(0) @binding(3) var<storage, read> loss: array<f32>;
@group(0) @binding(4) var<storage, read> batch: array<u32>;
@group(0) @binding(5) var<storage, read_write> sums: array<f32>;

override SAMPLES: u32;
override FEATURES: u32;
override METRIC: u32;
override LOW: f32;
override HIGH: f32;

// include parts/total_weight.wgsl
// include parts/metrics.wgsl

@compute @workgroup_size(1)
fn accumulate() {
    let real = min(batch[0], SAMPLES);
    var metric = 0.0;
    var counted = 0.0;
    for (var n = 0u; n < real; n++) {
        if sample_weight[n] > 0.0 {
            metric += metric_of(n);
            counted += 1.0;
        }
    }
    add_to_sums(loss[0], metric, counted, total_weight(real));
}
