//! Writes OME-TIFF frames and label images.
//!
//! A file is written under a temporary name in its own folder, synced, and renamed, so that a reader sees
//! it whole or not at all.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::Path,
};

use tiff::{
    TiffError,
    encoder::{Compression, DeflateLevel, Rational, TiffEncoder, TiffKindBig, colortype::Gray16},
    tags::{ResolutionUnit, Tag},
};

use super::{FrameRecord, xml::ANNOTATION_NAMESPACE};
use crate::{ChannelInfo, ErrorKind, HalError};

/// One frame to be written.
#[derive(Clone, Debug)]
pub struct OmeImage<'a> {
    /// Samples in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Edge of a pixel in µm.
    pub pixel_size_um: f64,
    /// Each channel with its counts, row by row.
    pub channels: Vec<(ChannelInfo, &'a [u16])>,
    /// Time a pixel in nanoseconds, when it is known.
    pub dwell_ns: Option<u64>,
    /// Time from row to row in nanoseconds, when it is known.
    pub line_period_ns: Option<u64>,
    /// How it was acquired; `None` for an image that is not of a recording.
    pub record: Option<FrameRecord>,
    /// What OME has no place for, as key and value.
    pub notes: Vec<(String, String)>,
}

/// Writes `image` to `path` as an OME-TIFF: one channel a page, 16 bits, deflate.
///
/// # Errors
/// `Request` when the channels do not have width × height counts; `Io` naming the path.
pub fn write_ome_tiff(path: &Path, image: &OmeImage<'_>) -> Result<(), HalError> {
    let samples = image.width as usize * image.height as usize;
    let pixel = image.pixel_size_um;
    if samples == 0 || image.channels.is_empty() || !(pixel.is_finite() && pixel > 0.0) {
        return Err(wrong(
            path,
            "it has no samples, no channel or no pixel size",
        ));
    }
    if image
        .channels
        .iter()
        .any(|(_, counts)| counts.len() != samples)
    {
        return Err(wrong(path, "a channel does not have width × height counts"));
    }
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let description = xml(image, &name);
    let planes: Vec<&[u16]> = image.channels.iter().map(|(_, counts)| *counts).collect();
    write(
        path,
        (image.width, image.height),
        &planes,
        Some((&description, pixel)),
    )
}

/// Writes a label image (0 is background) to `path`: one page, 16 bits, deflate.
///
/// # Errors
/// `Request` when there are not width × height labels; `Io` naming the path.
pub fn write_label_tiff(
    path: &Path,
    width: u32,
    height: u32,
    labels: &[u16],
) -> Result<(), HalError> {
    if labels.is_empty() || labels.len() != width as usize * height as usize {
        return Err(wrong(path, "it does not have width × height labels"));
    }
    write(path, (width, height), &[labels], None)
}

fn write(
    path: &Path,
    size: (u32, u32),
    planes: &[&[u16]],
    ome: Option<(&str, f64)>,
) -> Result<(), HalError> {
    let mut temporary = OsString::from(".");
    temporary.push(path.file_name().unwrap_or_default());
    temporary.push(".part");
    let temporary = path.with_file_name(temporary);
    let written = File::create(&temporary)
        .map_err(TiffError::from)
        .and_then(|file| encode(BufWriter::new(file), size, planes, ome))
        .and_then(|()| Ok(fs::rename(&temporary, path)?));
    written.map_err(|error| {
        // The error that matters is the first; a leftover is overwritten the next time.
        let _ = fs::remove_file(&temporary);
        let message = format!("{} cannot be written: {error}", path.display());
        HalError::new(ErrorKind::Io, message).caused_by(error)
    })
}

fn encode(
    file: BufWriter<File>,
    (width, height): (u32, u32),
    planes: &[&[u16]],
    ome: Option<(&str, f64)>,
) -> Result<(), TiffError> {
    let mut file = file;
    // Classic TIFF ends at 4 GiB; deflate may make noise a little larger.
    let bytes: u64 = planes.iter().map(|plane| plane.len() as u64 * 2).sum();
    if bytes > 3 << 30 {
        let mut encoder = TiffEncoder::<_, TiffKindBig>::new_generic(&mut file)?;
        encoder = encoder.with_compression(Compression::Deflate(DeflateLevel::Fast));
        pages(&mut encoder, (width, height), planes, ome)?;
    } else {
        let encoder = TiffEncoder::new(&mut file)?;
        let mut encoder = encoder.with_compression(Compression::Deflate(DeflateLevel::Fast));
        pages(&mut encoder, (width, height), planes, ome)?;
    }
    file.flush()?;
    file.get_ref().sync_all()?;
    Ok(())
}

fn pages<W: std::io::Write + std::io::Seek, K: tiff::encoder::TiffKind>(
    encoder: &mut TiffEncoder<W, K>,
    (width, height): (u32, u32),
    planes: &[&[u16]],
    ome: Option<(&str, f64)>,
) -> Result<(), TiffError> {
    for (index, plane) in planes.iter().enumerate() {
        let mut image = encoder.new_image::<Gray16>(width, height)?;
        if let Some((description, pixel)) = ome {
            // Pixels a centimetre, for programs that do not read OME-XML.
            let resolution = Rational {
                n: (1e4 / pixel * 1e4).min(4e9) as u32,
                d: 10_000,
            };
            image.resolution(ResolutionUnit::Centimeter, resolution);
            let tags = image.encoder();
            tags.write_tag(
                Tag::Software,
                concat!("senescope ", env!("CARGO_PKG_VERSION")),
            )?;
            if index == 0 {
                tags.write_tag(Tag::ImageDescription, description)?;
            }
        }
        image.write_data(plane)?;
    }
    Ok(())
}

fn xml(image: &OmeImage<'_>, name: &str) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = document(&mut out, image, name);
    out
}

fn document(out: &mut String, image: &OmeImage<'_>, name: &str) -> std::fmt::Result {
    let uuid = uuid::Uuid::new_v4();
    let bits = image
        .channels
        .iter()
        .map(|(info, _)| info.bit_depth)
        .max()
        .unwrap_or(16);
    let (channels, name) = (image.channels.len(), escaped(name));
    write!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <OME xmlns=\"http://www.openmicroscopy.org/Schemas/OME/2016-06\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:schemaLocation=\"http://www.openmicroscopy.org/Schemas/OME/2016-06 \
         http://www.openmicroscopy.org/Schemas/OME/2016-06/ome.xsd\" \
         Creator=\"senescope {}\" UUID=\"urn:uuid:{uuid}\">\
         <Image ID=\"Image:0\" Name=\"{name}\">\
         <Pixels ID=\"Pixels:0\" DimensionOrder=\"XYCZT\" Type=\"uint16\" SignificantBits=\"{bits}\" \
         SizeX=\"{}\" SizeY=\"{}\" SizeC=\"{channels}\" SizeZ=\"1\" SizeT=\"1\" \
         PhysicalSizeX=\"{}\" PhysicalSizeXUnit=\"&#181;m\" PhysicalSizeY=\"{}\" PhysicalSizeYUnit=\"&#181;m\">",
        env!("CARGO_PKG_VERSION"),
        image.width,
        image.height,
        image.pixel_size_um,
        image.pixel_size_um,
    )?;
    for (index, (info, _)) in image.channels.iter().enumerate() {
        let name = escaped(info.name.as_str());
        let wave = |attribute: &str| match info.wavelength_nm {
            Some(nm) if nm > 0.0 => format!(" {attribute}=\"{nm}\" {attribute}Unit=\"nm\""),
            _ => String::new(),
        };
        let how = match info.name.as_str() {
            "SRS" => {
                "AcquisitionMode=\"Other\" IlluminationType=\"NonLinear\"".to_owned()
                    + &wave("ExcitationWavelength")
            }
            "TPEF" => {
                "AcquisitionMode=\"MultiPhotonMicroscopy\" IlluminationType=\"NonLinear\" \
                 ContrastMethod=\"Fluorescence\""
                    .to_owned()
                    + &wave("EmissionWavelength")
            }
            "TRANS" => {
                "AcquisitionMode=\"Other\" IlluminationType=\"Transmitted\" ContrastMethod=\"Brightfield\""
                    .to_owned()
                    + &wave("ExcitationWavelength")
            }
            _ => "AcquisitionMode=\"Other\"".to_owned(),
        };
        write!(
            out,
            "<Channel ID=\"Channel:0:{index}\" Name=\"{name}\" SamplesPerPixel=\"1\" {how}/>"
        )?;
    }
    for index in 0..channels {
        write!(
            out,
            "<TiffData IFD=\"{index}\" FirstC=\"{index}\" FirstZ=\"0\" FirstT=\"0\" PlaneCount=\"1\"/>"
        )?;
    }
    let mut notes = Vec::new();
    notes.extend(
        image
            .dwell_ns
            .map(|ns| ("dwell_ns".to_owned(), ns.to_string())),
    );
    notes.extend(
        image
            .line_period_ns
            .map(|ns| ("line_period_ns".to_owned(), ns.to_string())),
    );
    for (index, (info, _)) in image.channels.iter().enumerate() {
        if info.bit_depth != bits {
            notes.push((
                format!("channel.{index}.bit_depth"),
                info.bit_depth.to_string(),
            ));
        }
        if let Some(dark) = info.dark_counts {
            notes.push((format!("channel.{index}.dark_counts"), dark.to_string()));
        }
        if (info.scale, info.offset) != (1.0, 0.0) {
            notes.push((format!("channel.{index}.scale"), info.scale.to_string()));
            notes.push((format!("channel.{index}.offset"), info.offset.to_string()));
        }
    }
    notes.extend(image.record.iter().flat_map(FrameRecord::notes));
    notes.extend(image.notes.iter().cloned());
    write!(out, "</Pixels>")?;
    if !notes.is_empty() {
        write!(out, "<AnnotationRef ID=\"Annotation:0\"/>")?;
    }
    write!(out, "</Image>")?;
    if !notes.is_empty() {
        write!(
            out,
            "<StructuredAnnotations><MapAnnotation ID=\"Annotation:0\" Namespace=\"{ANNOTATION_NAMESPACE}\"><Value>"
        )?;
        for (key, value) in &notes {
            write!(out, "<M K=\"{}\">{}</M>", escaped(key), escaped(value))?;
        }
        write!(out, "</Value></MapAnnotation></StructuredAnnotations>")?;
    }
    write!(out, "</OME>")
}

/// Text for an attribute or an element: markup as references, and no character that XML 1.0 forbids.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            c if c.is_ascii() => out.push(c),
            // A TIFF text tag is ASCII.
            c => out.push_str(&format!("&#{};", u32::from(c))),
        }
    }
    out
}

fn wrong(path: &Path, reason: &str) -> HalError {
    HalError::new(
        ErrorKind::Request,
        format!("{} cannot be written: {reason}", path.display()),
    )
}
