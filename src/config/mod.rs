//! Typed settings: built-in values, then a file, then the environment, then `--set`, each overriding the
//! one before. Every key that is not known and every value out of its range is refused by name.
//!
//! Units are in the names of the keys; [`KEYS`] holds the allowed ranges.

mod control;
mod http;
mod keys;
mod live;
mod load;
mod settings;

pub use control::Control;
pub use http::Http;
pub use keys::{KEYS, Key};
pub use live::{Effective, LIVE, LiveSettings, changed, differences, with};
pub use load::{ConfigError, Sources, digest, load};
pub use settings::{
    Backend, Board, Engine, EnsembleSettings, Folder, Ingest, Limits, Publish, Scan, Security,
    Serial, Settings, Sim, SimSpeed,
};
