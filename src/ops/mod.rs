//! The operators, one file each, and the one table of them all.
//!
//! An operator is `shaders/NAME.wgsl`, `src/ops/NAME.rs` and a row in the table below. A *kernel*
//! is what runs as one step of a plan and is proven as a whole: `conv2d.forward`, `conv2d.d_input`.
//! Arguments go by name: `input`, `output`, the names of the parameters, and `d_` before any of
//! these for its gradient. Everything that wires kernels together (plans, twins, bind groups, cases)
//! goes by these names, and a shader's bindings carry the same ones.

mod arg;
pub mod attr;
mod batch;
mod case;
mod dispatch;
mod gemm;
mod height;
mod kernel;
mod label_smoothing;
mod layers;
mod line;
pub mod onnx;
mod operator;
mod packed;
mod parameter;
mod sample_weight;
mod share;
pub use arg::{Arg, ArgumentSpec, Data};
pub use batch::{
    BATCH_COUNT, BATCH_EMA, BATCH_EPOCH, BATCH_MEANINGS, BATCH_RATES, BATCH_SEED, BATCH_WORDS, Rates,
};
pub use case::{Case, CaseData};
pub use dispatch::{Dispatch, MAX_WORKGROUPS_AXIS, ROW, Variant, WORKGROUP};
pub use kernel::Kernel;
pub use metrics::Metric;
pub use operator::Operator;
pub use packed::WINDOW_BYTES;
pub use parameter::{Init, Parameter};
pub use share::Share;

use crate::number::{Bounded, Number};
use crate::rng::Generator;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// What is appended to an argument's name for a binding that sees it another way: a part of it as a uniform
/// buffer, or all of it as vectors.
pub const VIEW_SUFFIXES: [&str; 2] = ["_uniform", "_whole"];

/// The weight of a loss that the model says nothing of.
fn unit_weight() -> f64 {
    1.0
}

/// Where an operator may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A layer of a model.
    Layer,
    /// The loss of a branch.
    Loss,
    /// The optimiser of a model.
    Optimizer,
    /// Placed by the plan itself.
    Internal,
}

macro_rules! operators {
    ($($module:ident :: $operator:ident, $role:ident;)+) => {
        $(pub mod $module;)+

        /// Any operator with its attributes.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "op", rename_all = "snake_case")]
        #[expect(missing_docs, reason = "each variant is documented at its type")]
        pub enum Op {
            $($operator($module::$operator),)+
        }

        impl Op {
            /// Every operator's name and where it may stand.
            pub const TABLE: &'static [(&'static str, Role)] =
                &[$((stringify!($module), Role::$role)),+];

            /// Reads the attributes of the operator `name`.
            pub fn parse<'de, D: serde::Deserializer<'de>>(name: &str, attributes: D) -> Result<Op, D::Error> {
                match name {
                    $(stringify!($module) => $module::$operator::deserialize(attributes).map(Op::$operator),)+
                    _ => Err(serde::de::Error::custom(format!("there is no operator {name:?}"))),
                }
            }

            /// The cases of every operator.
            pub fn all_cases() -> Vec<Case<Op>> {
                let mut cases = Vec::new();
                $(cases.extend($module::$operator::cases().into_iter()
                    .map(|case| Case { op: Op::$operator(case.op), inputs: case.inputs }));)+
                cases
            }

            /// The operator's name, which is also that of its files.
            pub fn name(&self) -> &'static str {
                match self { $(Op::$operator(_) => stringify!($module),)+ }
            }

            /// The name of the shader.
            pub fn shader(&self) -> &'static str {
                match self { $(Op::$operator(_) => $module::$operator::SHADER.unwrap_or(stringify!($module)),)+ }
            }

            /// The names of the inputs.
            pub fn inputs(&self) -> &'static [&'static str] {
                match self { $(Op::$operator(_) => $module::$operator::INPUTS,)+ }
            }

            /// See [`Operator::FORWARD`].
            pub fn forward(&self) -> &'static [Kernel] {
                match self { $(Op::$operator(_) => $module::$operator::FORWARD,)+ }
            }

            /// See [`Operator::BACKWARD`].
            pub fn backward(&self) -> &'static [Kernel] {
                match self { $(Op::$operator(_) => $module::$operator::BACKWARD,)+ }
            }

            /// See [`Operator::INFERENCE`].
            pub fn inference(&self) -> &'static [Kernel] {
                match self { $(Op::$operator(_) => $module::$operator::INFERENCE,)+ }
            }

            /// See [`Operator::EXACT_ON_INTEGERS`].
            pub fn is_exact_on_integers(&self) -> bool {
                match self { $(Op::$operator(_) => $module::$operator::EXACT_ON_INTEGERS,)+ }
            }

            /// See [`Operator::loss_weight`].
            pub fn loss_weight(&self) -> f64 {
                match self { $(Op::$operator(op) => op.loss_weight(),)+ }
            }

            /// See [`Operator::corrections`].
            pub fn corrections(&self, step: u32) -> [f32; 2] {
                match self { $(Op::$operator(op) => op.corrections(step),)+ }
            }

            /// See [`Operator::output_shape`].
            pub fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
                match self { $(Op::$operator(op) => op.output_shape(inputs),)+ }
            }

            /// See [`Operator::learning_rate`].
            pub fn learning_rate(&mut self) -> Option<&mut f64> {
                match self { $(Op::$operator(op) => op.learning_rate(),)+ }
            }

            /// See [`Operator::label_smoothing`].
            pub fn label_smoothing(&mut self) -> Option<&mut f64> {
                match self { $(Op::$operator(op) => op.label_smoothing(),)+ }
            }

            /// See [`Operator::weight_decay`].
            pub fn weight_decay(&mut self) -> Option<&mut f64> {
                match self { $(Op::$operator(op) => op.weight_decay(),)+ }
            }

            /// See [`Operator::parameters`].
            pub fn parameters(&self, inputs: &[Shape]) -> Vec<Parameter> {
                match self { $(Op::$operator(op) => op.parameters(inputs),)+ }
            }

            /// See [`Operator::local`].
            pub fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
                match self { $(Op::$operator(op) => op.local(name, inputs),)+ }
            }

            /// See [`Operator::onnx`].
            pub fn onnx(&self, inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
                match self { $(Op::$operator(op) => op.onnx(inputs),)+ }
            }

            /// See [`Operator::flops`].
            pub fn flops(&self, inputs: &[Shape]) -> u64 {
                match self { $(Op::$operator(op) => op.flops(inputs),)+ }
            }

            /// See [`Operator::kernel_flops`].
            pub fn kernel_flops(&self, kernel: &str, inputs: &[Shape]) -> u64 {
                match self { $(Op::$operator(op) => op.kernel_flops(kernel, inputs),)+ }
            }

            /// See [`Operator::twin`].
            pub fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
                match self { $(Op::$operator(op) => op.twin(kernel, args),)+ }
            }

            /// See [`Operator::fast`].
            pub fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
                match self { $(Op::$operator(op) => op.fast(kernel, args),)+ }
            }

            /// See [`Operator::admits`].
            pub fn admits(&self, kernel: &str, args: &mut [Arg<Bounded>]) -> bool {
                match self { $(Op::$operator(op) => op.admits(kernel, args),)+ }
            }

            /// See [`Operator::cancels`].
            pub fn cancels(&self, kernel: &str, argument: &str) -> Option<&'static str> {
                match self { $(Op::$operator(op) => op.cancels(kernel, argument),)+ }
            }

            /// See [`Operator::shares`].
            pub fn shares(&self, kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
                match self { $(Op::$operator(op) => op.shares(kernel, shape),)+ }
            }

            /// See [`Operator::dispatches`].
            pub fn dispatches(
                &self,
                kernel: &str,
                variant: Variant,
                shape: &dyn Fn(&str) -> Shape,
            ) -> Vec<Dispatch> {
                match self { $(Op::$operator(op) => op.dispatches(kernel, variant, shape),)+ }
            }

            /// See [`Operator::takes`].
            pub fn takes(&self, kernel: &str, inputs: &[Shape]) -> bool {
                match self { $(Op::$operator(op) => op.takes(kernel, inputs),)+ }
            }

            /// See [`Operator::beside`].
            pub fn beside(&self, others: &[&Op], inputs: &[Shape]) -> Option<(Op, Vec<Shape>)> {
                match self {
                    $(Op::$operator(op) => {
                        let others = others.iter().map(|other| match other {
                            Op::$operator(other) => Some(other),
                            _ => None,
                        });
                        let (op, inputs) = op.beside(&others.collect::<Option<Vec<_>>>()?, inputs)?;
                        Some((Op::$operator(op), inputs))
                    })+
                }
            }

            /// See [`Operator::fill`].
            pub fn fill(&self, name: &str, elements: usize, generator: &mut Generator) -> Option<CaseData> {
                match self { $(Op::$operator(op) => op.fill(name, elements, generator),)+ }
            }
        }
    };
}

// The table of operators: `shaders/MODULE.wgsl`, `src/ops/MODULE.rs`, and where it may stand. A case's place in the
// order of all cases is the seed that its numbers are drawn by: a new row at the end leaves those of the others alone.
operators! {
    augment::Augment, Internal;
    tokens::Tokens, Internal;
    conv2d::Conv2d, Layer;
    max_pool2d::MaxPool2d, Layer;
    conv_pool2d::ConvPool2d, Internal;
    avg_pool2d::AvgPool2d, Layer;
    global_avg_pool2d::GlobalAvgPool2d, Layer;
    conv1d::Conv1d, Layer;
    max_pool1d::MaxPool1d, Layer;
    global_avg_pool1d::GlobalAvgPool1d, Layer;
    relu::Relu, Layer;
    sigmoid::Sigmoid, Layer;
    dropout::Dropout, Layer;
    flatten::Flatten, Layer;
    dense::Dense, Layer;
    dense_relu::DenseRelu, Internal;
    embedding::Embedding, Layer;
    add::Add, Layer;
    batch_norm2d::BatchNorm2d, Layer;
    mse::Mse, Loss;
    bce_with_logits::BceWithLogits, Loss;
    softmax_cross_entropy::SoftmaxCrossEntropy, Loss;
    metrics::Metrics, Internal;
    measured_loss::MeasuredLoss, Internal;
    adam::Adam, Optimizer;
    dense_adam::DenseAdam, Internal;
    sgd::Sgd, Optimizer;
    probe::Probe, Internal;
    depthwise_conv2d::DepthwiseConv2d, Layer;
    upsample2d::Upsample2d, Layer;
    ema::Ema, Internal;
    clip_norm::ClipNorm, Internal;
    masked_avg_pool1d::MaskedAvgPool1d, Layer;
}

impl Op {
    /// Whether the operator has nothing to compute: its output is its input with another shape.
    pub fn is_view(&self) -> bool {
        self.forward().is_empty()
    }

    /// Where the operator may stand.
    pub fn role_of(&self) -> Role {
        Self::role(self.name()).unwrap_or(Role::Internal)
    }

    /// Where the operator of this name may stand, if there is one.
    pub fn role(name: &str) -> Option<Role> {
        Self::TABLE.iter().find(|(other, _)| *other == name).map(|&(_, role)| role)
    }

    /// The kernel of this name.
    pub fn kernel(&self, name: &str) -> Option<&'static Kernel> {
        self.kernels().into_iter().find(|kernel| kernel.name == name)
    }

    /// All kernels: forward, backward, and those only of inference.
    pub fn kernels(&self) -> Vec<&'static Kernel> {
        let training = self.forward().iter().chain(self.backward());
        let known = |name| training.clone().any(|kernel| kernel.name == name);
        let inference = self.inference().iter().filter(|kernel| !known(kernel.name));
        training.clone().chain(inference).collect()
    }

    /// What the argument `name` looks like for inputs of these shapes.
    pub fn argument(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        if let Some(local) = self.local(name, inputs) {
            return Some(local);
        }
        match name {
            "batch" => return Some(ArgumentSpec::shared([BATCH_WORDS].into()).words()),
            "sample" => {
                let batch = inputs.first().map_or(1, Shape::batch);
                return Some(ArgumentSpec::batched([batch].into()).words());
            }
            _ => {}
        }
        let plain = name.strip_prefix("d_").unwrap_or(name);
        if plain == "output" {
            return self.output_shape(inputs).ok().map(ArgumentSpec::batched);
        }
        if let Some(index) = self.inputs().iter().position(|input| *input == plain) {
            return inputs.get(index).cloned().map(ArgumentSpec::batched);
        }
        let parameters = self.parameters(inputs);
        let parameter = parameters.into_iter().find(|parameter| parameter.name == plain)?;
        Some(ArgumentSpec::shared(parameter.shape))
    }
}
