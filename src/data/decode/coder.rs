//! The blocks of a scan, code by code (ITU-T T.81, annexes F and G).

use super::huffman::{Bits, Fault, Table};

/// Of a block.
pub const COEFFICIENTS: usize = 64;

/// Bytes that may be left behind a scan's last block: some cameras write one or two too many.
const MAX_EXTRA_BYTES: usize = 2;

/// What a start-of-scan segment says.
pub struct Scan {
    /// Index into the frame's components, DC table and AC table.
    pub parts: Vec<[usize; 3]>,
    /// The first coefficient of the band, in zigzag order.
    pub first: usize,
    /// The last coefficient of the band.
    pub last: usize,
    /// How many bits came before; 0 if none.
    pub high: u8,
    /// How many bits are still to come.
    pub low: u8,
}

/// The Huffman tables of one component of a scan.
pub struct Tables<'a> {
    /// Of the first coefficient.
    pub dc: Option<&'a Table>,
    /// Of all others.
    pub ac: Option<&'a Table>,
}

/// The state of a scan between two restarts.
pub struct Coder<'a> {
    /// The scan's data.
    pub bits: Bits<'a>,
    /// The last DC coefficient of each component.
    pub predictions: [i32; 4],
    /// Blocks for which nothing more comes in this band.
    pub end_of_band_run: u32,
}

impl Coder<'_> {
    /// Only padding may be left.
    pub fn end_interval(&mut self) -> Result<(), Fault> {
        self.predictions = [0; 4];
        let extra = self.bits.extra_bytes();
        let is_left = extra > MAX_EXTRA_BYTES && !self.bits.is_filled_up(extra);
        if self.end_of_band_run > 0 || is_left {
            return Err(Fault::LeftOver);
        }
        Ok(())
    }

    /// The DC coefficient, as what it differs by from the last one.
    pub fn difference(&mut self, tables: &Tables, place: usize) -> Result<(), Fault> {
        let size = self.bits.symbol(tables.dc)?;
        if size > 16 {
            return Err(Fault::OutOfRange);
        }
        let value = self.bits.take(u32::from(size))? as i32;
        // Figure F.12: the upper half of the values are positive.
        let negative = size > 0 && value < 1 << (size - 1);
        let value = if negative { value - (1 << size) + 1 } else { value };
        self.predictions[place] = self.predictions[place].wrapping_add(value);
        Ok(())
    }

    /// A whole block.
    pub fn sequential(&mut self, tables: &Tables, place: usize) -> Result<(), Fault> {
        self.difference(tables, place)?;
        let mut next = 1;
        while next < COEFFICIENTS {
            let symbol = self.bits.symbol(tables.ac)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 && run < 15 {
                break;
            }
            next += run + 1;
            if next > COEFFICIENTS {
                return Err(Fault::OutOfRange);
            }
            self.bits.take(size)?;
        }
        Ok(())
    }

    /// The band of a block that comes for the first time.
    pub fn first_ac(&mut self, tables: &Tables, scan: &Scan, nonzero: &mut u64) -> Result<(), Fault> {
        if self.end_of_band_run > 0 {
            self.end_of_band_run -= 1;
            return Ok(());
        }
        let mut next = scan.first;
        while next <= scan.last {
            let symbol = self.bits.symbol(tables.ac)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 && run < 15 {
                self.end_of_band_run = (1 << run) - 1 + self.bits.take(run as u32)?;
                break;
            }
            next += run + 1;
            if next > scan.last + 1 {
                return Err(Fault::OutOfRange);
            }
            if size > 0 {
                self.bits.take(size)?;
                *nonzero |= 1 << (next - 1);
            }
        }
        Ok(())
    }

    /// Section G.1.2.3: one bit more for each coefficient that is not 0, between codes for new ones.
    pub fn refined_ac(&mut self, tables: &Tables, scan: &Scan, nonzero: &mut u64) -> Result<(), Fault> {
        let mut next = scan.first;
        while self.end_of_band_run == 0 && next <= scan.last {
            let symbol = self.bits.symbol(tables.ac)?;
            let (mut run, size) = (u32::from(symbol >> 4), symbol & 15);
            match size {
                0 if run < 15 => {
                    self.end_of_band_run = (1 << run) + self.bits.take(run)?;
                    break;
                }
                0 => {}
                1 => drop(self.bits.take(1)?),
                _ => return Err(Fault::OutOfRange),
            }
            while next <= scan.last {
                if *nonzero >> next & 1 == 1 {
                    self.bits.take(1)?;
                } else if run == 0 {
                    break;
                } else {
                    run -= 1;
                }
                next += 1;
            }
            if size == 1 {
                if next > scan.last {
                    return Err(Fault::OutOfRange);
                }
                *nonzero |= 1 << next;
            }
            next += 1;
        }
        if self.end_of_band_run > 0 {
            self.end_of_band_run -= 1;
            let band = (next..=scan.last).filter(|&at| *nonzero >> at & 1 == 1).count();
            for _ in 0..band {
                self.bits.take(1)?;
            }
        }
        Ok(())
    }
}
