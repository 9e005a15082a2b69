//! Walks the chain of directories of a TIFF or BigTIFF file.
//!
//! Reads the few tags that matter, checks every count against the length of the file and the limits, and
//! finds loops, so that nothing afterwards takes memory that the file does not justify. Source: TIFF 6.0,
//! section 2; BigTIFF as libtiff writes it.

use std::{
    collections::HashSet,
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
};

use super::{
    limits::{MAX_PAGES, MAX_TAGS, MAX_TEXT_BYTES},
    micro_manager::MicroManagerPage,
    page::{List, Page},
    scan_image::ScanImagePage,
};

/// Everything that is read of a file but its samples.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directories {
    pub(crate) pages: Vec<Page>,
    /// ImageDescription of the first page.
    pub(crate) description: Option<String>,
    /// XResolution and YResolution of the first page in pixels a unit.
    pub(crate) resolution: Option<(f64, f64)>,
    /// Software of the first page: where `ScanImage` keeps what is the same for all pages.
    pub(crate) software: Option<String>,
    /// What `ScanImage` says of each page that it says anything of, with the page's index.
    pub(crate) scan_image: Vec<(usize, ScanImagePage)>,
    /// What Micro-Manager says of each page that it says anything of, with the page's index.
    pub(crate) micro_manager: Vec<(usize, MicroManagerPage)>,
    /// Where the samples of the first page begin.
    pub(crate) first_offset: u64,
    pub(crate) file_bytes: u64,
}

struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    /// The value itself, or where it is.
    value: [u8; 8],
}

struct Walk<'a> {
    file: &'a mut BufReader<File>,
    big_endian: bool,
    big_tiff: bool,
    length: u64,
}

/// Reads the directories of `file`.
///
/// # Errors
/// The reason as a clause that follows the name of the file.
pub(crate) fn walk(file: &mut BufReader<File>) -> Result<Directories, String> {
    read(file, usize::MAX)
}

/// Reads the directory of the first page alone.
///
/// # Errors
/// The reason as a clause that follows the name of the file.
pub(crate) fn first(file: &mut BufReader<File>) -> Result<Directories, String> {
    read(file, 1)
}

fn read(file: &mut BufReader<File>, most: usize) -> Result<Directories, String> {
    let length = file.seek(SeekFrom::End(0)).map_err(|e| e.to_string())?;
    let mut walk = Walk {
        file,
        big_endian: false,
        big_tiff: false,
        length,
    };
    let mut next = walk.header()?;
    let mut found = Directories {
        file_bytes: length,
        ..Directories::default()
    };
    let mut seen = HashSet::new();
    while next != 0 && found.pages.len() < most {
        let index = found.pages.len();
        if !seen.insert(next) {
            return Err(format!(
                "the chain of its pages runs in a loop after page {index}"
            ));
        }
        if index >= MAX_PAGES {
            return Err(format!("it has more than {MAX_PAGES} pages"));
        }
        next = walk
            .directory(next, index, &mut found)
            .map_err(|reason| format!("page {index}: {reason}"))?;
    }
    if found.pages.is_empty() {
        return Err("it has no pages".to_owned());
    }
    Ok(found)
}

impl Walk<'_> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes).map_err(|_| {
            "it ends before its list of tags does; the file is truncated".to_owned()
        })?;
        Ok(bytes)
    }

    fn number(&self, bytes: &[u8]) -> u64 {
        let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        if self.big_endian {
            bytes.iter().fold(0, fold)
        } else {
            bytes.iter().rev().fold(0, fold)
        }
    }

    fn read_u16(&mut self) -> Result<u16, String> {
        let bytes = self.bytes::<2>()?;
        Ok(self.number(&bytes) as u16)
    }

    fn read_offset(&mut self) -> Result<u64, String> {
        if self.big_tiff {
            let bytes = self.bytes::<8>()?;
            Ok(self.number(&bytes))
        } else {
            let bytes = self.bytes::<4>()?;
            Ok(self.number(&bytes))
        }
    }

    fn header(&mut self) -> Result<u64, String> {
        let not_tiff = || "it is not a TIFF file".to_owned();
        self.seek(0)?;
        self.big_endian = match self.bytes::<2>().map_err(|_| not_tiff())? {
            [b'I', b'I'] => false,
            [b'M', b'M'] => true,
            _ => return Err(not_tiff()),
        };
        match self.read_u16()? {
            42 => {}
            43 => {
                self.big_tiff = true;
                if (self.read_u16()?, self.read_u16()?) != (8, 0) {
                    return Err("its BigTIFF header is malformed".to_owned());
                }
            }
            _ => return Err(not_tiff()),
        }
        self.read_offset()
    }

    fn seek(&mut self, offset: u64) -> Result<(), String> {
        if offset > self.length {
            return Err(format!(
                "it points to byte {offset}, but the file has {}; the file is truncated",
                self.length
            ));
        }
        self.file
            .seek(SeekFrom::Start(offset))
            .map(drop)
            .map_err(|e| e.to_string())
    }

    fn entry(&mut self) -> Result<Entry, String> {
        let (tag, kind) = (self.read_u16()?, self.read_u16()?);
        let mut value = [0; 8];
        let count = self.read_offset()?;
        if self.big_tiff {
            value = self.bytes::<8>()?;
        } else {
            value[..4].copy_from_slice(&self.bytes::<4>()?);
        }
        Ok(Entry {
            tag,
            kind,
            count,
            value,
        })
    }

    /// Bytes of the value, and where it is when it is not in the entry.
    fn place(&self, entry: &Entry) -> Result<(u64, Option<u64>), String> {
        let size = match entry.kind {
            1 | 2 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 | 16..=18 => 8,
            // Readers must pass over types that they do not know (TIFF 6.0, section 2).
            _ => return Ok((0, None)),
        };
        let bytes = entry
            .count
            .checked_mul(size)
            .filter(|bytes| *bytes <= self.length);
        let Some(bytes) = bytes else {
            return Err(format!(
                "tag {} says that it has {} values, more than the file can hold",
                entry.tag, entry.count
            ));
        };
        let width = if self.big_tiff { 8 } else { 4 };
        if bytes <= width {
            return Ok((bytes, None));
        }
        let offset = self.number(entry.value.get(..width as usize).unwrap_or_default());
        if offset
            .checked_add(bytes)
            .is_none_or(|end| end > self.length)
        {
            return Err(format!(
                "tag {} lies beyond the end of the file; the file is truncated",
                entry.tag
            ));
        }
        Ok((bytes, Some(offset)))
    }

    fn value(&mut self, entry: &Entry, most: u64) -> Result<Vec<u8>, String> {
        let (bytes, offset) = self.place(entry)?;
        if bytes > most {
            return Err(format!(
                "tag {} has {bytes} bytes; at most {most} are read",
                entry.tag
            ));
        }
        let Some(offset) = offset else {
            return Ok(entry
                .value
                .get(..bytes as usize)
                .unwrap_or_default()
                .to_vec());
        };
        self.seek(offset)?;
        let mut value = vec![0; bytes as usize];
        self.file
            .read_exact(&mut value)
            .map_err(|e| e.to_string())?;
        Ok(value)
    }

    /// Where a list of unsigned integers is.
    fn list(&self, entry: &Entry) -> Result<List, String> {
        let size = integer_size(entry)?;
        let place = self.place(entry)?.1.ok_or(entry.value);
        Ok(List {
            place,
            count: entry.count,
            size,
        })
    }

    /// The first value of an unsigned integer tag.
    fn first(&mut self, entry: &Entry) -> Result<u64, String> {
        let size = integer_size(entry)?;
        let value = self.value(entry, MAX_TEXT_BYTES)?;
        value
            .get(..size as usize)
            .map(|bytes| self.number(bytes))
            .ok_or_else(|| format!("tag {} is empty", entry.tag))
    }

    fn text(&mut self, entry: &Entry) -> Result<String, String> {
        let bytes = self.value(entry, MAX_TEXT_BYTES)?;
        let end = bytes
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(bytes.len());
        Ok(String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned())
    }

    fn rational(&mut self, entry: &Entry) -> Option<f64> {
        let value = (entry.kind == 5)
            .then(|| self.value(entry, 8).ok())
            .flatten()?;
        let ratio = self.number(value.get(..4)?) as f64 / self.number(value.get(4..8)?) as f64;
        (ratio.is_finite() && ratio > 0.0).then_some(ratio)
    }

    /// Reads one directory and gives the offset of the next, 0 for none.
    fn directory(&mut self, at: u64, index: usize, found: &mut Directories) -> Result<u64, String> {
        self.seek(at)?;
        let count = if self.big_tiff {
            self.read_offset()?
        } else {
            u64::from(self.read_u16()?)
        };
        if count > MAX_TAGS {
            return Err(format!(
                "it says that it has {count} tags; at most {MAX_TAGS} are read"
            ));
        }
        let entries = (0..count)
            .map(|_| self.entry())
            .collect::<Result<Vec<_>, _>>()?;
        let next = self.read_offset()?;
        let mut page = Page {
            width: 0,
            height: 0,
            samples: 1,
            bits: 1,
            format: 1,
            compression: 1,
            planar: false,
            predictor: 1,
            photometric: 1,
            big_endian: self.big_endian,
            chunk: (0, 0),
            offsets: None,
            counts: None,
        };
        let (mut rows, mut tile, mut scale) = (None, None, (None, None));
        for entry in &entries {
            self.place(entry)?;
            match entry.tag {
                256 => page.width = small(self.first(entry)?),
                257 => page.height = small(self.first(entry)?),
                258 => page.bits = tiny(self.first(entry)?),
                259 => page.compression = tiny(self.first(entry)?),
                262 => page.photometric = tiny(self.first(entry)?),
                273 | 324 => {
                    page.offsets = Some(self.list(entry)?);
                    if index == 0 {
                        found.first_offset = self.first(entry)?;
                    }
                }
                279 | 325 => page.counts = Some(self.list(entry)?),
                305 if index == 0 => found.software = Some(self.text(entry)?),
                317 => page.predictor = tiny(self.first(entry)?),
                270 if index == 0 || !found.scan_image.is_empty() => {
                    let text = self.text(entry)?;
                    let page = ScanImagePage::parse(&text);
                    found.scan_image.extend(page.map(|page| (index, page)));
                    if index == 0 {
                        found.description = Some(text);
                    }
                }
                277 => page.samples = tiny(self.first(entry)?),
                278 => rows = Some(small(self.first(entry)?)),
                282 if index == 0 => scale.0 = self.rational(entry),
                283 if index == 0 => scale.1 = self.rational(entry),
                284 => page.planar = self.first(entry)? == 2,
                322 => {
                    tile = Some((
                        small(self.first(entry)?),
                        tile.map_or(0, |t: (u32, u32)| t.1),
                    ))
                }
                323 => tile = Some((tile.map_or(0, |t| t.0), small(self.first(entry)?))),
                339 => page.format = tiny(self.first(entry)?),
                51123 => {
                    let page = MicroManagerPage::parse(&self.text(entry)?);
                    found.micro_manager.extend(page.map(|page| (index, page)));
                }
                _ => {}
            }
        }
        page.chunk = tile.unwrap_or((page.width, rows.unwrap_or(page.height)));
        page.check(self.length)?;
        if let (Some(x), Some(y)) = scale {
            found.resolution = Some((x, y));
        }
        found.pages.push(page);
        Ok(next)
    }
}

/// A value that is only compared with limits far below the largest `u32`.
fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn tiny(value: u64) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

fn integer_size(entry: &Entry) -> Result<u8, String> {
    match entry.kind {
        1 => Ok(1),
        3 => Ok(2),
        4 | 13 => Ok(4),
        16 | 18 => Ok(8),
        kind => Err(format!(
            "tag {} has the type {kind} instead of an integer",
            entry.tag
        )),
    }
}
