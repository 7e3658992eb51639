//! Heights of the summation trees that several shaders share: how many additions a term passes through at most.

use super::WORKGROUP;

/// Lanes that add up one of the values of `parts/sum_of_lanes.wgsl`.
const LANES_A_VALUE: usize = 4;
/// Partial sums that shaders add at a time, since they come as a vector.
const PIECES_AT_A_TIME: usize = 4;
/// Partial sums that are added up before they are added to the others.
const SUMMED: usize = 64;

/// Of a lane's sum in `parts/sum_of_lanes.wgsl`.
pub fn of_lanes() -> usize {
    WORKGROUP / LANES_A_VALUE + LANES_A_VALUE - 1
}

/// Of a lane's sum where half of the lanes add what the other half has, until one is left.
pub fn of_halves() -> usize {
    WORKGROUP.ilog2() as usize
}

/// Of a partial sum, where so many are added: four at a time, few in a row, then these, then the four, then what is
/// left.
pub fn of_pieces(pieces: usize) -> usize {
    let few = pieces.min(SUMMED) / PIECES_AT_A_TIME;
    few + pieces.div_ceil(SUMMED) + PIECES_AT_A_TIME - 1 + pieces % PIECES_AT_A_TIME
}

/// Of a term of so many that all lanes of a workgroup add, each those that lie [`WORKGROUP`] apart.
pub fn of_stride(terms: usize) -> usize {
    terms.div_ceil(WORKGROUP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shaders_add_as_the_heights_say() {
        let shader = |name: &str| {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders").join(name);
            std::fs::read_to_string(path).unwrap()
        };
        for name in ["conv2d", "conv_pool2d"] {
            assert!(shader(&format!("{name}.wgsl")).contains(&format!("const SUMMED: i32 = {SUMMED};")));
            let sums = shader(&format!("parts/{name}_weights.wgsl"));
            let step = format!("for (; piece + {PIECES_AT_A_TIME} <= end; piece += {PIECES_AT_A_TIME})");
            assert!(sums.contains(&step) && sums.contains("piece + SUMMED"), "{name}");
        }
        let depthwise = shader("depthwise_conv2d.wgsl");
        assert!(depthwise.contains(&format!("const SUMMED: i32 = {SUMMED};")));
        assert!(depthwise.contains(&format!("for (; piece + {PIECES_AT_A_TIME} <= end; piece += ")));
        let lanes = shader("parts/sum_of_lanes.wgsl");
        assert!(lanes.contains(&format!("other < WORKGROUP; other += {LANES_A_VALUE}u")));
        let halves = shader("parts/sum_of_halves.wgsl");
        assert!(halves.contains("var half = WORKGROUP / 2u; half > 0u; half /= 2u"));
        assert!(shader("clip_norm.wgsl").contains("index < ELEMENTS; index += PIECES * WORKGROUP"));
        let block = shader("embedding.wgsl");
        assert!(block.contains(&format!("const SUMMED: u32 = {}u;", super::super::embedding::SUMMED)));
    }

    #[test]
    fn heights_are_those_of_trees_that_are_counted_by_hand() {
        // 16 values in a row in each of four lanes, then three more additions.
        assert_eq!((of_lanes(), of_halves(), of_stride(65)), (19, 6, 2));
        // One alone, eight as two fours, and 130: 16 fours twice and none, two left.
        assert_eq!([1, 8, 130].map(of_pieces), [1 + 3 + 1, 2 + 1 + 3, 16 + 3 + 3 + 2]);
    }
}
