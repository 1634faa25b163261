//! The top level of a component: a header and sections of `id, length, bytes`.

use std::ops::Range;

use wasmparser::BinaryReader;

use crate::Error;

/// How the names of our sections begin.
pub(crate) const PREFIX: &str = "powerflow:";

pub(crate) const MANIFEST: &str = "powerflow:manifest";
pub(crate) const APPLICATIONS: &str = "powerflow:applications";
pub(crate) const CONFIGURATIONS: &str = "powerflow:configurations";
pub(crate) const SCHEDULES: &str = "powerflow:schedules";
pub(crate) const DOCS: &str = "powerflow:docs";
pub(crate) const SOURCES: &str = "powerflow:sources";

/// `\0asm`, version 13 of the format, layer 1: a component.
const COMPONENT: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];
/// `\0asm`, version 1, layer 0: a core module.
const MODULE: [u8; 8] = [0, b'a', b's', b'm', 1, 0, 0, 0];

/// A section of the top level.
pub(crate) struct Section<'a> {
    /// Where it stands in the file, its id and length included.
    pub(crate) range: Range<usize>,
    /// The name, if it is a custom section.
    pub(crate) name: Option<&'a str>,
    /// What it holds, without the name.
    pub(crate) bytes: &'a [u8],
}

impl Section<'_> {
    pub(crate) fn is_ours(&self) -> bool {
        self.name.is_some_and(|name| name.starts_with(PREFIX))
    }
}

/// Finds the sections of a component.
pub(crate) fn sections(bytes: &[u8]) -> Result<Vec<Section<'_>>, Error> {
    check_header(bytes)?;
    let mut sections = Vec::new();
    let mut start = COMPONENT.len();
    while start < bytes.len() {
        let mut reader = BinaryReader::new(&bytes[start..], start as u64);
        let id = reader.read_u8().map_err(malformed)?;
        let rest = bytes.len() - start;
        let length = reader.read_var_u32().map_err(|error| {
            if rest < 6 {
                Error::Truncated {
                    offset: start,
                    needed: 6,
                    present: rest,
                }
            } else {
                malformed(error)
            }
        })?;
        let body = reader.original_position() as usize;
        let end = body.saturating_add(length as usize);
        let Some(content) = bytes.get(body..end) else {
            return Err(Error::Truncated {
                offset: start,
                needed: u64::from(length),
                present: bytes.len() - body,
            });
        };
        let (name, content) = if id == 0 {
            let mut reader = BinaryReader::new(content, body as u64);
            let name = reader.read_string().map_err(malformed)?;
            let after = reader.original_position() as usize - body;
            (Some(name), content.get(after..).unwrap_or_default())
        } else {
            (None, content)
        };
        sections.push(Section {
            range: start..end,
            name,
            bytes: content,
        });
        start = end;
    }
    Ok(sections)
}

fn check_header(bytes: &[u8]) -> Result<(), Error> {
    if bytes.starts_with(&COMPONENT) {
        Ok(())
    } else if bytes.starts_with(&MODULE) {
        Err(Error::CoreModule)
    } else if bytes.starts_with(b"\0asm") {
        if bytes.len() < COMPONENT.len() {
            return Err(Error::Truncated {
                offset: 0,
                needed: COMPONENT.len() as u64,
                present: bytes.len(),
            });
        }
        Err(Error::Malformed {
            offset: 4,
            message: "neither a component nor a module of a version that we know".to_owned(),
        })
    } else {
        let begins = match bytes.get(..bytes.len().min(8)) {
            None | Some([]) => "nothing: it is empty".to_owned(),
            Some(head) => format!("\"{}\"", head.escape_ascii()),
        };
        Err(Error::NotWasm { begins })
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err takes"
)]
pub(crate) fn malformed(error: wasmparser::BinaryReaderError) -> Error {
    Error::Malformed {
        offset: error.offset(),
        message: error.message().to_owned(),
    }
}

/// Appends a custom section.
pub(crate) fn append(target: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    let mut head = Vec::with_capacity(name.len() + 5);
    leb128(&mut head, name.len());
    head.extend_from_slice(name.as_bytes());
    target.push(0);
    leb128(target, head.len() + bytes.len());
    target.extend_from_slice(&head);
    target.extend_from_slice(bytes);
}

fn leb128(target: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            target.push(low);
            return;
        }
        target.push(low | 0x80);
    }
}
