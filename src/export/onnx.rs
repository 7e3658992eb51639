//! A trained model as an ONNX file: <https://onnx.ai>.
//!
//! The input is what `predict` reads, photos (N, H, W, 3) as bytes or token ids (N, length) as int64, and the outputs
//! are what it tells, under the names of the targets: of a number (N) in its unit, of classes (N, classes) their
//! probabilities. What a layer is in ONNX, its operator says ([`Operator::onnx`](crate::ops::Operator::onnx)), and
//! what a target is, its kind ([`Rules::onnx`](crate::tasks::Rules::onnx)); here they are joined.

use super::ExportError;
use super::metadata::{Facts, entries, output_sentence};
use super::proto::{
    Attribute, DataType, Dimension, Graph, IR_VERSION, Model, Node, OPSET, OperatorSet, Tensor, TensorShape,
    TensorType, Type, ValueInfo,
};
use crate::graph::{self, BranchEnd};
use crate::ops::onnx;
use crate::shape::{DType, Shape};
use crate::spec::{InputSpec, Spec};
use crate::tasks::Target;
use crate::train::checkpoint;
use prost::Message;
use std::path::Path;

/// The model with the weights of `file` as an ONNX file.
///
/// # Errors
/// Where a layer has no ONNX form, the weights are not the model's, or the file would be too large.
pub fn model(
    spec: &Spec,
    weights: &[checkpoint::Tensor],
    file: &Path,
    facts: &Facts,
) -> Result<Vec<u8>, ExportError> {
    let graph = graph::Graph::new(spec, 1)?;
    let mut builder = Builder { graph: Graph { name: spec.name.clone(), ..Graph::default() } };
    builder.add_weights(&graph, weights, file)?;
    let input = input_of(spec);
    let mut outputs: Vec<String> = Vec::new();
    for node in &graph.nodes {
        let output = builder.add_layer(spec, node, &input.name, &outputs)?;
        outputs.push(output);
    }
    builder.graph.input.push(input);
    for end in &graph.branches {
        builder.add_target(end, &outputs[end.node]);
    }
    let model = Model {
        ir_version: Some(IR_VERSION),
        producer_name: env!("CARGO_PKG_NAME").into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        doc_string: format!("{}, trained with {}", spec.name, env!("CARGO_PKG_NAME")),
        graph: Some(builder.graph),
        opset_import: vec![OperatorSet { domain: String::new(), version: Some(OPSET) }],
        metadata_props: entries(spec, facts),
    };
    let bytes = model.encoded_len();
    match i32::try_from(bytes) {
        Ok(_) => Ok(model.encode_to_vec()),
        Err(_) => Err(ExportError::TooLarge { bytes }),
    }
}

/// The model's input, whose name is none of an output's.
fn input_of(spec: &Spec) -> ValueInfo {
    let (name, dtype, axes, doc_string) = match &spec.input {
        InputSpec::Photo(photo) => {
            let sentence = "RGB photos as bytes; what the network sees of them is computed within";
            ("photos", DataType::Uint8, vec![photo.height, photo.width, 3], sentence)
        }
        InputSpec::Text(text) => {
            let sentence = "ids of the words of texts, by the rules in the file beside the model";
            ("tokens", DataType::Int64, vec![text.length], sentence)
        }
    };
    let is_taken = |name: &str| spec.targets.iter().any(|target| target.name == name);
    let mut name = name.to_string();
    while is_taken(&name) {
        name.push('_');
    }
    ValueInfo { name, r#type: Some(batch_of(dtype, &axes)), doc_string: doc_string.into() }
}

/// Tensors whose first axis is the batch, of any extent.
fn batch_of(dtype: DataType, axes: &[usize]) -> Type {
    let batch = Dimension { dim_value: None, dim_param: Some("N".into()) };
    let fixed = axes.iter().map(|&extent| Dimension { dim_value: Some(extent as i64), dim_param: None });
    let shape = TensorShape { dim: std::iter::once(batch).chain(fixed).collect() };
    Type { tensor_type: Some(TensorType { elem_type: Some(dtype as i32), shape: Some(shape) }) }
}

/// The shape of an output behind its batch. A branch ends with one logit for two classes.
fn axes_of(target: &Target) -> Vec<usize> {
    if target.has_classes() { vec![target.outputs().max(2)] } else { Vec::new() }
}

struct Builder {
    graph: Graph,
}

impl Builder {
    /// Adds the parameters of all layers under their names.
    fn add_weights(
        &mut self,
        graph: &graph::Graph,
        weights: &[checkpoint::Tensor],
        file: &Path,
    ) -> Result<(), ExportError> {
        let wrong = |reason: String| ExportError::Weights { file: file.display().to_string(), reason };
        for (name, parameter) in graph.parameters() {
            let tensor = weights.iter().find(|tensor| tensor.name == name);
            let tensor = tensor.ok_or_else(|| wrong(format!("it has no {name}")))?;
            if tensor.shape != parameter.shape || tensor.dtype != DType::F32 {
                let (is, dtype, needs) = (&tensor.shape, tensor.dtype, &parameter.shape);
                return Err(wrong(format!("{name} is {is} of {dtype:?}, but {needs} is needed")));
            }
            self.add_constant(name, &tensor.shape, DataType::Float, tensor.bytes.clone());
        }
        Ok(())
    }

    fn add_constant(&mut self, name: String, shape: &Shape, dtype: DataType, bytes: Vec<u8>) {
        let dims = shape.0.iter().map(|&extent| extent as i64).collect();
        self.graph.initializer.push(Tensor {
            dims,
            data_type: Some(dtype as i32),
            name,
            raw_data: Some(bytes),
        });
    }

    /// Adds a layer, and returns the name of its output. `outputs` are those of the layers before it.
    fn add_layer(
        &mut self,
        spec: &Spec,
        node: &graph::Node,
        input: &str,
        outputs: &[String],
    ) -> Result<String, ExportError> {
        let nodes = node.op.onnx(&node.input_shapes).ok_or_else(|| ExportError::Layer {
            file: spec.file.clone(),
            line: node.line,
            layer: node.name.clone(),
            op: node.op.name(),
        })?;
        let read = |place: usize| node.inputs.get(place).map_or(input, |&other| &outputs[other]);
        let argument = |name: &str| match node.op.inputs().iter().position(|input| *input == name) {
            Some(place) => read(place).to_string(),
            None => format!("{}.{name}", node.name),
        };
        if nodes.is_empty() {
            return Ok(read(0).to_string());
        }
        let output = format!("{}.output", node.name);
        self.add_nodes(&node.name, &nodes, &output, &argument);
        Ok(output)
    }

    /// Adds what a branch tells, as an output of the model.
    fn add_target(&mut self, end: &BranchEnd, branch_output: &str) {
        let target = &end.target;
        let nodes = target.rules().onnx(target);
        // No layer's name holds a slash.
        self.add_nodes(&format!("target/{}", target.name), &nodes, &target.name, &|_| branch_output.into());
        self.graph.output.push(ValueInfo {
            name: target.name.clone(),
            r#type: Some(batch_of(DataType::Float, &axes_of(target))),
            doc_string: output_sentence(target),
        });
    }

    /// Adds nodes one after the other. `argument` tells the name of the value that an argument is.
    fn add_nodes(
        &mut self,
        name: &str,
        nodes: &[onnx::Node],
        output: &str,
        argument: &dyn Fn(&str) -> String,
    ) {
        let mut before = String::new();
        for (place, node) in nodes.iter().enumerate() {
            let is_last = place + 1 == nodes.len();
            let own = if is_last { name.to_string() } else { format!("{name}:{place}") };
            let output = if is_last { output.to_string() } else { format!("{own}.output") };
            let inputs = node.inputs.iter().enumerate().map(|(at, value)| match value {
                onnx::Value::Argument(name) => argument(name),
                onnx::Value::Before => before.clone(),
                onnx::Value::Absent => String::new(),
                constant => self.add_value(format!("{own}.constant{at}"), constant),
            });
            let inputs: Vec<String> = inputs.collect();
            self.graph.node.push(Node {
                input: inputs,
                output: vec![output.clone()],
                name: own,
                op_type: node.op_type.into(),
                attribute: node.attributes.iter().map(attribute).collect(),
            });
            before = output;
        }
    }

    /// Adds a constant that a node reads, and returns its name.
    fn add_value(&mut self, name: String, value: &onnx::Value) -> String {
        let (shape, dtype, bytes) = match value {
            onnx::Value::Scalar(value) => (Shape(Vec::new()), DataType::Float, value.to_le_bytes().to_vec()),
            onnx::Value::Floats(values) => {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                ([values.len()].into(), DataType::Float, bytes)
            }
            onnx::Value::Integers(values) => {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                ([values.len()].into(), DataType::Int64, bytes)
            }
            onnx::Value::Argument(_) | onnx::Value::Before | onnx::Value::Absent => {
                unreachable!("it is no constant")
            }
        };
        self.add_constant(name.clone(), &shape, dtype, bytes);
        name
    }
}

fn attribute((name, value): &(&'static str, onnx::Attribute)) -> Attribute {
    let mut attribute = Attribute { name: (*name).into(), ..Attribute::default() };
    attribute.r#type = Some(match value {
        onnx::Attribute::Float(value) => {
            attribute.f = Some(*value);
            Attribute::FLOAT
        }
        onnx::Attribute::Integer(value) => {
            attribute.i = Some(*value);
            Attribute::INT
        }
        onnx::Attribute::Integers(values) => {
            attribute.ints.clone_from(values);
            Attribute::INTS
        }
    });
    attribute
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Op, Role};

    fn face() -> Spec {
        Spec::parse(include_str!("../../assets/models/face.toml"), "face.toml").unwrap()
    }

    fn builder() -> Builder {
        Builder { graph: Graph::default() }
    }

    #[test]
    fn every_layer_that_a_model_can_have_can_be_exported() {
        let layers: Vec<&str> =
            Op::TABLE.iter().filter(|(_, role)| *role == Role::Layer).map(|&(name, _)| name).collect();
        let mut exported = vec!["flatten"];
        for case in Op::all_cases().into_iter().filter(|case| case.op.role_of() == Role::Layer) {
            assert!(case.op.onnx(&case.inputs).is_some(), "{:?}", case.op);
            exported.push(case.op.name());
        }
        assert!(layers.iter().all(|layer| exported.contains(layer)), "{layers:?} but {exported:?}");
    }

    #[test]
    fn a_layer_without_a_form_in_onnx_is_named() {
        let graph = graph::Graph::new(&face(), 1).unwrap();
        let mut node = graph.nodes[2].clone();
        node.op = Op::parse("mse", serde_json::json!({})).unwrap();
        let outputs = vec![String::new(); 2];
        let error = builder().add_layer(&face(), &node, "photos", &outputs).unwrap_err().to_string();
        let line = node.line;
        assert!(error.starts_with(&format!("face.toml:{line}: layer \"relu1\" (mse) cannot")), "{error}");
    }

    #[test]
    fn weights_of_another_model_are_refused() {
        let graph = graph::Graph::new(&face(), 1).unwrap();
        let file = Path::new("best.safetensors");
        let error = builder().add_weights(&graph, &[], file).unwrap_err().to_string();
        assert_eq!(error, "best.safetensors does not fit the model: it has no conv1.weight");
        let tensor = checkpoint::Tensor {
            name: "conv1.weight".into(),
            shape: [1].into(),
            dtype: DType::F32,
            bytes: vec![0; 4],
        };
        let error = builder().add_weights(&graph, &[tensor], file).unwrap_err().to_string();
        assert!(error.ends_with("conv1.weight is 1 of F32, but 32 x 3 x 3 x 3 is needed"), "{error}");
    }

    #[test]
    fn a_target_may_be_called_as_the_input_is() {
        let mut spec = face();
        spec.targets[0].name = "photos".into();
        assert_eq!((input_of(&face()).name, input_of(&spec).name), ("photos".into(), "photos_".into()));
    }

    #[test]
    fn numbers_are_told_in_their_unit_and_range() {
        let target = Target {
            mean_and_deviation: Some([30.0, 20.0]),
            range: Some([0.0, 150.0]),
            ..Target::new("age", "number")
        };
        let mut builder = builder();
        let end = BranchEnd {
            name: "age".into(),
            loss: Op::parse("mse", serde_json::json!({})).unwrap(),
            target,
            node: 0,
        };
        builder.add_target(&end, "age.out.output");
        let nodes: Vec<(&str, &str)> = (builder.graph.node.iter())
            .map(|node| (node.op_type.as_str(), node.output[0].as_str()))
            .collect();
        let between = |place| format!("target/age:{place}.output");
        let between = [between(0), between(1), between(2)];
        assert_eq!(
            nodes,
            [("Reshape", &*between[0]), ("Mul", &*between[1]), ("Add", &*between[2]), ("Clip", "age")]
        );
        let constants: Vec<Vec<u8>> =
            builder.graph.initializer.iter().filter_map(|tensor| tensor.raw_data.clone()).collect();
        assert_eq!(constants[1..], [20.0_f32, 30.0, 0.0, 150.0].map(|value| value.to_le_bytes().to_vec()));
    }
}
