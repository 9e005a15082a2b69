//! Metrics as text, in the format that a reader asks for.
//!
//! OpenMetrics 1.0 for who accepts it, as Prometheus does; else the older text format 0.0.4, which everybody reads. In
//! that one a counter is named with its `_total`, and there are neither units nor an end.

use std::collections::HashMap;

use axum::http::{HeaderMap, header};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The type and the text of an answer with these metrics, which are OpenMetrics.
pub(super) fn negotiated(headers: &HeaderMap, openmetrics: String) -> (&'static str, String) {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if accept.contains("application/openmetrics-text") {
        (OPENMETRICS, openmetrics)
    } else {
        (CLASSIC, classic(&openmetrics))
    }
}

fn classic(openmetrics: &str) -> String {
    let kinds: HashMap<&str, &str> = openmetrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    let mut text = String::with_capacity(openmetrics.len());
    for line in openmetrics.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("UNIT"), ..) | (Some("#"), Some("EOF"), ..) => continue,
            (Some("#"), Some(what), Some(name), Some(rest)) => {
                let (suffix, rest) = match (kinds.get(name), what) {
                    (Some(&"counter"), _) => ("_total", rest),
                    (Some(&"info"), "TYPE") => ("_info", "gauge"),
                    (Some(&"info"), _) => ("_info", rest),
                    _ => ("", rest),
                };
                text.extend(["# ", what, " ", name, suffix, " ", rest]);
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = "# HELP a_labels Cells, by label.\n# TYPE a_labels counter\na_labels_total{label=\"x\"} 7\n\
        # HELP a_build The program.\n# TYPE a_build info\na_build_info{version=\"1\"} 1\n\
        # HELP a_wait_seconds Waiting.\n# TYPE a_wait_seconds histogram\n# UNIT a_wait_seconds seconds\n\
        a_wait_seconds_sum 1.0\n# EOF\n";

    #[test]
    fn names_are_those_of_the_older_format() {
        let classic = "# HELP a_labels_total Cells, by label.\n# TYPE a_labels_total counter\na_labels_total{label=\"x\"} 7\n\
            # HELP a_build_info The program.\n# TYPE a_build_info gauge\na_build_info{version=\"1\"} 1\n\
            # HELP a_wait_seconds Waiting.\n# TYPE a_wait_seconds histogram\na_wait_seconds_sum 1.0\n";
        let mut headers = HeaderMap::new();
        assert_eq!(
            negotiated(&headers, OPEN.to_owned()),
            (CLASSIC, classic.to_owned())
        );
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        headers.insert(header::ACCEPT, prometheus.parse().unwrap());
        assert_eq!(
            negotiated(&headers, OPEN.to_owned()),
            (OPENMETRICS, OPEN.to_owned())
        );
    }
}
