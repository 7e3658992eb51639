// The squared error of one element, and its derivative.

fn squared_error(x: f32, t: f32) -> f32 {
    let error = x - t;
    return error * error;
}

fn squared_error_slope(x: f32, t: f32) -> f32 {
    return 2.0 * (x - t);
}
