//! Certificates on the disk: their permissions and their names.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::{
    security::{Certificate, Role, SecurityError, clients::PUBLIC},
    stages::publish::socket::{ClientKeys, KeyPair, PublicKey},
};

/// Ending of a secret certificate.
const SECRET: &str = "key_secret";
/// A larger file is no certificate.
const MAX_BYTES: u64 = 64 << 10;
/// Longest name, in bytes.
const MAX_NAME: usize = 64;

/// A pair that was made.
#[derive(Debug)]
pub struct Created {
    /// The public certificate.
    pub public: PathBuf,
    /// The secret certificate.
    pub secret: PathBuf,
    /// The keys.
    pub pair: KeyPair,
}

/// Makes a pair: the public certificate in the folder `public`, the secret one in the folder `secret`. Missing folders
/// are made for this user alone.
///
/// # Errors
/// When the name is not one, a certificate of that name is there, or a file cannot be written.
pub fn create(
    name: &str,
    role: Option<Role>,
    public: &Path,
    secret: &Path,
) -> Result<Created, SecurityError> {
    check_name(name)?;
    for folder in [secret, public] {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|source| unwritable(folder, source))?;
    }
    let pair = KeyPair::generate();
    let created = Created {
        public: public.join(format!("{name}.{PUBLIC}")),
        secret: secret.join(format!("{name}.{SECRET}")),
        pair,
    };
    if created.public.exists() {
        return Err(SecurityError::Taken {
            path: created.public,
        });
    }
    write(
        &created.secret,
        0o600,
        &Certificate::secret_text(&created.pair, role),
    )?;
    let public = Certificate::public_text(&created.pair, role);
    if let Err(error) = write(&created.public, 0o644, &public) {
        // A secret without its other half would be in the way of a second attempt.
        let _ = fs::remove_file(&created.secret);
        return Err(error);
    }
    Ok(created)
}

/// The keys in the secret certificate at `path`.
///
/// # Errors
/// When it cannot be read, is not a secret certificate, or others can read it.
pub fn read_secret(path: &Path) -> Result<KeyPair, SecurityError> {
    let file = File::open(path).map_err(|source| failed(path, source))?;
    let mode = file
        .metadata()
        .map_err(|source| failed(path, source))?
        .mode();
    if mode & 0o077 != 0 {
        return Err(SecurityError::Exposed {
            path: path.to_owned(),
        });
    }
    let malformed = |reason: String| SecurityError::Malformed {
        path: path.to_owned(),
        reason,
    };
    let certificate = Certificate::parse(&text(file, path)?).map_err(malformed)?;
    certificate
        .pair
        .ok_or_else(|| malformed(format!("it has no secret-key; that is in NAME.{SECRET}")))
}

/// What a client shows: the secret certificate at `own`, and `server`, which is the daemon's public key in Z85 or the
/// file of its public certificate.
///
/// # Errors
/// When a file cannot be read or is not a certificate, or others can read the secret one.
pub fn client_keys(own: &Path, server: &str) -> Result<ClientKeys, SecurityError> {
    let pair = read_secret(own)?;
    let server = match PublicKey::from_z85(server) {
        Some(key) => key,
        None => Certificate::read(Path::new(server))?.public,
    };
    Ok(ClientKeys { pair, server })
}

/// The text of a small file.
pub(super) fn read(path: &Path) -> Result<String, SecurityError> {
    text(
        File::open(path).map_err(|source| failed(path, source))?,
        path,
    )
}

fn text(file: File, path: &Path) -> Result<String, SecurityError> {
    let mut text = String::new();
    match file.take(MAX_BYTES + 1).read_to_string(&mut text) {
        Ok(read) if read as u64 <= MAX_BYTES => Ok(text),
        Ok(_) => Err(SecurityError::Malformed {
            path: path.to_owned(),
            reason: format!("it has more than {MAX_BYTES} bytes"),
        }),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(SecurityError::Malformed {
            path: path.to_owned(),
            reason: "it is not text".to_owned(),
        }),
        Err(source) => Err(failed(path, source)),
    }
}

/// What a failed reading means.
pub(super) fn failed(path: &Path, source: io::Error) -> SecurityError {
    let path = path.to_owned();
    if source.kind() == io::ErrorKind::NotFound {
        return SecurityError::Missing { path };
    }
    SecurityError::Io {
        path,
        what: "read",
        source,
    }
}

fn unwritable(path: &Path, source: io::Error) -> SecurityError {
    let path = path.to_owned();
    if source.kind() == io::ErrorKind::AlreadyExists {
        return SecurityError::Taken { path };
    }
    SecurityError::Io {
        path,
        what: "written",
        source,
    }
}

fn write(path: &Path, mode: u32, text: &str) -> Result<(), SecurityError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut file = options
        .open(path)
        .map_err(|source| unwritable(path, source))?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    written.map_err(|source| {
        // Half a certificate would be in the way of a second attempt.
        let _ = fs::remove_file(path);
        unwritable(path, source)
    })
}

fn check_name(name: &str) -> Result<(), SecurityError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fits = (1..=MAX_NAME).contains(&name.len());
    if fits && name.chars().all(plain) && !name.starts_with(['.', '-']) {
        return Ok(());
    }
    Err(SecurityError::Name {
        name: name.chars().take(MAX_NAME).collect(),
        reason: "it is 1 to 64 letters, digits, `-`, `_` and `.`, and begins with none of `-` and `.`",
    })
}

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::security::SecurityErrorKind;

    #[test]
    fn a_pair_is_made_once_and_its_secret_is_for_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let (secret, public) = (dir.path().join("keys"), dir.path().join("keys/clients"));
        let made = create("lab.1", Some(Role::Viewer), &public, &secret).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&made.secret), 0o600);
        assert_eq!(mode(&secret), 0o700);
        let read = read_secret(&made.secret).unwrap();
        assert_eq!(read.public(), made.pair.public());
        let again = create("lab.1", Some(Role::Viewer), &public, &secret).unwrap_err();
        assert_eq!(again.kind(), SecurityErrorKind::Usage);
        assert_eq!(read_secret(&made.secret).unwrap().public(), read.public());

        let text = fs::read_to_string(&made.public).unwrap();
        assert!(!text.contains(&made.pair.secret_z85()));
        for server in [
            made.public.to_str().unwrap(),
            &made.pair.public().to_string(),
        ] {
            let keys = client_keys(&made.secret, server).unwrap();
            assert_eq!(keys.server, made.pair.public());
        }
        let missing = client_keys(&made.secret, "no-such.key").unwrap_err();
        assert_eq!(missing.kind(), SecurityErrorKind::Missing);
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let made = create("server", None, dir.path(), dir.path()).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601, 0o777] {
            fs::set_permissions(&made.secret, Permissions::from_mode(mode)).unwrap();
            let error = read_secret(&made.secret).unwrap_err();
            assert_eq!(error.kind(), SecurityErrorKind::Exposed, "{mode:o}");
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        fs::set_permissions(&made.secret, Permissions::from_mode(0o400)).unwrap();
        read_secret(&made.secret).unwrap();
    }

    #[test]
    fn what_is_no_secret_certificate_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let made = create("server", None, dir.path(), dir.path()).unwrap();
        fs::set_permissions(&made.public, Permissions::from_mode(0o600)).unwrap();
        let public = read_secret(&made.public).unwrap_err().to_string();
        assert!(public.contains("key_secret"), "{public}");
        for bytes in [vec![0xff; 10], vec![b'x'; 70_000], Vec::new()] {
            fs::write(&made.secret, bytes).unwrap();
            let error = read_secret(&made.secret).unwrap_err();
            assert_eq!(error.kind(), SecurityErrorKind::Malformed, "{error}");
        }
        let error = read_secret(&dir.path().join("none")).unwrap_err();
        assert_eq!(error.kind(), SecurityErrorKind::Missing);
    }

    #[test]
    fn a_name_stays_in_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "-x",
            "é",
            &"x".repeat(65),
            "a b",
        ] {
            let error = create(name, None, dir.path(), dir.path()).unwrap_err();
            assert_eq!(error.kind(), SecurityErrorKind::Usage, "{name}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
