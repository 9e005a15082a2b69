//! The header of an `.npy` file (NumPy enhancement proposal 1, versions 1 to 3). The samples are left to
//! whoever reads them one after the other.

/// Type of the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sample {
    /// Little-endian float32.
    Float,
    /// uint8.
    Byte,
}

impl Sample {
    /// Its bytes.
    pub(crate) fn bytes(self) -> u64 {
        match self {
            Self::Float => 4,
            Self::Byte => 1,
        }
    }
}

/// What the header says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Length of each dimension.
    pub(crate) shape: Vec<u64>,
    /// Bytes before the first sample.
    pub(crate) length: u64,
}

/// Where the header's text begins, and its bytes.
///
/// # Errors
/// A sentence when the bytes are too few to tell, or begin like something else.
pub(crate) fn preamble(bytes: &[u8]) -> Result<(u64, u64), String> {
    match bytes {
        [b'\x93', b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..] => {
            Ok((10, u64::from(u16::from_le_bytes([*a, *b]))))
        }
        [
            b'\x93',
            b'N',
            b'U',
            b'M',
            b'P',
            b'Y',
            2 | 3,
            _,
            a,
            b,
            c,
            d,
            ..,
        ] => Ok((12, u64::from(u32::from_le_bytes([*a, *b, *c, *d])))),
        _ => Err("it is not an .npy file".to_owned()),
    }
}

/// Reads the header at the start of `bytes`.
///
/// # Errors
/// A sentence when it is cut off, or the file holds anything else than such samples in C order.
pub(crate) fn header(bytes: &[u8], sample: Sample) -> Result<Header, String> {
    let (begin, size) = preamble(bytes)?;
    let length = begin + size;
    let Some(header) = bytes.get(begin as usize..length as usize) else {
        return Err("its header is cut off".to_owned());
    };
    // Blanks carry no meaning, and both quotation marks are allowed.
    let header: String = String::from_utf8_lossy(header)
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| if c == '"' { '\'' } else { c })
        .collect();
    let value = |key: &str| {
        header
            .split_once(&format!("'{key}':"))
            .map_or("", |(_, rest)| rest)
    };
    let (descr, name) = match sample {
        Sample::Float => ("'<f4'", "little-endian float32"),
        Sample::Byte => ("'|u1'", "uint8"),
    };
    if !value("descr").starts_with(descr) || !value("fortran_order").starts_with("False") {
        return Err(format!(
            "it does not hold {name} in C order (numpy {descr})"
        ));
    }
    value("shape")
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .map(|(inside, _)| inside.split(',').filter(|part| !part.is_empty()))
        .and_then(|mut parts| {
            parts.try_fold(Vec::new(), |mut shape, part| {
                shape.push(part.parse().ok()?);
                Some(shape)
            })
        })
        .map(|shape| Header { shape, length })
        .ok_or_else(|| "its header has no shape".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(version: u8, dict: &str) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY".to_vec();
        bytes.extend([version, 0]);
        match version {
            1 => bytes.extend((dict.len() as u16).to_le_bytes()),
            _ => bytes.extend((dict.len() as u32).to_le_bytes()),
        }
        bytes.extend(dict.as_bytes());
        bytes
    }

    #[test]
    fn every_version_and_spelling_is_read() {
        for (version, dict, shape) in [
            (
                1,
                "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 3), }  \n",
                vec![5, 3],
            ),
            (
                2,
                "{\"shape\":(7,),\"fortran_order\":False,\"descr\":\"<f4\"}",
                vec![7],
            ),
            (
                3,
                "{'descr': '<f4', 'fortran_order': False, 'shape': ()}",
                vec![],
            ),
        ] {
            let bytes = file(version, dict);
            let length = bytes.len() as u64;
            assert_eq!(header(&bytes, Sample::Float), Ok(Header { shape, length }));
        }
    }

    #[test]
    fn what_is_not_understood_is_told() {
        let dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 3)}";
        for (from, to, part) in [
            ("<f4", ">f4", "float32"),
            ("False", "True", "C order"),
            ("(5, 3)", "5", "shape"),
            ("(5, 3)", "(5, -3)", "shape"),
        ] {
            let sentence = header(&file(1, &dict.replace(from, to)), Sample::Float).unwrap_err();
            assert!(sentence.contains(part), "{sentence}");
        }
        let cut = file(1, dict);
        assert!(
            header(&cut[..cut.len() - 1], Sample::Float)
                .unwrap_err()
                .contains("cut off")
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), version in 1_u8..4) {
            let _ = header(&bytes, Sample::Float);
            let _ = header(&[b"\x93NUMPY", [version].as_slice(), &bytes].concat(), Sample::Float);
        }
    }
}
