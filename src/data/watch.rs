//! Progress of what takes long.

/// Whoever shows how far the reading is.
pub trait Watch: Sync {
    /// Something begins, with so many parts if that is known.
    fn begin(&self, what: &'static str, total: Option<usize>);

    /// So many are done.
    fn at(&self, done: usize);

    /// It has ended.
    fn end(&self);
}

/// Nobody looks.
pub struct Unwatched;

impl Watch for Unwatched {
    fn begin(&self, _what: &'static str, _total: Option<usize>) {}
    fn at(&self, _done: usize) {}
    fn end(&self) {}
}
