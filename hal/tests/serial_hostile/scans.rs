//! What a board says of the scan that is set up.

use crate::*;

/// A board that says `form` of its scan, and `can` of itself.
fn achieves(can: CapabilityForm, form: &Value) -> Peer {
    let can = block(&serde_json::to_vec(&can).unwrap());
    let form = block(form.to_string().as_bytes());
    Peer::spoilt(move |line, good| match line {
        "SYST:CAP?" => can.clone(),
        "SCAN:ACT?" => form.clone(),
        _ => good,
    })
}

#[test]
fn a_scan_that_the_board_cannot_do_is_told() {
    let can = CapabilityForm {
        width: [1, u32::MAX],
        height: [1, u32::MAX],
        strip_rows: [1, u32::MAX],
        dwell_ns: [1, u64::MAX],
        ..capability()
    };
    let most = ActualForm {
        width: u32::MAX,
        height: u32::MAX,
        strip_rows: u32::MAX,
        channels: u32::MAX,
        line_ns: u64::MAX,
        dwell_ns: u64::MAX,
        frames: u64::MAX,
        ..actual()
    };
    let forms = [
        most,
        ActualForm {
            channels: 0b11,
            ..most
        },
        ActualForm {
            channels: 1,
            strip_rows: 1,
            ..most
        },
        ActualForm {
            width: 1,
            channels: 1,
            strip_rows: 1,
            ..most
        },
        ActualForm {
            width: 0,
            ..actual()
        },
        ActualForm {
            height: 0,
            ..actual()
        },
        ActualForm {
            height: u32::MAX,
            ..actual()
        },
        ActualForm {
            strip_rows: 0,
            ..actual()
        },
        ActualForm {
            strip_rows: HEIGHT + 1,
            ..actual()
        },
        ActualForm {
            channels: 0,
            ..actual()
        },
        ActualForm {
            channels: 1 << 2,
            ..actual()
        },
        ActualForm {
            channels: (1 << 17) - 1,
            ..actual()
        },
        ActualForm {
            line_ns: 0,
            ..actual()
        },
        // Rows that come faster than any link carries them.
        ActualForm {
            line_ns: 1,
            ..actual()
        },
    ];
    let forms = forms.map(|form| serde_json::to_value(form).unwrap());
    let others = [
        json!([]),
        Value::Null,
        json!({}),
        json!({"width": "x".repeat(5000)}),
    ];
    for form in forms.iter().chain(&others) {
        println!("{form:.200}");
        let peer = achieves(can.clone(), form);
        let mut board = open(&peer).unwrap();
        let since = SystemClock.now();
        let error = board.configure(&request()).unwrap_err();
        let kinds = [
            ErrorKind::Malformed,
            ErrorKind::Unsupported,
            ErrorKind::Disconnected,
        ];
        told(&error, since, &kinds);
        // What was refused is not set up.
        assert_eq!(board.arm().unwrap_err().kind(), ErrorKind::State);
    }
}

#[test]
fn a_board_without_an_end_of_errors_is_told() {
    let peer = Peer::spoilt(|line, good| match line {
        "SYST:ERR?" => b"-222,\"Data out of range\"\n".to_vec(),
        _ => good,
    });
    let since = SystemClock.now();
    let error = open(&peer).unwrap().configure(&request()).unwrap_err();
    told(&error, since, &[ErrorKind::Unsupported]);
}
