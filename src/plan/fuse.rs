//! Rewrites of a plan that give the same results with fewer kernels and less memory to move.
//!
//! They work on the list of steps before anything unused is left out and before memory is shared. Each
//! looks for steps whose intermediate buffers nobody else reads.

use super::{BufferId, Kind, Plan, Step};
use crate::ops::Op;

/// Applies all rewrites.
pub fn fuse(plan: &mut Plan) {
    while let Some(found) = find_relu(plan) {
        found.rewrite(plan);
    }
}

fn argument(step: &Step, name: &str) -> Option<BufferId> {
    step.arguments.iter().find(|argument| argument.name == name).map(|argument| argument.buffer)
}

/// The steps that see a buffer.
fn users(plan: &Plan, buffer: BufferId) -> impl Iterator<Item = usize> {
    plan.steps
        .iter()
        .enumerate()
        .filter(move |(_, step)| step.arguments.iter().any(|argument| argument.buffer == buffer))
        .map(|(index, _)| index)
}

/// Whether only these steps see a buffer, and nothing outlives the run in it.
fn is_between(plan: &Plan, buffer: BufferId, steps: &[usize]) -> bool {
    plan.buffers[buffer].kind == Kind::Transient && users(plan, buffer).all(|user| steps.contains(&user))
}

/// A ReLU and the only step that reads what it writes, which can do its work; and the same pair on the way
/// back, where the plan has one.
struct AfterRelu {
    op: Op,
    relu: usize,
    reader: usize,
    /// The reader's and the ReLU's backward steps.
    backward: Option<[usize; 2]>,
}

fn find_relu(plan: &Plan) -> Option<AfterRelu> {
    let is = |step: &Step, kernel: &str| matches!(step.op, Op::Relu(_)) && step.kernel == kernel;
    plan.steps.iter().enumerate().filter(|(_, step)| is(step, "forward")).find_map(|(relu, step)| {
        let output = argument(step, "output")?;
        let reader =
            users(plan, output).find(|&user| argument(&plan.steps[user], "input") == Some(output))?;
        let op = plan.steps[reader].op.after_relu()?;
        let relu_backward = users(plan, output).find(|&user| is(&plan.steps[user], "backward_input"));
        let backward = match relu_backward {
            None => None,
            Some(relu_backward) => {
                let d_output = argument(&plan.steps[relu_backward], "d_output")?;
                let writes = |&user: &usize| argument(&plan.steps[user], "d_input") == Some(d_output);
                let reader_backward = users(plan, d_output).find(writes)?;
                let pair = [reader_backward, relu_backward];
                let is_its_own = plan.steps[reader_backward].layer == plan.steps[reader].layer;
                (is_its_own && is_between(plan, d_output, &pair)).then_some(pair)?;
                Some(pair)
            }
        };
        let steps: Vec<usize> = [relu, reader].into_iter().chain(backward.map(|[_, relu]| relu)).collect();
        is_between(plan, output, &steps).then_some(AfterRelu { op, relu, reader, backward })
    })
}

impl AfterRelu {
    fn rewrite(self, plan: &mut Plan) {
        let Self { op, relu, reader, backward } = self;
        take_over(plan, reader, relu, "input", &op);
        let mut gone = vec![relu];
        if let Some([reader_backward, relu_backward]) = backward {
            take_over(plan, reader_backward, relu_backward, "d_input", &op);
            gone.push(relu_backward);
        }
        let mut index = 0;
        plan.steps.retain(|_| {
            index += 1;
            !gone.contains(&(index - 1))
        });
    }
}

/// Lets `step`, now of operator `op`, see the buffer that `other` sees as `name`.
fn take_over(plan: &mut Plan, step: usize, other: usize, name: &str, op: &Op) {
    let buffer = argument(&plan.steps[other], name);
    let step = &mut plan.steps[step];
    step.op = op.clone();
    for argument in step.arguments.iter_mut().filter(|argument| argument.name == name) {
        argument.buffer = buffer.unwrap_or(argument.buffer);
    }
}
