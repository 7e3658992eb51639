//! Layers with inferred shapes, parameters and costs. It knows nothing of memory.

mod learning;

use crate::ops::attr::IMAGE_CHANNELS;
use crate::ops::augment::Augment;
use crate::ops::dense::OF_TARGET;
use crate::ops::dropout::Dropout;
use crate::ops::tokens::Tokens;
use crate::ops::{Kernel, Op, Parameter};
use crate::shape::{DType, Shape};
use crate::spec::{Branch, InputSpec, Layer, Network, PhotoSpec, Spec, SpecError, TrainingSpec, is_plain};
use crate::tasks::Target;
use std::collections::HashMap;

/// A layer in place.
#[derive(Debug, Clone)]
pub struct Node {
    /// The layer's name, after its branch's name and a dot.
    pub name: String,
    /// The operator with its attributes.
    pub op: Op,
    /// Positions of the nodes that it reads. The first node reads the samples.
    pub inputs: Vec<usize>,
    /// The shapes of its inputs, batch first.
    pub input_shapes: Vec<Shape>,
    /// The shape of its output, batch first.
    pub shape: Shape,
    /// What one element of its output is.
    pub dtype: DType,
    /// The line in the model file.
    pub line: usize,
    /// Whether its parameters stay as they are.
    pub frozen: bool,
    /// For each of its parameters the place of its optimiser among [`Graph::optimizers`].
    pub optimizers: Vec<usize>,
}

impl Node {
    /// Its parameters.
    pub fn parameters(&self) -> Vec<Parameter> {
        let parameters = self.op.parameters(&self.input_shapes).into_iter();
        parameters
            .map(|parameter| Parameter { trained: parameter.trained && !self.frozen, ..parameter })
            .collect()
    }

    /// The kernels of its forward pass in training: what is frozen computes as in a prediction, but for dropout, which
    /// has nothing to freeze.
    pub fn training(&self) -> &'static [Kernel] {
        match self.frozen && !self.op.parameters(&self.input_shapes).is_empty() {
            true => self.op.inference(),
            false => self.op.forward(),
        }
    }

    /// The number of elements that training can change: those of its parameters, without running statistics.
    pub fn parameter_count(&self) -> usize {
        let parameters = self.op.parameters(&self.input_shapes).into_iter();
        parameters.filter(|parameter| parameter.trained).map(|parameter| parameter.shape.len()).sum()
    }

    /// Floating-point operations of the forward pass for the whole batch.
    pub fn flops(&self) -> u64 {
        self.op.flops(&self.input_shapes)
    }
}

/// Where a branch ends.
#[derive(Debug, Clone)]
pub struct BranchEnd {
    /// The branch's name.
    pub name: String,
    /// What it learns.
    pub target: Target,
    /// The node whose output is the branch's.
    pub node: usize,
    /// The operator of the loss.
    pub loss: Op,
}

/// A model for batches of one size.
#[derive(Debug, Clone)]
pub struct Graph {
    /// Samples a batch.
    pub batch: usize,
    /// The nodes, each after those that it reads. The first makes floats of photos, or holds the
    /// numbers of words.
    pub nodes: Vec<Node>,
    /// Where the branches end.
    pub branches: Vec<BranchEnd>,
    /// Other nodes whose values a prediction is asked for.
    pub outputs: Vec<usize>,
    /// The optimisers, of a model that is trained: that of most parameters, and those of groups, whose attributes
    /// differ.
    pub optimizers: Vec<Op>,
    /// Whether training averages the weights.
    pub averages: bool,
    /// The largest norm of all gradients together.
    pub clip_norm: Option<f64>,
    /// Whether plans may do at once what several layers do.
    pub fuse: bool,
}

impl Graph {
    /// Infers all shapes of a model for batches of `batch` samples.
    pub fn new(spec: &Spec, batch: usize) -> Result<Graph, SpecError> {
        let mut builder = Builder::new(&spec.file, &spec.input);
        match &spec.input {
            InputSpec::Photo(PhotoSpec { width: 0, .. }) => {
                let message = "the size of the input is that of the photos, which are not known yet; give --data, or \
                               width and height in [input]";
                return Err(spec.error(1, message));
            }
            InputSpec::Photo(photo) => builder.photo(photo, batch)?,
            InputSpec::Text(text) => {
                let tokens: Shape = [batch, text.length].into();
                builder.push("tokens".into(), Op::Tokens(Tokens {}), vec![], vec![tokens], 1)?;
            }
        }
        let mut shared = 0;
        for layer in &spec.layers {
            shared = builder.layer(layer, "", shared)?;
        }
        let mut branches = Vec::new();
        for branch in &spec.branches {
            let mut node = shared;
            builder.outputs = spec.target(branch).outputs();
            for layer in &branch.layers {
                node = builder.layer(layer, &branch.name, node)?;
            }
            branches.push(builder.end(spec, branch, node, batch)?);
        }
        let mut nodes = builder.nodes;
        learning::freeze(spec, &mut nodes)?;
        let optimizers = learning::optimizers(spec, &mut nodes)?;
        let TrainingSpec { fuse, ema, clip_norm, .. } = spec.training;
        let averages = ema.is_some();
        Ok(Graph { batch, nodes, branches, outputs: Vec::new(), optimizers, averages, clip_norm, fuse })
    }

    /// Infers all shapes of a network for batches of `batch` photos.
    ///
    /// # Errors
    /// When layers do not fit each other, or an output is no layer.
    pub fn of_network(network: &Network, batch: usize) -> Result<Graph, SpecError> {
        let input = InputSpec::Photo(network.input.clone());
        let mut builder = Builder::new(&network.file, &input);
        builder.photo(&network.input, batch)?;
        let mut last = 0;
        for layer in &network.layers {
            last = builder.layer(layer, "", last)?;
        }
        let find = |name: &String| {
            builder.find(name).ok_or_else(|| network.error(1, format!("output {name:?} is no layer")))
        };
        let outputs = network.outputs.iter().map(find).collect::<Result<_, _>>()?;
        Ok(Graph {
            batch,
            nodes: builder.nodes,
            branches: Vec::new(),
            outputs,
            optimizers: Vec::new(),
            averages: false,
            clip_norm: None,
            fuse: true,
        })
    }

    /// Every parameter with its full name, such as `age.conv3.weight`, in the order of the nodes.
    pub fn parameters(&self) -> Vec<(String, Parameter)> {
        let named = |node: &Node| {
            let prefix = node.name.clone();
            node.parameters()
                .into_iter()
                .map(move |parameter| (format!("{prefix}.{}", parameter.name), parameter))
        };
        self.nodes.iter().flat_map(named).collect()
    }

    /// Layers side by side: groups of one node of each branch that do the same to inputs of the same shapes,
    /// wherever these come from, as do all before them in their branches.
    pub fn siblings(&self) -> Vec<Vec<usize>> {
        let of_branch = |branch: &BranchEnd| {
            let is_here =
                |&node: &usize| self.nodes[node].name.split_once('.').is_some_and(|(b, _)| b == branch.name);
            (0..self.nodes.len()).filter(is_here).collect::<Vec<usize>>()
        };
        let branches: Vec<Vec<usize>> = self.branches.iter().map(of_branch).collect();
        let shortest = branches.iter().map(Vec::len).min().unwrap_or(0);
        let groups =
            (0..shortest).map(|place| branches.iter().map(|nodes| nodes[place]).collect::<Vec<usize>>());
        let kind = |node: usize| {
            let Node { op, input_shapes, frozen, optimizers, .. } = &self.nodes[node];
            let op = match op {
                // Its stream tells it apart.
                Op::Dropout(dropout) => Op::Dropout(Dropout { stream: 0, ..dropout.clone() }),
                op => op.clone(),
            };
            (op, input_shapes, frozen, optimizers)
        };
        let alike =
            |group: &Vec<usize>| group.len() > 1 && group.iter().all(|&node| kind(node) == kind(group[0]));
        groups.take_while(alike).collect()
    }

    /// The number of elements that training can change, frozen ones included.
    pub fn parameter_count(&self) -> usize {
        self.nodes.iter().map(Node::parameter_count).sum()
    }

    /// How many of them are frozen.
    pub fn frozen_count(&self) -> usize {
        self.nodes.iter().filter(|node| node.frozen).map(Node::parameter_count).sum()
    }

    /// Floating-point operations of the forward pass for the whole batch.
    pub fn flops(&self) -> u64 {
        self.nodes.iter().map(Node::flops).sum()
    }
}

struct Builder<'a> {
    /// The file of the model, for messages.
    file: &'a str,
    input: &'a InputSpec,
    nodes: Vec<Node>,
    /// The place of each node by its name.
    places: HashMap<String, usize>,
    dropouts: u32,
    /// Values a sample that the branch under way ends with; 0 before there is one.
    outputs: usize,
}

impl<'a> Builder<'a> {
    fn new(file: &'a str, input: &'a InputSpec) -> Self {
        Self { file, input, nodes: Vec::new(), places: HashMap::new(), dropouts: 0, outputs: 0 }
    }

    fn error(&self, line: usize, message: impl Into<String>) -> SpecError {
        SpecError { file: self.file.into(), line, message: message.into() }
    }

    /// The first node: floats of photos.
    fn photo(&mut self, photo: &PhotoSpec, batch: usize) -> Result<(), SpecError> {
        let photos: Shape = [batch, photo.height, photo.width, IMAGE_CHANNELS].into();
        let op = Op::Augment(Augment { range: photo.range });
        self.push("photo".into(), op, vec![], vec![photos], 1)?;
        Ok(())
    }

    /// Ends a branch at a node, if what the node gives is what the branch's target needs.
    fn end(&self, spec: &Spec, branch: &Branch, node: usize, batch: usize) -> Result<BranchEnd, SpecError> {
        let (name, target) = (branch.name.clone(), spec.target(branch));
        let refuse = |message: String| Err(spec.error(branch.line, message));
        let Some(kind) = target.kind else {
            return refuse(format!(
                "the kind of {} is that of its column, which is not known yet; give --data, or a kind in [[target]]",
                target.name
            ));
        };
        let Node { shape, dtype, .. } = &self.nodes[node];
        if *dtype != DType::F32 {
            return refuse(format!("branch {name:?} has no layer; add an embedding and others"));
        }
        let (given, needed) = (shape.len() / batch.max(1), target.outputs());
        // Of classes from the data, the model may be older than the data.
        let is_known = needed > 0 || !target.classes.is_empty();
        if is_known && given != needed {
            let what = match target.classes.len() {
                classes if kind.outputs(target) > 1 => format!("has {classes} classes"),
                _ => "is one value".into(),
            };
            return refuse(format!(
                "branch {name:?} ends with {given} values a sample, but {} {what}; end it with a dense layer of \
                 out_features = {needed}, or \"target\"",
                target.name
            ));
        }
        let loss = match &branch.loss {
            Some(loss) => loss.clone(),
            // With every attribute as it is by default.
            None => Op::parse(kind.losses()[0], serde_json::json!({}))
                .map_err(|error| spec.error(branch.line, error.to_string()))?,
        };
        if !kind.losses().contains(&loss.name()) {
            let (target, losses) = (&target.name, kind.losses().join(", "));
            return refuse(format!(
                "branch {name:?}: {target} is {kind}, learned with {losses}, not {}; leave the loss out, or say another \
                 kind in [[target]]",
                loss.name()
            ));
        }
        loss.output_shape(std::slice::from_ref(shape)).map_err(|reason| {
            spec.error(branch.line, format!("loss {:?} of branch {name:?}: {reason}", loss.name()))
        })?;
        Ok(BranchEnd { name, target: target.clone(), node, loss })
    }

    fn layer(&mut self, layer: &Layer, branch: &str, before: usize) -> Result<usize, SpecError> {
        if !is_plain(&layer.name) {
            let message = format!("the name {:?} may only hold letters, digits and _", layer.name);
            return Err(self.error(layer.line, message));
        }
        let full = |name: &str| if branch.is_empty() { name.into() } else { format!("{branch}.{name}") };
        let name: String = full(&layer.name);
        if self.find(&name).is_some() {
            return Err(self.error(layer.line, format!("there are two layers {name:?}; rename one")));
        }
        let mut inputs = Vec::new();
        for input in &layer.inputs {
            let found = self.find(&full(input)).or_else(|| self.find(input));
            inputs.push(found.ok_or_else(|| {
                self.error(layer.line, format!("layer {name:?}: no layer {input:?} comes before it"))
            })?);
        }
        if inputs.is_empty() {
            inputs.push(before);
        }
        if inputs.len() != layer.op.inputs().len() {
            let (needs, has) = (layer.op.inputs().len(), inputs.len());
            let message = format!("layer {name:?}: {} reads {needs} inputs, but has {has}", layer.op.name());
            return Err(self.error(layer.line, message));
        }
        let mut op = layer.op.clone();
        if let Op::Dropout(dropout) = &mut op {
            dropout.stream = self.dropouts;
            self.dropouts += 1;
        }
        if let Op::Dense(dense) = &mut op
            && dense.out_features == OF_TARGET
        {
            if self.outputs == 0 {
                let message =
                    format!("layer {name:?}: out_features = \"target\" is for the layers of a branch");
                return Err(self.error(layer.line, message));
            }
            dense.out_features = self.outputs;
        }
        if let (Op::Embedding(embedding), InputSpec::Text(text)) = (&mut op, self.input)
            && embedding.vocabulary == 0
        {
            embedding.vocabulary = text.vocabulary;
        }
        if let (Op::Embedding(embedding), InputSpec::Text(text)) = (&op, self.input)
            && embedding.vocabulary < text.vocabulary
        {
            let (rows, words) = (embedding.vocabulary, text.vocabulary);
            let message = format!(
                "layer {name:?}: its vocabulary of {rows} is smaller than the input's of {words}; leave it out"
            );
            return Err(self.error(layer.line, message));
        }
        let shapes: Vec<Shape> = inputs.iter().map(|&input| self.nodes[input].shape.clone()).collect();
        for (argument, &input) in op.inputs().iter().zip(&inputs) {
            let needs = op.argument(argument, &shapes).map(|argument| argument.dtype);
            let gives = self.nodes[input].dtype;
            if needs.is_some_and(|needs| needs != gives) {
                let advice = match gives {
                    DType::F32 => "it needs the numbers of words, but reads what another layer computed",
                    _ => "it cannot read the numbers of words; put an embedding before it",
                };
                let message = format!("layer {name:?} ({}): {advice}", op.name());
                return Err(self.error(layer.line, message));
            }
        }
        self.push(name, op, inputs, shapes, layer.line)
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    fn push(
        &mut self,
        name: String,
        op: Op,
        inputs: Vec<usize>,
        input_shapes: Vec<Shape>,
        line: usize,
    ) -> Result<usize, SpecError> {
        let error = |reason: String| self.error(line, format!("layer {name:?} ({}): {reason}", op.name()));
        let shape = op.output_shape(&input_shapes).map_err(error)?;
        for (what, shape) in [("output", shape.clone())].into_iter().chain(
            op.parameters(&input_shapes).into_iter().map(|parameter| (parameter.name, parameter.shape)),
        ) {
            if shape.checked_len().is_none() {
                return Err(error(format!("it is too large: its {what} of {shape} has over 2^31 elements")));
            }
        }
        let dtype = op.argument("output", &input_shapes).map_or(DType::F32, |output| output.dtype);
        self.places.entry(name.clone()).or_insert(self.nodes.len());
        let optimizers = vec![0; op.parameters(&input_shapes).len()];
        let frozen = false;
        self.nodes.push(Node { name, op, inputs, input_shapes, shape, dtype, line, frozen, optimizers });
        Ok(self.nodes.len() - 1)
    }
}
