//! Endpoints in the file system: whose they are.
//!
//! The directory belongs to the user that runs the daemon, and nobody else may enter it. A lock file beside the socket
//! says that a daemon has it. The kernel frees the lock when the daemon ends, however it ends, and the socket file that
//! a killed daemon leaves behind is then replaced.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::stages::publish::PublishError;

/// Longest path of a socket: the kernel has 108 bytes with the one that ends it.
pub(super) const MAX_PATH_BYTES: usize = 107;

/// A path that is ours until this is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    _lock: File,
}

impl Claim {
    /// Claims `path` for a socket, and makes its directory when it is missing. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When the directory is not only ours, another daemon has the path, or something that is no socket is there.
    pub(super) fn of(endpoint: &str, path: &Path) -> Result<Self, PublishError> {
        let refused = |reason: String| PublishError::Endpoint {
            endpoint: endpoint.to_owned(),
            reason,
        };
        let folder = path.parent().unwrap_or(Path::new("/"));
        private(folder).map_err(refused)?;
        let name = lock_name(path);
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&name)
            .map_err(|error| refused(format!("{} cannot be opened: {error}", name.display())))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(PublishError::InUse {
                    endpoint: endpoint.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => {
                return Err(refused(format!(
                    "{} cannot be locked: {error}",
                    name.display()
                )));
            }
        }
        match fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() => fs::remove_file(path)
                .map_err(|error| refused(format!("its old socket cannot be removed: {error}")))?,
            // The library would remove whatever is there.
            Ok(_) => {
                return Err(refused(format!(
                    "{} is there and is not a socket; choose another name",
                    path.display()
                )));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(refused(error.to_string())),
        }
        Ok(Self { _lock: lock })
    }
}

/// Beside the socket. It stays: removing it would let two daemons lock two files of one name.
fn lock_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn private(folder: &Path) -> Result<(), String> {
    let shown = folder.display();
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(format!("the directory {shown} cannot be made: {error}")),
    }
    let found = fs::symlink_metadata(folder)
        .map_err(|error| format!("the directory {shown} cannot be read: {error}"))?;
    if !found.is_dir() {
        return Err(format!("{shown} is not a directory"));
    }
    let (me, _other) = tokio::net::UnixStream::pair()
        .map_err(|error| format!("no socket can be made: {error}"))?;
    let me = me
        .peer_cred()
        .map_err(|error| format!("the user of this program is not known: {error}"))?;
    if found.uid() != me.uid() {
        return Err(format!(
            "the directory {shown} belongs to another user; choose one of your own"
        ));
    }
    if found.mode() & 0o077 != 0 {
        return Err(format!(
            "others may enter the directory {shown}; type `chmod 700 {shown}`, or choose one that is only yours"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::PermissionsExt, net::UnixListener};

    use super::*;

    #[tokio::test]
    async fn a_path_is_claimed_once_and_a_stale_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/labels");
        let claim = Claim::of("e", &path).unwrap();
        let mode = fs::metadata(dir.path().join("run")).unwrap().mode() & 0o7777;
        assert_eq!(mode, 0o700);
        // What a killed daemon leaves.
        drop(UnixListener::bind(&path).unwrap());
        assert!(matches!(
            Claim::of("e", &path),
            Err(PublishError::InUse { .. })
        ));
        assert!(path.exists(), "the socket of a living daemon stays");
        drop(claim);
        let _claim = Claim::of("e", &path).unwrap();
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_others_may_enter_or_what_is_no_socket_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let reason = |path: &Path| Claim::of("e", path).unwrap_err().to_string();
        let open = dir.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(reason(&open.join("a")).contains("chmod 700"));
        fs::write(dir.path().join("file"), "kept").unwrap();
        assert!(reason(&dir.path().join("file")).contains("not a socket"));
        assert_eq!(fs::read_to_string(dir.path().join("file")).unwrap(), "kept");
        assert!(reason(&dir.path().join("file/a")).contains("not a directory"));
        std::os::unix::fs::symlink(dir.path(), dir.path().join("link")).unwrap();
        assert!(reason(&dir.path().join("link/a")).contains("not a directory"));
        assert!(reason(&dir.path().join("missing/deep/a")).contains("cannot be made"));
    }
}
