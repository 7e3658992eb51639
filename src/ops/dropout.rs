//! Inverted dropout (Srivastava et al., 2014): during training an element is zeroed with probability
//! `rate`, and the others grow by `1 / (1 - rate)`. A prediction leaves the layer out.
//!
//! Nothing is stored for the backward pass: the mask is drawn again. Element `e` of a sample is
//! dropped if word `e % 4` of Philox's draw (`e / 4`, sample, epoch, stream) is below `rate * 2^32`.

use super::attr::wrong_arguments;
use super::{
    Arg, BATCH_EPOCH, BATCH_SEED, Case, CaseData, Dispatch, Kernel, Operator, ROW, Variant, WORKGROUP, onnx,
};
use crate::number::Number;
use crate::rng::{Generator, Stream, philox4x32, philox4x32_row};
use crate::shape::Shape;
use pulp::{Arch, Simd, WithSimd};
use serde::{Deserialize, Serialize};

/// The attributes of dropout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// The probability of an element to be dropped, 0 <= rate < 1.
    pub rate: f64,
    /// Tells the dropout layers of a model apart. The graph numbers them in their order.
    #[serde(default)]
    pub stream: u32,
}

impl Dropout {
    /// Words below this one drop their element.
    fn threshold(&self) -> u32 {
        (self.rate * 4_294_967_296.0) as u32
    }

    /// What kept elements grow by, and their gradients, too.
    pub(super) fn scale(&self) -> f64 {
        1.0 / (1.0 - self.rate)
    }

    /// The constants of `shaders/parts/philox.wgsl`.
    pub(super) fn mask_constants(&self) -> [(&'static str, f64); 2] {
        let stream = Stream::DROPOUT + self.stream;
        [("THRESHOLD", f64::from(self.threshold())), ("STREAM", f64::from(stream))]
    }

    fn apply<N: Number>(&self, batch: &[u32], sample: &[u32], from: &[N], to: &mut [N]) {
        let features = from.len() / sample.len().max(1);
        let key = [batch[BATCH_SEED], batch[BATCH_SEED + 1]];
        let scale = N::constant(self.scale());
        for (n, &sample) in sample.iter().enumerate() {
            let mut words = [0; 4];
            for e in 0..features {
                if e % 4 == 0 {
                    let counter = [e as u32 / 4, sample, batch[BATCH_EPOCH], Stream::DROPOUT + self.stream];
                    words = philox4x32(counter, key);
                }
                let at = n * features + e;
                to[at] = if words[e % 4] < self.threshold() { N::zero() } else { from[at] * scale };
            }
        }
    }
}

/// The elements of one sample.
struct Masked<'a> {
    from: &'a [f32],
    to: &'a mut [f32],
    /// The last three words of its counters.
    rest: [u32; 3],
    key: [u32; 2],
    threshold: u32,
    scale: f32,
}

impl WithSimd for Masked<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        /// Counters that are drawn at once, each for four elements.
        const LANES: usize = 16;
        const BLOCK: usize = 4 * LANES;
        let blocks = self.from.chunks(BLOCK).zip(self.to.chunks_mut(BLOCK)).enumerate();
        for (block, (from, to)) in blocks {
            let words = philox4x32_row::<LANES>((block * LANES) as u32, self.rest, self.key);
            let mut factors = [0.0; BLOCK];
            for (e, factor) in factors.iter_mut().enumerate() {
                *factor = if words[e % 4][e / 4] < self.threshold { 0.0 } else { self.scale };
            }
            for ((to, from), factor) in to.iter_mut().zip(from).zip(factors) {
                *to = if factor == 0.0 { 0.0 } else { from * factor };
            }
        }
    }
}

impl Operator for Dropout {
    const FORWARD: &'static [Kernel] =
        &[Kernel::new("forward", &["input", "sample", "batch"], &["output"]).per_sample()];
    const BACKWARD: &'static [Kernel] =
        &[Kernel::new("backward_input", &["d_output", "sample", "batch"], &["d_input"]).per_sample()];
    const INFERENCE: &'static [Kernel] = &[];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        if !(0.0..1.0).contains(&self.rate) {
            return Err(format!("the rate is {}; it must be at least 0 and below 1", self.rate));
        }
        inputs.first().cloned().ok_or_else(|| "it has no input".into())
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        let [from, sample, batch, to] = args else { wrong_arguments(kernel) };
        self.apply(batch.words(), sample.words(), from.real(), to.real_mut());
    }

    fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        let [from, sample, batch, to] = args else { wrong_arguments(kernel) };
        let features = (from.real().len() / sample.words().len().max(1)).max(1);
        let (from, to) = (from.real().chunks_exact(features), to.real_mut().chunks_exact_mut(features));
        for ((from, to), &sample) in from.zip(to).zip(sample.words()) {
            let rest = [sample, batch.words()[BATCH_EPOCH], Stream::DROPOUT + self.stream];
            let key = [batch.words()[BATCH_SEED], batch.words()[BATCH_SEED + 1]];
            let (threshold, scale) = (self.threshold(), self.scale() as f32);
            Arch::new().dispatch(Masked { from, to, rest, key, threshold, scale });
        }
        true
    }

    fn dispatches(&self, kernel: &str, _variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let input = shape(if kernel == "forward" { "input" } else { "d_input" });
        let batch = input.batch();
        let features = input.len() / batch.max(1);
        let extents = [("BATCH", batch as f64), ("FEATURES", features as f64), ("SCALE", self.scale())];
        let constants = [extents.as_slice(), &self.mask_constants()].concat();
        vec![Dispatch::line(kernel, batch * features.div_ceil(4), &constants)]
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
        Some(Vec::new())
    }

    fn cases() -> Vec<Case<Self>> {
        [
            (0.0, [1, 1]),
            (0.25, [3, 7]),
            (0.5, [2, 4 * WORKGROUP]),
            (0.9, [5, WORKGROUP + 1]),
            (0.5, [WORKGROUP, 6]),
            (0.5, [1, 4 * ROW + 1]),
        ]
        .into_iter()
        .zip(0..)
        .map(|((rate, shape), stream)| Case::new(Dropout { rate, stream }, [shape.into()]))
        .collect()
    }

    fn fill(&self, name: &str, elements: usize, generator: &mut Generator) -> Option<CaseData> {
        matches!(name, "sample" | "batch")
            .then(|| CaseData::Words((0..elements).map(|_| generator.next_u32()).collect()))
    }
}
