//! What holds for all bytes from outside. The fuzz targets look for bytes for which it does not;
//! `hal/tests/fuzz_corpus.rs` replays what was found.
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "each target uses a part, and is there to fail"
)]

use std::time::Duration;

use senescope_hal::{
    Board, ChannelInfo, HostInstant, ReadEvent, ScanRequest, StripBuffer,
    emulator::{Device, EmulatorConfig, Step},
    ingest::{IngestBoard, IngestConfig},
    replay::{ReplayBoard, ReplayRequest, ReplaySource, ReplaySpeed},
    sim::Speed,
    wire::{
        ActualForm, BlockHeader, CapabilityForm, MAX_BLOCK_HEADER, MAX_CHANNELS, MAX_MESSAGE,
        MAX_RECORD, RecordHeader, StatusLine, units,
    },
};

/// A header of a block is told by its own bytes, is not above the limit, and is read again when it is written.
pub(crate) fn block(bytes: &[u8]) {
    const LIMIT: usize = 100_000;
    let Ok(Some(found)) = BlockHeader::parse(bytes, LIMIT) else {
        return;
    };
    assert!(found.length <= LIMIT && found.header <= MAX_BLOCK_HEADER);
    let own = &bytes[..found.header];
    assert_eq!(BlockHeader::parse(own, LIMIT), Ok(Some(found)));
    for cut in 0..own.len() {
        assert_eq!(BlockHeader::parse(&own[..cut], LIMIT), Ok(None));
    }
    let mut written = Vec::new();
    assert!(BlockHeader::write(found.length, &mut written));
    let again = BlockHeader::parse(&written, LIMIT).unwrap().unwrap();
    assert!(again.length == found.length && again.header <= found.header);
}

/// The units of a message say the same when they are written anew.
pub(crate) fn scpi(bytes: &[u8]) {
    let Ok(found) = units(bytes) else {
        return;
    };
    assert!(bytes.len() <= MAX_MESSAGE);
    let written: Vec<_> = found
        .iter()
        .map(|unit| {
            assert!(unit.is(unit.header));
            let _ = (unit.number::<u64>(), unit.is("SCAN:WIDTh"));
            let ask = if unit.query { "?" } else { "" };
            format!("{}{ask} {}", unit.header, unit.parameters.join(","))
        })
        .collect();
    // Blanks may make it longer than a message may be.
    let written = written.join(";");
    if written.len() <= MAX_MESSAGE {
        assert_eq!(units(written.as_bytes()).unwrap(), found);
    }
}

/// A record is as long as its start says and its samples as many as its header says; written anew it is the same.
/// The checksum is made right first: nobody finds one by chance.
pub(crate) fn record(bytes: &[u8]) {
    let _ = RecordHeader::read(bytes);
    let mut record = bytes.to_vec();
    if let Some((covered, sum)) = record.split_last_chunk_mut::<4>() {
        *sum = checksum(covered).to_le_bytes();
    }
    let length = RecordHeader::length(&record);
    let Ok((header, payload)) = RecordHeader::read(&record) else {
        return;
    };
    assert!(record.len() <= MAX_RECORD);
    assert_eq!(length, Ok(Some(record.len())));
    assert_eq!(payload.len(), header.payload());
    let samples: Vec<_> = payload
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let mut written = Vec::new();
    header.write(&samples, &mut written).unwrap();
    assert_eq!(RecordHeader::read(&written), Ok((header, payload)));
}

/// CRC-32/ISO-HDLC, bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}

/// Capabilities that are accepted can be; forms and status lines are the same when they are written and read.
pub(crate) fn forms(bytes: &[u8]) {
    if let Ok(form) = serde_json::from_slice::<CapabilityForm>(bytes) {
        let text = serde_json::to_vec(&form).unwrap();
        let again = serde_json::from_slice::<CapabilityForm>(&text).unwrap();
        assert_eq!(again.channels.len(), form.channels.len());
        if let Ok(can) = form.capabilities(form.link.bytes_per_s) {
            assert_eq!(again.capabilities(form.link.bytes_per_s).unwrap(), can);
            assert!((1..=MAX_CHANNELS).contains(&can.channels.len()));
            assert!(can.clock_hz > 0 && can.retransmit_depth > 0);
            assert!(can.link_bytes_per_s > Some(0));
            for range in [&can.width, &can.height, &can.strip_rows] {
                assert!(!range.is_empty() && *range.start() > 0);
            }
            for (index, channel) in can.channels.iter().enumerate() {
                assert!((1..=16).contains(&channel.bit_depth));
                let same = |other: &ChannelInfo| other.name == channel.name;
                assert!(!can.channels[..index].iter().any(same));
            }
        }
    }
    if let Ok(form) = serde_json::from_slice::<ActualForm>(bytes) {
        let text = serde_json::to_vec(&form).unwrap();
        assert_eq!(serde_json::from_slice::<ActualForm>(&text).unwrap(), form);
    }
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(status) = text.parse::<StatusLine>()
    {
        assert!(status.oldest <= status.next);
        assert_eq!(status.to_string().parse(), Ok(status));
    }
}

/// The emulated board answers whatever lines it is sent at whatever times: with replies that end, each no longer than
/// a record, at most one for each query.
pub(crate) fn device(bytes: &[u8]) {
    let mut device = Device::new(EmulatorConfig {
        fields: 1,
        speed: if bytes.first().is_some_and(|byte| byte % 2 == 0) {
            Speed::AsFastAsPossible
        } else {
            Speed::Real(1.0)
        },
        ring_strips: 4,
        ..EmulatorConfig::of_seed(1)
    });
    let mut now = HostInstant(0);
    // Rendering a large scan takes seconds.
    device.answer(b"SCAN:WIDT 16;SCAN:HEIG 16", now);
    for line in bytes.split_inclusive(|byte| *byte == b'\n').take(64) {
        let sets = |unit: &senescope_hal::wire::Unit<'_>| {
            ["SCAN:WIDTh", "SCAN:HEIGht", "*RST"]
                .iter()
                .any(|what| unit.is(what))
                || unit.is("DIAGnostic:FAULt")
                    && unit
                        .parameters
                        .iter()
                        .any(|fault| fault.eq_ignore_ascii_case("RES"))
        };
        let found = units(line).unwrap_or_default();
        if found.iter().any(sets) {
            continue;
        }
        now = now.after(Duration::from_micros(line.len() as u64 * 97));
        let queries = found.iter().filter(|unit| unit.query).count();
        let mut replies = 0;
        let mut reply = |step: &Step| {
            if let Step::Send(bytes) = step {
                replies += 1;
                assert!(bytes.len() <= MAX_RECORD + 64);
            }
        };
        for step in device.answer(line, now) {
            reply(&step);
            if let Step::Await { sequence, until } = step {
                assert!(until >= now);
                if let Ok(steps) = device.fetch(sequence, now) {
                    steps.iter().for_each(&mut reply);
                }
            }
        }
        assert!(replies <= queries, "{replies} replies to {queries} queries");
    }
}

/// Each message that is pushed has one reply, which ends, and what is taken leaves the board as rows of the scan, each
/// once. Messages are parted by the lengths before them.
pub(crate) fn ingest_message(bytes: &[u8]) {
    const HEIGHT: u32 = 3;
    let (mut board, port) = IngestBoard::new(IngestConfig {
        channels: ["SRS", "TPEF"]
            .map(|name| ChannelInfo::counts(name.into(), 12))
            .to_vec(),
        width: 2,
        height: HEIGHT,
        pixel_size_um: 0.5,
        dwell_ns: None,
        line_period_ns: None,
        strip_rows: 2,
        frame_timeout: Duration::from_secs(3600),
        frames_ahead: 2,
    })
    .unwrap();
    board.configure(&ScanRequest::default()).unwrap();
    board.arm().unwrap();
    board.start().unwrap();
    let mut peer = port.connection();
    let mut rest = bytes;
    while let Some((length, more)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(more.len());
        let (message, more) = more.split_at(length);
        rest = more;
        let mut message = message.to_vec();
        if message.starts_with(b"SNST")
            && let Some((covered, sum)) = message.split_last_chunk_mut::<4>()
        {
            *sum = checksum(covered).to_le_bytes();
        }
        let reply = peer.take(&message);
        assert!(reply.ends_with(b"\n") && reply.len() <= MAX_MESSAGE * 8);
    }
    board.stop().unwrap();
    let mut given = 0;
    loop {
        let buffer = StripBuffer::detached(2 * 2 * 2);
        let (frame, first, rows) = match board.read(buffer, HostInstant(0)).unwrap() {
            ReadEvent::Strip(strip) => {
                let head = strip.header;
                (head.frame, head.first_row, head.rows)
            }
            ReadEvent::Gap(gap) => (gap.frame, gap.first_row, gap.rows),
            ReadEvent::EndOfRun => break,
            ReadEvent::Idle => continue,
        };
        assert_eq!(frame * u64::from(HEIGHT) + u64::from(first), given);
        given += u64::from(rows);
    }
    let summary = board.disarm().unwrap();
    assert_eq!(summary.rows_scanned, given);
    assert_eq!(given, summary.rows_delivered + summary.rows_lost);
}

/// A file is refused, or every frame of it has as many counts as its size says; what lies about its size takes no
/// memory that it does not have.
pub(crate) fn tiff(bytes: &[u8]) {
    let name = format!(
        "senescope-fuzz-{}-{:?}.tif",
        std::process::id(),
        std::thread::current().id()
    );
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, bytes).unwrap();
    let source = ReplaySource::open(&ReplayRequest {
        paths: vec![path.clone()],
        pixel_size_um: Some(0.5),
        ..ReplayRequest::default()
    });
    if let Ok(source) = source {
        let (width, height) = (source.width(), source.height());
        let channels = source.channels().len();
        let frames = source.frames();
        // Larger ones are decoded as these are, and would only take longer.
        if frames <= 8 && u64::from(width) * u64::from(height) <= 1 << 16 {
            let mut board = ReplayBoard::new(source, ReplaySpeed::Max).unwrap();
            let actual = board.configure(&ScanRequest::default()).unwrap();
            board.arm().unwrap();
            board.start().unwrap();
            let mut rows = 0;
            loop {
                let samples = actual.strip_rows as usize * width as usize * channels;
                match board
                    .read(StripBuffer::detached(samples), HostInstant::default())
                    .unwrap()
                {
                    ReadEvent::Strip(strip) => {
                        rows += u64::from(strip.header.rows);
                        let held = strip.header.rows as usize * width as usize * channels;
                        assert_eq!(strip.samples.len(), held);
                    }
                    ReadEvent::Gap(gap) => rows += u64::from(gap.rows),
                    ReadEvent::Idle => {}
                    ReadEvent::EndOfRun => break,
                }
            }
            assert_eq!(rows, frames as u64 * u64::from(height));
        }
    }
    std::fs::remove_file(path).unwrap();
}
