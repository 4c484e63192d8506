//! Which image of an index fits a platform: the order of preference that containerd has.
//! Pure functions. Knows nothing of manifests, registries or the machine it runs on.

use lapstrake_llb::Platform;

/// Brings a platform into the form in which two platforms that mean the same are equal.
///
/// Other names of an architecture become GOARCH values; the variant that an architecture has anyway is left out, as
/// containerd does (`arm64/v8`, `amd64/v1`), except for `arm`, where `v7` is written.
pub fn normalise(platform: &Platform) -> Platform {
    let lower = |text: &str| text.trim().to_ascii_lowercase();
    let os = match lower(&platform.os).as_str() {
        "" => "linux".to_owned(),
        "macos" => "darwin".to_owned(),
        other => other.to_owned(),
    };
    let variant = platform.variant.as_deref().map(lower).filter(|v| !v.is_empty());
    let numbered = |number: &str| {
        if number.starts_with('v') {
            number.to_owned()
        } else {
            format!("v{number}")
        }
    };
    let (architecture, variant) = match (lower(&platform.architecture).as_str(), variant.as_deref()) {
        ("x86_64" | "x86-64" | "amd64", None | Some("1" | "v1")) => ("amd64".to_owned(), None),
        ("x86_64" | "x86-64" | "amd64", Some(v)) => ("amd64".to_owned(), Some(numbered(v))),
        ("i386" | "i486" | "i586" | "i686" | "x86" | "386", _) => ("386".to_owned(), None),
        ("aarch64" | "arm64", None | Some("8" | "v8" | "8.0" | "v8.0")) => ("arm64".to_owned(), None),
        ("aarch64" | "arm64", Some(v)) => ("arm64".to_owned(), Some(numbered(v))),
        ("armhf", _) | ("arm", None) => ("arm".to_owned(), Some("v7".to_owned())),
        ("armel", _) => ("arm".to_owned(), Some("v6".to_owned())),
        ("arm", Some(v)) => ("arm".to_owned(), Some(numbered(v))),
        (other, v) => (other.to_owned(), v.map(str::to_owned)),
    };
    Platform {
        os,
        architecture,
        variant,
        os_version: platform.os_version.clone().filter(|v| !v.is_empty()),
        os_features: platform.os_features.clone(),
    }
}

/// `os/architecture[/variant]`, as people write a platform.
pub fn name(platform: &Platform) -> String {
    match &platform.variant {
        Some(variant) => format!("{}/{}/{variant}", platform.os, platform.architecture),
        None => format!("{}/{}", platform.os, platform.architecture),
    }
}

/// The platforms whose programs a machine of `wanted` runs, the best first.
///
/// Smaller variants of the architecture; after them the 32-bit architecture of a 64-bit machine.
fn accepted(wanted: &Platform) -> Vec<(String, Option<String>)> {
    let wanted = normalise(wanted);
    let architecture = wanted.architecture.as_str();
    let variant = wanted.variant.as_deref();
    let arm = |highest: u32| {
        (5..=highest)
            .rev()
            .map(|v| ("arm".to_owned(), Some(format!("v{v}"))))
    };
    let number = |v: &str| v.trim_start_matches('v').parse::<u32>().ok();
    let mut list = vec![(wanted.architecture.clone(), wanted.variant.clone())];
    match (architecture, variant.map(number)) {
        ("amd64", highest) => {
            let lower = highest.flatten().into_iter().flat_map(|h| (2..h).rev());
            list.extend(lower.map(|v| ("amd64".to_owned(), Some(format!("v{v}")))));
            list.push(("amd64".to_owned(), None));
            list.push(("386".to_owned(), None));
        }
        ("arm64", _) => {
            list.push(("arm64".to_owned(), None));
            list.extend(arm(8));
        }
        ("arm", Some(Some(highest))) => list.extend(arm(highest.min(8))),
        _ => {}
    }
    let mut unique = Vec::with_capacity(list.len());
    for entry in list {
        if !unique.contains(&entry) {
            unique.push(entry);
        }
    }
    unique
}

/// How well a program for `found` fits a machine of `wanted`: 0 is best, `None`: not at all.
pub fn rank(wanted: &Platform, found: &Platform) -> Option<usize> {
    let found = normalise(found);
    if normalise(wanted).os != found.os {
        return None;
    }
    accepted(wanted)
        .iter()
        .position(|(architecture, variant)| *architecture == found.architecture && *variant == found.variant)
}

/// The best of several platforms: its index. Of equally good ones the first.
pub fn choose<'a>(wanted: &Platform, found: impl IntoIterator<Item = &'a Platform>) -> Option<usize> {
    found
        .into_iter()
        .enumerate()
        .filter_map(|(index, platform)| Some((rank(wanted, platform)?, index)))
        .min()
        .map(|(_, index)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        let mut parts = text.split('/');
        Platform {
            os: parts.next().unwrap_or_default().to_owned(),
            architecture: parts.next().unwrap_or_default().to_owned(),
            variant: parts.next().map(str::to_owned),
            os_version: None,
            os_features: Vec::new(),
        }
    }

    fn chosen(wanted: &str, found: &[&str]) -> Option<String> {
        let list: Vec<_> = found.iter().map(|f| platform(f)).collect();
        choose(&platform(wanted), &list).map(|index| found[index].to_owned())
    }

    #[test]
    fn takes_the_nearest_variant_that_runs() {
        let cases = [
            (
                "linux/amd64",
                &["linux/arm64", "linux/amd64"][..],
                Some("linux/amd64"),
            ),
            (
                "linux/amd64",
                &["linux/386", "linux/x86_64"],
                Some("linux/x86_64"),
            ),
            ("linux/amd64", &["linux/386"], Some("linux/386")),
            ("linux/amd64", &["linux/amd64/v2"], None),
            (
                "linux/amd64/v3",
                &["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"],
                Some("linux/amd64/v2"),
            ),
            (
                "linux/arm64",
                &["linux/arm/v7", "linux/arm64/v8"],
                Some("linux/arm64/v8"),
            ),
            (
                "linux/arm64",
                &["linux/arm/v6", "linux/arm/v7"],
                Some("linux/arm/v7"),
            ),
            (
                "linux/arm/v7",
                &["linux/arm/v5", "linux/arm/v6"],
                Some("linux/arm/v6"),
            ),
            ("linux/arm", &["linux/arm/v6", "linux/arm"], Some("linux/arm")),
            ("linux/arm/v6", &["linux/arm/v7"], None),
            (
                "linux/s390x",
                &["linux/amd64", "linux/s390x"],
                Some("linux/s390x"),
            ),
            ("linux/amd64", &["windows/amd64"], None),
            ("linux/amd64", &["unknown/unknown"], None),
            ("linux/amd64", &[], None),
        ];
        for (wanted, found, expected) in cases {
            assert_eq!(
                chosen(wanted, found).as_deref(),
                expected,
                "{wanted} of {found:?}"
            );
        }
    }

    #[test]
    fn names_are_normalised() {
        let cases = [
            ("Linux/x86_64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/aarch64/v8", "linux/arm64"),
            ("linux/arm64/8.2", "linux/arm64/v8.2"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/armel", "linux/arm/v6"),
            ("linux/arm/5", "linux/arm/v5"),
            ("linux/i686", "linux/386"),
            ("linux/riscv64", "linux/riscv64"),
        ];
        for (given, expected) in cases {
            assert_eq!(name(&normalise(&platform(given))), expected);
        }
    }
}
