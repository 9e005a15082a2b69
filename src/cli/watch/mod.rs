//! `senescope watch`: a subscriber in the terminal.
//!
//! Joins late as any subscriber should: subscribes, waits for a sign of life, asks for the snapshot, and
//! drops what that contained. A gap or a restart of the daemon leads to a new snapshot.

mod follow;
mod footer;
mod maps;
mod table;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;

use super::{Blame, Exit, Failure, keys::ClientArgs, output};
use crate::stages::publish::{
    Frames, Kind, LabelMessage, Message, PublishConfig, PublishError, RunEnd,
    socket::{ClientKeys, SubSocket},
    topic,
};
use follow::{Event, Follower};
use footer::Footer;
use maps::MapFolder;
use table::Table;

/// How long maps may still arrive after the end of their run.
const MAPS_LATER: Duration = Duration::from_secs(3);

/// Watch labels as they are published.
///
/// Example: senescope watch --json | jq .label
#[derive(Clone, Debug, Args)]
pub(crate) struct WatchArgs {
    /// Socket of the labels
    #[arg(long, value_name = "ENDPOINT", default_value_t = PublishConfig::default().labels)]
    labels: String,
    /// Socket of the maps
    #[arg(long, value_name = "ENDPOINT", default_value_t = PublishConfig::default().maps)]
    maps_endpoint: String,
    /// Command socket, for what was published before
    #[arg(long, value_name = "ENDPOINT", default_value_t = PublishConfig::default().control)]
    control: String,
    /// Print one JSON object a label
    #[arg(long)]
    json: bool,
    /// Write each map as TIFF (float32) and PNG (8-bit preview) into this folder
    #[arg(long, value_name = "DIR")]
    maps: Option<PathBuf>,
    /// End with the first run that ends: exit code 0 when everything that was sent arrived, 1 when not
    #[arg(long)]
    until_end: bool,
    #[command(flatten)]
    keys: ClientArgs,
}

pub(crate) fn run(arguments: &WatchArgs) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .blame(Exit::Software)?;
    runtime.block_on(async {
        tokio::select! {
            ended = watch(arguments) => ended,
            asked = tokio::signal::ctrl_c() => asked.map(|()| Exit::Done).blame(Exit::Software),
        }
    })
}

async fn watch(arguments: &WatchArgs) -> Result<Exit, Failure> {
    let keys = arguments.keys.load()?;
    let prefixes = ["v1/".to_owned()];
    let labels = SubSocket::connect(&arguments.labels, &prefixes, keys.as_ref()).await?;
    let mut maps = match &arguments.maps {
        Some(folder) => Some(Maps::connect(&arguments.maps_endpoint, folder, keys.as_ref()).await?),
        None => None,
    };
    let mut follower = Follower::new(&arguments.control, keys);
    let mut table = Table::default();
    let mut footer = Footer::new(!arguments.json);
    loop {
        let frames = tokio::select! {
            frames = labels.recv() => frames?,
            frames = Maps::next(maps.as_ref()) => {
                Maps::write(maps.as_mut(), &mut follower, &frames?)?;
                continue;
            }
        };
        for event in follower.message(&frames).await {
            match event {
                Event::Label(label) => {
                    footer.above(|| show(arguments.json, &mut table, &label))?;
                    footer.take(&label);
                }
                Event::Note(note) => footer.above(|| output::note(&note)),
                Event::End(run, end) if arguments.until_end => {
                    return conclude(&run, &end, &mut follower, maps).await;
                }
                Event::End(..) => {}
            }
        }
    }
}

/// Waits for the maps that are still on their way, and compares.
async fn conclude(
    run: &str,
    end: &RunEnd,
    follower: &mut Follower,
    mut maps: Option<Maps>,
) -> Result<Exit, Failure> {
    let kinds: &[Kind] = match &maps {
        Some(_) => &[Kind::Label, Kind::Cam],
        None => &[Kind::Label],
    };
    while maps.is_some() && !follower.compare(run, end, kinds).is_whole() {
        let Ok(frames) = tokio::time::timeout(MAPS_LATER, Maps::next(maps.as_ref())).await else {
            break;
        };
        Maps::write(maps.as_mut(), follower, &frames?)?;
    }
    let compared = follower.compare(run, end, kinds);
    for (kind, (arrived, sent)) in &compared.kinds {
        output::note(&format!("{kind}: {arrived} of {sent} arrived"));
    }
    Ok(if compared.is_whole() {
        Exit::Done
    } else {
        Exit::Negative
    })
}

/// Where maps come from and where they go.
struct Maps {
    socket: SubSocket,
    folder: MapFolder,
}

impl Maps {
    async fn connect(
        endpoint: &str,
        folder: &Path,
        keys: Option<&ClientKeys>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            socket: SubSocket::connect(endpoint, &[topic::every(Kind::Cam)], keys).await?,
            folder: MapFolder::create(folder)?,
        })
    }

    /// The next map; never, when there are none to wait for.
    async fn next(maps: Option<&Self>) -> Result<Frames, PublishError> {
        match maps {
            Some(maps) => maps.socket.recv().await,
            None => std::future::pending().await,
        }
    }

    fn write(
        maps: Option<&mut Self>,
        follower: &mut Follower,
        frames: &Frames,
    ) -> Result<(), Failure> {
        match (maps, follower.map(frames)) {
            (Some(maps), Some(map)) => maps
                .folder
                .write(&map, frames.get(2).map_or(&[][..], Vec::as_slice)),
            _ => Ok(()),
        }
    }
}

fn show(json: bool, table: &mut Table, label: &Message<LabelMessage>) -> Result<(), Failure> {
    if json {
        output::line(&serde_json::to_string(label).blame(Exit::Data)?)
    } else {
        table.row(label).map_err(output::failed)
    }
}
