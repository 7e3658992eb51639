//! Matrix products of float32 for the CPU backend, by the crate `ndarray` (whose kernels are those of
//! `matrixmultiply`).

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, ShapeBuilder};

/// A row-major matrix of `rows x columns` whose rows lie `stride` elements apart.
pub fn matrix(values: &[f32], rows: usize, columns: usize, stride: usize) -> ArrayView2<'_, f32> {
    match ArrayView2::from_shape((rows, columns).strides((stride, 1)), values) {
        Ok(matrix) => matrix,
        Err(error) => unreachable!("{rows} rows {stride} apart in {} elements: {error}", values.len()),
    }
}

/// The same, to write to.
pub fn matrix_mut(values: &mut [f32], rows: usize, columns: usize, stride: usize) -> ArrayViewMut2<'_, f32> {
    let elements = values.len();
    match ArrayViewMut2::from_shape((rows, columns).strides((stride, 1)), values) {
        Ok(matrix) => matrix,
        Err(error) => unreachable!("{rows} rows {stride} apart in {elements} elements: {error}"),
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
