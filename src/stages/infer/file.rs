//! Reading the files of an ensemble: size first, then the bytes, then their digest.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
};

use super::EnsembleError;
use crate::digest::sha256_hex;

/// Largest member, golden file or reference that is read, in bytes.
pub(super) const FILE_LIMIT: u64 = 64 << 20;

/// Reads the whole of `path`, at most `limit` bytes.
pub(super) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, EnsembleError> {
    let failed = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => EnsembleError::Missing {
            path: path.to_owned(),
        },
        _ => EnsembleError::Read {
            path: path.to_owned(),
            source,
        },
    };
    let too_large = |bytes| EnsembleError::TooLarge {
        path: path.to_owned(),
        bytes,
        limit,
    };
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    if length > limit {
        return Err(too_large(length));
    }
    let mut bytes = Vec::new();
    // A device or a growing file has no length that could be trusted.
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    match bytes.len() as u64 {
        read if read > limit => Err(too_large(read)),
        _ => Ok(bytes),
    }
}

/// Reads a file that the manifest names and refuses it unless its digest is `expected`.
pub(super) fn read_verified(path: &Path, expected: &str) -> Result<Vec<u8>, EnsembleError> {
    let bytes = read_bounded(path, FILE_LIMIT)?;
    let found = sha256_hex(&bytes);
    if found == expected {
        Ok(bytes)
    } else {
        Err(EnsembleError::Digest {
            path: path.to_owned(),
            expected: expected.to_owned(),
            found,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_standard() {
        // FIPS 180-4, the one-block example.
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn one_byte_above_the_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [0; 9]).unwrap();
        assert_eq!(read_bounded(&path, 9).unwrap().len(), 9);
        assert!(matches!(
            read_bounded(&path, 8),
            Err(EnsembleError::TooLarge {
                bytes: 9,
                limit: 8,
                ..
            })
        ));
    }

    #[cfg(unix)]
    #[test]
    fn a_device_without_end_is_refused() {
        assert!(matches!(
            read_bounded(Path::new("/dev/zero"), 1 << 10),
            Err(EnsembleError::TooLarge { .. })
        ));
    }

    #[test]
    fn another_digest_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("member.onnx");
        std::fs::write(&path, b"abc").unwrap();
        let error = read_verified(&path, &"0".repeat(64)).unwrap_err();
        let sentence = error.to_string();
        assert!(sentence.contains("member.onnx") && sentence.contains("ba7816bf"));
        assert!(matches!(
            read_verified(&folder.path().join("absent"), ""),
            Err(EnsembleError::Missing { .. })
        ));
    }
}
