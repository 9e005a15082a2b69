//! What the repository promises about itself: layout, owners of dependencies, and documents that stay true.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn folders(path: &str) -> BTreeSet<String> {
    fs::read_dir(root().join(path))
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

/// Every Rust file below `path`, with its text.
fn sources(path: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![root().join(path)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    found
}

#[test]
fn the_readme_and_the_architecture_name_every_folder() {
    let (readme, architecture) = (read("README.md"), read("ARCHITECTURE.md"));
    for folder in folders("src") {
        for document in [&readme, &architecture] {
            assert!(
                document.contains(&format!("`src/{folder}/`")),
                "src/{folder}/ has no line"
            );
        }
    }
    for folder in ["hal", "models", "deploy", "tests", "systemd"] {
        assert!(root().join(folder).is_dir());
        for document in [&readme, &architecture] {
            assert!(
                document.contains(&format!("`{folder}/")),
                "{folder}/ has no line"
            );
        }
    }
}

#[test]
fn the_script_in_the_readme_is_the_one_that_is_tested() {
    let script = read("tests/peers/subscribe.py");
    assert!(script.lines().count() <= 20);
    assert!(read("README.md").contains(&format!("```python\n{script}```")));
}

/// `path` or `path::name` in the table of promises: the file is there, and says the name.
#[test]
fn every_promise_names_a_test_that_is_there() {
    let promises = read("PROMISES.md");
    let mut names = 0;
    for row in promises.lines().filter(|line| line.starts_with("| ")) {
        let test = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for reference in test.split('`').skip(1).step_by(2) {
            let (path, name) = reference.split_once("::").unwrap_or((reference, ""));
            let text = read(path);
            let wanted = [format!("fn {name}("), format!("def {name}(")];
            let there = name.is_empty() || wanted.iter().any(|wanted| text.contains(wanted));
            assert!(there, "{path} has no {name}");
            names += 1;
        }
    }
    assert!(names > 30, "only {names} tests are named");
}

/// One owner each: a replacement of the library is a change of one file (or of one folder behind it).
#[test]
fn a_library_has_one_owner() {
    for (library, owner) in [
        ("tract_onnx", "src/stages/infer/engine/tract"),
        ("use ort::", "src/stages/infer/engine/onnxruntime"),
        ("openvino_sys::", "src/stages/infer/engine/openvino"),
        ("omq_tokio", "src/stages/publish/socket"),
        ("arrow_array", "src/export/table_parquet"),
        ("axum::", "src/web/"),
        ("prometheus_client", "src/web/metrics"),
        ("sd_notify::", "src/cli/supervisor"),
        ("tracing_journald", "src/cli/log"),
    ] {
        let users: Vec<_> = sources("src")
            .into_iter()
            .filter(|(_, text)| text.contains(library))
            .map(|(path, _)| path)
            .collect();
        assert!(!users.is_empty(), "nobody uses {library}");
        for user in users {
            assert!(
                user.to_str().unwrap().starts_with(owner),
                "{library} in {}",
                user.display()
            );
        }
    }
}

#[test]
fn dependencies_point_one_way() {
    let forbidden = [
        (
            "src/domain",
            &["stages::", "pipeline::", "cli::", "control::", "config::"][..],
        ),
        (
            "src/stages",
            &[
                "crate::pipeline",
                "crate::cli",
                "crate::control",
                "crate::config",
                "crate::security",
                "crate::web",
            ],
        ),
        (
            "src/security",
            &["crate::cli", "crate::control", "crate::config"],
        ),
        ("src/pipeline", &["crate::cli", "crate::web"]),
        (
            "src/control",
            &["crate::cli", "crate::pipeline", "crate::web"],
        ),
        (
            "src/evaluate",
            &["crate::cli", "crate::control", "crate::pipeline"],
        ),
        (
            "src/export",
            &["crate::cli", "crate::control", "crate::pipeline"],
        ),
        ("src/web", &["crate::cli", "crate::stages::infer"]),
        ("hal/src", &["senescope::"]),
    ];
    for (folder, names) in forbidden {
        for (path, text) in sources(folder) {
            // A document may point the other way.
            let code: String = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect();
            for name in names {
                assert!(!code.contains(name), "{} names {name}", path.display());
            }
        }
    }
}

#[test]
fn files_are_small() {
    let all: Vec<_> = ["src", "hal/src"].into_iter().flat_map(sources).collect();
    let mut lengths: Vec<_> = all.iter().map(|(_, text)| text.lines().count()).collect();
    lengths.sort_unstable();
    assert!(lengths[lengths.len() * 9 / 10] < 500);
    for (path, text) in all {
        assert!(text.lines().count() < 800, "{} is long", path.display());
    }
}
