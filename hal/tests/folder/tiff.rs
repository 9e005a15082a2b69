//! A small writer of TIFF and BigTIFF: pages of 16 bits without compression, with the texts that a test needs.

/// Columns and rows of the images.
pub(crate) const SIZE: (u32, u32) = (12, 9);

/// What is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tiff {
    pub(crate) pages: Vec<Page>,
    pub(crate) big: bool,
    /// Samples are signed.
    pub(crate) signed: bool,
    /// The Software tag of every page.
    pub(crate) software: Option<String>,
}

/// One page: its size, its ImageDescription, and the values of its samples a pixel.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) size: (u32, u32),
    pub(crate) description: Option<String>,
    pub(crate) values: Vec<u16>,
}

impl Page {
    /// A page whose pixels all have these samples.
    pub(crate) fn of(values: &[u16]) -> Self {
        Self {
            size: SIZE,
            description: None,
            values: values.to_vec(),
        }
    }
}

/// A file of one page and one channel of `value`.
pub(crate) fn plain(value: u16) -> Vec<u8> {
    stack(&[value])
}

/// A file of one page a value.
pub(crate) fn stack(values: &[u16]) -> Vec<u8> {
    let pages = values.iter().map(|value| Page::of(&[*value])).collect();
    Tiff {
        pages,
        ..Tiff::default()
    }
    .bytes()
}

impl Tiff {
    /// The file. Each page is its directory, then its texts and lists, then its samples, as acquisition software
    /// writes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = match self.big {
            true => b"II\x2b\0\x08\0\0\0".to_vec(),
            false => b"II\x2a\0".to_vec(),
        };
        let mut link = out.len();
        self.offset(&mut out, 0);
        for page in &self.pages {
            let at = out.len() as u64;
            self.patch(&mut out, link, at);
            link = self.page(&mut out, page);
        }
        out
    }

    fn offset(&self, out: &mut Vec<u8>, value: u64) {
        match self.big {
            true => out.extend(value.to_le_bytes()),
            false => out.extend((value as u32).to_le_bytes()),
        }
    }

    fn patch(&self, out: &mut [u8], at: usize, value: u64) {
        match self.big {
            true => out[at..at + 8].copy_from_slice(&value.to_le_bytes()),
            false => out[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes()),
        }
    }

    /// Appends a page, and gives where the place of the next is told.
    fn page(&self, out: &mut Vec<u8>, page: &Page) -> usize {
        let (width, height) = page.size;
        let samples = page.values.len() as u32;
        let bytes = width * height * samples * 2;
        let longs = [
            (256_u16, width),
            (257, height),
            (259, 1),
            (262, 1),
            (277, samples),
            (278, height),
            (279, bytes),
            (339, if self.signed { 2 } else { 1 }),
        ];
        let texts = [(270_u16, &page.description), (305, &self.software)];
        let texts = texts.map(|(tag, text)| Some((tag, format!("{}\0", text.as_ref()?))));
        let mut tags: Vec<(u16, Field)> =
            longs.map(|(tag, value)| (tag, Field::Long(value))).into();
        tags.push((258, Field::Long(16)));
        tags.push((273, Field::Samples));
        tags.extend(
            texts
                .into_iter()
                .flatten()
                .map(|(tag, text)| (tag, Field::Text(text))),
        );
        tags.sort_by_key(|(tag, _)| *tag);
        let (word, count) = if self.big { (8, 8) } else { (4, 2) };
        let size = count + tags.len() * (4 + 2 * word) + word;
        let mut behind = out.len() + size;
        let mut tail: Vec<u8> = Vec::new();
        let length: usize = tags.iter().map(|(_, field)| field.behind(word)).sum();
        let samples_at = (behind + length) as u64;
        match self.big {
            true => out.extend((tags.len() as u64).to_le_bytes()),
            false => out.extend((tags.len() as u16).to_le_bytes()),
        }
        for (tag, field) in &tags {
            out.extend(tag.to_le_bytes());
            out.extend(field.kind(self.big).to_le_bytes());
            self.offset(out, field.count());
            match field {
                Field::Long(value) => self.offset(out, u64::from(*value)),
                Field::Samples => self.offset(out, samples_at),
                Field::Text(text) if text.len() <= word => {
                    let mut bytes = text.clone().into_bytes();
                    bytes.resize(word, 0);
                    out.extend(bytes);
                }
                Field::Text(text) => {
                    self.offset(out, behind as u64);
                    behind += text.len();
                    tail.extend(text.as_bytes());
                }
            }
        }
        let link = out.len();
        self.offset(out, 0);
        out.extend(tail);
        for _ in 0..width * height {
            out.extend(page.values.iter().flat_map(|value| value.to_le_bytes()));
        }
        link
    }
}

enum Field {
    Long(u32),
    Samples,
    Text(String),
}

impl Field {
    fn kind(&self, big: bool) -> u16 {
        match self {
            Self::Text(_) => 2,
            Self::Samples if big => 16,
            Self::Samples | Self::Long(_) => 4,
        }
    }

    fn count(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Samples | Self::Long(_) => 1,
        }
    }

    /// Bytes that do not fit into the tag.
    fn behind(&self, word: usize) -> usize {
        match self {
            Self::Text(text) if text.len() > word => text.len(),
            _ => 0,
        }
    }
}
