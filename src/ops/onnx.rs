//! What operators and targets are in ONNX, as plain data. The room `export` makes a file of it.
//!
//! Operators are those of ONNX's default domain, opset 17: <https://onnx.ai/onnx/operators/>.

/// One ONNX node. Nodes in a list run one after the other, and the last one's output is the result of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The ONNX operator, such as `Conv`.
    pub op_type: &'static str,
    /// Its inputs, in ONNX's order.
    pub inputs: Vec<Value>,
    /// Its attributes by name.
    pub attributes: Vec<(&'static str, Attribute)>,
}

/// An input of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// An input or a parameter of the operator that the list stands for: `input`, `weight`.
    Argument(&'static str),
    /// The output of the node before.
    Before,
    /// An optional input that is left out.
    Absent,
    /// A constant float32 without axes.
    Scalar(f32),
    /// Constant float32s along one axis.
    Floats(Vec<f32>),
    /// Constant int64s along one axis, such as a shape.
    Integers(Vec<i64>),
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// A float32.
    Float(f32),
    /// An int64.
    Integer(i64),
    /// Several int64s.
    Integers(Vec<i64>),
}

/// ONNX's number for float32 (`TensorProto.DataType.FLOAT`), as `Cast` takes it.
pub const FLOAT: i64 = 1;
/// ONNX's number for truth values.
pub const BOOL: i64 = 9;

impl Node {
    /// A node that reads arguments of the operator.
    pub fn new(op_type: &'static str, arguments: &[&'static str]) -> Node {
        let inputs = arguments.iter().copied().map(Value::Argument).collect();
        Node { op_type, inputs, attributes: Vec::new() }
    }

    /// A node that reads the output of the node before, and then `more`.
    pub fn after(op_type: &'static str, more: impl IntoIterator<Item = Value>) -> Node {
        let inputs = std::iter::once(Value::Before).chain(more).collect();
        Node { op_type, inputs, attributes: Vec::new() }
    }

    /// The same node with an attribute.
    pub fn with(mut self, name: &'static str, attribute: impl Into<Attribute>) -> Node {
        self.attributes.push((name, attribute.into()));
        self
    }
}

impl From<f32> for Attribute {
    fn from(value: f32) -> Attribute {
        Attribute::Float(value)
    }
}

impl From<i64> for Attribute {
    fn from(value: i64) -> Attribute {
        Attribute::Integer(value)
    }
}

impl<const N: usize> From<[usize; N]> for Attribute {
    fn from(extents: [usize; N]) -> Attribute {
        Attribute::Integers(extents.map(|extent| extent as i64).into())
    }
}
