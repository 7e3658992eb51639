//! Parts of a reduction that a faulty kernel could leave out. `faceshader verify --planted` leaves them out on purpose
//! and asks whether the bounds notice.

use super::WORKGROUP;
use crate::shape::Shape;
use std::ops::Range;

/// Elements of an argument whose terms a faulty kernel leaves out: they count as zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// What is left out, for people.
    pub fault: &'static str,
    /// The argument.
    pub argument: &'static str,
    /// Several such parts of its elements. A part that is zero already could not be missed; the next one stands in.
    pub parts: Vec<Vec<Range<usize>>>,
}

/// Indices of so many things that are tried one after the other.
fn places(count: usize) -> [usize; 4] {
    [count / 2, count / 4, count * 3 / 4, 0]
}

fn share(
    fault: &'static str,
    argument: &'static str,
    count: usize,
    part: impl Fn(usize) -> Vec<Range<usize>>,
) -> Share {
    Share { fault, argument, parts: places(count).map(part).into() }
}

/// One of several stretches of so many elements.
fn one(index: usize, size: usize) -> Vec<Range<usize>> {
    std::iter::once(index * size..(index + 1) * size).collect()
}

/// One sample of a batched argument.
pub fn sample(argument: &'static str, shape: &Shape) -> Share {
    let size = shape.with_batch(1).len();
    share("one sample", argument, shape.batch(), |n| one(n, size))
}

/// One sample of a loss, and one sample's weight.
pub fn samples(shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
    let [input, weight] = ["input", "sample_weight"].map(|argument| sample(argument, &shape(argument)));
    vec![input, Share { fault: "one sample's weight", ..weight }]
}

/// One channel of (N, C, ...) in all samples.
pub fn channel(argument: &'static str, shape: &Shape) -> Share {
    let channels = shape.0.get(1).copied().unwrap_or(1);
    let size = shape.len() / (shape.batch() * channels).max(1);
    share("one channel", argument, channels, |channel| {
        let planes = (0..shape.batch()).map(|n| n * channels + channel);
        planes.map(|plane| plane * size..(plane + 1) * size).collect()
    })
}

/// One plane of (N, C, ...): a channel of a sample.
pub fn plane(fault: &'static str, argument: &'static str, shape: &Shape) -> Share {
    let planes = shape.0.iter().take(2).product();
    let size = shape.len() / std::cmp::max(planes, 1);
    share(fault, argument, planes, |plane| one(plane, size))
}

/// The same column of every row, such as a tap of all filters.
pub fn tap(argument: &'static str, rows: usize, columns: usize) -> Share {
    share("one tap", argument, columns, |column| {
        (0..rows).map(|row| row * columns + column).map(|at| at..at + 1).collect()
    })
}

/// Of every row the columns that one lane of a workgroup adds up.
pub fn lane(argument: &'static str, rows: usize, columns: usize) -> Share {
    share("one partial sum", argument, columns.min(WORKGROUP), |lane| {
        let at =
            move |row: usize| (lane..columns).step_by(WORKGROUP).map(move |column| row * columns + column);
        (0..rows).flat_map(at).map(|at| at..at + 1).collect()
    })
}

/// So many neighbouring pixels in all channels of (N, C, ...), counted through the pixels of the first `samples`.
pub fn stretch(
    fault: &'static str,
    argument: &'static str,
    shape: &Shape,
    samples: usize,
    pixels: usize,
) -> Share {
    let channels = shape.0.get(1).copied().unwrap_or(1);
    let size = shape.len() / (shape.batch() * channels).max(1);
    share(fault, argument, (samples * size).div_ceil(pixels.max(1)), |piece| {
        let (first, end) = (piece * pixels, ((piece + 1) * pixels).min(samples * size));
        let of_sample = |n: usize| first.max(n * size) - n * size..end.min((n + 1) * size) - n * size;
        let samples = (0..samples).filter(|n| first < (n + 1) * size && end > n * size);
        let planes =
            samples.flat_map(|n| (0..channels).map(move |channel| (n, (n * channels + channel) * size)));
        planes.map(|(n, plane)| plane + of_sample(n).start..plane + of_sample(n).end).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(share: &Share) -> Vec<usize> {
        share.parts[0].iter().cloned().flatten().collect()
    }

    #[test]
    fn shares_are_the_elements_that_they_are_called_after() {
        let shape: Shape = [2, 3, 2, 2].into();
        assert_eq!(elements(&sample("input", &shape)), (12..24).collect::<Vec<_>>());
        assert_eq!(elements(&channel("input", &shape)), [4, 5, 6, 7, 16, 17, 18, 19]);
        assert_eq!(elements(&plane("one partial sum", "input", &shape)), [12, 13, 14, 15]);
        assert_eq!(elements(&tap("weight", 2, 5)), [2, 7]);
        assert_eq!(elements(&lane("weight", 2, WORKGROUP + 1))[0], WORKGROUP / 2);
        assert_eq!(lane("weight", 1, WORKGROUP + 1).parts[3], [0..1, WORKGROUP..WORKGROUP + 1]);
        // Pixels 3 to 5 of eight: the last one of sample 0, and the first two of sample 1.
        let share = stretch("one partial sum", "input", &shape, 2, 3);
        assert_eq!(share.parts[0], [3..4, 7..8, 11..12, 12..14, 16..18, 20..22]);
    }
}
