//! The entropy-coded data of a JPEG, bit by bit (ITU-T T.81, annexes C and F).

/// Why compressed data are not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A kind of JPEG that is for the decoder to judge.
    #[error("not checked")]
    LeftToDecoder,
    /// A segment between scans that is cut or contradicts itself.
    #[error("one of its segments is damaged")]
    BadSegment,
    /// A marker where there should be more data.
    #[error("its compressed data end before its last pixel")]
    TooShort,
    /// Whole bytes between the last block and the next marker.
    #[error("its compressed data go on behind its last pixel")]
    LeftOver,
    /// Bits that are no code of the table, or a table that is not there.
    #[error("its compressed data hold a code that does not exist")]
    NoSuchCode,
    /// A code that leads out of its block, or a brightness that cannot be.
    #[error("its compressed data hold values that cannot be")]
    OutOfRange,
    /// Another marker, or none, at the end of a restart interval.
    #[error("a restart marker is missing")]
    NoRestart,
    /// An end marker before every component and bit has come.
    #[error("one of its scans is missing")]
    MissingScan,
    /// A progressive image that ends before every coefficient has come.
    #[error("it ends before all of its detail has come")]
    MissingDetail,
}

const LOOKUP_BITS: u32 = 8;
const MAX_CODE_BITS: usize = 16;

/// Huffman codes and their symbols.
pub struct Table {
    /// Length and symbol of the code that these bits begin with; length 0 for longer ones.
    short: [(u8, u8); 1 << LOOKUP_BITS],
    /// By length: the first value that is too large for a code of that length.
    limits: [u32; MAX_CODE_BITS + 1],
    /// By length: what leads from a code to its place among the symbols.
    offsets: [i32; MAX_CODE_BITS + 1],
    symbols: Vec<u8>,
}

impl Table {
    /// `counts` are the numbers of codes of 1 to 16 bits, and there is a symbol for each.
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Table, Fault> {
        let mut table = Table {
            short: [(0, 0); 1 << LOOKUP_BITS],
            limits: [0; MAX_CODE_BITS + 1],
            offsets: [0; MAX_CODE_BITS + 1],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut place) = (0_u32, 0_usize);
        for (length, &count) in (1..).zip(counts) {
            table.offsets[length] = place as i32 - code as i32;
            for _ in 0..count {
                if length as u32 <= LOOKUP_BITS {
                    let shift = LOOKUP_BITS - length as u32;
                    let start = (code << shift) as usize;
                    // Codes beyond the last are told below.
                    if let Some(codes) = table.short.get_mut(start..start + (1 << shift)) {
                        codes.fill((length as u8, symbols[place]));
                    }
                }
                code += 1;
                place += 1;
            }
            if code > 1 << length {
                return Err(Fault::BadSegment);
            }
            table.limits[length] = if count > 0 { code } else { 0 };
            code <<= 1;
        }
        Ok(table)
    }
}

/// Reads bits up to the next marker.
pub struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    buffer: u64,
    count: u32,
    at_marker: bool,
}

impl<'a> Bits<'a> {
    /// From `bytes[at]` on.
    pub fn new(bytes: &'a [u8], at: usize) -> Bits<'a> {
        Bits { bytes, at, buffer: 0, count: 0, at_marker: false }
    }

    fn refill(&mut self) {
        while self.count <= 56 && !self.at_marker {
            match self.next_byte() {
                Some(byte) => {
                    self.buffer = self.buffer << 8 | u64::from(byte);
                    self.count += 8;
                }
                None => self.at_marker = true,
            }
        }
    }

    /// The next byte of data; a 0 behind an FF is only there to tell it from a marker.
    fn next_byte(&mut self) -> Option<u8> {
        let &byte = self.bytes.get(self.at)?;
        if byte != 0xFF {
            self.at += 1;
            return Some(byte);
        }
        let behind = self.bytes[self.at..].iter().position(|&byte| byte != 0xFF)?;
        if self.bytes[self.at + behind] != 0 {
            return None;
        }
        self.at += behind + 1;
        Some(byte)
    }

    /// The next `count` bits, 16 at most.
    pub fn take(&mut self, count: u32) -> Result<u32, Fault> {
        if self.count < count {
            self.refill();
        }
        self.count = self.count.checked_sub(count).ok_or(Fault::TooShort)?;
        Ok((self.buffer >> self.count) as u32 & ((1 << count) - 1))
    }

    /// Decodes one symbol.
    pub fn symbol(&mut self, table: Option<&Table>) -> Result<u8, Fault> {
        let table = table.ok_or(Fault::NoSuchCode)?;
        if self.count < MAX_CODE_BITS as u32 {
            self.refill();
        }
        // Behind the last bit stand zeros; `take` tells if they are needed.
        let missing = (MAX_CODE_BITS as u32).saturating_sub(self.count);
        let next = (self.buffer << missing >> (self.count + missing - MAX_CODE_BITS as u32)) as u32 & 0xFFFF;
        let (length, symbol) = table.short[(next >> (MAX_CODE_BITS as u32 - LOOKUP_BITS)) as usize];
        if length > 0 {
            self.take(length.into())?;
            return Ok(symbol);
        }
        for length in LOOKUP_BITS as usize + 1..=MAX_CODE_BITS {
            let code = next >> (MAX_CODE_BITS - length);
            if code < table.limits[length] {
                self.take(length as u32)?;
                let place = usize::try_from(code as i32 + table.offsets[length]).ok();
                return place.and_then(|place| table.symbols.get(place)).copied().ok_or(Fault::NoSuchCode);
            }
        }
        Err(if missing > 0 { Fault::TooShort } else { Fault::NoSuchCode })
    }

    /// Whole bytes up to the next marker.
    pub fn extra_bytes(&mut self) -> usize {
        let mut extra = self.count as usize / 8;
        while self.next_byte().is_some() {
            extra += 1;
        }
        (self.count, self.buffer, self.at_marker) = (0, 0, true);
        extra
    }

    /// Whether the last `extra` bytes before the marker are zeros behind a byte that is none: cameras fill
    /// up so, but a scan that was overwritten has zeros in front as well.
    pub fn is_filled_up(&self, extra: usize) -> bool {
        let Some((data, filling)) = self
            .bytes
            .get(..self.at)
            .and_then(|all| all.len().checked_sub(extra).map(|middle| all.split_at(middle)))
        else {
            return false;
        };
        let ends_in_data = data.ends_with(&[0xFF, 0]) || data.last().is_some_and(|&byte| byte != 0);
        ends_in_data && filling.iter().all(|&byte| byte == 0)
    }

    /// Goes on behind the restart marker of this number, from 0 to 7.
    pub fn restart(&mut self, number: u8) -> Result<(), Fault> {
        let fill = self.bytes.get(self.at..).unwrap_or_default();
        let length = fill.iter().take_while(|&&byte| byte == 0xFF).count();
        if fill.get(length) != Some(&(0xD0 + number)) {
            return Err(Fault::NoRestart);
        }
        self.at += length + 1;
        self.at_marker = false;
        Ok(())
    }

    /// Where the marker is that the data end in.
    pub fn end(&self) -> usize {
        self.at
    }
}
