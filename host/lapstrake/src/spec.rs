//! The `key=value,key=value` words of the command line: outputs, secrets, build contexts.
//! Turns words into options; does no I/O.

use std::path::PathBuf;
use std::time::Duration;

use lapstrake_store::compress::Compression;

use crate::suggest::closest;

/// Why a word cannot be used. The text says what may stand there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SpecError(pub String);

/// Splits at commas; a field in double quotes may contain them (RFC 4180, section 2).
fn fields(text: &str) -> Result<Vec<String>, SpecError> {
    let mut out = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let field = out.last_mut().ok_or_else(|| SpecError("empty".to_owned()))?;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            ',' if !quoted => out.push(String::new()),
            _ => field.push(c),
        }
    }
    if quoted {
        return Err(SpecError(format!("a double quote is not closed in {text:?}")));
    }
    Ok(out)
}

fn key_value(field: &str) -> (String, Option<&str>) {
    match field.split_once('=') {
        Some((key, value)) => (key.trim().to_ascii_lowercase(), Some(value)),
        None => (field.trim().to_ascii_lowercase(), None),
    }
}

fn boolean(key: &str, value: Option<&str>) -> Result<bool, SpecError> {
    match value {
        None | Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => Err(SpecError(format!("{key}={other}: it is true or false"))),
    }
}

fn unknown(what: &str, key: &str, known: &[&str]) -> SpecError {
    let hint = closest(key, known.iter().copied()).map_or_else(
        || format!("it is one of {}", known.join(", ")),
        |word| format!("did you mean {word:?}?"),
    );
    SpecError(format!("unknown {what} {key:?}; {hint}"))
}

/// Where an output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A file or directory.
    Path(PathBuf),
}

/// What kind of output it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// OCI image layout; as one tar file or as a directory.
    Oci {
        /// One tar file.
        tar: bool,
    },
    /// A tar that `docker load` takes.
    Docker,
    /// Files in a directory.
    Local,
    /// Files in a tar.
    Tar,
    /// Nothing: the result stays in the cache.
    CacheOnly,
}

/// One `--output`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// What kind.
    pub kind: OutputKind,
    /// Where to; none only where the kind has none.
    pub destination: Option<Destination>,
    /// Names of the image.
    pub names: Vec<String>,
    /// Compression of layers that are made.
    pub compression: Compression,
    /// Its level.
    pub compression_level: Option<i32>,
    /// Whether layers that exist already are compressed anew.
    pub force_compression: bool,
    /// Annotations of the manifests.
    pub annotations: Vec<(String, String)>,
}

const OUTPUT_TYPES: [&str; 5] = ["oci", "docker", "local", "tar", "cacheonly"];
const OUTPUT_KEYS: [&str; 8] = [
    "type",
    "dest",
    "name",
    "tar",
    "compression",
    "compression-level",
    "force-compression",
    "annotation",
];

/// Reads one `--output`: a list of keys, a directory, or `-`.
///
/// # Errors
/// An unknown or missing key or value.
pub fn output(text: &str) -> Result<Output, SpecError> {
    let plain = |kind, destination| Output {
        kind,
        destination,
        names: Vec::new(),
        compression: Compression::Gzip,
        compression_level: None,
        force_compression: false,
        annotations: Vec::new(),
    };
    if text == "-" {
        return Ok(plain(OutputKind::Tar, Some(Destination::Stdout)));
    }
    if !text.contains('=') {
        if text.is_empty() {
            return Err(SpecError("an output cannot be empty".to_owned()));
        }
        return Ok(plain(OutputKind::Local, Some(Destination::Path(text.into()))));
    }
    let mut out = plain(OutputKind::CacheOnly, None);
    let (mut kind, mut tar) = (None, None);
    for field in fields(text)? {
        let (key, value) = key_value(&field);
        let needed = || {
            value
                .map(str::to_owned)
                .ok_or_else(|| SpecError(format!("{key} needs a value")))
        };
        match key.as_str() {
            "type" => kind = Some(needed()?),
            "dest" => {
                out.destination = Some(match needed()?.as_str() {
                    "" => return Err(SpecError("dest cannot be empty".to_owned())),
                    "-" => Destination::Stdout,
                    path => Destination::Path(path.into()),
                });
            }
            "name" => out
                .names
                .extend(needed()?.split(',').map(|name| name.trim().to_owned())),
            "tar" => tar = Some(boolean(&key, value)?),
            "compression" => {
                out.compression = match needed()?.as_str() {
                    "gzip" => Compression::Gzip,
                    "zstd" => Compression::Zstd,
                    "uncompressed" => Compression::None,
                    other => return Err(unknown("compression", other, &["gzip", "zstd", "uncompressed"])),
                }
            }
            "compression-level" => {
                let level = needed()?;
                let number = level
                    .parse()
                    .map_err(|_| SpecError(format!("compression-level={level}: not a number")))?;
                out.compression_level = Some(number);
            }
            "force-compression" => out.force_compression = boolean(&key, value)?,
            other => match other.strip_prefix("annotation.") {
                // The key's own case counts, so it is taken from the field.
                Some(_) => {
                    let name = field.split_once('=').map_or("", |(key, _)| key.trim());
                    out.annotations
                        .push((name["annotation.".len()..].to_owned(), needed()?));
                }
                None => return Err(unknown("output key", other, &OUTPUT_KEYS)),
            },
        }
    }
    out.kind = match kind.as_deref() {
        Some("oci") => OutputKind::Oci {
            tar: tar.unwrap_or(true),
        },
        Some("docker") => OutputKind::Docker,
        Some("local") => OutputKind::Local,
        Some("tar") => OutputKind::Tar,
        Some("cacheonly") => OutputKind::CacheOnly,
        Some(other @ ("image" | "registry")) => {
            let message =
                format!("output type {other:?} is not in this version; use type=oci and push the result");
            return Err(SpecError(message));
        }
        Some(other) => return Err(unknown("output type", other, &OUTPUT_TYPES)),
        None => {
            return Err(SpecError(format!(
                "an output needs a type: one of {}",
                OUTPUT_TYPES.join(", ")
            )));
        }
    };
    match (out.kind, &out.destination) {
        (OutputKind::CacheOnly, _) => out.destination = None,
        (OutputKind::Local | OutputKind::Oci { tar: false }, Some(Destination::Stdout)) => {
            return Err(SpecError(
                "a directory cannot be written to standard output".to_owned(),
            ));
        }
        (OutputKind::Local | OutputKind::Oci { tar: false }, None) => {
            return Err(SpecError("this output needs dest=DIRECTORY".to_owned()));
        }
        (_, None) => out.destination = Some(Destination::Stdout),
        _ => {}
    }
    if tar.is_some() && !matches!(out.kind, OutputKind::Oci { .. }) {
        return Err(SpecError("tar=false goes with type=oci only".to_owned()));
    }
    Ok(out)
}

/// Where a secret's value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretFrom {
    /// In a file.
    File(PathBuf),
    /// In an environment variable.
    Env(String),
}

/// One `--secret`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// What build files call it.
    pub id: String,
    /// Where its value is.
    pub from: SecretFrom,
}

/// Reads one `--secret`.
///
/// # Errors
/// An unknown key, or no id.
pub fn secret(text: &str) -> Result<Secret, SpecError> {
    let (mut id, mut src, mut env, mut kind) = (None, None, None, None);
    for field in fields(text)? {
        let (key, value) = key_value(&field);
        let value = value
            .map(str::to_owned)
            .ok_or_else(|| SpecError(format!("{key} needs a value")))?;
        match key.as_str() {
            "id" => id = Some(value),
            "src" | "source" => src = Some(value),
            "env" => env = Some(value),
            "type" => kind = Some(value),
            other => return Err(unknown("secret key", other, &["id", "src", "env", "type"])),
        }
    }
    if let Some(kind) = kind.as_deref().filter(|kind| !matches!(*kind, "file" | "env")) {
        return Err(unknown("secret type", kind, &["file", "env"]));
    }
    let id = id
        .filter(|id| !id.is_empty())
        .ok_or_else(|| SpecError("a secret needs id=NAME".to_owned()))?;
    let from = match (src, env) {
        (Some(_), Some(_)) => return Err(SpecError("a secret has either src or env".to_owned())),
        (Some(path), None) if kind.as_deref() == Some("env") => SecretFrom::Env(path),
        (Some(path), None) => SecretFrom::File(path.into()),
        (None, Some(name)) => SecretFrom::Env(name),
        // As buildx: an environment variable of that name, else a file of that name.
        (None, None) if kind.as_deref() == Some("file") => SecretFrom::File(id.clone().into()),
        (None, None) => SecretFrom::Env(id.clone()),
    };
    Ok(Secret { id, from })
}

/// One `--ssh`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssh {
    /// What build files call it.
    pub id: String,
    /// The socket of an agent, or files with private keys; empty: the agent of the caller's environment.
    pub paths: Vec<PathBuf>,
}

/// Reads one `--ssh`: `default`, `ID`, `ID=SOCKET` or `ID=KEY[,KEY...]`.
///
/// # Errors
/// No id, or an empty path.
pub fn ssh(text: &str) -> Result<Ssh, SpecError> {
    let (id, paths) = match text.split_once('=') {
        Some((id, paths)) => (id, paths.split(',').map(PathBuf::from).collect()),
        None => (text, Vec::new()),
    };
    if id.is_empty() {
        return Err(SpecError(format!("{text:?} needs an id, such as default")));
    }
    if paths.iter().any(|path| path.as_os_str().is_empty()) {
        return Err(SpecError(format!(
            "{text:?} has an empty path; it is ID, ID=SOCKET or ID=KEY[,KEY...]"
        )));
    }
    Ok(Ssh {
        id: id.to_owned(),
        paths,
    })
}

/// Reads `KEY=VALUE`.
///
/// # Errors
/// No `=`, or nothing before it.
pub fn pair(text: &str) -> Result<(String, String), SpecError> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(SpecError(format!("{text:?} is not KEY=VALUE"))),
    }
}

/// Reads a `--platform` list such as `linux/amd64,linux/arm64/v8`.
///
/// # Errors
/// A platform without a known form.
pub fn platforms(text: &str) -> Result<Vec<lapstrake_llb::Platform>, SpecError> {
    text.split(',').map(|one| platform(one.trim())).collect()
}

fn platform(text: &str) -> Result<lapstrake_llb::Platform, SpecError> {
    let parts: Vec<&str> = text.split('/').collect();
    let error = || {
        SpecError(format!(
            "{text:?} is not a platform such as linux/amd64 or linux/arm64/v8"
        ))
    };
    let good = |part: &&str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
    };
    if text == "local" {
        return Ok(crate::platform::host());
    }
    if !parts.iter().all(good) {
        return Err(error());
    }
    let (os, architecture, variant) = match parts.as_slice() {
        [os, architecture] => (*os, *architecture, None),
        [os, architecture, variant] => (*os, *architecture, Some(*variant)),
        _ => return Err(error()),
    };
    Ok(crate::platform::of(os, architecture, variant))
}

/// Reads a size such as `64m` or `1GiB`; units are powers of 1024, as Docker takes them.
///
/// # Errors
/// Not a number with a known unit.
pub fn size(text: &str) -> Result<u64, SpecError> {
    let error = || SpecError(format!("{text:?} is not a size such as 512m or 1g"));
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let shift = match unit.trim() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(error()),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(1 << shift).ok_or_else(error);
    }
    let value: f64 = number.parse().map_err(|_| error())?;
    Ok((value * f64::from(1u32 << (shift.min(30))) * if shift == 40 { 1024.0 } else { 1.0 }) as u64)
}

/// Reads a length of time such as `90s`, `48h`, `1h30m` or `7d`; a number alone is seconds.
///
/// # Errors
/// Not numbers with known units.
pub fn length_of_time(text: &str) -> Result<Duration, SpecError> {
    let error = || SpecError(format!("{text:?} is not a length of time such as 90s, 48h or 7d"));
    let mut rest = text.trim();
    if let Ok(seconds) = rest.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut total = Duration::ZERO;
    loop {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(error)?;
        let (number, after) = rest.split_at(digits);
        let end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            _ => return Err(error()),
        };
        let number: f64 = number.parse().map_err(|_| error())?;
        let part = Duration::try_from_secs_f64(number * seconds).map_err(|_| error())?;
        total = total.checked_add(part).ok_or_else(error)?;
        rest = after;
        if rest.is_empty() {
            return Ok(total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        assert_eq!(length_of_time("90"), Ok(Duration::from_secs(90)));
        assert_eq!(length_of_time("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(length_of_time("1.5s"), Ok(Duration::from_millis(1500)));
        for wrong in ["", "h", "5x", "1h30", "-5s"] {
            assert!(length_of_time(wrong).is_err(), "{wrong}");
        }
    }

    fn message<T: std::fmt::Debug>(result: Result<T, SpecError>) -> String {
        result.unwrap_err().0
    }

    #[test]
    fn outputs() {
        let oci = output("type=oci,dest=a.tar,name=x:1,annotation.A.b=c").unwrap();
        assert_eq!(oci.kind, OutputKind::Oci { tar: true });
        assert_eq!(oci.destination, Some(Destination::Path("a.tar".into())));
        assert_eq!(oci.names, ["x:1"]);
        assert_eq!(oci.annotations, [("A.b".to_owned(), "c".to_owned())]);
        assert_eq!(output("out").unwrap().kind, OutputKind::Local);
        assert_eq!(output("-").unwrap().destination, Some(Destination::Stdout));
        let names = output("type=docker,\"name=a,b\",dest=-").unwrap();
        assert_eq!(names.names, ["a", "b"]);
        assert_eq!(output("type=cacheonly").unwrap().destination, None);
    }

    #[test]
    fn bad_outputs_say_what_is_good() {
        assert_eq!(
            message(output("type=ocy,dest=x")),
            "unknown output type \"ocy\"; did you mean \"oci\"?"
        );
        assert_eq!(
            message(output("type=oci,dst=x")),
            "unknown output key \"dst\"; did you mean \"dest\"?"
        );
        assert!(message(output("dest=x")).contains("needs a type"));
        assert!(message(output("type=local")).contains("dest=DIRECTORY"));
        assert!(message(output("type=oci,tar=false,dest=-")).contains("standard output"));
        assert!(message(output("type=oci,\"name=x")).contains("not closed"));
        assert!(message(output("type=tar,tar=false")).contains("type=oci only"));
        assert!(message(output("type=registry")).contains("not in this version"));
    }

    #[test]
    fn secrets() {
        let file = secret("id=a,src=/x").unwrap();
        assert_eq!(
            file,
            Secret {
                id: "a".into(),
                from: SecretFrom::File("/x".into())
            }
        );
        assert_eq!(secret("id=a,env=X").unwrap().from, SecretFrom::Env("X".into()));
        assert_eq!(secret("id=a").unwrap().from, SecretFrom::Env("a".into()));
        assert!(message(secret("src=x")).contains("id=NAME"));
        assert!(message(secret("id=a,sorce=x")).contains("unknown secret key"));
    }

    #[test]
    fn ssh_agents() {
        let agent = |id: &str, paths: &[&str]| Ssh {
            id: id.to_owned(),
            paths: paths.iter().map(PathBuf::from).collect(),
        };
        assert_eq!(ssh("default"), Ok(agent("default", &[])));
        assert_eq!(ssh("a=/s"), Ok(agent("a", &["/s"])));
        assert_eq!(ssh("a=k1,k2"), Ok(agent("a", &["k1", "k2"])));
        assert!(message(ssh("=x")).contains("needs an id"));
        assert!(message(ssh("a=")).contains("empty path"));
        assert!(message(ssh("")).contains("needs an id"));
    }

    #[test]
    fn sizes_and_platforms() {
        assert_eq!(size("64m"), Ok(64 << 20));
        assert_eq!(size("1.5GiB"), Ok(3 << 29));
        assert!(size("1x").is_err());
        assert_eq!(platforms("linux/amd64,linux/arm64/v8").unwrap().len(), 2);
        assert!(platforms("linux").is_err());
        assert!(platforms("linux//x").is_err());
    }
}
