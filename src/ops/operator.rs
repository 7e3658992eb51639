//! What an operator has to tell.

use super::{Arg, ArgumentSpec, Case, CaseData, Dispatch, Kernel, Parameter, Share, Variant, onnx};
use crate::number::{Bounded, Number};
use crate::rng::Generator;
use crate::shape::Shape;

/// What every operator tells of itself.
///
/// `inputs` are the shapes of the inputs, batch first.
pub trait Operator: Sized {
    /// The names of its inputs. A layer's inputs are the outputs of the layers before it.
    const INPUTS: &'static [&'static str] = &["input"];
    /// Kernels of the forward pass, in order. None at all: the output is the input, seen with
    /// another shape.
    const FORWARD: &'static [Kernel];
    /// The shader, where it is that of another operator: `shaders/NAME.wgsl`.
    const SHADER: Option<&'static str> = None;
    /// Whether integers give integers, so that float32 computes small ones without any error.
    const EXACT_ON_INTEGERS: bool = false;
    /// Kernels of the backward pass, in order.
    const BACKWARD: &'static [Kernel] = &[];
    /// Kernels of the forward pass outside of training, where they are others. None at all: the output
    /// is the input.
    const INFERENCE: &'static [Kernel] = Self::FORWARD;

    /// The shape of the output, or what is wrong with the attributes or the inputs.
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String>;

    /// What lives from step to step and is saved with the model.
    fn parameters(&self, _inputs: &[Shape]) -> Vec<Parameter> {
        Vec::new()
    }

    /// Arguments that are neither input, output, parameter nor the gradient of one.
    fn local(&self, _name: &str, _inputs: &[Shape]) -> Option<ArgumentSpec> {
        None
    }

    /// Floating-point operations of the forward pass; a multiplication and an addition are two.
    fn flops(&self, _inputs: &[Shape]) -> u64 {
        0
    }

    /// Floating-point operations of a kernel; of a gradient, as many as of the forward pass.
    fn kernel_flops(&self, _kernel: &str, inputs: &[Shape]) -> u64 {
        self.flops(inputs)
    }

    /// Computes a kernel in plain loops from the formula. `args` are in the order of
    /// [`Kernel::arguments`].
    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]);

    /// Computes a kernel fast, or returns false where the twin is fast enough.
    fn fast(&self, _kernel: &str, _args: &mut [Arg<f32>]) -> bool {
        false
    }

    /// Whether integers that differ from the twin's are decisions that float32 may take as well: those
    /// chosen lie within their bounds of those that the twin chose. `args` are the twin's, with the
    /// device's integers among them.
    fn admits(&self, _kernel: &str, _args: &mut [Arg<Bounded>]) -> bool {
        false
    }

    /// Why the computed bound of a kernel's result may be wide compared with the result itself, such as that its
    /// terms cancel. `None`: it may not be, and a check with such a bound fails.
    fn cancels(&self, _kernel: &str, _argument: &str) -> Option<&'static str> {
        None
    }

    /// What a kernel that adds up many terms could leave out, by the parts that its terms are added in. Empty for one
    /// that adds up nothing. `shape` gives the shape of an argument.
    fn shares(&self, _kernel: &str, _shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
        Vec::new()
    }

    /// A kernel as dispatches of the operator's shader, for adapters of one kind. `shape` gives the shape
    /// of an argument.
    fn dispatches(&self, kernel: &str, variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch>;

    /// Whether a kernel can be run on these inputs. Plans that ask for others do not exist.
    fn takes(&self, _kernel: &str, _inputs: &[Shape]) -> bool {
        true
    }

    /// The operator for several layers side by side, which does at once what this one and `others` do, each
    /// for its layer, and the shapes of its inputs; `inputs` are those of this one. An argument then holds
    /// one after the other what each layer has, or what all have together, as its size tells; a gradient of
    /// something that all have is the sum over them. `None` where the layers differ or it cannot do it.
    fn beside(&self, _others: &[&Self], _inputs: &[Shape]) -> Option<(Self, Vec<Shape>)> {
        None
    }

    /// The operator outside of training as ONNX nodes; an empty list means that the output is the input. `None`: an
    /// ONNX file cannot hold it, and an export that meets it is refused.
    fn onnx(&self, _inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
        None
    }

    /// What the kernels are proven for.
    fn cases() -> Vec<Case<Self>>;

    /// What a loss counts in the sum over all branches; 1 for everything else.
    fn loss_weight(&self) -> f64 {
        1.0
    }

    /// What an optimiser corrects its moments by in a step, counted from 1: factors of the gradient's mean and of
    /// its squared mean. 1 for one that corrects nothing.
    fn corrections(&self, _step: u32) -> [f32; 2] {
        [1.0; 2]
    }

    /// An optimiser's learning rate, to read or to change; `None` of everything else.
    fn learning_rate(&mut self) -> Option<&mut f64> {
        None
    }

    /// How much a loss smooths its labels, to read or to change; `None` of one whose labels are no classes.
    fn label_smoothing(&mut self) -> Option<&mut f64> {
        None
    }

    /// An optimiser's weight decay, to read or to change; `None` of one that has none.
    fn weight_decay(&mut self) -> Option<&mut f64> {
        None
    }

    /// Fills an argument of a case with values that make sense for it; `None` where any do.
    fn fill(&self, _name: &str, _elements: usize, _generator: &mut Generator) -> Option<CaseData> {
        None
    }
}
