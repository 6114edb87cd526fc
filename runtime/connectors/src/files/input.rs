//! Blocks of a file as UTF-8, whatever its encoding.

use super::failure;
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use pmflow_plan::Failure;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

const BLOCK_BYTES: usize = 256 << 10;

/// A file read block by block. UTF-8 is passed on as it is, unchecked; other encodings are decoded, and each stretch that
/// is none of theirs becomes U+FFFD.
pub(super) struct Input {
    file: File,
    /// None for UTF-8.
    decoder: Option<Decoder>,
    /// Decoded bytes not yet consumed begin at `position`.
    block: Vec<u8>,
    position: usize,
    /// Bytes of the file before `block`.
    offset: u64,
    ended: bool,
    pub encoding: &'static Encoding,
}

impl Input {
    /// At the first byte after a byte order mark, or at `offset` where that is not zero.
    pub fn open(path: &Path, encoding: Option<&str>, offset: u64) -> Result<Input, Failure> {
        let mut file = File::open(path).map_err(|error| failure(path, format!("cannot be opened: {error}")))?;
        let mut start = [0u8; 3];
        let length = read_fully(path, &mut file, &mut start)?;
        let mark = Encoding::for_bom(start.get(..length).unwrap_or_default());
        let declared = encoding.map(|label| declared_encoding(path, label)).transpose()?;
        let (encoding, after_mark) = match (mark, declared) {
            (Some((found, length)), None) => (found, length as u64),
            // A mark tells the byte order that `utf-16` leaves open; any other mark is a contradiction that shows.
            (Some((found, length)), Some(declared)) if found == declared || (is_utf16(found) && is_utf16(declared)) => {
                (found, length as u64)
            }
            (_, Some(declared)) => (declared, 0),
            (None, None) => (UTF_8, 0),
        };
        let decoder = (encoding != UTF_8).then(|| encoding.new_decoder_without_bom_handling());
        let offset = if decoder.is_none() { offset.max(after_mark) } else { after_mark };
        file.seek(SeekFrom::Start(offset)).map_err(|error| failure(path, format!("cannot be read: {error}")))?;
        Ok(Input { file, decoder, block: Vec::new(), position: 0, offset, ended: false, encoding })
    }

    /// Bytes at hand; read more with [`Input::fill`].
    pub fn bytes(&self) -> &[u8] {
        self.block.get(self.position..).unwrap_or_default()
    }

    pub fn consume(&mut self, bytes: usize) {
        self.position = (self.position + bytes).min(self.block.len());
    }

    /// How many bytes of the file stand before [`Input::bytes`]; zero where the encoding hides it.
    pub fn offset(&self) -> u64 {
        if self.decoder.is_some() { 0 } else { self.offset + self.position as u64 }
    }

    pub fn is_utf8(&self) -> bool {
        self.decoder.is_none()
    }

    /// Replaces the consumed block by the next one, if nothing is at hand. False at the end of the file.
    pub fn fill(&mut self, path: &Path) -> Result<bool, Failure> {
        while self.bytes().is_empty() && !self.ended {
            self.read_block(path)?;
        }
        Ok(!self.bytes().is_empty())
    }

    fn read_block(&mut self, path: &Path) -> Result<(), Failure> {
        self.offset += self.block.len() as u64;
        self.position = 0;
        self.block.resize(BLOCK_BYTES, 0);
        let length = read_fully(path, &mut self.file, &mut self.block)?;
        self.block.truncate(length);
        self.ended = length < BLOCK_BYTES;
        if let Some(decoder) = &mut self.decoder {
            self.block = decode(decoder, &self.block, self.ended);
        }
        Ok(())
    }
}

fn is_utf16(encoding: &Encoding) -> bool {
    encoding == UTF_16LE || encoding == UTF_16BE
}

fn declared_encoding(path: &Path, label: &str) -> Result<&'static Encoding, Failure> {
    let plain = label.to_ascii_lowercase();
    let label = if plain == "latin-1" { "latin1" } else { &plain };
    let known = Encoding::for_label(label.as_bytes());
    known.ok_or_else(|| {
        failure(
            path,
            format!(
                "is declared in the encoding `{label}`, which is not known; such as `utf-8`, `utf-16`, `windows-1252`, `latin1`"
            ),
        )
    })
}

fn decode(decoder: &mut Decoder, bytes: &[u8], last: bool) -> Vec<u8> {
    let mut text = String::with_capacity(decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len() * 3) + 16);
    let mut rest = bytes;
    loop {
        let (result, read) = decoder.decode_to_string_without_replacement(rest, &mut text, last);
        rest = rest.get(read..).unwrap_or_default();
        match result {
            DecoderResult::InputEmpty => return text.into_bytes(),
            DecoderResult::OutputFull => text.reserve(rest.len() * 3 + 64),
            DecoderResult::Malformed(..) => {
                text.reserve(rest.len() + 64);
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }
}

fn read_fully(path: &Path, file: &mut File, buffer: &mut [u8]) -> Result<usize, Failure> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failure(path, format!("cannot be read: {error}"))),
        }
    }
    Ok(length)
}
