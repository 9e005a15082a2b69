//! Renders frames ahead of the scan in a thread of its own, one frame at most in waiting.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, bounded};

use super::{Dish, RenderRequest, RenderedFrame, render};
use crate::{ErrorKind, HalError};

/// The thread, which ends when this is dropped.
pub(super) struct Ahead {
    frames: Option<Receiver<RenderedFrame>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Begins to render `frames` frames from frame 0 on, or for ever.
    pub(super) fn start(
        dish: Dish,
        request: RenderRequest,
        frames: Option<u64>,
    ) -> Result<Self, HalError> {
        let (sender, receiver) = bounded(1);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let work = move || {
            for frame in 0..frames.unwrap_or(u64::MAX) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let request = RenderRequest {
                    frame,
                    ..request.clone()
                };
                if sender.send(render(&dish, &request)).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new()
            .name("sim-render".into())
            .spawn(work)
            .map_err(|error| {
                HalError::new(
                    ErrorKind::Io,
                    "the simulated microscope could not start its rendering thread; end other programs",
                )
                .caused_by(error)
            })?;
        Ok(Self {
            frames: Some(receiver),
            stop,
            thread: Some(thread),
        })
    }

    /// Where the frames come out, in order.
    pub(super) fn frames(&self) -> Option<&Receiver<RenderedFrame>> {
        self.frames.as_ref()
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A thread that waits to hand a frame over learns so that nobody takes it.
        self.frames = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the renderer was reported by its own thread.
            let _ = thread.join();
        }
    }
}
