//! How often loops turn, which the driver's compiler does not know.
//!
//! Its estimates of cycles take a loop that it leaves rolled to turn 8 times, a loop in a loop 4 times,
//! deeper ones twice, and three quarters of the waves to enter a branch, which is what is left of a
//! kernel after `if index >= COUNT { return; }` (Mesa, `aco_statistics.cpp`). Our trip counts are
//! constants of the pipeline, and all waves but the last pass that test, so the estimate can be
//! corrected: by the operations with the true counts over those with the assumed ones, both counted in
//! the shader.

use anyhow::{Context, Result};
use faceshader::plan::Pipeline;
use naga::{
    BinaryOperator, Block, Expression, Function, Handle, Literal, LocalVariable, MathFunction, Module,
    Statement,
};
use std::collections::HashMap;

/// What the compiler takes the trip count of a loop at this depth to be.
const ASSUMED: [f64; 3] = [8.0, 4.0, 2.0];
/// What it takes the share of waves to be that go on after a test that ends others.
const ASSUMED_TO_GO_ON: f64 = 0.75;
/// Instructions of an integer division by a constant: a multiplication at a quarter of the rate, shifts.
const DIVISION: f64 = 6.0;
/// A loop is unrolled if it turns no more often than this, and its operations are no more than the next.
const UNROLLED_TURNS: f64 = 32.0;
const UNROLLED_OPERATIONS: f64 = 832.0;

/// A value as far as it is known: a constant, or an unknown plus a constant. All unknowns are taken to
/// be the same one, at which a loop begins and with whose help it is bounded: a loop from
/// `(x - 2) / 2` to `x / 2` turns once, whatever `x` is.
#[derive(Debug, Clone, Copy)]
enum Value {
    Known(f64),
    Beyond(f64),
}

/// Operations with the true trip counts and with the compiler's, and whether a loop stays rolled.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    real: f64,
    assumed: f64,
    rolled: bool,
}

impl Count {
    fn add(&mut self, other: Count) {
        self.real += other.real;
        self.assumed += other.assumed;
        self.rolled |= other.rolled;
    }
}

/// The factor that the driver's cycles for a pipeline have to be multiplied with.
pub fn correction(pipeline: &Pipeline) -> Result<f64> {
    let count = count(pipeline)?;
    Ok(if count.assumed > 0.0 { count.real / count.assumed } else { 1.0 })
}

fn count(pipeline: &Pipeline) -> Result<Count> {
    let (module, _) = pipeline.specialised()?;
    let mut entries = module.entry_points.iter();
    let entry = entries.find(|entry| entry.name == pipeline.entry_point).context("no such entry point")?;
    let mut walk = Walk { module: &module, function: &entry.function, locals: HashMap::new() };
    Ok(walk.block(&entry.function.body, 0))
}

struct Walk<'a> {
    module: &'a Module,
    function: &'a Function,
    /// What was last written to the variables.
    locals: HashMap<Handle<LocalVariable>, Value>,
}

impl Walk<'_> {
    fn block(&mut self, block: &Block, depth: usize) -> Count {
        let mut sum = Count::default();
        let mut share = 1.0;
        for statement in block {
            let mut count = Count::default();
            match statement {
                Statement::Emit(range) => {
                    let operations: f64 = range.clone().map(|handle| self.operations(handle)).sum();
                    count.add(Count { real: operations, assumed: operations, rolled: false });
                }
                Statement::Store { pointer, value } => {
                    if let Expression::LocalVariable(local) = self.function.expressions[*pointer] {
                        let value = self.value(*value);
                        self.locals.insert(local, value);
                    }
                    count.add(Count { real: 1.0, assumed: 1.0, rolled: false });
                }
                Statement::Block(inner) => count.add(self.block(inner, depth)),
                Statement::If { condition, accept, reject } => {
                    // What a pipeline's constants switch off, the compiler removes.
                    let known = match self.function.expressions[*condition] {
                        Expression::Literal(Literal::Bool(holds)) => Some(holds),
                        _ => None,
                    };
                    if known != Some(false) {
                        count.add(self.block(accept, depth));
                    }
                    if known != Some(true) {
                        count.add(self.block(reject, depth));
                    }
                }
                Statement::Switch { cases, .. } => {
                    cases.iter().for_each(|case| count.add(self.block(&case.body, depth)));
                }
                Statement::Loop { body, continuing, .. } => {
                    count.add(self.turns(body, continuing, depth));
                }
                Statement::Call { function, .. } => {
                    let function = &self.module.functions[*function];
                    let mut inner = Walk { module: self.module, function, locals: HashMap::new() };
                    count.add(inner.block(&function.body, depth));
                }
                _ => {}
            }
            sum.add(Count { assumed: share * count.assumed, ..count });
            if let Statement::If { accept, reject, .. } = statement
                && [accept, reject].iter().any(|side| matches!(side.last(), Some(Statement::Return { .. })))
            {
                share *= ASSUMED_TO_GO_ON;
            }
        }
        sum
    }

    fn turns(&mut self, body: &Block, continuing: &Block, depth: usize) -> Count {
        let turns = self.trip_count(body, continuing);
        let assumed = ASSUMED[depth.min(ASSUMED.len() - 1)];
        let mut once = self.block(body, depth + 1);
        once.add(self.block(continuing, depth + 1));
        let unrolled = turns.is_some_and(|(turns, constant)| {
            constant && !once.rolled && turns <= UNROLLED_TURNS && turns * once.real <= UNROLLED_OPERATIONS
        });
        let real = once.real * turns.map_or(assumed, |(turns, _)| turns);
        match unrolled {
            true => Count { real, assumed: real, rolled: false },
            false => Count { real, assumed: once.assumed * assumed, rolled: true },
        }
    }

    /// The trip count of `for (var i = begin; i < end; i += step)`, or `<=`, where it can be told, and
    /// whether the compiler can tell it, too. Turns are whole, and a wave takes as many as the lane with
    /// the most.
    fn trip_count(&self, body: &Block, continuing: &Block) -> Option<(f64, bool)> {
        let expressions = &self.function.expressions;
        let (local, step) = continuing.iter().find_map(|statement| {
            let Statement::Store { pointer, value } = statement else { return None };
            let Expression::LocalVariable(local) = expressions[*pointer] else { return None };
            let Expression::Binary { op: BinaryOperator::Add, left, right } = expressions[*value] else {
                return None;
            };
            match (self.is_load(left, local), self.value(right)) {
                (true, Value::Known(step)) if step > 0.0 => Some((local, step)),
                _ => None,
            }
        })?;
        let begin = self.local(local);
        let ends = body.iter().flat_map(|statement| match statement {
            Statement::Emit(range) => range.clone().collect(),
            _ => Vec::new(),
        });
        let (end, inclusive) = ends.into_iter().find_map(|handle| match expressions[handle] {
            Expression::Binary { op: BinaryOperator::Less, left, right } if self.is_load(left, local) => {
                Some((right, 0.0))
            }
            Expression::Binary { op: BinaryOperator::LessEqual, left, right }
                if self.is_load(left, local) =>
            {
                Some((right, 1.0))
            }
            _ => None,
        })?;
        let distance = self.distance(begin, end)? + inclusive;
        let constant = [begin, self.value(end)].iter().all(|value| matches!(value, Value::Known(_)));
        // Thirds do not add up to a whole exactly.
        let turns = (distance / step - 1e-9).ceil().max(0.0);
        Some((turns, constant))
    }

    fn is_load(&self, handle: Handle<Expression>, local: Handle<LocalVariable>) -> bool {
        let Expression::Load { pointer } = self.function.expressions[handle] else { return false };
        matches!(self.function.expressions[pointer], Expression::LocalVariable(other) if other == local)
    }

    /// How far it is from `begin` to the value of an expression; to the nearest one of a minimum.
    fn distance(&self, begin: Value, end: Handle<Expression>) -> Option<f64> {
        if let Expression::Math { fun: MathFunction::Min, arg, arg1: Some(other), .. } =
            self.function.expressions[end]
        {
            let distances = [self.distance(begin, arg), self.distance(begin, other)];
            return distances.into_iter().flatten().reduce(f64::min);
        }
        match (begin, self.value(end)) {
            (Value::Known(begin), Value::Known(end)) | (Value::Beyond(begin), Value::Beyond(end)) => {
                Some(end - begin)
            }
            // From somewhere to a constant: at most from zero, which is where the first begins.
            (Value::Beyond(_), Value::Known(end)) => Some(end),
            (Value::Known(_), Value::Beyond(_)) => None,
        }
        .filter(|distance| *distance >= 0.0)
    }

    fn local(&self, local: Handle<LocalVariable>) -> Value {
        let begin = self.function.local_variables[local].init;
        let known = self.locals.get(&local).copied();
        known.unwrap_or_else(|| begin.map_or(Value::Known(0.0), |begin| self.value(begin)))
    }

    fn value(&self, handle: Handle<Expression>) -> Value {
        match self.function.expressions[handle] {
            Expression::Literal(literal) => number(literal),
            Expression::ZeroValue(_) => Value::Known(0.0),
            Expression::Constant(constant) => {
                match self.module.global_expressions[self.module.constants[constant].init] {
                    Expression::Literal(literal) => number(literal),
                    _ => Value::Beyond(0.0),
                }
            }
            Expression::As { expr, .. } => self.value(expr),
            Expression::Load { pointer } => match self.function.expressions[pointer] {
                Expression::LocalVariable(local) => self.local(local),
                _ => Value::Beyond(0.0),
            },
            Expression::Math { fun: MathFunction::Max, arg, arg1: Some(other), .. } => {
                match (self.value(arg), self.value(other)) {
                    (Value::Known(a), Value::Known(b)) => Value::Known(a.max(b)),
                    (Value::Beyond(a), _) | (_, Value::Beyond(a)) => Value::Beyond(a),
                }
            }
            Expression::Binary { op, left, right } => match (op, self.value(left), self.value(right)) {
                (BinaryOperator::Add, Value::Known(a), Value::Known(b)) => Value::Known(a + b),
                (BinaryOperator::Subtract, Value::Known(a), Value::Known(b)) => Value::Known(a - b),
                (BinaryOperator::Multiply, Value::Known(a), Value::Known(b)) => Value::Known(a * b),
                (BinaryOperator::Divide, Value::Known(a), Value::Known(b)) if b != 0.0 => {
                    Value::Known((a / b).trunc())
                }
                (BinaryOperator::Add, Value::Beyond(a), Value::Known(b))
                | (BinaryOperator::Add, Value::Known(b), Value::Beyond(a)) => Value::Beyond(a + b),
                (BinaryOperator::Subtract, Value::Beyond(a), Value::Known(b)) => Value::Beyond(a - b),
                (BinaryOperator::Divide, Value::Beyond(a), Value::Known(b)) if b != 0.0 => {
                    Value::Beyond(a / b)
                }
                _ => Value::Beyond(0.0),
            },
            _ => Value::Beyond(0.0),
        }
    }

    /// About how many instructions an expression takes.
    fn operations(&self, handle: Handle<Expression>) -> f64 {
        match &self.function.expressions[handle] {
            Expression::Binary { op, left, right } => {
                let width = self.width(*left).max(self.width(*right));
                let is_division = matches!(op, BinaryOperator::Divide | BinaryOperator::Modulo);
                width * if is_division { DIVISION } else { 1.0 }
            }
            Expression::Unary { expr, .. } | Expression::As { expr, .. } => self.width(*expr),
            Expression::Math { arg, .. } => self.width(*arg),
            Expression::Select { accept, .. } => self.width(*accept),
            Expression::Load { pointer } => match self.function.expressions[*pointer] {
                // A variable lives in registers.
                Expression::LocalVariable(_) => 0.0,
                _ => 1.0,
            },
            _ => 0.0,
        }
    }

    /// The components of a value, where they can be seen at once; operations on vectors are as many.
    fn width(&self, handle: Handle<Expression>) -> f64 {
        match &self.function.expressions[handle] {
            Expression::Splat { size, .. } | Expression::Swizzle { size, .. } => f64::from(*size as u8),
            Expression::Compose { components, .. } => components.len() as f64,
            Expression::Binary { left, right, .. } => self.width(*left).max(self.width(*right)),
            Expression::Unary { expr, .. } | Expression::As { expr, .. } => self.width(*expr),
            Expression::Math { arg, arg1, .. } => {
                self.width(*arg).max(arg1.map_or(1.0, |other| self.width(other)))
            }
            Expression::Select { accept, .. } => self.width(*accept),
            Expression::Load { pointer } => match self.function.expressions[*pointer] {
                Expression::LocalVariable(local) => {
                    components(self.module, self.function.local_variables[local].ty)
                }
                _ => 1.0,
            },
            Expression::CallResult(function) => {
                let result = self.module.functions[*function].result.as_ref();
                result.map_or(1.0, |result| components(self.module, result.ty))
            }
            Expression::FunctionArgument(index) => {
                components(self.module, self.function.arguments[*index as usize].ty)
            }
            _ => 1.0,
        }
    }
}

fn components(module: &Module, ty: Handle<naga::Type>) -> f64 {
    match module.types[ty].inner {
        naga::TypeInner::Vector { size, .. } => f64::from(size as u8),
        naga::TypeInner::Matrix { columns, rows, .. } => f64::from(columns as u8 * rows as u8),
        _ => 1.0,
    }
}

fn number(literal: Literal) -> Value {
    match literal {
        Literal::I32(value) => Value::Known(f64::from(value)),
        Literal::U32(value) => Value::Known(f64::from(value)),
        Literal::F32(value) => Value::Known(f64::from(value)),
        Literal::AbstractInt(value) => Value::Known(value as f64),
        _ => Value::Beyond(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::flops;
    use faceshader::data::samples::Samples;
    use faceshader::graph::Graph;
    use faceshader::ops::Variant;
    use faceshader::plan::{Program, Purpose, lower};
    use faceshader::spec::Spec;

    /// Convolutions and dense layers spend their time in loops. With a trip count too low, fewer
    /// operations would be counted than the layer has; with one too high, many times as many. Both sides of
    /// a branch are counted, unless constants decide, and a tap's inputs are either loaded anew or moved on.
    #[test]
    fn the_operations_counted_are_those_of_the_layers() {
        let models =
            [include_str!("../../assets/models/face.toml"), include_str!("../../assets/models/review.toml")];
        let mut seen = 0;
        for text in models {
            let mut spec = Spec::parse(text, "model.toml").unwrap();
            Samples::settle_without_data(&mut spec).unwrap();
            let plan = lower(&Graph::new(&spec, 20).unwrap(), "model", Purpose::Training);
            let program = Program::new(&plan, Variant::Gpu).unwrap();
            for (number, step) in plan.steps.iter().enumerate() {
                let counted = ["conv1d", "conv2d", "conv_pool2d", "dense", "dense_adam"];
                if !counted.contains(&step.op.name()) || flops(step) < 1e7 {
                    continue;
                }
                let of_step = program.dispatches.iter().filter(|dispatch| dispatch.step == number);
                let counted: f64 = of_step
                    .map(|dispatch| {
                        let workgroups: f64 = dispatch.workgroups.iter().map(|&n| f64::from(n)).product();
                        let invocations = workgroups * faceshader::ops::WORKGROUP as f64;
                        count(&program.pipelines[dispatch.pipeline]).unwrap().real * invocations
                    })
                    .sum();
                let ratio = counted / flops(step);
                assert!((1.0..16.0).contains(&ratio), "{} of {}: {ratio}", step.label(), step.layer);
                seen += 1;
            }
        }
        assert!(seen >= 10, "only {seen} steps are so large");
    }
}
