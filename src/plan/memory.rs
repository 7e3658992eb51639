//! Who shares memory with whom.

use super::free::Free;
use super::{Buffer, Kind, Plan, Slot};
use crate::shape::DType;
use std::collections::BTreeMap;

/// Gives every buffer a slot; a part of another lies in that one's. Transient buffers of one type share a
/// slot if the last step that uses one comes before the first step that uses the other; the largest are
/// placed first, each in the smallest slot that is free and large enough.
pub fn assign(plan: &mut Plan) {
    let count = plan.buffers.len();
    let mut lives: Vec<Option<[usize; 2]>> = vec![None; count];
    for (time, step) in plan.steps.iter().enumerate() {
        for argument in &step.arguments {
            let life = lives[plan.root(argument.buffer).0].get_or_insert([time, time]);
            life[1] = time;
        }
    }
    let mut order: Vec<usize> = (0..count).filter(|&buffer| plan.buffers[buffer].part_of.is_none()).collect();
    order.sort_by_key(|&buffer| (std::cmp::Reverse(plan.buffers[buffer].bytes()), buffer));
    let mut slots: Vec<Slot> = Vec::new();
    // Slots to share. As the largest buffers come first, all of them are large enough.
    let mut shared: BTreeMap<(DType, usize), Free> = BTreeMap::new();
    for buffer in order {
        let Buffer { dtype, kind, ref name, .. } = plan.buffers[buffer];
        let bytes = plan.buffers[buffer].bytes();
        let life = (kind == Kind::Transient).then(|| lives[buffer].unwrap_or([0, 0]));
        let of_type = shared.range_mut((dtype, 0)..=(dtype, usize::MAX));
        let found = life.and_then(|life| of_type.map(|(_, free)| free).find_map(|free| free.take(life)));
        let slot = found.unwrap_or_else(|| {
            let shared_as = (kind == Kind::Persistent).then(|| name.clone());
            slots.push(Slot { dtype, bytes, shared_as });
            let slot = slots.len() - 1;
            if let Some(life) = life {
                shared.entry((dtype, bytes)).or_default().add(slot, life);
            }
            slot
        });
        plan.buffers[buffer].slot = slot;
    }
    for buffer in 0..count {
        let (root, first) = plan.root(buffer);
        plan.buffers[buffer].slot = plan.buffers[root].slot;
        plan.buffers[buffer].offset_bytes = first;
    }
    plan.slots = slots;
}

#[cfg(test)]
mod tests {
    use crate::graph::Graph;
    use crate::plan::{Argument, Kind, Purpose, lower};
    use crate::spec::Spec;

    #[test]
    fn buffers_that_share_memory_never_live_at_once() {
        let spec = Spec::parse(include_str!("../../assets/models/face.toml"), "face.toml").unwrap();
        let plan = lower(&Graph::new(&spec, 4).unwrap(), "face", Purpose::Training);
        let life = |buffer: usize| {
            let uses =
                |step: &usize| plan.steps[*step].arguments.iter().any(|a| plan.root(a.buffer).0 == buffer);
            let mut steps = (0..plan.steps.len()).filter(uses);
            let first = steps.next().unwrap();
            (first, steps.next_back().unwrap_or(first))
        };
        let mut shared = 0;
        for a in 0..plan.buffers.len() {
            for b in 0..a {
                let is_part = |buffer: usize| plan.buffers[buffer].part_of.is_some();
                if plan.buffers[a].slot != plan.buffers[b].slot || is_part(a) || is_part(b) {
                    continue;
                }
                shared += 1;
                assert_eq!(plan.buffers[a].kind, Kind::Transient);
                assert_eq!(plan.buffers[b].kind, Kind::Transient);
                let (a_life, b_life) = (life(a), life(b));
                assert!(a_life.1 < b_life.0 || b_life.1 < a_life.0, "{a} {a_life:?} and {b} {b_life:?}");
            }
        }
        assert!(shared > 10, "only {shared} pairs share memory");
        let bytes = |kind: Kind| -> usize {
            let roots = plan.buffers.iter().filter(|buffer| buffer.kind == kind && buffer.part_of.is_none());
            roots.map(|buffer| buffer.bytes()).sum()
        };
        let others = bytes(Kind::Persistent) + bytes(Kind::Input) + bytes(Kind::Output);
        assert!(plan.memory_bytes() - others < bytes(Kind::Transient) * 3 / 4);
    }

    #[test]
    fn a_value_that_three_layers_read_gets_its_gradients_in_buffers_of_their_own() {
        let conv = |name: &str, input: &str| {
            format!("[[layer]]\nname = {name:?}\nop = \"conv2d\"\n{input}out_channels = 2\nkernel = 1\n")
        };
        let add = |name: &str, inputs: &str| {
            format!("[[layer]]\nname = {name:?}\nop = \"add\"\ninput = {inputs}\n")
        };
        let text = [
            "name = \"three\"\n[input]\nwidth = 4\nheight = 4\n[optimizer]\nop = \"adam\"".into(),
            "learning_rate = 0.1\n[training]\nbatch = 2\nepochs = 1".into(),
            conv("first", ""),
            conv("a", "input = \"first\"\n"),
            conv("b", "input = \"first\"\n"),
            conv("c", "input = \"first\"\n"),
            add("ab", "[\"a\", \"b\"]"),
            add("abc", "[\"ab\", \"c\"]"),
            "[[layer]]\nname = \"flatten\"\nop = \"flatten\"\n[[branch]]\nname = \"gender\"".into(),
            "target = \"gender\"\nloss = { op = \"bce_with_logits\" }".into(),
            "[[branch.layer]]\nname = \"dense\"\nop = \"dense\"\nout_features = 1".into(),
        ]
        .join("\n");
        let spec = Spec::parse(&text, "three.toml").unwrap();
        let plan = lower(&Graph::new(&spec, 2).unwrap(), "three", Purpose::Training);
        let sums = plan.steps.iter().filter(|step| step.layer.starts_with("first.d_output"));
        assert_eq!(sums.count(), 2);
        for step in &plan.steps {
            let place = |argument: &Argument| {
                let buffer = &plan.buffers[argument.buffer];
                (buffer.slot, buffer.offset_bytes)
            };
            let mut slots: Vec<(usize, usize)> = step.arguments.iter().map(place).collect();
            slots.sort();
            slots.dedup();
            assert_eq!(slots.len(), step.arguments.len(), "{}", step.label());
        }
    }
}
