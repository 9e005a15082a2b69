//! `senescope` classifies cells as senescent or proliferating while a non-linear-optical microscope is
//! still scanning them.
//!
//! The modules are the journey of a frame; `ARCHITECTURE.md` draws it. Dependencies point one way:
//! `cli → pipeline → stages → domain`, with `control` and `telemetry` used by `pipeline`. `ingest` takes records for a board of `hal`;
//! `security` says who may connect. `evaluate`
//! judges an ensemble on tiles that were cut before, `train` makes one of them; both use `stages` only. `export` writes what
//! `recording` reads for other software.
#![cfg_attr(test, allow(clippy::expect_used, clippy::panic, clippy::unwrap_used))]

pub mod cli;
pub mod config;
pub mod control;
mod csv;
mod digest;
pub mod domain;
pub mod evaluate;
pub mod export;
pub mod ingest;
mod json;
mod npy;
pub mod pipeline;
mod random;
pub mod recording;
pub mod security;
mod sentence;
pub mod stages;
pub mod telemetry;
pub mod tiles_folder;
pub mod train;
pub mod web;
