//! The program as a person or a script meets it: arguments, files and signals in; exit codes, sentences and
//! results out. Every test runs the built binary in the repository's root, where the shipped ensemble is.
// A failed expectation is how a test speaks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_configuration;
mod bad_ensemble;
mod bad_output;
mod bad_tiff;
mod comparison;
mod evaluate;
mod generate;
mod journey;
mod live_settings;
mod missing_metadata;
mod real_input;
mod recording;
mod running;
mod security;
mod service;
mod supervised;
mod support;
mod train;
mod watched_folder;
