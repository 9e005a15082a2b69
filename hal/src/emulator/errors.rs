//! The errors that the board finds in messages, by SCPI-1999, volume 2, 21.8.

/// An error as `SYSTem:ERRor?` gives it.
pub(super) type ScpiError = &'static str;

pub(super) const UNDEFINED: ScpiError = "-113,\"Undefined header\"";
pub(super) const PARAMETER: ScpiError = "-104,\"Data type error\"";
pub(super) const CONFLICT: ScpiError = "-221,\"Settings conflict\"";
pub(super) const RANGE: ScpiError = "-222,\"Data out of range\"";
