//! The checks: what builds, but is doubtful. `# check=skip=NAME,...` at the top of a file leaves some of them out, `skip=all`
//! all, and `error=true` makes errors of them. Knows nothing of the graph.

use lapstrake_sdk::is_secret_name;
use lapstrake_sdk::options::parse_bool;
use lapstrake_sdk::types::{Request, Severity};

use crate::check::is_address;
use crate::findings::{Findings, Span, did_you_mean};
use crate::model::{Image, Manager, Mockerfile, Package, Text, Version};

/// The checks by their names.
pub const RULES: [&str; 8] = [
    MISSING_CHECKSUM,
    UNPINNED_BASE,
    FROM_NAMES_IMAGE,
    UNSORTED_PACKAGES,
    DUPLICATE_PACKAGE,
    PACKAGES_IN_STEPS,
    SECRETS_IN_ENV,
    UNUSED_KEY,
];

const MISSING_CHECKSUM: &str = "MissingChecksum";
const UNPINNED_BASE: &str = "UnpinnedBase";
const FROM_NAMES_IMAGE: &str = "FromNamesImage";
const UNSORTED_PACKAGES: &str = "UnsortedPackages";
const DUPLICATE_PACKAGE: &str = "DuplicatePackage";
const PACKAGES_IN_STEPS: &str = "PackagesInSteps";
const SECRETS_IN_ENV: &str = "SecretsInEnv";
const UNUSED_KEY: &str = "UnusedKey";

/// Runs all checks.
pub fn run(file: &Mockerfile, request: &Request, findings: &mut Findings) {
    for image in &file.images {
        base(file, image, request, findings);
        checksums(file, image, findings);
        if let Some(package) = &image.package {
            packages(package, findings);
        }
        steps(image, findings);
        environment(image, findings);
    }
}

fn base(file: &Mockerfile, image: &Image, request: &Request, findings: &mut Findings) {
    let Some(from) = image.from.as_ref().filter(|from| from.text != "scratch") else {
        return;
    };
    if request.named_context(from).is_some() {
        // The command line says what it is.
        return;
    }
    if file.find(from).is_some() {
        let message = format!(
            "`from: {}` is an image of a registry, not the one of this file",
            from.text
        );
        findings
            .warning(FROM_NAMES_IMAGE, &from.span, message)
            .help(format!("the image of this file is `parent: {}`", from.text));
        return;
    }
    let name = from.rsplit('/').next().unwrap_or(from);
    let tag = name.split_once(':').map(|(_, tag)| tag);
    if !from.contains('@') && matches!(tag, None | Some("latest")) && !findings.has_errors_in(&from.span) {
        findings
            .warning(
                UNPINNED_BASE,
                &from.span,
                format!("`{}` is another image tomorrow", from.text),
            )
            .help("name a tag such as `:12`, or a digest");
    }
}

fn checksums(file: &Mockerfile, image: &Image, findings: &mut Findings) {
    for external in image.external.iter().filter(|external| external.sha256.is_none()) {
        if findings.has_errors_in(&external.span) {
            continue;
        }
        findings
            .warning(
                MISSING_CHECKSUM,
                &external.src.span,
                "the file has no checksum: whatever the server sends is taken",
            )
            .help("add `sha256:` with the checksum of the file");
    }
    let keys = image.package.iter().flat_map(|package| &package.gpg);
    // The older form has no place for their checksums.
    for key in keys.filter(|_| file.version == Version::V1beta1) {
        if key.sha256.is_none() && is_address(&key.src) {
            findings
                .warning(
                    MISSING_CHECKSUM,
                    &key.src.span,
                    "the key has no checksum: whatever the server sends is trusted",
                )
                .help("write `src: ADDRESS` and `sha256: CHECKSUM`");
        }
    }
}

fn packages(package: &Package, findings: &mut Findings) {
    let is_apt = package.manager.is_none_or(|manager| manager.0 == Manager::Apt);
    let is_unused = is_apt && package.repo.is_empty() && !findings.has_errors_in(&package.span);
    if let Some(key) = package.gpg.first().filter(|_| is_unused) {
        findings
            .warning(
                UNUSED_KEY,
                &key.src.span,
                "there is no repository that the key is for",
            )
            .help("list the repository under `repo`: what is in the base keeps its own keys");
    }
    let names: Vec<&Text> = package.install.iter().collect();
    if let Some(pair) = names.windows(2).find(|pair| pair[0].text > pair[1].text) {
        let message = format!("`{}` stands after `{}`", pair[1].text, pair[0].text);
        findings
            .info(UNSORTED_PACKAGES, &pair[1].span, message)
            .help("sort the packages: what is there twice, and what changed, is seen at once");
    }
    let mut seen: std::collections::BTreeMap<&str, &Text> = std::collections::BTreeMap::new();
    for name in names {
        match seen.get(name.text.as_str()) {
            Some(first) => {
                let message = format!("`{}` is there twice", name.text);
                findings
                    .warning(DUPLICATE_PACKAGE, &name.span, message)
                    .related(&first.span, "first here");
            }
            None => {
                seen.insert(&name.text, name);
            }
        }
    }
}

fn steps(image: &Image, findings: &mut Findings) {
    let managers = [
        ("apt-get install", Manager::Apt),
        ("apt install", Manager::Apt),
        ("apk add", Manager::Apk),
        ("dnf install", Manager::Dnf),
    ];
    for step in &image.steps {
        let Some((words, manager)) = managers.iter().find(|(words, _)| step.contains(words)) else {
            continue;
        };
        let help = match manager {
            Manager::Apt => {
                "list the packages under `package.install`: they come from a cache, and leave no lists"
            }
            Manager::Apk => "list the packages under `package.install` with `manager: apk`",
            Manager::Dnf => "list the packages under `package.install` with `manager: dnf`",
        };
        findings
            .info(PACKAGES_IN_STEPS, &step.span, format!("the step runs `{words}`"))
            .help(help);
    }
}

fn environment(image: &Image, findings: &mut Findings) {
    for (name, _) in image.env.iter().flat_map(|env| &env.pairs) {
        if is_secret_name(name) {
            let message = format!("the value of `{}` can be read in the image", name.text);
            findings
                .warning(SECRETS_IN_ENV, &name.span, message)
                .help("if it is a secret, list it under `secrets` with `env: NAME`");
        }
    }
}

/// Applies the file's directive: leaves out what it skips.
pub fn apply(text: &str, findings: &mut Findings) {
    let Some((options, span)) = directive(text) else {
        return;
    };
    let (mut skipped, mut strict): (Vec<String>, bool) = (Vec::new(), false);
    for part in options.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        match part
            .split_once('=')
            .map(|(key, value)| (key.trim(), value.trim()))
        {
            Some(("skip", names)) => {
                for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                    if name != "all" && !RULES.iter().any(|rule| rule.eq_ignore_ascii_case(name)) {
                        let help = did_you_mean(name, RULES);
                        findings
                            .warning(
                                "UnknownCheck",
                                &span,
                                format!("there is no check `{}`", name.escape_debug()),
                            )
                            .maybe_help(help.or(Some(format!("the checks are {}", RULES.join(", ")))));
                    }
                    skipped.push(name.to_owned());
                }
            }
            Some(("error", value)) if parse_bool(value).is_some() => {
                strict = parse_bool(value) == Some(true);
            }
            _ => {
                findings
                    .error(
                        "InvalidCheckOption",
                        &span,
                        format!("`{}` is no option of checks", part.escape_debug()),
                    )
                    .help("the options are `skip=NAME,...`, `skip=all` and `error=true`");
            }
        }
    }
    let is_skipped = |code: &str| {
        skipped
            .iter()
            .any(|name| name == "all" || name.eq_ignore_ascii_case(code))
    };
    findings.retain(|item| {
        if !RULES.contains(&item.code.as_str()) {
            return true;
        }
        if strict && item.severity == Severity::Warning {
            item.severity = Severity::Error;
        }
        !is_skipped(&item.code)
    });
}

/// The value of `# check=` among the comments that a file begins with.
fn directive(text: &str) -> Option<(&str, Span)> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let visible = line.trim_start_matches('\u{feff}');
        let start = at + line.len() - visible.len();
        at += line.len();
        let line = visible.trim_end();
        let comment = line.strip_prefix('#')?;
        if let Some((key, value)) = comment.split_once('=')
            && key.trim().eq_ignore_ascii_case("check")
        {
            return Some((value.trim(), start..start + line.len()));
        }
    }
    None
}
