//! Batch normalisation of images (Ioffe and Szegedy, 2015, <https://arxiv.org/abs/1502.03167>).
//!
//! Input and output (N, C, H, W); weight, bias, running_mean and running_var (C), under PyTorch's names.
//! Training normalises each channel by the mean and the biased variance of the batch's real samples, and
//! moves the running statistics towards the mean and the unbiased variance. Predictions normalise by the
//! running statistics. Of a single element the unbiased variance is taken to be 0, where PyTorch refuses.

mod fast;

use super::attr::{image_axes, wrong_arguments};
use super::height;
use super::mse::some_real_samples;
use super::onnx;
use super::share::{self, Share};
use super::{
    Arg, ArgumentSpec, BATCH_COUNT, Case, CaseData, Dispatch, Init, Kernel, Operator, Parameter, Variant,
};
use super::{ROW, WORKGROUP};
use crate::number::{Accumulator, Number};
use crate::rng::Generator;
use crate::shape::Shape;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The attributes of batch normalisation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm2d {
    /// What is added to the variance before its root is taken.
    #[serde(default = "usual_epsilon")]
    pub epsilon: f64,
    /// How far the running statistics move towards those of a batch, 0 < momentum <= 1.
    #[serde(default = "usual_momentum")]
    pub momentum: f64,
}

fn usual_epsilon() -> f64 {
    1e-5
}

fn usual_momentum() -> f64 {
    0.1
}

/// The elements of one channel in the real samples, a slice a sample.
fn planes<N>(
    values: &[N],
    [real, channels, pixels]: [usize; 3],
    channel: usize,
) -> impl Iterator<Item = &[N]> {
    (0..real).map(move |sample| &values[(sample * channels + channel) * pixels..][..pixels])
}

/// The sum over all elements, plane by plane, so that float32 adds numbers of like size.
fn sum<'a, N: Number + 'a>(
    planes: impl Iterator<Item = &'a [N]>,
    height: usize,
    term: impl Fn(usize, usize, N) -> N,
) -> N {
    let mut all = N::Sum::default();
    for (sample, plane) in planes.enumerate() {
        let mut sum = N::Sum::default();
        for (pixel, &value) in plane.iter().enumerate() {
            sum.add(term(sample, pixel, value));
        }
        all.add(sum.total_within(height));
    }
    all.total()
}

/// Where a kernel's elements lie.
struct Extents {
    /// Real samples, channels and pixels.
    real: [usize; 3],
    /// Elements of real samples in one channel.
    count: f32,
}

impl Extents {
    fn of<N>(image: &Arg<N>, batch: &Arg<N>) -> Self {
        let [samples, channels, height, width] = image.nchw();
        let (real, pixels) = ((batch.words()[BATCH_COUNT] as usize).min(samples), height * width);
        Self { real: [real, channels, pixels], count: (real * pixels) as f32 }
    }

    /// Computes every element of the real samples by its index and channel, in parallel, and makes the
    /// others zero.
    fn each<N: Number>(&self, output: &mut [N], element: impl Fn(usize, usize) -> N + Sync) {
        let [real, channels, pixels] = self.real;
        output.par_chunks_mut(pixels.max(1)).enumerate().for_each(|(plane, output)| {
            if plane / channels >= real {
                return output.fill(N::zero());
            }
            for (pixel, output) in output.iter_mut().enumerate() {
                *output = element(plane * pixels + pixel, plane % channels);
            }
        });
    }
}

impl BatchNorm2d {
    /// How many additions an element passes through in its plane's sum at most.
    fn plane_height(pixels: usize) -> usize {
        (height::of_stride(pixels) + height::of_halves()).max(fast::plane_height(pixels))
    }

    /// The mean, and the sum of squared deviations from it.
    fn measure<N: Number>(input: &[N], extents: &Extents, channel: usize) -> (N, N) {
        let planes = || planes(input, extents.real, channel);
        let height = Self::plane_height(extents.real[2]);
        let mean = sum(planes(), height, |_, _, x| x) / N::exact(extents.count);
        // The shader puts the squares together from deviations from the planes' own means, whose errors, of the same
        // height, count twice when they are squared.
        let squares = sum(planes(), 3 * height, |_, _, x| (x - mean) * (x - mean));
        (mean, squares)
    }

    /// Writes the statistics of a batch, and moves the running ones towards them.
    fn remember<N: Number>(
        &self,
        measured: &[(N, N)],
        extents: &Extents,
        running_mean: &mut Arg<N>,
        running_var: &mut Arg<N>,
        statistics: &mut Arg<N>,
    ) {
        let momentum = N::constant(self.momentum);
        let towards = |old: N, new: N| old + (new - old) * momentum;
        for (channel, &(mean, squares)) in measured.iter().enumerate() {
            let unbiased = squares / N::exact((extents.count - 1.0).max(1.0));
            statistics.real_mut()[channel] = mean;
            statistics.real_mut()[measured.len() + channel] = self.scale(squares / N::exact(extents.count));
            let running = (&mut running_mean.real_mut()[channel], &mut running_var.real_mut()[channel]);
            *running.0 = towards(*running.0, mean);
            *running.1 = towards(*running.1, unbiased);
        }
    }

    fn scale<N: Number>(&self, variance: N) -> N {
        N::exact(1.0) / (variance + N::constant(self.epsilon)).sqrt()
    }
}

impl Operator for BatchNorm2d {
    const FORWARD: &'static [Kernel] = &[
        Kernel::new(
            "measure",
            &["input", "batch", "running_mean", "running_var"],
            &["running_mean", "running_var", "statistics"],
        )
        .scratch(&["partial"]),
        Kernel::new("forward", &["input", "statistics", "weight", "bias", "batch"], &["output"]),
    ];
    const BACKWARD: &'static [Kernel] = &[
        Kernel::new(
            "backward_weight",
            &["input", "d_output", "statistics", "batch"],
            &["d_weight", "d_bias"],
        )
        .scratch(&["partial"]),
        Kernel::new(
            "backward_input",
            &["input", "d_output", "statistics", "weight", "d_weight", "d_bias", "batch"],
            &["d_input"],
        ),
    ];
    const INFERENCE: &'static [Kernel] =
        &[Kernel::new("recall", &["running_mean", "running_var"], &["statistics"]), Self::FORWARD[1]];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        if !(self.epsilon > 0.0 && (self.epsilon as f32).is_normal()) {
            return Err(format!("epsilon is {}; it must be above 0 and finite", self.epsilon));
        }
        if !(self.momentum > 0.0 && self.momentum <= 1.0) {
            return Err(format!("momentum is {}; it must be above 0 and at most 1", self.momentum));
        }
        image_axes(inputs).map(Shape::from)
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<Parameter> {
        let Ok([_, channels, ..]) = image_axes(inputs) else { return Vec::new() };
        vec![
            Parameter::trained("weight", [channels], Init::Ones),
            Parameter::trained("bias", [channels], Init::Zeros),
            Parameter::running("running_mean", [channels], Init::Zeros),
            Parameter::running("running_var", [channels], Init::Ones),
        ]
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        let [samples, channels, ..] = image_axes(inputs).ok()?;
        match name {
            "statistics" => Some(ArgumentSpec::shared([2, channels].into())),
            "partial" => Some(ArgumentSpec::shared([2, samples, channels].into())),
            _ => None,
        }
    }

    fn flops(&self, inputs: &[Shape]) -> u64 {
        // Mean 1, variance 3, normalisation 4.
        inputs.first().map_or(0, |input| 8 * input.len() as u64)
    }

    fn kernel_flops(&self, kernel: &str, inputs: &[Shape]) -> u64 {
        match kernel {
            "measure" | "forward" => self.flops(inputs) / 2,
            "recall" => 0,
            _ => self.flops(inputs),
        }
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        match (kernel, args) {
            ("measure", [input, batch, running_mean, running_var, statistics]) => {
                let extents = Extents::of(input, batch);
                let measured: Vec<(N, N)> = (0..extents.real[1])
                    .into_par_iter()
                    .map(|channel| Self::measure(input.real(), &extents, channel))
                    .collect();
                self.remember(&measured, &extents, running_mean, running_var, statistics);
            }
            ("recall", [running_mean, running_var, statistics]) => {
                let (means, scales) = statistics.real_mut().split_at_mut(running_mean.shape.len());
                means.copy_from_slice(running_mean.real());
                for (scale, &variance) in scales.iter_mut().zip(running_var.real()) {
                    *scale = self.scale(variance);
                }
            }
            ("forward", [input, statistics, weight, bias, batch, output]) => {
                let extents = Extents::of(input, batch);
                let (means, scales) = statistics.real().split_at(extents.real[1]);
                let (input, weight, bias) = (input.real(), weight.real(), bias.real());
                extents.each(output.real_mut(), |index, c| {
                    (input[index] - means[c]) * scales[c] * weight[c] + bias[c]
                });
            }
            ("backward_weight", [input, d_output, statistics, batch, d_weight, d_bias]) => {
                let extents = Extents::of(input, batch);
                let [_, channels, pixels] = extents.real;
                let (means, scales) = statistics.real().split_at(channels);
                let (input, d_output) = (input.real(), d_output.real());
                let sums: Vec<(N, N)> = (0..channels)
                    .into_par_iter()
                    .map(|c| {
                        let planes = || planes(d_output, extents.real, c);
                        let x = |sample: usize, pixel: usize| {
                            (input[(sample * channels + c) * pixels + pixel] - means[c]) * scales[c]
                        };
                        let height = Self::plane_height(pixels);
                        let products = sum(planes(), height, |sample, pixel, d| d * x(sample, pixel));
                        (products, sum(planes(), height, |_, _, d| d))
                    })
                    .collect();
                for (channel, (products, sum)) in sums.into_iter().enumerate() {
                    d_weight.real_mut()[channel] = products;
                    d_bias.real_mut()[channel] = sum;
                }
            }
            ("backward_input", [input, d_output, statistics, weight, d_weight, d_bias, batch, d_input]) => {
                let extents = Extents::of(input, batch);
                let (means, scales) = statistics.real().split_at(extents.real[1]);
                let (input, d_output, weight) = (input.real(), d_output.real(), weight.real());
                let (d_weight, d_bias) = (d_weight.real(), d_bias.real());
                let count = N::exact(extents.count);
                extents.each(d_input.real_mut(), |index, c| {
                    let x = (input[index] - means[c]) * scales[c];
                    weight[c] * scales[c] * (d_output[index] - (d_bias[c] + x * d_weight[c]) / count)
                });
            }
            _ => wrong_arguments(kernel),
        }
    }

    fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        self.run_fast(kernel, args)
    }

    fn cancels(&self, kernel: &str, _argument: &str) -> Option<&'static str> {
        let reason = "of few elements, or nearly equal ones, the deviations from their mean are differences of nearly \
            equal numbers";
        matches!(kernel, "forward" | "backward_weight" | "backward_input").then_some(reason)
    }

    fn shares(&self, kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
        let terms = match kernel {
            "measure" => "input",
            "backward_weight" => "d_output",
            _ => return Vec::new(),
        };
        let image = shape(terms);
        vec![
            share::sample(terms, &image),
            share::channel(terms, &image),
            share::plane("one partial sum", terms, &image),
        ]
    }

    fn dispatches(&self, kernel: &str, _variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let channels = shape("statistics").len() / 2;
        // Only `recall` has no image; it does not look at its extents.
        let [samples, _, height, width] = match kernel {
            "recall" => [1; 4],
            _ => shape("input").nchw().unwrap_or([1; 4]),
        };
        let constants = [
            ("SAMPLES", samples as f64),
            ("CHANNELS", channels as f64),
            ("PIXELS", (height * width) as f64),
            ("EPSILON", self.epsilon),
            ("MOMENTUM", self.momentum),
        ];
        let line =
            |entry_point: &str, invocations: usize| Dispatch::line(entry_point, invocations, &constants);
        let planes = samples * channels;
        match kernel {
            "measure" => vec![line("measure_planes", planes * WORKGROUP), line(kernel, channels)],
            "backward_weight" => vec![line("sum_planes", planes * WORKGROUP), line(kernel, channels)],
            "recall" => vec![line(kernel, channels)],
            _ => vec![line(kernel, planes * height * width)],
        }
    }

    /// Its other attribute, `momentum`, is for training.
    fn onnx(&self, _inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
        let arguments = ["input", "weight", "bias", "running_mean", "running_var"];
        Some(vec![onnx::Node::new("BatchNormalization", &arguments).with("epsilon", self.epsilon as f32)])
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |epsilon: f64, momentum: f64, input: [usize; 4]| {
            Case::new(BatchNorm2d { epsilon, momentum }, [input.into()])
        };
        vec![
            case(1e-5, 0.1, [1, 1, 1, 1]),
            case(1e-5, 0.1, [3, 1, 13, 23]),
            case(1e-3, 1.0, [5, 32, 3, 5]),
            case(1e-5, 0.01, [7, 3, 8, 8]),
            case(1e-5, 0.1, [2, WORKGROUP + 3, 1, 1]),
            case(1e-5, 0.1, [6, 2, 1, WORKGROUP + 1]),
            case(1e-5, 0.1, [2, ROW + 1, 1, 1]),
        ]
    }

    fn fill(&self, name: &str, elements: usize, generator: &mut Generator) -> Option<CaseData> {
        match name {
            "running_var" => {
                Some(CaseData::Real((0..elements).map(|_| generator.uniform(0.1, 3.0)).collect()))
            }
            "batch" => Some(CaseData::Words(some_real_samples(generator))),
            _ => None,
        }
    }
}
