//! The names that progress shows: `[build 2/5] RUN make`.
//! Knows nothing of what the vertices do.

use lapstrake_sdk::types::Platform;

use crate::expand::Variables;
use crate::lower::env::Env;

/// How the vertices of a stage are called.
#[derive(Debug, Clone, Default)]
pub struct Naming {
    /// The stage's name; empty: the only stage there is.
    pub stage: String,
    /// How many vertices it will have; 0: they get no prefix.
    pub total: usize,
    /// How many it has.
    pub index: usize,
    /// Whether the instruction comes from a trigger.
    pub on_build: bool,
    /// Whether the platform is shown: there are several.
    pub show_platform: bool,
}

impl Naming {
    /// Names the next vertex.
    pub fn next(&mut self, text: &str, platform: &Platform, env: Option<&Env>) -> String {
        if self.total == 0 {
            return text.to_owned();
        }
        self.index += 1;
        self.again(text, platform, env)
    }

    /// Names another vertex of the same step.
    pub fn again(&self, text: &str, platform: &Platform, env: Option<&Env>) -> String {
        if self.total == 0 {
            return text.to_owned();
        }
        let mut name = String::with_capacity(text.len() + self.stage.len() + 32);
        name.push('[');
        if self.show_platform {
            name += &platform.to_string();
            if let Some(target) = env.and_then(target_platform) {
                name += &difference(platform, target);
            }
            name.push(' ');
        }
        if !self.stage.is_empty() {
            name += &self.stage;
            name.push(' ');
        }
        let (index, total) = (self.index.to_string(), self.total.to_string());
        (index.len()..total.len()).for_each(|_| name.push(' '));
        let on_build = if self.on_build { "ONBUILD " } else { "" };
        for part in [&index, "/", &total, "] ", on_build, text] {
            name += part;
        }
        name
    }
}

/// Returns a text with its first word in upper case.
pub fn upper_first(text: &str) -> String {
    match text.split_once(' ') {
        Some((first, _)) if first.bytes().all(|byte| byte.is_ascii_uppercase()) => text.to_owned(),
        Some((first, rest)) => format!("{} {rest}", first.to_uppercase()),
        None => text.to_uppercase(),
    }
}

/// The platform that a cross-compiling stage builds for, as far as its environment tells; empty fields are unknown.
fn target_platform(env: &Env) -> Option<Platform> {
    let get = |name| env.get(name).filter(|value| !value.is_empty()).map(str::to_owned);
    let unknown = Platform::default();
    if let Some(platform) = get("TARGETPLATFORM").and_then(|text| Platform::parse(&text, &unknown).ok()) {
        return Some(platform);
    }
    let (os, architecture, variant) = (get("TARGETOS"), get("TARGETARCH"), get("TARGETVARIANT"));
    (os.is_some() || architecture.is_some() || variant.is_some()).then(|| Platform {
        os: os.unwrap_or_default(),
        architecture: architecture.unwrap_or_default(),
        cpu_variant: variant,
        ..unknown
    })
}

/// What of the target is different, such as `->arm64`.
fn difference(base: &Platform, mut target: Platform) -> String {
    if target.os.is_empty() {
        target.os.clone_from(&base.os);
    }
    if target.architecture.is_empty() {
        target.architecture.clone_from(&base.architecture);
    }
    if target.os != base.os {
        return format!("->{target}");
    }
    if target.architecture != base.architecture {
        let variant = target
            .cpu_variant
            .map(|variant| format!("/{variant}"))
            .unwrap_or_default();
        return format!("->{}{variant}", target.architecture);
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        let amd64 = Platform::new("linux", "amd64");
        let mut naming = Naming {
            stage: "build".into(),
            total: 12,
            ..Naming::default()
        };
        assert_eq!(naming.next("FROM x", &amd64, None), "[build  1/12] FROM x");
        naming.on_build = true;
        assert_eq!(naming.next("RUN y", &amd64, None), "[build  2/12] ONBUILD RUN y");
        assert_eq!(
            naming.again("LINK y", &amd64, None),
            "[build  2/12] ONBUILD LINK y"
        );
        let mut alone = Naming {
            total: 2,
            ..Naming::default()
        };
        assert_eq!(alone.next("FROM x", &amd64, None), "[1/2] FROM x");
        assert_eq!(Naming::default().next("FROM x", &amd64, None), "FROM x");
    }

    #[test]
    fn platforms() {
        let amd64 = Platform::new("linux", "amd64");
        let mut naming = Naming {
            total: 3,
            show_platform: true,
            ..Naming::default()
        };
        let mut env = Env::default();
        assert_eq!(
            naming.next("RUN x", &amd64, Some(&env)),
            "[linux/amd64 1/3] RUN x"
        );
        env.set_last("TARGETARCH", "arm64");
        assert_eq!(
            naming.next("RUN x", &amd64, Some(&env)),
            "[linux/amd64->arm64 2/3] RUN x"
        );
        env.set_last("TARGETPLATFORM", "linux/arm/v7");
        assert_eq!(
            naming.next("RUN x", &amd64, Some(&env)),
            "[linux/amd64->arm/v7 3/3] RUN x"
        );
    }

    #[test]
    fn upper_case() {
        assert_eq!(upper_first("run a b"), "RUN a b");
        assert_eq!(upper_first("run"), "RUN");
    }
}
