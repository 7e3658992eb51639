//! Matrix products and sums of float32 for the CPU backend. The products come from the crate `ndarray` (whose kernels are those of
//! `matrixmultiply`).

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, ShapeBuilder};

/// A row-major matrix of `rows x columns` whose rows lie `stride` elements apart.
pub fn matrix(values: &[f32], rows: usize, columns: usize, stride: usize) -> ArrayView2<'_, f32> {
    strided(values, [rows, columns], [stride, 1])
}

/// The same, to write to.
pub fn matrix_mut(values: &mut [f32], rows: usize, columns: usize, stride: usize) -> ArrayViewMut2<'_, f32> {
    strided_mut(values, [rows, columns], [stride, 1])
}

/// A matrix whose rows, and columns, lie so many elements apart. They may overlap.
pub fn strided(values: &[f32], extents: [usize; 2], strides: [usize; 2]) -> ArrayView2<'_, f32> {
    match ArrayView2::from_shape(extents.strides(strides), values) {
        Ok(matrix) => matrix,
        Err(error) => unreachable!("{extents:?} {strides:?} apart in {} elements: {error}", values.len()),
    }
}

/// The same, to write to; nothing may overlap.
pub fn strided_mut(values: &mut [f32], extents: [usize; 2], strides: [usize; 2]) -> ArrayViewMut2<'_, f32> {
    let elements = values.len();
    match ArrayViewMut2::from_shape(extents.strides(strides), values) {
        Ok(matrix) => matrix,
        Err(error) => unreachable!("{extents:?} {strides:?} apart in {elements} elements: {error}"),
    }
}

/// `product = a b`, on one thread.
pub fn multiply(mut product: ArrayViewMut2<f32>, a: ArrayView2<f32>, b: ArrayView2<f32>) {
    general_mat_mul(1.0, &a, &b, 0.0, &mut product);
}

/// `product = product + a b`, on one thread.
pub fn multiply_add(mut product: ArrayViewMut2<f32>, a: ArrayView2<f32>, b: ArrayView2<f32>) {
    general_mat_mul(1.0, &a, &b, 1.0, &mut product);
}

/// Values that are summed up before they are added to the others, so that sums of many stay accurate.
const SUMMED: usize = 512;
/// Values that are summed up side by side.
const LANES: usize = 8;

/// The sum of all values, eight at a time.
pub fn sum(values: &[f32]) -> f32 {
    values.chunks(SUMMED).map(sum_of_few).sum()
}

/// How many additions a value passes through in [`sum`] at most.
pub fn sum_height(values: usize) -> usize {
    values.min(SUMMED).div_ceil(LANES) + 2 * LANES + values.div_ceil(SUMMED)
}

fn sum_of_few(values: &[f32]) -> f32 {
    let (eights, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for eight in eights {
        sums.iter_mut().zip(eight).for_each(|(sum, value)| *sum += value);
    }
    sums.iter().chain(rest).sum()
}
