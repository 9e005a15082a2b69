//! The daemon's list of clients.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::{
    security::{Certificate, Role, SecurityError, files},
    stages::publish::socket::PublicKey,
};

/// Ending of a public certificate.
pub(super) const PUBLIC: &str = "key";
/// Most clients that a folder may list.
const MAX_CLIENTS: usize = 10_000;

/// Somebody who may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Name of the certificate.
    pub name: String,
    /// What it is trusted with.
    pub role: Role,
}

/// Everybody who may connect, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clients(BTreeMap<PublicKey, Client>);

impl Clients {
    /// Reads every `NAME.key` in `folder`.
    ///
    /// # Errors
    /// When the folder cannot be read, one of its certificates is malformed or has no role, two have the same key, or
    /// there are none.
    pub fn load(folder: &Path) -> Result<Self, SecurityError> {
        let failed = |source| files::failed(folder, source);
        let mut clients = BTreeMap::<PublicKey, Client>::new();
        for entry in folder.read_dir().map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_stem().and_then(|name| name.to_str());
            let Some(name) = name.filter(|_| path.extension().is_some_and(|end| end == PUBLIC))
            else {
                continue;
            };
            let malformed = |reason: String| SecurityError::Malformed {
                path: path.clone(),
                reason,
            };
            if clients.len() == MAX_CLIENTS {
                return Err(malformed(format!(
                    "it is one more than the {MAX_CLIENTS} that a folder may list"
                )));
            }
            let certificate = Certificate::parse(&files::read(&path)?).map_err(malformed)?;
            let role = certificate
                .role
                .ok_or(
                    "its metadata have no role; add a line role = viewer (or operator)".to_owned(),
                )
                .and_then(|role| role.parse())
                .map_err(malformed)?;
            let name = name.to_owned();
            if let Some(other) = clients.get(&certificate.public) {
                let [first, second] = if other.name < name {
                    [other.name.clone(), name]
                } else {
                    [name, other.name.clone()]
                };
                return Err(SecurityError::Twice {
                    folder: folder.to_owned(),
                    first,
                    second,
                });
            }
            clients.insert(certificate.public, Client { name, role });
        }
        if clients.is_empty() {
            return Err(SecurityError::Nobody {
                folder: folder.to_owned(),
            });
        }
        Ok(Self(clients))
    }

    /// Whose key it is.
    pub fn of(&self, key: &PublicKey) -> Option<&Client> {
        self.0.get(key)
    }

    /// Everybody with their key, by name.
    pub fn by_name(&self) -> Vec<(&Client, &PublicKey)> {
        let mut all: Vec<_> = self.0.iter().map(|(key, client)| (client, key)).collect();
        all.sort_by(|a, b| a.0.name.cmp(&b.0.name));
        all
    }

    /// The keys of everybody with at least the role `least`.
    pub fn keys(&self, least: Role) -> BTreeSet<PublicKey> {
        let trusted = self.0.iter().filter(|(_, client)| client.role >= least);
        trusted.map(|(key, _)| *key).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::stages::publish::socket::KeyPair;

    #[test]
    fn a_folder_is_a_list() {
        let dir = tempfile::tempdir().unwrap();
        let error = Clients::load(dir.path()).unwrap_err();
        assert!(matches!(error, SecurityError::Nobody { .. }), "{error}");
        let [lab, desk] = [(); 2].map(|()| KeyPair::generate());
        let put = |name: &str, text: String| fs::write(dir.path().join(name), text).unwrap();
        put(
            "lab.key",
            Certificate::public_text(&lab, Some(Role::Operator)),
        );
        put(
            "desk.key",
            Certificate::public_text(&desk, Some(Role::Viewer)),
        );
        put("README", "not a certificate".to_owned());
        put("lab.key_secret", "not read".to_owned());
        let clients = Clients::load(dir.path()).unwrap();
        let names: Vec<_> = clients
            .by_name()
            .iter()
            .map(|(client, _)| (client.name.as_str(), client.role))
            .collect();
        assert_eq!(names, [("desk", Role::Viewer), ("lab", Role::Operator)]);
        assert_eq!(clients.of(&lab.public()).unwrap().name, "lab");
        assert_eq!(clients.of(&KeyPair::generate().public()), None);
        assert_eq!(clients.keys(Role::Viewer).len(), 2);
        assert_eq!(clients.keys(Role::Operator), [lab.public()].into());

        put(
            "again.key",
            Certificate::public_text(&lab, Some(Role::Viewer)),
        );
        let error = Clients::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("again and lab"), "{error}");
        for (text, why) in [
            (
                Certificate::public_text(&KeyPair::generate(), None),
                "role = viewer",
            ),
            (
                Certificate::public_text(&KeyPair::generate(), None)
                    .replace("curve", "role = root"),
                "`viewer` or `operator`",
            ),
            ("nothing".to_owned(), "public-key"),
        ] {
            put("again.key", text);
            let error = Clients::load(dir.path()).unwrap_err();
            assert_eq!(error.kind(), super::super::SecurityErrorKind::Malformed);
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
