//! Which plane is which channel of which frame.

use super::{
    files::Files,
    request::{ChannelMap, ReplayRequest},
    stack::{PlaneRef, Stack, StackChannel},
};
use crate::{ChannelName, ErrorKind, HalError};

/// The planes of one channel, frame by frame.
#[derive(Clone, Debug)]
pub(crate) struct MappedChannel {
    pub(crate) name: ChannelName,
    pub(crate) told: StackChannel,
    /// Bit depth that the stacks tell, the largest when they differ.
    pub(crate) bit_depth: Option<u8>,
    pub(crate) planes: Vec<(u32, Option<PlaneRef>)>,
    /// The stacks that it comes from.
    pub(crate) stacks: Vec<usize>,
}

/// Finds all channels of the request in the files.
///
/// # Errors
/// `Request` with what is missing, what is there, and what to type.
pub(crate) fn channels(
    request: &ReplayRequest,
    files: &mut Files,
) -> Result<Vec<MappedChannel>, HalError> {
    let paths = files.open(&request.paths)?;
    for (index, map) in request.channels.iter().enumerate() {
        if request
            .channels
            .iter()
            .take(index)
            .any(|other| other.name == map.name)
        {
            return Err(asked(format!(
                "the channel {} is mapped twice; map it once",
                map.name
            )));
        }
        if !request.wanted.is_empty() && !request.wanted.contains(&map.name) {
            return Err(asked(format!(
                "the channel {} is mapped, but the channels that are wanted are {}",
                map.name,
                names(&request.wanted)
            )));
        }
    }
    let wanted = wanted(request, files, &paths);
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for name in &wanted {
        match request.channels.iter().find(|map| map.name == *name) {
            Some(map) => found.push(mapped(map, request, files, &paths)?),
            None => match named(name, files, &paths) {
                Some(channel) => found.push(channel),
                None => missing.push(name.clone()),
            },
        }
    }
    if !missing.is_empty() {
        return Err(lacking(&missing, files, &paths));
    }
    let Some(first) = found.first() else {
        return Err(asked(
            "there is nothing to replay; give a TIFF file or a folder of them".to_owned(),
        ));
    };
    if let Some(other) = found
        .iter()
        .find(|other| other.planes.len() != first.planes.len())
    {
        return Err(asked(format!(
            "{} has {} frames and {} has {}; map files with the same number of frames",
            first.name,
            first.planes.len(),
            other.name,
            other.planes.len()
        )));
    }
    Ok(found)
}

/// The channels to look for: those that are wanted, or else all that are mapped or there.
fn wanted(request: &ReplayRequest, files: &Files, paths: &[usize]) -> Vec<ChannelName> {
    if !request.wanted.is_empty() {
        return request.wanted.clone();
    }
    if !request.channels.is_empty() {
        return request
            .channels
            .iter()
            .map(|map| map.name.clone())
            .collect();
    }
    let first = paths.first().and_then(|number| files.stack(*number));
    let channels = first
        .map(|stack| stack.channels.as_slice())
        .unwrap_or_default();
    (0..channels.len())
        .map(|index| label(channels, index))
        .collect()
}

/// The name of a channel, or `C0`, `C1` … when the file does not name it.
fn label(channels: &[StackChannel], index: usize) -> ChannelName {
    match channels
        .get(index)
        .and_then(|channel| channel.name.as_deref())
    {
        Some(name) => ChannelName::from(name),
        None => ChannelName::from(format!("C{index}").as_str()),
    }
}

fn named(name: &ChannelName, files: &Files, paths: &[usize]) -> Option<MappedChannel> {
    let mut pick = Vec::new();
    for number in paths {
        let stack = files.stack(*number)?;
        let index =
            (0..stack.channels.len()).find(|index| label(&stack.channels, *index) == *name)?;
        pick.push((*number, index));
    }
    collect(name, files, &pick, None)
}

fn mapped(
    map: &ChannelMap,
    request: &ReplayRequest,
    files: &mut Files,
    paths: &[usize],
) -> Result<MappedChannel, HalError> {
    let stacks = match &map.file {
        Some(file) => files.open(std::slice::from_ref(file))?,
        None if request.paths.is_empty() => {
            return Err(asked(format!(
                "{} is mapped to a number without a file; type {}=FILE#{}",
                map.name,
                map.name,
                map.page.unwrap_or(0)
            )));
        }
        None => paths.to_vec(),
    };
    let mut pick = Vec::new();
    let mut page = None;
    for number in stacks {
        let Some(stack) = files.stack(number) else {
            continue;
        };
        let channels = stack.channels.len();
        let index = match map.page {
            None if channels == 1 => 0,
            None => {
                return Err(asked(format!(
                    "{} has {channels} channels ({}); say which one {} is, for example --channel {}={}#0",
                    stack.path.display(),
                    stack.list(),
                    map.name,
                    map.name,
                    stack.path.display()
                )));
            }
            Some(0) if channels == 1 && stack.frames.len() == 1 => 0,
            Some(wanted) if channels == 1 && wanted < stack.frames.len() => {
                page = Some(wanted);
                0
            }
            Some(wanted) if channels > 1 && wanted < channels => wanted,
            Some(wanted) => {
                return Err(asked(format!(
                    "{} is mapped to #{wanted} of {}, which has {channels} channel(s) ({}) and {} frame(s); \
                     numbers begin at 0",
                    map.name,
                    stack.path.display(),
                    stack.list(),
                    stack.frames.len()
                )));
            }
        };
        pick.push((number, index));
    }
    collect(&map.name, files, &pick, page)
        .ok_or_else(|| asked(format!("{} is mapped to a place without planes", map.name)))
}

/// Channel `index` of each stack, of frame `page` alone when that is given.
fn collect(
    name: &ChannelName,
    files: &Files,
    pick: &[(usize, usize)],
    page: Option<usize>,
) -> Option<MappedChannel> {
    let stack = |number: usize| -> Option<&Stack> { files.stack(number) };
    let (number, index) = *pick.first()?;
    let told = stack(number)?.channels.get(index)?.clone();
    let mut channel = MappedChannel {
        name: name.clone(),
        told,
        bit_depth: stack(number)?.bit_depth,
        planes: Vec::new(),
        stacks: pick.iter().map(|(number, _)| *number).collect(),
    };
    for (number, index) in pick {
        let stack = stack(*number)?;
        channel.bit_depth = channel
            .bit_depth
            .zip(stack.bit_depth)
            .map(|(a, b)| a.max(b));
        let all = stack.frames.iter().enumerate();
        for (_, frame) in all.filter(|(number, _)| page.is_none_or(|page| page == *number)) {
            channel
                .planes
                .push((frame.field, frame.planes.get(*index).copied().flatten()));
        }
    }
    Some(channel)
}

fn lacking(missing: &[ChannelName], files: &Files, paths: &[usize]) -> HalError {
    let name = missing.first().map_or("SRS", ChannelName::as_str);
    let Some(stack) = paths
        .iter()
        .filter_map(|number| files.stack(*number))
        .find(|stack| {
            let has = |name: &ChannelName| {
                (0..stack.channels.len()).any(|index| label(&stack.channels, index) == *name)
            };
            !missing.iter().all(has)
        })
    else {
        return asked(format!(
            "no file is given for the channel(s) {}; type for example --channel {name}=FILE",
            names(missing)
        ));
    };
    let (path, list) = (stack.path.display(), stack.list());
    let names = names(missing);
    asked(match (stack.channels.len(), stack.frames.len()) {
        (1, 1) => format!(
            "{path} does not name the channel(s) {names}; it has one plane ({list}). Give a file for each channel, \
             for example --channel {name}={path}"
        ),
        (1, frames) => format!(
            "{path} does not name the channel(s) {names}; it has one channel ({list}) of {frames} planes. Give a \
             file for each channel, for example --channel {name}={path}, or say which of its planes is which: \
             --channel {name}=#0"
        ),
        _ => format!(
            "{path} does not name the channel(s) {names}; it has {list}. Say which is which, for example \
             --channel {name}=#0"
        ),
    })
}

fn names(names: &[ChannelName]) -> String {
    names
        .iter()
        .map(ChannelName::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

fn asked(message: String) -> HalError {
    HalError::new(ErrorKind::Request, message)
}
