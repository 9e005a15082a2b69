//! A board that speaks the strip protocol, for trying out hosts without hardware.
//!
//! It shows the fields of the simulated microscope, rendered when a scan is prepared and repeated for as long as
//! the run goes on, and does everything that is wrong with real boards when it is told to
//! (`DIAGnostic:FAULt`, [`FaultSchedule`]). [`Device`] is the board without its link: a message in, steps out, with
//! the time as an argument. [`serve`] puts it on a pseudo-terminal or a TCP port.
//!
//! One host at a time. A host on TCP that connects takes over from the one before.

mod config;
mod device;
mod errors;
mod fault;
mod port;
mod run;
mod scene;
mod serve;
mod settings;
mod timeline;

pub use config::EmulatorConfig;
pub use device::{Device, Step};
pub use fault::{Fault, FaultSchedule};
pub use port::{Place, Port};
pub use serve::serve;
