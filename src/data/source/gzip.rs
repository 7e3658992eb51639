//! Data that are compressed by gzip (RFC 1952), one member behind the other.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::GzDecoder;

/// Reads all members, and zeros behind the last, with which tapes and disks fill up their blocks.
///
/// Other bytes behind the last member are an error of the kind [`ErrorKind::Unsupported`].
pub struct Members<R: BufRead> {
    /// `None` behind the last member.
    decoder: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    pub fn new(reader: R) -> Members<R> {
        Members { decoder: Some(GzDecoder::new(reader)) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = self.decoder.as_mut().filter(|_| !buffer.is_empty()) {
            match decoder.read(buffer)? {
                0 => {}
                count => return Ok(count),
            }
            let Some(mut reader) = self.decoder.take().map(GzDecoder::into_inner) else { break };
            if reader.fill_buf()?.first() == Some(&0x1F) {
                self.decoder = Some(GzDecoder::new(reader));
            } else if !is_zeros(&mut reader)? {
                let fault = "more data follow its end, and were not read";
                return Err(io::Error::new(ErrorKind::Unsupported, fault));
            }
        }
        Ok(0)
    }
}

fn is_zeros(reader: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = reader.fill_buf()?;
        match bytes.len() {
            0 => return Ok(true),
            _ if bytes.iter().any(|&byte| byte != 0) => return Ok(false),
            count => reader.consume(count),
        }
    }
}
