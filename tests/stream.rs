//! The stream as an independent implementation of ZeroMQ sees it: the `zeromq` crate subscribes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is the failure of the test"
)]

mod values;

use std::{io::Write, net::TcpStream, sync::Arc, time::Duration};

use ciborium::cbor;
use senescope::{
    config::LiveSettings,
    control::{self, Desk},
    domain::TileWindow,
    stages::publish::{
        CamMessage, Finish, Header, Kind, LabelMessage, Message, Outbox, PublishError,
        PublishErrorKind, Publisher, Run, RunEnd,
        message::{decode, decode_header},
        socket::{self, Backlog, ClientKeys, KeyPair, PubSocket, ServerKeys, SubSocket},
    },
};
use senescope_hal::{HostInstant, SystemClock};
use values::{cell, config, heatmap, identity, report, run_start, verdict};
use zeromq::{Socket, SocketRecv, SocketSend};

const PATIENCE: Duration = Duration::from_secs(30);

/// One run of `cells` labels, each with a map, published from a thread as the pipeline does.
fn publish_run(outbox: &Outbox, cells: u32) -> RunEnd {
    outbox.run_start(identity(7), run_start()).unwrap();
    for id in 0..cells {
        let cell = cell(u64::from(id / 10), id % 10);
        let acquired = Some(HostInstant(u64::from(id)));
        let label = LabelMessage::new(&cell, &verdict(0.9), 0.4, acquired, [].into());
        let label_seq = outbox.label(label).unwrap();
        let window = TileWindow {
            x: -1.5,
            y: 2.0,
            size: 128.0,
        };
        outbox
            .cam(CamMessage::new(
                label_seq,
                &cell,
                window,
                &heatmap(128),
                acquired,
            ))
            .unwrap();
    }
    outbox.run_end(report(Finish::Completed)).unwrap()
}

async fn subscriber(endpoint: &str) -> zeromq::SubSocket {
    let mut socket = zeromq::SubSocket::new();
    socket.connect(endpoint).await.unwrap();
    socket.subscribe("v1/").await.unwrap();
    socket
}

async fn next(socket: &mut zeromq::SubSocket) -> (String, Header, Vec<Vec<u8>>) {
    let message = tokio::time::timeout(PATIENCE, socket.recv())
        .await
        .unwrap()
        .unwrap();
    let frames: Vec<Vec<u8>> = message
        .into_vec()
        .iter()
        .map(|frame| frame.to_vec())
        .collect();
    let topic = String::from_utf8(frames[0].clone()).unwrap();
    let header = decode_header(&frames[1]).unwrap();
    (topic, header, frames[1..].to_vec())
}

/// Waits until both sockets have `count` subscribers, whose subscriptions are proven by a first message on
/// labels; maps have no sign of life, so that theirs is proven by being connected.
async fn until_listening(publisher: &Publisher, labels: &mut zeromq::SubSocket, count: u64) {
    let (_, header, _) = next(labels).await;
    assert_eq!(header.kind, Kind::Hb);
    loop {
        let listeners = publisher.listeners().await;
        if listeners.maps >= count && listeners.labels >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_subscriber_gets_the_whole_run_in_order() {
    const CELLS: u32 = 300;
    let publisher = Publisher::bind(&config(), None, Arc::new(SystemClock))
        .await
        .unwrap();
    let mut labels = subscriber(publisher.labels()).await;
    let mut maps = subscriber(publisher.maps()).await;
    until_listening(&publisher, &mut labels, 1).await;
    let outbox = publisher.outbox();
    let publishing = tokio::task::spawn_blocking(move || publish_run(&outbox, CELLS));

    let (mut started, mut expected) = (false, 1);
    let end = loop {
        let (topic, header, frames) = next(&mut labels).await;
        match header.kind {
            Kind::Label => {
                assert!(started, "a label before the start of its run");
                let label: Message<LabelMessage> = decode(&frames[0]).unwrap();
                assert_eq!(header.seq, expected);
                assert_eq!(header.t_acq_ns, Some(HostInstant(expected - 1)));
                assert_eq!(header.model.as_deref(), Some("m0"));
                assert_eq!(topic, format!("v1/label/{}/3/", header.run.unwrap()));
                let id = u32::try_from(expected).unwrap() - 1;
                assert_eq!(
                    (label.body.frame, label.body.cell),
                    (u64::from(id / 10), id % 10)
                );
                expected += 1;
            }
            Kind::Run => match decode::<Run>(&frames[0]).unwrap().body {
                Run::End(end) => break end,
                Run::Settings(settings) => panic!("nobody changed {settings:?}"),
                Run::Start(start) => {
                    assert_eq!(start, run_start());
                    assert!(!std::mem::replace(&mut started, true), "a second start");
                }
            },
            _ => {}
        }
    };
    assert_eq!(expected - 1, u64::from(CELLS));
    for (kind, sent) in [(Kind::Label, CELLS), (Kind::Cam, CELLS)] {
        let total = end.totals[&kind];
        assert_eq!((total.assigned, total.shed), (u64::from(sent), 0), "{kind}");
        assert_eq!(
            (total.sent, total.last_seq),
            (u64::from(sent), u64::from(sent))
        );
    }
    assert!(end.edges.iter().all(|edge| edge.inside() == 0));
    for expected in 1..=u64::from(CELLS) {
        let (_, header, frames) = next(&mut maps).await;
        let cam: Message<CamMessage> = decode(&frames[0]).unwrap();
        assert_eq!((header.seq, cam.body.label_seq), (expected, expected));
        let samples = cam.body.samples(&frames[1]).unwrap();
        assert_eq!(samples, heatmap(128).values.as_slice().unwrap());
    }
    assert_eq!(publishing.await.unwrap(), end);
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_joiner_misses_nothing_between_snapshot_and_stream() {
    let publisher = Publisher::bind(&config(), None, Arc::new(SystemClock))
        .await
        .unwrap();
    let control = tokio::spawn(control::serve(
        publisher.control(),
        Desk::new(publisher.outbox(), LiveSettings::default()),
        None,
    ));
    let (joined, go_on) = std::sync::mpsc::sync_channel(1);
    let outbox = publisher.outbox();
    let publishing = std::thread::spawn(move || {
        outbox.run_start(identity(1), run_start()).unwrap();
        for id in 0..2000 {
            if id == 500 {
                go_on.recv().unwrap();
            }
            let label = LabelMessage::new(&cell(0, id), &verdict(0.1), 0.4, None, [].into());
            outbox.label(label).unwrap();
        }
        outbox.run_end(report(Finish::Completed)).unwrap()
    });
    let mut labels = subscriber(publisher.labels()).await;
    let first = loop {
        let (_, header, _) = next(&mut labels).await;
        if header.kind == Kind::Hb {
            break header;
        }
    };
    let control_socket = publisher.control();
    let endpoint = control_socket.endpoint();
    let ask = async || -> values::Snapshot {
        let request = values::cbor_bytes(&cbor!({"cmd" => "snapshot"}).unwrap());
        let reply = socket::ask(endpoint, request, PATIENCE, None)
            .await
            .unwrap();
        ciborium::from_reader(reply.as_slice()).unwrap()
    };
    // The publishing thread may be behind; what is judged is a snapshot amid labels.
    while ask().await.last_seq.get(&Kind::Label).copied() < Some(500) {}
    joined.send(()).unwrap();
    let snapshot = ask().await;
    assert!(snapshot.ok);
    assert_eq!(snapshot.epoch, first.epoch);
    let known = snapshot.last_seq[&Kind::Label];
    let seqs: Vec<u64> = snapshot
        .labels
        .iter()
        .map(|label| label.header.seq)
        .collect();
    assert_eq!(
        seqs.last().copied().unwrap_or(0),
        known,
        "the newest label is in the snapshot"
    );
    assert!(seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]) && seqs.len() <= 256);
    assert!(known >= 500);
    let mut last = known;
    let end = publishing.join().unwrap();
    while last < 2000 {
        let (_, header, _) = next(&mut labels).await;
        if header.kind == Kind::Label && header.seq > known {
            assert_eq!(header.seq, last + 1);
            last = header.seq;
        }
    }
    assert_eq!(snapshot.run_end, None);
    let ended = ask().await.run_end.expect("the run has ended");
    let ended: Message<Run> = ended.deserialized().unwrap();
    assert_eq!(ended.body, Run::End(end));
    control.abort();
    publisher.close().await;
}

fn shown(pair: &KeyPair, server: &KeyPair) -> ClientKeys {
    ClientKeys {
        pair: pair.clone(),
        server: server.public(),
    }
}

/// With keys only 64 messages may wait in the library, which drops the others without a word.
#[tokio::test(flavor = "multi_thread")]
async fn with_keys_a_burst_arrives_whole() {
    // Without optimisation a map is encrypted more slowly than the pace is.
    let maps = if cfg!(debug_assertions) { 40 } else { 400 };
    let (server, client) = (KeyPair::generate(), KeyPair::generate());
    let keys = ServerKeys {
        allowed: Arc::new([client.public()].into()),
        pair: server.clone(),
    };
    let backlog = Backlog {
        bytes: 16 << 20,
        messages: 16_384,
    };
    let socket = PubSocket::bind("tcp://127.0.0.1:0", backlog, Some(&keys))
        .await
        .unwrap();
    let all = ["v1/".to_owned()];
    let listening = SubSocket::connect(socket.endpoint(), &all, Some(&shown(&client, &server)))
        .await
        .unwrap();
    let send = async |number: u32, bytes: usize| {
        let frames = vec![
            b"v1/".to_vec(),
            number.to_le_bytes().to_vec(),
            vec![0; bytes],
        ];
        socket.send(frames).await.unwrap();
    };
    let hear = async |patience| {
        let frames = tokio::time::timeout(patience, listening.recv()).await;
        frames.map(|frames| u32::from_le_bytes(frames.unwrap()[1][..].try_into().unwrap()))
    };
    // Until the subscription is there.
    while hear(Duration::from_millis(100)).await.is_err() {
        send(0, 0).await;
    }
    while hear(Duration::from_millis(500)).await.is_ok() {}
    for (messages, bytes) in [(1000, 500), (maps, 64 << 10)] {
        for number in 1..=messages {
            send(number, bytes).await;
        }
        for number in 1..=messages {
            assert_eq!(hear(PATIENCE).await, Ok(number), "{bytes}");
        }
    }
    socket.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_listed_is_turned_away() {
    let (server, client) = (KeyPair::generate(), KeyPair::generate());
    let keys = ServerKeys {
        allowed: Arc::new([client.public()].into()),
        pair: server.clone(),
    };
    let publisher = Publisher::bind(&config(), Some(&keys), Arc::new(SystemClock))
        .await
        .unwrap();
    let hear = async |keys: Option<ClientKeys>| {
        let all = ["v1/".to_owned()];
        let socket = SubSocket::connect(publisher.labels(), &all, keys.as_ref())
            .await
            .unwrap();
        tokio::time::timeout(PATIENCE, socket.recv()).await.unwrap()
    };
    let heard = hear(Some(shown(&client, &server))).await.unwrap();
    assert_eq!(decode_header(&heard[1]).unwrap().kind, Kind::Hb);
    let stranger = KeyPair::generate();
    for wrong in [
        Some(shown(&stranger, &server)),
        Some(shown(&client, &stranger)),
        None,
    ] {
        let error = hear(wrong).await.unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::Unavailable);
        assert!(matches!(error, PublishError::TurnedAway { .. }), "{error}");
    }
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() {
    let first = Publisher::bind(&config(), None, Arc::new(SystemClock))
        .await
        .unwrap();
    let taken = senescope::stages::publish::PublishConfig {
        maps: first.labels().to_owned(),
        ..config()
    };
    let error = match Publisher::bind(&taken, None, Arc::new(SystemClock)).await {
        Ok(_) => panic!("bound twice"),
        Err(error) => error,
    };
    assert_eq!(error.kind(), PublishErrorKind::Unavailable);
    assert!(matches!(&error, PublishError::InUse { endpoint } if endpoint == first.labels()));
    first.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bytes_on_every_port_change_nothing() {
    let publisher = Publisher::bind(&config(), None, Arc::new(SystemClock))
        .await
        .unwrap();
    let _control = tokio::spawn(control::serve(
        publisher.control(),
        Desk::new(publisher.outbox(), LiveSettings::default()),
        None,
    ));
    let endpoints = [
        publisher.labels().to_owned(),
        publisher.maps().to_owned(),
        publisher.control().endpoint().to_owned(),
    ];
    // A ZMTP 3.0 greeting with the NULL mechanism, then the header of a frame of 2⁶³ − 1 bytes.
    let mut greeting = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0];
    greeting.extend(b"NULL");
    greeting.resize(64, 0);
    let huge = [greeting.clone(), vec![2], vec![0x7f], vec![0xff; 7]].concat();
    assert_eq!(huge.len(), 73);
    let command = [greeting.clone(), vec![6], vec![0x7f], vec![0xff; 7]].concat();
    let mut noise: Vec<Vec<u8>> = vec![huge, command, greeting, vec![0; 4096], vec![0xff; 4096]];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for length in [1_usize, 63, 64, 65, 1000, 100_000] {
        noise.push(
            (0..length)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state.to_le_bytes()[0]
                })
                .collect(),
        );
    }
    let mut open = Vec::new();
    for endpoint in &endpoints {
        for bytes in &noise {
            let mut stream = TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap();
            // The daemon may already have hung up.
            let _ = stream.write_all(bytes);
            open.push(stream);
        }
    }
    let mut labels = subscriber(publisher.labels()).await;
    let mut maps = subscriber(publisher.maps()).await;
    until_listening(&publisher, &mut labels, 1).await;
    let outbox = publisher.outbox();
    let publishing = tokio::task::spawn_blocking(move || publish_run(&outbox, 20));
    for expected in 1..=20 {
        assert_eq!(next(&mut maps).await.1.seq, expected);
    }
    publishing.await.unwrap();

    let mut dealer = zeromq::DealerSocket::new();
    dealer.connect(&endpoints[2]).await.unwrap();
    for bytes in [
        vec![0xff; 20],
        vec![],
        vec![0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ] {
        dealer.send(bytes.into()).await.unwrap();
        let reply = tokio::time::timeout(PATIENCE, dealer.recv())
            .await
            .unwrap()
            .unwrap();
        let reply: ciborium::Value = ciborium::from_reader(&*reply.into_vec()[0]).unwrap();
        let ok = reply
            .as_map()
            .unwrap()
            .iter()
            .find(|(key, _)| key.as_text() == Some("ok"));
        assert_eq!(ok.unwrap().1.as_bool(), Some(false));
    }
    drop(open);
    publisher.close().await;
}
