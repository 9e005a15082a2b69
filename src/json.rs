//! Trees of JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Where two trees differ: the path with dots, and what stands there in both. What is missing is null.
pub(crate) fn differences(was: &Value, is: &Value) -> BTreeMap<String, (Value, Value)> {
    let mut found = BTreeMap::new();
    walk(was, is, "", &mut found);
    found
}

fn walk(was: &Value, is: &Value, at: &str, found: &mut BTreeMap<String, (Value, Value)>) {
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => {
            let dot = if at.is_empty() { "" } else { "." };
            let new = is.keys().filter(|key| !was.contains_key(*key));
            for key in was.keys().chain(new) {
                let value = |tree: &Map<String, Value>| tree.get(key).cloned().unwrap_or_default();
                walk(&value(was), &value(is), &format!("{at}{dot}{key}"), found);
            }
        }
        _ if was == is => {}
        _ => {
            found.insert(at.to_owned(), (was.clone(), is.clone()));
        }
    }
}
