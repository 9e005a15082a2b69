//! What computed a result.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The arithmetic of a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// IEEE 754 binary32.
    #[default]
    F32,
    /// bfloat16 with sums in binary32: half the mantissa's digits, on processors that compute it.
    Bf16,
}

impl Precision {
    /// The name that is published.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What computes the networks: with the ensemble, what a result depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineId {
    /// The library, its version and, unless it is the processor, the device.
    pub name: String,
    /// Its arithmetic.
    pub precision: Precision,
}

impl fmt::Display for EngineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.precision)
    }
}
