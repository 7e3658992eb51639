//! Whether the compressed data of a JPEG (ITU-T T.81) are whole.
//!
//! Decoders fill with grey what is missing, and zeros in the middle of a scan are valid Huffman codes:
//! neither is an error to them. What tells both is the count. Every scan must hold the codes of all of
//! its blocks, no code may lead beyond a block's last coefficient, and behind the last block only
//! padding may be left.

use super::coder::{COEFFICIENTS, Coder, Scan, Tables};
use super::huffman::{Bits, Fault, Table};

/// Twice the largest DC coefficient of 8-bit samples: beyond it the differences do not belong together.
const MAX_DC: i32 = 2048;
/// As many as the decoder takes.
const MAX_SCANS: usize = 100;
const DC_COEFFICIENTS: usize = 1;

struct Component {
    id: u8,
    horizontal: usize,
    vertical: usize,
    quantization: usize,
    /// Blocks in a row and in a column, those included that only fill up an MCU.
    blocks: [usize; 2],
    /// Of a progressive JPEG, one bit a coefficient, in zigzag order: whether it is other than 0 so far.
    nonzero: Vec<u64>,
    /// How many of a coefficient's lowest bits are still to come; `None` if nothing has come.
    missing_bits: [Option<u8>; COEFFICIENTS],
}

struct Frame {
    progressive: bool,
    eight_bits: bool,
    width: usize,
    height: usize,
    components: Vec<Component>,
}

#[derive(Default)]
struct Checker {
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    /// The first value of each quantization table: the step of the DC coefficient.
    dc_steps: [i32; 4],
    restart_interval: usize,
    frame: Option<Frame>,
    scans: usize,
}

/// Decodes all Huffman codes of a JPEG that has its end marker, and whose size was found to be sane.
/// Kinds of JPEG without Huffman codes are left to the decoder.
///
/// # Errors
/// A short reason for skipping the photo.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    let mut checker = Checker::default();
    match checker.walk(bytes) {
        Ok(()) => Ok(()),
        Err(Fault::LeftToDecoder) => Ok(()),
        Err(Fault::MissingDetail) => {
            Err("a progressive JPEG without all of its detail; convert it".to_owned())
        }
        Err(fault) => Err(format!("a damaged JPEG ({fault})")),
    }
}

impl Checker {
    fn walk(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut at = 2;
        while let Some((marker, behind)) = next_marker(bytes, at) {
            if marker == 0xD9 {
                return self.finish();
            }
            let length = match bytes.get(behind..behind + 2) {
                Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
                _ => return Err(Fault::BadSegment),
            };
            let Some(segment) = bytes.get(behind + 2..behind + length.max(2)) else {
                return Err(Fault::BadSegment);
            };
            at = behind + length.max(2);
            match marker {
                0xC4 => self.huffman_tables(segment)?,
                0xDB => self.quantization_tables(segment),
                0xDD => {
                    let &[high, low, ..] = segment else { return Err(Fault::BadSegment) };
                    self.restart_interval = usize::from(u16::from_be_bytes([high, low]));
                }
                0xC0..=0xC2 => self.frame = Some(frame(segment, marker)?),
                // Lossless, hierarchical and arithmetic coding, and a height that comes behind the scan.
                0xC3 | 0xC5..=0xCF | 0xDC => return Err(Fault::LeftToDecoder),
                0xDA => {
                    // Frames of a film in MJPEG have the tables that every decoder knows.
                    if self.dc.iter().chain(&self.ac).all(Option::is_none) {
                        return Err(Fault::LeftToDecoder);
                    }
                    self.scans += 1;
                    if self.scans > MAX_SCANS {
                        return Err(Fault::LeftToDecoder);
                    }
                    let scan = self.scan(segment)?;
                    at = self.decode_scan(&scan, bytes, at)?;
                }
                _ => {}
            }
        }
        Err(Fault::BadSegment)
    }

    /// Whether all scans have come.
    fn finish(&self) -> Result<(), Fault> {
        let Some(frame) = &self.frame else { return Err(Fault::BadSegment) };
        let complete = frame.components.iter().all(|component| {
            let needed = if frame.progressive { COEFFICIENTS } else { DC_COEFFICIENTS };
            component.missing_bits[..needed].iter().all(|missing| *missing == Some(0))
        });
        // A scan for these coefficients was never meant to come, or the file lost it: both can be.
        let is_coarse = |component: &Component| {
            component.missing_bits[0] == Some(0)
                && component.missing_bits.iter().all(|missing| matches!(missing, None | Some(0)))
        };
        match complete {
            true => Ok(()),
            false if frame.components.iter().all(is_coarse) => Err(Fault::MissingDetail),
            false => Err(Fault::MissingScan),
        }
    }

    fn huffman_tables(&mut self, mut segment: &[u8]) -> Result<(), Fault> {
        while let [kind, rest @ ..] = segment {
            let Some((counts, rest)) = rest.split_first_chunk::<16>() else {
                return Err(Fault::BadSegment);
            };
            let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
            let Some(values) = rest.get(..total) else { return Err(Fault::BadSegment) };
            let tables = if kind >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            tables[usize::from(kind & 3)] = Some(Table::new(counts, values)?);
            segment = &rest[total..];
        }
        Ok(())
    }

    fn quantization_tables(&mut self, mut segment: &[u8]) {
        while let [kind, rest @ ..] = segment {
            let bytes = if kind >> 4 == 0 { 1 } else { 2 };
            let Some(first) = rest.get(..bytes) else { return };
            let step = first.iter().fold(0, |step, &byte| step << 8 | i32::from(byte));
            self.dc_steps[usize::from(kind & 3)] = step;
            segment = rest.get(bytes * COEFFICIENTS..).unwrap_or_default();
        }
    }

    fn scan(&self, segment: &[u8]) -> Result<Scan, Fault> {
        let Some(frame) = &self.frame else { return Err(Fault::BadSegment) };
        let [count, rest @ ..] = segment else { return Err(Fault::BadSegment) };
        let count = usize::from(*count);
        let (Some(chosen), Some(&[first, last, bits])) =
            (rest.get(..2 * count), rest.get(2 * count..2 * count + 3))
        else {
            return Err(Fault::BadSegment);
        };
        let mut parts = Vec::new();
        for part in chosen.chunks(2) {
            let index = frame.components.iter().position(|component| component.id == part[0]);
            let index = index.ok_or(Fault::BadSegment)?;
            parts.push([index, usize::from(part[1] >> 4) & 3, usize::from(part[1] & 3)]);
        }
        let (first, last) =
            if frame.progressive { (usize::from(first), usize::from(last)) } else { (0, COEFFICIENTS - 1) };
        let (high, low) = if frame.progressive { (bits >> 4, bits & 15) } else { (0, 0) };
        let is_valid = !parts.is_empty()
            && parts.len() <= 4
            && last < COEFFICIENTS
            && first <= last
            && (!frame.progressive || if first == 0 { last == 0 } else { parts.len() == 1 });
        if is_valid { Ok(Scan { parts, first, last, high, low }) } else { Err(Fault::BadSegment) }
    }

    /// Decodes a scan that begins at `at`, and gives back where its data end.
    fn decode_scan(&mut self, scan: &Scan, bytes: &[u8], at: usize) -> Result<usize, Fault> {
        let Some(frame) = &mut self.frame else { return Err(Fault::BadSegment) };
        let most = |size: fn(&Component) -> usize| frame.components.iter().map(size).max().unwrap_or(1);
        let (most_horizontal, most_vertical) = (most(|part| part.horizontal), most(|part| part.vertical));
        // A scan of one component has its own blocks only; one of several goes by whole MCUs.
        let alone = (scan.parts.len() == 1).then(|| &frame.components[scan.parts[0][0]]);
        let [columns, rows] = match alone {
            Some(part) => [
                (frame.width * part.horizontal).div_ceil(8 * most_horizontal),
                (frame.height * part.vertical).div_ceil(8 * most_vertical),
            ],
            None => [frame.width.div_ceil(8 * most_horizontal), frame.height.div_ceil(8 * most_vertical)],
        };
        let is_alone = alone.is_some();
        let mut coder = Coder { bits: Bits::new(bytes, at), predictions: [0; 4], end_of_band_run: 0 };
        let mut restarts = 0;
        for mcu in 0..columns * rows {
            if self.restart_interval > 0 && mcu > 0 && mcu % self.restart_interval == 0 {
                coder.end_interval()?;
                coder.bits.restart(restarts)?;
                restarts = (restarts + 1) % 8;
            }
            let (column, row) = (mcu % columns, mcu / columns);
            for (place, &[index, dc, ac]) in scan.parts.iter().enumerate() {
                let component = &mut frame.components[index];
                let [width, height] =
                    if is_alone { [1, 1] } else { [component.horizontal, component.vertical] };
                for block in 0..width * height {
                    let block_column = column * width + block % width;
                    let block_row = row * height + block / width;
                    let nonzero = &mut component.nonzero[block_row * component.blocks[0] + block_column];
                    let tables = Tables { dc: self.dc[dc].as_ref(), ac: self.ac[ac].as_ref() };
                    if !frame.progressive {
                        coder.sequential(&tables, place)?;
                    } else if scan.first > 0 && scan.high == 0 {
                        coder.first_ac(&tables, scan, nonzero)?;
                    } else if scan.first > 0 {
                        coder.refined_ac(&tables, scan, nonzero)?;
                    } else if scan.high == 0 {
                        coder.difference(&tables, place)?;
                    } else {
                        coder.bits.take(1)?;
                    }
                    let step = self.dc_steps[component.quantization] << scan.low;
                    if frame.eight_bits && coder.predictions[place].saturating_mul(step).abs() > MAX_DC {
                        return Err(Fault::OutOfRange);
                    }
                }
            }
        }
        coder.end_interval()?;
        for &[index, ..] in &scan.parts {
            let missing = &mut frame.components[index].missing_bits[scan.first..=scan.last];
            missing.fill(Some(scan.low));
        }
        Ok(coder.bits.end())
    }
}

/// The next marker that is neither a restart nor filling, and the place behind it.
fn next_marker(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let found = bytes
        .get(at..)?
        .windows(2)
        .position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xFF | 0xD0..=0xD7))?;
    Some((bytes[at + found + 1], at + found + 2))
}

fn frame(segment: &[u8], marker: u8) -> Result<Frame, Fault> {
    let &[precision, height_high, height_low, width_high, width_low, count, ref rest @ ..] = segment else {
        return Err(Fault::BadSegment);
    };
    let size = |high, low| usize::from(u16::from_be_bytes([high, low]));
    let (width, height) = (size(width_high, width_low), size(height_high, height_low));
    let Some(parts) = rest.get(..3 * usize::from(count)) else { return Err(Fault::BadSegment) };
    let mut components = Vec::new();
    for part in parts.chunks(3) {
        let (horizontal, vertical) = (usize::from(part[1] >> 4), usize::from(part[1] & 15));
        if !(1..=4).contains(&horizontal) || !(1..=4).contains(&vertical) {
            return Err(Fault::BadSegment);
        }
        components.push(Component {
            id: part[0],
            horizontal,
            vertical,
            quantization: usize::from(part[2] & 3),
            blocks: [0; 2],
            nonzero: Vec::new(),
            missing_bits: [None; COEFFICIENTS],
        });
    }
    if width == 0 || height == 0 || components.is_empty() || components.len() > 4 {
        return Err(Fault::LeftToDecoder);
    }
    let horizontal = components.iter().map(|part| part.horizontal).max().unwrap_or(1);
    let vertical = components.iter().map(|part| part.vertical).max().unwrap_or(1);
    for part in &mut components {
        part.blocks =
            [width.div_ceil(8 * horizontal) * part.horizontal, height.div_ceil(8 * vertical) * part.vertical];
        part.nonzero = vec![0; part.blocks[0] * part.blocks[1]];
    }
    let (progressive, eight_bits) = (marker == 0xC2, precision == 8);
    Ok(Frame { progressive, eight_bits, width, height, components })
}
