//! The text of a certificate, as pyzmq's `zmq.auth.create_certificates` writes it.

use std::path::Path;

use crate::{
    security::{Role, SecurityError, files},
    stages::publish::socket::{KeyPair, PublicKey},
};

/// What is in a certificate.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The public key.
    pub public: PublicKey,
    /// Both keys, in a secret certificate.
    pub pair: Option<KeyPair>,
    /// The metadata `role`: as it is written, since only the daemon's list needs one.
    pub role: Option<String>,
}

impl Certificate {
    /// Reads a certificate of which nothing needs to be kept secret.
    ///
    /// # Errors
    /// When the file cannot be read or is not a certificate.
    pub fn read(path: &Path) -> Result<Self, SecurityError> {
        Self::parse(&files::read(path)?).map_err(|reason| SecurityError::Malformed {
            path: path.to_owned(),
            reason,
        })
    }

    /// Reads the text of a certificate.
    ///
    /// # Errors
    /// A part of a sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let [mut public, mut secret, mut role] = [None; 3];
        for line in text.lines().map(str::trim) {
            let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#'))
            else {
                continue;
            };
            let value = value.trim_matches([' ', '\t', '"', '\'']);
            let slot = match name.trim() {
                "public-key" => &mut public,
                "secret-key" => &mut secret,
                "role" => &mut role,
                _ => continue,
            };
            // Which of two holds depends on who reads the file.
            if slot.replace(value).is_some() {
                return Err(format!("it has two lines with {}", name.trim()));
            }
        }
        let public = public
            .and_then(PublicKey::from_z85)
            .ok_or("it needs a line public-key = \"…\" with 40 characters of Z85")?;
        let pair = match secret {
            Some(secret) => {
                let pair = KeyPair::from_secret_z85(secret)
                    .ok_or("its secret-key is not 40 characters of Z85")?;
                if pair.public() != public {
                    return Err("its public key is not that of its secret key".to_owned());
                }
                Some(pair)
            }
            None => None,
        };
        Ok(Self {
            public,
            pair,
            role: role.map(str::to_owned),
        })
    }

    /// The text of the public certificate.
    pub fn public_text(pair: &KeyPair, role: Option<Role>) -> String {
        text("Public", "Give it to the other side.", pair, role, None)
    }

    /// The text of the secret certificate.
    pub fn secret_text(pair: &KeyPair, role: Option<Role>) -> String {
        let warning = "DO NOT SHOW IT TO ANYBODY.";
        text("**Secret**", warning, pair, role, Some(pair.secret_z85()))
    }
}

fn text(
    kind: &str,
    note: &str,
    pair: &KeyPair,
    role: Option<Role>,
    secret: Option<String>,
) -> String {
    let role = role.map_or(String::new(), |role| format!("    role = {role}\n"));
    let secret = secret.map_or(String::new(), |secret| {
        format!("    secret-key = \"{secret}\"\n")
    });
    format!(
        "#   ZeroMQ CURVE {kind} Certificate, made by senescope\n#   {note}\n\n\
         metadata\n{role}curve\n    public-key = \"{}\"\n{secret}",
        pair.public()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `zmq.auth.create_certificates(folder, "lab", metadata={"role": "viewer"})` of pyzmq 27.3 writes as the secret
    /// certificate; the public one gets no metadata.
    const PYZMQ: &str = "#   ****  Generated on 2026-03-01 12:00:00.000000 by pyzmq  ****
#   ZeroMQ CURVE **Secret** Certificate
#   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions.

metadata
    role = viewer
curve
    public-key = \"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID\"
    secret-key = \"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs\"
";

    #[test]
    fn certificates_of_pyzmq_are_read() {
        let certificate = Certificate::parse(PYZMQ).unwrap();
        assert_eq!(certificate.role.as_deref(), Some("viewer"));
        assert_eq!(certificate.pair.unwrap().public(), certificate.public);
        let public: String = PYZMQ
            .lines()
            .filter(|line| !line.contains("secret-key"))
            .collect::<Vec<_>>()
            .join("\n");
        assert!(Certificate::parse(&public).unwrap().pair.is_none());
    }

    #[test]
    fn what_is_written_is_read() {
        // Z85 has `=` and `#` among its characters.
        for _ in 0..50 {
            let pair = KeyPair::generate();
            let text = Certificate::secret_text(&pair, Some(Role::Operator));
            let read = Certificate::parse(&text).unwrap();
            assert_eq!(read.public, pair.public());
            assert_eq!(read.pair.unwrap().secret_z85(), pair.secret_z85());
            assert_eq!(read.role.as_deref(), Some("operator"));
            let public = Certificate::public_text(&pair, None);
            assert!(!public.contains(&pair.secret_z85()));
            let read = Certificate::parse(&public).unwrap();
            assert_eq!((read.public, read.role), (pair.public(), None));
        }
    }

    #[test]
    fn what_is_no_certificate_says_why() {
        let other = KeyPair::generate().public().to_string();
        for (text, why) in [
            (String::new(), "public-key"),
            ("public-key = \"short\"".to_owned(), "public-key"),
            (PYZMQ.replace("D:)", "é:)"), "secret-key"),
            (
                PYZMQ.replace("Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", &other),
                "not that of its secret",
            ),
            (format!("{PYZMQ}role = operator"), "two lines with role"),
        ] {
            let error = Certificate::parse(&text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
