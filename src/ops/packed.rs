//! Matrix operands that a shader reads through a uniform buffer.
//!
//! Where all invocations of a workgroup need the same factors at the same time, reading them from a
//! uniform buffer costs next to nothing: GPUs have scalar or constant caches for it, and software
//! drivers load once instead of once a lane. The factors are first packed into blocks of
//! [`OUTS`] columns and then seen through windows of at most 64 KiB, WebGPU's default limit, one
//! dispatch a window. A later window of the same block adds to what an earlier one has left. A GPU would
//! stand idle behind many small dispatches: what does not fit into one window it reads whole, from a storage
//! buffer.

use super::Variant;

/// Columns of a block: the results that one invocation computes, or a few of them on a GPU.
pub const OUTS: usize = 32;
/// Rows of a window.
const WINDOW_ROWS: usize = WINDOW_BYTES / (OUTS * 4);
/// The size of the shader's uniform array.
pub const WINDOW_BYTES: usize = 1 << 16;

/// A matrix of `rows x columns`, packed as (block, row, column within the block), with zeros for the
/// columns that are missing in the last block.
#[derive(Debug, Clone, Copy)]
pub struct Packed {
    /// Terms of each sum.
    pub rows: usize,
    /// Results.
    pub columns: usize,
}

/// The part of a packed matrix that one dispatch sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// The first column.
    pub first_column: usize,
    /// Vectors of four columns that hold anything.
    pub vectors: usize,
    /// The first row.
    pub first_row: usize,
    /// How many rows.
    pub rows: usize,
    /// Where it begins in the packed matrix.
    pub offset_bytes: usize,
    /// Whether it is all of the matrix, seen as a storage buffer.
    pub is_whole: bool,
}

impl Packed {
    /// Rows of a block in memory: an even number, so that blocks begin at multiples of 256 bytes, as
    /// uniform buffers must.
    pub fn stride(&self) -> usize {
        self.rows.next_multiple_of(2)
    }

    /// Elements to be packed.
    pub fn len(&self) -> usize {
        self.columns.div_ceil(OUTS) * self.stride() * OUTS
    }

    /// Room for them, and behind them for the rest of the last window.
    pub fn room(&self) -> usize {
        self.len() + WINDOW_BYTES / 4
    }

    /// What the dispatches for an adapter of a kind see, where `unit` rows are never parted.
    pub fn views(self, variant: Variant, unit: usize) -> Vec<Window> {
        let windows: Vec<Window> = self.windows_of(unit).collect();
        match variant {
            Variant::Gpu if windows.len() > 1 => vec![self.whole()],
            _ => windows,
        }
    }

    fn whole(&self) -> Window {
        let vectors = self.columns.div_ceil(4);
        Window { vectors, rows: self.rows, is_whole: true, ..Window::default() }
    }

    /// The windows, those of a block in the order of their rows.
    pub fn windows(self) -> impl Iterator<Item = Window> {
        self.windows_of(1)
    }

    /// The same, where `unit` rows are never parted.
    pub fn windows_of(self, unit: usize) -> impl Iterator<Item = Window> {
        // A window begins at an even row, so that it begins at a multiple of 256 bytes.
        let step = if unit.is_multiple_of(2) { unit } else { 2 * unit };
        let height = WINDOW_ROWS / step * step;
        (0..self.columns).step_by(OUTS).flat_map(move |first_column| {
            (0..self.rows).step_by(height).map(move |first_row| Window {
                first_column,
                vectors: OUTS.min(self.columns - first_column).div_ceil(4),
                first_row,
                rows: height.min(self.rows - first_row),
                offset_bytes: (first_column * self.stride() + first_row * OUTS) * 4,
                is_whole: false,
            })
        })
    }
}

impl Window {
    /// The window as constants of a shader.
    pub fn constants(&self) -> [(&'static str, f64); 5] {
        [
            ("FIRST_COLUMN", self.first_column as f64),
            ("VECTORS", self.vectors as f64),
            ("FIRST_ROW", self.first_row as f64),
            ("ROWS", self.rows as f64),
            ("WHOLE", f64::from(u8::from(self.is_whole))),
        ]
    }
}

/// Matrices of layers side by side, packed as windows that begin with a head: the first row, how many rows, the
/// first column and the layer that it shows, as floats. A dispatch learns them from its window, so that all of them
/// share a pipeline, where each would need one of its own if constants told it.
#[derive(Debug, Clone, Copy)]
pub struct Headed {
    /// Each layer's matrix.
    pub packed: Packed,
    /// How many there are.
    pub layers: usize,
}

/// Rows of a head, of which one would do: windows begin at even rows.
const HEAD: usize = 2;

impl Headed {
    /// Rows of a window with its head.
    pub fn height(&self) -> usize {
        (self.packed.rows + HEAD).next_multiple_of(2).min(WINDOW_ROWS)
    }

    /// How many additions a row's product passes through at most, where windows add to what earlier ones left.
    pub fn summation_height(&self) -> usize {
        let shown = self.height() - HEAD;
        shown.min(self.packed.rows) + self.packed.rows.div_ceil(shown)
    }

    /// Elements to be packed for a layer.
    pub fn layer_len(&self) -> usize {
        let windows = self.packed.rows.div_ceil(self.height() - HEAD);
        self.packed.columns.div_ceil(OUTS) * windows * self.height() * OUTS
    }

    /// Room for all layers, and behind them for the rest of the last window.
    pub fn room(&self) -> usize {
        self.layers * self.layer_len() + WINDOW_BYTES / 4
    }

    /// What dispatches do not learn from the heads of the windows: layer by layer, block by block, and in the order
    /// of their rows, how many vectors of four columns a window has, and the byte at which it begins.
    pub fn windows(self) -> impl Iterator<Item = (usize, usize)> {
        let Packed { rows, columns } = self.packed;
        let blocks = (0..self.layers).flat_map(move |_| (0..columns).step_by(OUTS));
        let vectors = blocks.map(move |first| OUTS.min(columns - first).div_ceil(4));
        let windows = rows.div_ceil(self.height() - HEAD);
        let all = vectors.flat_map(move |vectors| std::iter::repeat_n(vectors, windows));
        all.enumerate().map(move |(index, vectors)| (vectors, index * self.height() * OUTS * 4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_with_heads_lie_one_after_the_other() {
        for (rows, columns, layers) in [(1, 1, 1), (509, 33, 2), (510, 64, 3), (511, 70, 2), (6272, 100, 2)] {
            let headed = Headed { packed: Packed { rows, columns }, layers };
            let [blocks, windows] = [columns.div_ceil(OUTS), rows.div_ceil(headed.height() - HEAD)];
            let mut end = 0;
            for (index, (vectors, offset_bytes)) in headed.windows().enumerate() {
                assert_eq!(offset_bytes, end);
                assert!(offset_bytes.is_multiple_of(256) && offset_bytes + WINDOW_BYTES <= headed.room() * 4);
                end += headed.height() * OUTS * 4;
                let is_last_block = index / windows % blocks == blocks - 1;
                let held = if is_last_block { (columns - 1) % OUTS + 1 } else { OUTS };
                assert_eq!(vectors, held.div_ceil(4), "window {index}");
            }
            assert_eq!(end, layers * headed.layer_len() * 4);
        }
    }

    #[test]
    fn a_unit_may_fill_a_whole_window() {
        for unit in [256, 258, 512] {
            let windows: Vec<Window> = Packed { rows: unit, columns: 33 }.windows_of(unit).collect();
            assert_eq!(windows.iter().map(|w| (w.first_row, w.rows)).collect::<Vec<_>>(), [(0, unit); 2]);
        }
    }

    #[test]
    fn windows_cover_every_row_and_column_once() {
        let packed = Packed { rows: 1025, columns: 70 };
        let windows: Vec<Window> = packed.windows().collect();
        assert_eq!(windows.len(), 3 * 3);
        assert_eq!(windows.iter().map(|w| w.rows).sum::<usize>(), 3 * 1025);
        assert_eq!(windows[8].first_column, 64);
        assert_eq!(windows[8].vectors, 2);
        for window in windows {
            assert_eq!(window.offset_bytes % 256, 0);
            assert!(window.offset_bytes + WINDOW_BYTES <= packed.room() * 4);
        }
    }
}
