// Adds a batch to the running sums of a branch.
//
//   sums[0] += loss * count
//   sums[1] += sum over n < count of metric(n)
//   sums[2] += count
//
// with count = batch[0], the number of real samples, and metric(n) = |x - t|, or with IS_ACCURACY 1
// where x > 0 and t > 0.5 agree, else 0; x = input[n,0] and t = targets[n,0].
//
// input, targets  (SAMPLES, FEATURES)
// loss           (1)
// batch          see BATCH_WORDS in src/ops/mod.rs: [0] number of real samples
// sums           (3)
//
// Runs in one invocation, which adds in the order of the samples.

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<f32>;
@group(0) @binding(2) var<storage, read> loss: array<f32>;
@group(0) @binding(3) var<storage, read> batch: array<u32>;
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;

override SAMPLES: u32;
override FEATURES: u32;
override IS_ACCURACY: u32;

@compute @workgroup_size(1)
fn accumulate() {
    let count = min(batch[0], SAMPLES);
    var metric = 0.0;
    for (var n = 0u; n < count; n++) {
        let x = input[n * FEATURES];
        let t = targets[n * FEATURES];
        if IS_ACCURACY != 0u {
            metric += select(0.0, 1.0, (x > 0.0) == (t > 0.5));
        } else {
            metric += abs(x - t);
        }
    }
    sums[0] += loss[0] * f32(count);
    sums[1] += metric;
    sums[2] += f32(count);
}
