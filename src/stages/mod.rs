//! One verb, one file, one pure step: no channels, no clocks, no sockets (but for `publish`, whose
//! object is the socket).

pub mod assemble;
pub mod combine;
pub mod correct;
mod distance;
pub mod explain;
pub mod infer;
pub mod publish;
pub mod quality;
pub mod record;
pub mod segment;
pub mod tile;
