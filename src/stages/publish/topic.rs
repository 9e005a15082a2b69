//! Topics: what a subscriber's prefix is compared with.
//!
//! `v1/<kind>/<run>/<field>/`, with `-` where there is no run or no field. A topic always ends in `/`, so
//! that no prefix which ends in `/` matches a longer name.

use crate::stages::publish::message::Kind;

/// Longest prefix that a subscriber may ask for, in bytes. A topic is at most 56 bytes long.
pub const MAX_PREFIX_BYTES: usize = 256;

/// The topic of one message.
pub fn topic(kind: Kind, run: Option<&str>, field: Option<u32>) -> String {
    let run = run.unwrap_or("-");
    match field {
        Some(field) => format!("v1/{kind}/{run}/{field}/"),
        None => format!("v1/{kind}/{run}/-/"),
    }
}

/// The prefix that matches every message of one kind.
pub fn every(kind: Kind) -> String {
    format!("v1/{kind}/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_topic_is_a_prefix_of_another() {
        let topics: Vec<_> = [None, Some("a"), Some("ab")]
            .into_iter()
            .flat_map(|run| [None, Some(1), Some(12)].map(|field| topic(Kind::Label, run, field)))
            .collect();
        for one in &topics {
            assert!(one.starts_with(&every(Kind::Label)) && one.ends_with('/'));
            for other in &topics {
                assert_eq!(other.starts_with(one), one == other, "{one} {other}");
            }
        }
    }
}
