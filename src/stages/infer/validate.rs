//! The ranges of a manifest's values.

use std::{collections::BTreeSet, ops::RangeInclusive};

use senescope_hal::ChannelName;

use super::manifest::{Manifest, PROLIFERATING, SENESCENT};
use crate::sentence::printable;

/// Most members of an ensemble.
const MEMBERS: usize = 16;
/// Longest name, in bytes.
const NAME: usize = 64;

/// The offending key and what is wrong with it.
type Problem = (String, String);

/// Checks every value; the first that is out of its range is named.
pub(super) fn validate(manifest: &Manifest) -> Result<(), Problem> {
    if manifest.format != 1 {
        return Err(problem(
            "format",
            format!("is {}; this program reads 1", manifest.format),
        ));
    }
    name("name", &manifest.name)?;
    name("version", &manifest.version)?;
    classes(&manifest.classes)?;
    channels(&manifest.channels)?;
    tile(manifest)?;
    normalisation(manifest)?;
    within("temperature", manifest.temperature, 0.05..=20.0)?;
    let conformal = manifest.conformal;
    within("conformal.coverage", conformal.coverage, 0.5..=0.9999)?;
    let limits = conformal.limits;
    within(
        "conformal.limits.proliferating",
        limits.proliferating,
        0.0..=1.0,
    )?;
    within("conformal.limits.senescent", limits.senescent, 0.0..=1.0)?;
    members(manifest)?;
    file("golden.file", &manifest.golden.file)?;
    digest("golden.sha256", &manifest.golden.sha256)?;
    if let Some(ood) = &manifest.ood {
        file("ood.file", &ood.file)?;
        digest("ood.sha256", &ood.sha256)?;
        within("ood.limit", ood.limit, 1e-6..=1e6)?;
    }
    name("training.recipe", &manifest.training.recipe)?;
    digest("training.tiles_sha256", &manifest.training.tiles_sha256)?;
    let [low, high] = manifest.training.pixel_size_um;
    within("training.pixel_size_um", low, 0.001..=100.0)?;
    within("training.pixel_size_um", high, low..=100.0)
}

fn problem(key: impl Into<String>, what: impl Into<String>) -> Problem {
    (key.into(), what.into())
}

/// A value of any length and any characters.
fn shown(value: &str) -> String {
    printable(value, NAME)
}

fn within(key: &str, value: f64, range: RangeInclusive<f64>) -> Result<(), Problem> {
    if range.contains(&value) {
        Ok(())
    } else {
        Err(problem(
            key,
            format!(
                "is {value}; {} to {} is allowed",
                range.start(),
                range.end()
            ),
        ))
    }
}

fn name(key: &str, name: &str) -> Result<(), Problem> {
    let printable = name.chars().all(|c| !c.is_control());
    if name.is_empty() || name.len() > NAME || !printable {
        return Err(problem(
            key,
            format!("must be 1 to {NAME} printable characters"),
        ));
    }
    Ok(())
}

fn classes(classes: &[String]) -> Result<(), Problem> {
    let named: BTreeSet<_> = classes.iter().map(String::as_str).collect();
    if classes.len() != 2 || named != BTreeSet::from([PROLIFERATING, SENESCENT]) {
        return Err(problem(
            "classes",
            format!(
                "is {}; exactly `{PROLIFERATING}` and `{SENESCENT}` are expected",
                shown(&format!("{classes:?}"))
            ),
        ));
    }
    Ok(())
}

fn channels(channels: &[ChannelName]) -> Result<(), Problem> {
    let known = [
        ChannelName::srs(),
        ChannelName::tpef(),
        ChannelName::trans(),
    ];
    if let Some(unknown) = channels.iter().find(|name| !known.contains(name)) {
        return Err(problem(
            "channels",
            format!(
                "names the unknown channel {}; SRS, TPEF and TRANS are known",
                shown(&unknown.to_string())
            ),
        ));
    }
    let distinct: BTreeSet<_> = channels.iter().collect();
    if channels.is_empty() || distinct.len() != channels.len() {
        return Err(problem(
            "channels",
            "must name at least one channel, and none twice",
        ));
    }
    Ok(())
}

fn tile(manifest: &Manifest) -> Result<(), Problem> {
    let tile = manifest.tile;
    within("tile.size_um", tile.size_um, 5.0..=500.0)?;
    if !(32..=512).contains(&tile.pixels) {
        return Err(problem(
            "tile.pixels",
            format!("is {}; 32 to 512 is allowed", tile.pixels),
        ));
    }
    within("tile.margin_um", tile.margin_um, 0.0..=10.0)?;
    within("tile.taper_um", tile.taper_um, 0.0..=10.0)
}

fn normalisation(manifest: &Manifest) -> Result<(), Problem> {
    let named = manifest.normalisation.iter().map(|rule| &rule.channel);
    if !named.eq(&manifest.channels) {
        return Err(problem(
            "normalisation",
            "must have one rule for each channel, in the order of `channels`",
        ));
    }
    manifest
        .normalisation
        .iter()
        .enumerate()
        .try_for_each(|(index, rule)| {
            within(
                &format!("normalisation[{index}].span"),
                rule.span,
                1e-3..=1e3,
            )
        })
}

fn members(manifest: &Manifest) -> Result<(), Problem> {
    let members = &manifest.members;
    if members.is_empty() || members.len() > MEMBERS {
        return Err(problem(
            "members",
            format!("has {} entries; 1 to {MEMBERS} are allowed", members.len()),
        ));
    }
    let mut names = BTreeSet::new();
    for (index, member) in members.iter().enumerate() {
        let key = |field: &str| format!("members[{index}].{field}");
        name(&key("name"), &member.name)?;
        if !names.insert(&member.name) {
            return Err(problem(
                key("name"),
                format!("is {:?}, which another member has", member.name),
            ));
        }
        // The stream names what a map is of by the member's name, or by one of these.
        if ["mean", "spread"].contains(&member.name.as_str()) {
            return Err(problem(
                key("name"),
                format!(
                    "is {:?}, which the stream uses for maps of all members",
                    member.name
                ),
            ));
        }
        file(&key("file"), &member.file)?;
        digest(&key("sha256"), &member.sha256)?;
    }
    Ok(())
}

/// A file of an ensemble lies in its folder.
fn file(key: &str, file: &str) -> Result<(), Problem> {
    let plain = file
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    if file.is_empty() || file.len() > 128 || file.starts_with('.') || !plain {
        return Err(problem(
            key,
            format!(
                "is {}; a plain name of letters, digits, `.`, `-` and `_` in the ensemble's \
                 folder is expected",
                shown(&format!("{file:?}"))
            ),
        ));
    }
    Ok(())
}

fn digest(key: &str, digest: &str) -> Result<(), Problem> {
    let hexadecimal = digest
        .bytes()
        .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if digest.len() != 64 || !hexadecimal {
        return Err(problem(
            key,
            "must be a sha256 as 64 lower-case hexadecimal digits",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use crate::stages::infer::{
        EnsembleError, MANIFEST_LIMIT, Manifest, testing::manifest_json as good,
    };

    fn parse(value: &Value) -> Result<Manifest, EnsembleError> {
        Manifest::parse(value.to_string().as_bytes(), Path::new("manifest.json"))
    }

    #[test]
    fn the_documented_manifest_is_read_and_written_back() {
        let manifest = parse(&good()).unwrap();
        assert_eq!(manifest.senescent(), 1);
        assert_eq!(serde_json::to_value(&manifest).unwrap(), good());
        let mut turned = good();
        turned["classes"] = json!(["senescent", "proliferating"]);
        assert_eq!(parse(&turned).unwrap().senescent(), 0);
        let mut without = good();
        without["ood"] = Value::Null;
        assert_eq!(parse(&without).unwrap().ood, None);
    }

    #[test]
    fn each_value_out_of_range_is_named() {
        let cases = [
            ("/format", json!(2), "format"),
            ("/name", json!(""), "name"),
            ("/classes", json!(["senescent"]), "classes"),
            ("/classes", json!(["senescent", "dead"]), "classes"),
            ("/classes", json!(["senescent", "senescent"]), "classes"),
            ("/channels/1", json!("CARS"), "channels"),
            ("/channels/1", json!("TRANS"), "channels"),
            ("/channels", json!(["TRANS", "SRS"]), "normalisation"),
            ("/tile/size_um", json!(0.0), "tile.size_um"),
            ("/tile/pixels", json!(100_000), "tile.pixels"),
            ("/tile/margin_um", json!(-1.0), "tile.margin_um"),
            ("/normalisation/0/channel", json!("SRS"), "normalisation"),
            ("/normalisation/1/span", json!(0.0), "normalisation[1].span"),
            ("/temperature", json!(0.0), "temperature"),
            ("/conformal/coverage", json!(0.4), "conformal.coverage"),
            (
                "/conformal/limits/senescent",
                json!(1.1),
                "conformal.limits.senescent",
            ),
            ("/members", json!([]), "members"),
            ("/members/0/name", json!("spread"), "members[0].name"),
            (
                "/members/0/file",
                json!("../../etc/passwd"),
                "members[0].file",
            ),
            ("/members/0/file", json!("a/b.onnx"), "members[0].file"),
            ("/members/0/file", json!(".."), "members[0].file"),
            ("/members/0/sha256", json!("abc"), "members[0].sha256"),
            (
                "/members/0/sha256",
                json!("G".repeat(64)),
                "members[0].sha256",
            ),
            ("/golden/file", json!(""), "golden.file"),
            ("/ood/limit", json!(-1.0), "ood.limit"),
            (
                "/training/pixel_size_um",
                json!([0.4, 0.1]),
                "training.pixel_size_um",
            ),
        ];
        for (pointer, value, key) in cases {
            let mut manifest = good();
            *manifest.pointer_mut(pointer).unwrap() = value.clone();
            let error = parse(&manifest).unwrap_err();
            assert!(
                matches!(&error, EnsembleError::Value { key: found, .. } if found == key),
                "{pointer} = {value}: {error}"
            );
        }
    }

    #[test]
    fn two_members_of_one_name_are_refused() {
        let mut manifest = good();
        let member = manifest["members"][0].clone();
        manifest["members"].as_array_mut().unwrap().push(member);
        assert!(
            parse(&manifest)
                .unwrap_err()
                .to_string()
                .contains("another member")
        );
    }

    #[test]
    fn an_unknown_key_is_named() {
        for pointer in [
            "",
            "/tile",
            "/conformal/limits",
            "/members/0",
            "/golden",
            "/ood",
            "/training",
        ] {
            let mut manifest = good();
            let object = manifest.pointer_mut(pointer).unwrap();
            object["thershold"] = json!(1);
            let sentence = parse(&manifest).unwrap_err().to_string();
            assert!(sentence.contains("thershold"), "{pointer}: {sentence}");
        }
    }

    #[test]
    fn a_missing_key_a_nan_and_a_huge_manifest_are_refused() {
        let mut manifest = good();
        manifest.as_object_mut().unwrap().remove("temperature");
        assert!(
            parse(&manifest)
                .unwrap_err()
                .to_string()
                .contains("temperature")
        );
        let text = good()
            .to_string()
            .replace("\"temperature\":1.0", "\"temperature\":NaN");
        assert!(matches!(
            Manifest::parse(text.as_bytes(), Path::new("m")),
            Err(EnsembleError::Manifest { .. })
        ));
        let huge = vec![b' '; usize::try_from(MANIFEST_LIMIT).unwrap() + 1];
        assert!(matches!(
            Manifest::parse(&huge, Path::new("m")),
            Err(EnsembleError::TooLarge { .. })
        ));
    }
}
