//! What of a label is said again by a replay, and where it differs.

use serde_json::Value;

use super::LabelLine;
use crate::json;

/// What a replay cannot say again: when things happened, under which numbers, and from which file.
const NOT_COMPARED: [&str; 6] = ["seq", "t_acq_ns", "latency_ns", "frame", "field", "source"];
/// Longest value that is shown.
const SHOWN: usize = 60;

/// How `now` differs from what was `recorded`, one clause for each field. Numbers are compared to the last bit.
pub fn differences(recorded: &LabelLine, now: &LabelLine) -> Vec<String> {
    if equal(recorded, now) {
        return Vec::new();
    }
    let fields = |line| match serde_json::to_value(line) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (was, is) = (fields(recorded), fields(now));
    let names = was.keys().filter(|name| {
        let of_maps = name.starts_with("maps") && recorded.maps_shed;
        !of_maps && !NOT_COMPARED.contains(&name.as_str())
    });
    names
        .filter_map(|name| {
            let (was, is) = (was.get(name)?, is.get(name).unwrap_or(&Value::Null));
            (was != is).then(|| format!("`{name}` is {} and was {}", shown(is), shown(was)))
        })
        .collect()
}

fn equal(recorded: &LabelLine, now: &LabelLine) -> bool {
    let mut now = now.clone();
    now.seq = recorded.seq;
    now.t_acq_ns = recorded.t_acq_ns;
    now.label.latency_ns.clone_from(&recorded.label.latency_ns);
    now.label.frame = recorded.label.frame;
    now.label.field = recorded.label.field;
    now.label.source.clone_from(&recorded.label.source);
    if recorded.maps_shed {
        // Time decided that, and not what the networks said.
        now.maps_shed = true;
        now.maps.clone_from(&recorded.maps);
    }
    now == *recorded
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// The settings that differ, by key, one clause for each.
pub fn setting_differences(recorded: &Value, now: &Value) -> Vec<String> {
    json::differences(recorded, now)
        .into_iter()
        .map(|(key, (was, is))| format!("`{key}` is {} and was {}", shown(&is), shown(&was)))
        .collect()
}
