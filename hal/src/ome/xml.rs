//! The part of OME-XML that a replay needs.
//!
//! Document type definitions are refused, so that no entity can expand; size and number of
//! nodes are limited; the parser does not recurse.

use roxmltree::{Document, Node, ParsingOptions};

use crate::replay::limits::{MAX_EDGE, MAX_PAGES, MAX_SAMPLES, MAX_TEXT_BYTES, MAX_XML_NODES};

/// Namespace of the annotation in which this program keeps what OME has no place for.
pub(super) const ANNOTATION_NAMESPACE: &str = "senescope/acquisition/1";

/// What an OME-XML document says.
#[derive(Clone, Debug, Default)]
pub(crate) struct OmeDocument {
    pub(crate) uuid: Option<String>,
    /// The file that has the document, when this one only points to it.
    pub(crate) metadata_file: Option<String>,
    pub(crate) images: Vec<OmeImageInfo>,
    /// Key and value pairs of this program's annotation.
    pub(crate) annotation: Vec<(String, String)>,
}

/// One image: a field of view.
#[derive(Clone, Debug)]
pub(crate) struct OmeImageInfo {
    pub(crate) order: String,
    pub(crate) size_z: usize,
    pub(crate) size_c: usize,
    pub(crate) size_t: usize,
    /// Horizontal and vertical edge of a pixel in µm.
    pub(crate) pixel_um: Option<(f64, f64)>,
    pub(crate) significant_bits: Option<u8>,
    pub(crate) channels: Vec<OmeChannel>,
    pub(crate) data: Vec<OmeTiffData>,
}

/// One channel of an image.
#[derive(Clone, Debug, Default)]
pub(crate) struct OmeChannel {
    pub(crate) name: Option<String>,
    pub(crate) samples: usize,
    pub(crate) wavelength_nm: Option<f64>,
}

/// Where planes are.
#[derive(Clone, Debug)]
pub(crate) struct OmeTiffData {
    pub(crate) ifd: Option<usize>,
    pub(crate) first: [usize; 3],
    pub(crate) count: Option<usize>,
    pub(crate) file: Option<String>,
    pub(crate) uuid: Option<String>,
}

impl OmeDocument {
    /// Whether a text is OME-XML.
    pub(crate) fn is_in(text: &str) -> bool {
        text.trim_end().ends_with("OME>") && text.contains("openmicroscopy.org")
    }

    /// Reads a document.
    ///
    /// # Errors
    /// What is wrong, as a clause.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() as u64 > MAX_TEXT_BYTES {
            return Err(format!("its OME-XML is longer than {MAX_TEXT_BYTES} bytes"));
        }
        let options = ParsingOptions {
            nodes_limit: MAX_XML_NODES,
            ..ParsingOptions::default()
        };
        let document = Document::parse_with_options(text, options)
            .map_err(|error| format!("its OME-XML is malformed: {error}"))?;
        let root = document.root_element();
        let binary_only = child(root, "BinaryOnly");
        let images = children(root, "Image")
            .filter_map(|image| child(image, "Pixels"))
            .map(image)
            .collect::<Result<Vec<_>, _>>()?;
        let planes: usize = images.iter().map(|i| i.size_z * i.size_c * i.size_t).sum();
        if planes > MAX_PAGES {
            return Err(format!(
                "its OME-XML has {planes} planes; at most {MAX_PAGES} are read"
            ));
        }
        Ok(Self {
            uuid: root.attribute("UUID").map(str::to_owned),
            metadata_file: binary_only
                .and_then(|n| n.attribute("MetadataFile"))
                .map(str::to_owned),
            images,
            annotation: annotation(root),
        })
    }

    /// The value of `key` in this program's annotation.
    pub(crate) fn annotated(&self, key: &str) -> Option<&str> {
        self.annotation
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value.as_str())
    }
}

fn children<'a>(node: Node<'a, 'a>, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    node.children()
        .filter(move |child| child.tag_name().name() == name)
}

fn child<'a>(node: Node<'a, 'a>, name: &'static str) -> Option<Node<'a, 'a>> {
    children(node, name).next()
}

fn number(node: Node<'_, '_>, name: &str) -> Result<Option<usize>, String> {
    node.attribute(name)
        .map(|text| {
            text.trim()
                .parse()
                .map_err(|_| format!("its OME-XML has {name}=\"{text}\" instead of a number"))
        })
        .transpose()
}

fn image(pixels: Node<'_, '_>) -> Result<OmeImageInfo, String> {
    let size = |name: &'static str, most: usize| match number(pixels, name)? {
        None => Ok(1),
        Some(size) if (1..=most).contains(&size) => Ok(size),
        Some(size) => Err(format!(
            "its OME-XML has {name}=\"{size}\"; 1 to {most} are read"
        )),
    };
    size("SizeX", MAX_EDGE as usize)?;
    size("SizeY", MAX_EDGE as usize)?;
    let (size_z, size_t) = (size("SizeZ", MAX_PAGES)?, size("SizeT", MAX_PAGES)?);
    let size_c = size("SizeC", MAX_SAMPLES as usize)?;
    if size_z.saturating_mul(size_t).saturating_mul(size_c) > MAX_PAGES {
        return Err(format!(
            "its OME-XML has {size_z} × {size_c} × {size_t} planes; at most {MAX_PAGES} are read"
        ));
    }
    let order = pixels
        .attribute("DimensionOrder")
        .unwrap_or("XYCZT")
        .to_owned();
    if !["XYZCT", "XYZTC", "XYCZT", "XYCTZ", "XYTCZ", "XYTZC"].contains(&order.as_str()) {
        return Err(format!("its OME-XML has the DimensionOrder {order:?}"));
    }
    let length = |axis: &str| {
        let value: f64 = pixels
            .attribute(format!("PhysicalSize{axis}").as_str())?
            .trim()
            .parse()
            .ok()?;
        let unit = pixels
            .attribute(format!("PhysicalSize{axis}Unit").as_str())
            .unwrap_or("µm");
        Some(value * micrometres(unit)?).filter(|um| um.is_finite() && *um > 0.0)
    };
    let x = length("X");
    Ok(OmeImageInfo {
        order,
        size_z,
        size_c,
        size_t,
        pixel_um: x.map(|x| (x, length("Y").unwrap_or(x))),
        significant_bits: number(pixels, "SignificantBits")?
            .and_then(|bits| u8::try_from(bits).ok())
            .filter(|bits| (1..=16).contains(bits)),
        channels: children(pixels, "Channel")
            .map(|node| {
                let wave = |name: &str| {
                    let value: f64 = node.attribute(name)?.trim().parse().ok()?;
                    let unit = node
                        .attribute(format!("{name}Unit").as_str())
                        .unwrap_or("nm");
                    Some(value * micrometres(unit)? * 1e3)
                };
                Ok(OmeChannel {
                    name: node
                        .attribute("Name")
                        .map(str::to_owned)
                        .filter(|name| !name.is_empty()),
                    samples: number(node, "SamplesPerPixel")?
                        .unwrap_or(1)
                        .clamp(1, MAX_SAMPLES as usize),
                    wavelength_nm: wave("EmissionWavelength")
                        .or_else(|| wave("ExcitationWavelength")),
                })
            })
            .collect::<Result<_, String>>()?,
        data: children(pixels, "TiffData")
            .map(tiff_data)
            .collect::<Result<_, _>>()?,
    })
}

fn tiff_data(node: Node<'_, '_>) -> Result<OmeTiffData, String> {
    let uuid = child(node, "UUID");
    let first = |name: &str| number(node, name).map(|at| at.unwrap_or(0));
    Ok(OmeTiffData {
        ifd: number(node, "IFD")?,
        first: [first("FirstZ")?, first("FirstC")?, first("FirstT")?],
        count: number(node, "PlaneCount")?,
        file: uuid
            .and_then(|uuid| uuid.attribute("FileName"))
            .map(str::to_owned),
        uuid: uuid
            .and_then(|uuid| uuid.text())
            .map(|text| text.trim().to_owned()),
    })
}

fn annotation(root: Node<'_, '_>) -> Vec<(String, String)> {
    children(root, "StructuredAnnotations")
        .flat_map(|annotations| children(annotations, "MapAnnotation"))
        .filter(|map| map.attribute("Namespace") == Some(ANNOTATION_NAMESPACE))
        .flat_map(|map| children(map, "Value"))
        .flat_map(|value| children(value, "M"))
        .filter_map(|m| {
            Some((
                m.attribute("K")?.to_owned(),
                m.text().unwrap_or_default().to_owned(),
            ))
        })
        .collect()
}

/// Micrometres of one `unit` of the schema's UnitsLength, of the units that a microscope uses.
fn micrometres(unit: &str) -> Option<f64> {
    Some(match unit {
        "m" => 1e6,
        "cm" => 1e4,
        "mm" => 1e3,
        "µm" | "μm" | "um" | "micron" => 1.0,
        "nm" => 1e-3,
        "pm" => 1e-6,
        "Å" => 1e-4,
        "in" => 25_400.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_cannot_expand() {
        let bomb =
            r#"<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><OME>&b;</OME>"#;
        assert!(OmeDocument::parse(bomb).unwrap_err().contains("DTD"));
    }

    #[test]
    fn depth_takes_no_stack() {
        let deep = "<OME>".repeat(1_000_000);
        assert!(OmeDocument::parse(&deep).unwrap_err().contains("malformed"));
        let (open, close) = ("<OME>".repeat(500_000), "</OME>".repeat(500_000));
        assert!(OmeDocument::parse(&(open + &close)).is_ok());
    }

    #[test]
    fn sizes_are_limited() {
        for (name, value) in [
            ("SizeC", "33"),
            ("SizeZ", "0"),
            ("SizeT", "99999999"),
            ("SizeX", "x"),
        ] {
            let text = format!(r#"<OME><Image><Pixels {name}="{value}"/></Image></OME>"#);
            assert!(
                OmeDocument::parse(&text).unwrap_err().contains(name),
                "{name}"
            );
        }
    }

    #[test]
    fn units_become_micrometres() {
        let text =
            r#"<OME><Image><Pixels PhysicalSizeX="250" PhysicalSizeXUnit="nm"/></Image></OME>"#;
        let document = OmeDocument::parse(text).unwrap();
        assert_eq!(document.images[0].pixel_um, Some((0.25, 0.25)));
    }
}
