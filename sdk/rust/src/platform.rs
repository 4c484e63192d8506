//! Platforms as text, `os[(version)]/architecture[/variant]`, normalised as containerd's `platforms` package does it.
//! Knows nothing of the machine it runs on.

use std::fmt;

use crate::types::Platform;

/// A text that is no platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPlatform(pub String);

impl fmt::Display for InvalidPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a platform of the form os/architecture[/variant]",
            self.0
        )
    }
}

impl std::error::Error for InvalidPlatform {}

/// What GOOS may be.
const SYSTEMS: [&str; 17] = [
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "windows",
    "zos",
];

/// What GOARCH may be.
const ARCHITECTURES: [&str; 26] = [
    "386",
    "amd64",
    "amd64p32",
    "arm",
    "armbe",
    "arm64",
    "arm64be",
    "ppc64",
    "ppc64le",
    "loong64",
    "mips",
    "mipsle",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "ppc",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
    "wasm32",
    "wasm64",
];

impl Platform {
    /// Makes a platform without variant, normalised.
    pub fn new(os: &str, architecture: &str) -> Self {
        let (architecture, cpu_variant) = normal_architecture(architecture, "");
        Self {
            os: normal_os(os),
            architecture,
            cpu_variant,
            ..Self::default()
        }
    }

    /// Reads `os/architecture[/variant]`, or a known system or architecture alone: the rest is `default`'s then.
    ///
    /// ```
    /// use lapstrake_sdk::types::Platform;
    /// let amd64 = Platform::new("linux", "amd64");
    /// let text = |text| Platform::parse(text, &amd64).map(|platform| platform.to_string());
    /// assert_eq!(text("linux/aarch64").as_deref(), Ok("linux/arm64"));
    /// assert_eq!(text("arm").as_deref(), Ok("linux/arm/v7"));
    /// assert_eq!(text("windows(10.0.17763)").as_deref(), Ok("windows(10.0.17763)/amd64"));
    /// assert!(text("linux/").is_err());
    /// ```
    pub fn parse(text: &str, default: &Platform) -> Result<Self, InvalidPlatform> {
        let error = || InvalidPlatform(text.to_owned());
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let mut parts: Vec<&str> = text.split('/').collect();
        let mut os_version = None;
        if let Some((os, rest)) = parts[0].split_once('(') {
            let version = rest.strip_suffix(')').ok_or_else(error)?;
            if version.is_empty() || !version.chars().all(good) {
                return Err(error());
            }
            os_version = Some(version.to_owned());
            parts[0] = os;
        }
        if parts
            .iter()
            .any(|part| part.is_empty() || !part.chars().all(good))
        {
            return Err(error());
        }
        let (os, (architecture, cpu_variant)) = match parts.as_slice() {
            [os] if SYSTEMS.contains(&normal_os(os).as_str()) => (
                normal_os(os),
                (default.architecture.clone(), default.cpu_variant.clone()),
            ),
            [architecture] if os_version.is_none() => {
                let normal = normal_architecture(architecture, "");
                if !ARCHITECTURES.contains(&normal.0.as_str()) {
                    return Err(error());
                }
                (default.os.clone(), normal)
            }
            [os, architecture] => (normal_os(os), normal_architecture(architecture, "")),
            [os, architecture, variant] => (normal_os(os), normal_architecture(architecture, variant)),
            _ => return Err(error()),
        };
        Ok(Self {
            os,
            architecture,
            cpu_variant,
            os_version,
            os_features: Vec::new(),
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.os)?;
        if let Some(version) = &self.os_version {
            write!(f, "({version})")?;
        }
        write!(f, "/{}", self.architecture)?;
        match &self.cpu_variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

fn normal_os(os: &str) -> String {
    match os.to_ascii_lowercase() {
        os if os == "macos" => "darwin".to_owned(),
        os => os,
    }
}

fn normal_architecture(architecture: &str, variant: &str) -> (String, Option<String>) {
    let architecture = architecture.to_ascii_lowercase();
    let variant = variant.to_ascii_lowercase();
    let (architecture, variant) = match architecture.as_str() {
        "i386" => ("386", ""),
        "x86_64" | "x86-64" | "amd64" => ("amd64", if variant == "v1" { "" } else { &variant }),
        "aarch64" | "arm64" => (
            "arm64",
            if matches!(variant.as_str(), "8" | "v8") {
                ""
            } else {
                &variant
            },
        ),
        "armhf" => ("arm", "v7"),
        "armel" => ("arm", "v6"),
        "arm" => match variant.as_str() {
            "" | "7" => ("arm", "v7"),
            "5" => ("arm", "v5"),
            "6" => ("arm", "v6"),
            "8" => ("arm", "v8"),
            _ => ("arm", variant.as_str()),
        },
        _ => (architecture.as_str(), variant.as_str()),
    };
    (
        architecture.to_owned(),
        (!variant.is_empty()).then(|| variant.to_owned()),
    )
}
