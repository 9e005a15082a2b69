//! Man pages and completions, as packages make them.

use std::{fs, path::Path};

use crate::support::{folder, run, text};

/// The commands that the help of `command` lists.
fn listed(command: &[&str]) -> Vec<String> {
    let help = run(command.iter().copied().chain(["--help"])).done().out;
    let help = String::from_utf8(help).unwrap();
    let Some((_, list)) = help.split_once("\nCommands:\n") else {
        return Vec::new();
    };
    let lines = list.lines().take_while(|line| !line.is_empty());
    lines
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// Every command that a person can find, `board probe` among them.
fn commands() -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for command in listed(&[]) {
        for inner in listed(&[&command]) {
            found.push(vec![command.clone(), inner]);
        }
        found.push(vec![command]);
    }
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_command_has_a_page() {
    let home = folder();
    let dir = home.path().join("man/1");
    run(["generate", "man", text(&dir)]).done();
    let commands = commands();
    assert!(commands.len() > 15, "{commands:?}");
    for command in &commands {
        let name = format!("senescope-{}", command.join("-"));
        let page = read(&dir.join(format!("{name}.1")));
        for section in [".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION"] {
            let (_, text) = page.split_once(section).unwrap_or_else(|| panic!("{name}"));
            let text: String = text
                .lines()
                .skip(1)
                .take_while(|line| !line.starts_with(".SH"))
                .collect();
            assert!(text.len() > 10, "{name}: {section} is empty");
        }
    }
    // One for each, and that of the program.
    assert_eq!(fs::read_dir(&dir).unwrap().count(), commands.len() + 1);
}

#[test]
fn every_shell_completes_every_command() {
    let home = folder();
    run(["generate", "completions", text(home.path())]).done();
    for file in ["senescope.bash", "senescope.fish", "_senescope"] {
        let script = read(&home.path().join(file));
        for command in commands().concat() {
            assert!(script.contains(&command), "{file} lacks {command}");
        }
        assert!(!script.contains("generate"), "{file} offers what is hidden");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let home = folder();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let below = file.join("man");
    run(["generate", "man", text(&below)]).refused(74, &[text(&below)]);
}
