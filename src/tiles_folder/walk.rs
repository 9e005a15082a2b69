//! Every tile through worker threads; what is found of a tile does not depend on their number.

use std::thread;

use crossbeam_channel::bounded;
use ndarray::Array3;

use super::{TileFolder, TileFolderError};

/// Reads the tiles `chosen` in turn, lets one of `threads` threads do `work` on each with a `state` of its own,
/// and gives the results with their place in `chosen` to `sink`, in any order.
///
/// # Errors
/// The first that came; the rest is then left undone.
pub(crate) fn walk<S, T: Send, E: From<TileFolderError> + Send>(
    folder: &mut TileFolder,
    chosen: &[usize],
    threads: usize,
    state: impl Fn() -> Result<S, E> + Sync,
    work: impl Fn(&mut S, usize, Array3<f32>) -> Result<T, E> + Sync,
    mut sink: impl FnMut(usize, T),
) -> Result<(), E> {
    let threads = threads.max(1);
    thread::scope(|scope| {
        // Both are dropped with the first error, which ends whoever waits at the other end.
        let (jobs, waiting) = bounded::<(usize, Array3<f32>)>(2 * threads);
        let (results, found) = bounded(2 * threads);
        let unread = results.clone();
        scope.spawn(move || {
            for (place, index) in chosen.iter().enumerate() {
                let gone = match folder.read(*index) {
                    Ok(tile) => jobs.send((place, tile)).is_err(),
                    Err(error) => unread.send(Err(error.into())).is_err(),
                };
                if gone {
                    return;
                }
            }
        });
        for _ in 0..threads {
            let (waiting, results) = (waiting.clone(), results.clone());
            let (state, work) = (&state, &work);
            scope.spawn(move || {
                let mut state = match state() {
                    Ok(state) => state,
                    Err(error) => {
                        // Who no longer listens has an error already.
                        let _ = results.send(Err(error));
                        return;
                    }
                };
                for (place, tile) in waiting {
                    let result = work(&mut state, place, tile).map(|found| (place, found));
                    if results.send(result).is_err() {
                        return;
                    }
                }
            });
        }
        drop((waiting, results));
        for result in found {
            let (place, result) = result?;
            sink(place, result);
        }
        Ok(())
    })
}
