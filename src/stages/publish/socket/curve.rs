//! CURVE keys as the sockets take them. Files of keys are read in [`crate::security`].

use std::{collections::BTreeSet, fmt, sync::Arc};

use omq_tokio::{
    CurveKeypair, CurvePublicKey, CurveSecretKey, CurveServerOptions, Options, PeerPublicKey,
};

/// The public half of a key pair. Written as 40 characters of Z85, as ZeroMQ tools have it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads 40 characters of Z85; `None` when they are not.
    pub fn from_z85(text: &str) -> Option<Self> {
        // The library's own length check comes after it has allocated.
        if text.len() != 40 {
            return None;
        }
        let key = CurvePublicKey::from_z85(text).ok()?;
        Some(Self(*key.as_bytes()))
    }

    pub(super) fn of_peer(key: Option<&PeerPublicKey>) -> Option<Self> {
        match key {
            Some(PeerPublicKey::Curve(key)) => Some(Self(*key)),
            _ => None,
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&CurvePublicKey::from_bytes(self.0).to_z85())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// Both halves. Neither shown nor compared.
#[derive(Clone)]
pub struct KeyPair(CurveKeypair);

impl KeyPair {
    /// A new pair from the operating system's random numbers.
    pub fn generate() -> Self {
        Self(CurveKeypair::generate())
    }

    /// The pair of a secret key in Z85; `None` when it is not one.
    pub fn from_secret_z85(text: &str) -> Option<Self> {
        if text.len() != 40 {
            return None;
        }
        let secret = CurveSecretKey::from_z85(text).ok()?;
        let public = secret.derive_public();
        Some(Self(CurveKeypair { public, secret }))
    }

    /// The half that others may know.
    pub fn public(&self) -> PublicKey {
        PublicKey(*self.0.public.as_bytes())
    }

    /// The secret half in Z85, to be written into a file that only its owner reads.
    pub fn secret_z85(&self) -> String {
        self.0.secret.to_z85()
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.public())
    }
}

/// What a bound socket is secured with.
#[derive(Clone, Debug)]
pub struct ServerKeys {
    /// The daemon's own keys.
    pub pair: KeyPair,
    /// Who may connect. Nobody else gets past the handshake.
    pub allowed: Arc<BTreeSet<PublicKey>>,
}

/// What a connection is secured with.
#[derive(Clone, Debug)]
pub struct ClientKeys {
    /// Who connects.
    pub pair: KeyPair,
    /// The daemon that is expected on the other side.
    pub server: PublicKey,
}

pub(super) fn serving(options: Options, keys: Option<&ServerKeys>) -> Options {
    let Some(keys) = keys else {
        return options;
    };
    let allowed = keys.allowed.clone();
    let server = CurveServerOptions::default()
        .authenticator(move |peer| allowed.contains(&PublicKey(peer.public_key)));
    options.curve_server_with_options(keys.pair.0.clone(), server)
}

pub(super) fn connecting(options: Options, keys: Option<&ClientKeys>) -> Options {
    match keys {
        Some(keys) => options.curve_client(
            keys.pair.0.clone(),
            CurvePublicKey::from_bytes(keys.server.0),
        ),
        None => options,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of libzmq's documentation of zmq_curve.
    #[test]
    fn keys_are_those_of_libzmq() {
        let pair = KeyPair::from_secret_z85("D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs").unwrap();
        let public = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
        assert_eq!(pair.public().to_string(), public);
        assert_eq!(PublicKey::from_z85(public), Some(pair.public()));
        assert_eq!(
            pair.secret_z85(),
            "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
        );
        assert!(!format!("{pair:?}").contains("D:)Q"));
    }

    #[test]
    fn what_is_not_a_key_is_none() {
        for text in ["", "x", &"0".repeat(39), &"0".repeat(41), &"~".repeat(40)] {
            assert_eq!(PublicKey::from_z85(text), None, "{text}");
            assert!(KeyPair::from_secret_z85(text).is_none(), "{text}");
        }
        assert!(PublicKey::from_z85(&"é".repeat(20)).is_none());
    }
}
