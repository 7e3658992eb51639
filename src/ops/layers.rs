//! Layers side by side: an operator that stands for several alike layers has what belongs to each of them one
//! after the other.

use super::{Arg, Parameter};
use crate::shape::Shape;

/// The layers of an operator that has no other one beside it.
pub fn one() -> usize {
    1
}

/// The shape of what all layers have, from that of what each has.
pub fn of_all(each: &Shape, layers: usize) -> Shape {
    each.with_batch(layers * each.batch())
}

/// The shapes of what each layer has, from those of what all have.
pub fn of_each(all: &[Shape], layers: usize) -> Vec<Shape> {
    all.iter().map(|shape| shape.with_batch(shape.batch() / layers.max(1))).collect()
}

/// The parameters of all layers, from those of each.
pub fn parameters(each: Vec<Parameter>, layers: usize) -> Vec<Parameter> {
    each.into_iter().map(|p| Parameter { shape: of_all(&p.shape, layers), ..p }).collect()
}

/// The arguments of one of the layers. Those in the places `common` are the same for all.
pub fn arguments<'a, N>(
    args: &'a mut [Arg<N>],
    layer: usize,
    layers: usize,
    common: &[usize],
) -> Vec<Arg<'a, N>> {
    let part = |(place, arg): (usize, &'a mut Arg<N>)| match common.contains(&place) {
        true => arg.part(0, 1),
        false => arg.part(layer, layers),
    };
    args.iter_mut().enumerate().map(part).collect()
}
