//! Sizes, times and limits of garbage collection: from the words of the configuration and the command line to what the
//! store understands. Does no I/O.

use std::time::Duration;

use lapstrake_store::{Compare, Filter, Kind, Limits, Space};
use serde::Deserialize;

use crate::spec::SpecError;
use crate::suggest::closest;

/// `[gc]` of the configuration, with the words of BuildKit's `buildkitd.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GcConfig {
    /// Whether garbage is collected after builds; none: yes.
    pub enabled: Option<bool>,
    /// Most that the store may take: a size, or a share of the disk such as `60%`.
    pub max_used_space: Option<String>,
    /// What the store keeps in any case.
    pub reserved_space: Option<String>,
    /// What the disk is to have free.
    pub min_free_space: Option<String>,
    /// What was used within this time goes only for the sake of `max-used-space`.
    pub keep_duration: Option<String>,
}

/// An amount of disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Amount {
    Bytes(u64),
    /// Hundredths of the disk.
    Share(u64),
}

impl Amount {
    fn of(self, space: Space) -> u64 {
        match self {
            Amount::Bytes(bytes) => bytes,
            Amount::Share(percent) => space.total / 100 * percent,
        }
    }
}

/// Limits as they were asked for; some depend on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GcLimits {
    max_used: Option<Amount>,
    min_free: Option<Amount>,
    reserved: Option<Amount>,
    keep: Duration,
    /// Whether what is not asked for is as good for most machines, or not limited.
    defaults: bool,
}

const GB: u64 = 1_000_000_000;

impl GcLimits {
    /// The limits for a disk. BuildKit's defaults: at most 100 GB and 80 % of the disk, with a fifth of it free, and 10 GB
    /// or a tenth of it kept in any case.
    pub fn on(self, space: Space) -> Limits {
        let default = |most: u64, share: u64| self.defaults.then(|| most.min(Amount::Share(share).of(space)));
        let or = |amount: Option<Amount>, default: Option<u64>| {
            amount
                .map(|amount| amount.of(space))
                .or(default)
                .filter(|bytes| *bytes > 0)
        };
        Limits {
            max_used: or(self.max_used, default(100 * GB, 80)),
            min_free: or(self.min_free, default(u64::MAX, 20)),
            reserved: or(self.reserved, default(10 * GB, 10)).unwrap_or(0),
            keep: self.keep,
        }
    }
}

impl GcConfig {
    /// What the configuration asks for. `None`: nothing is to be collected.
    ///
    /// # Errors
    /// A size or a time is none.
    pub fn limits(&self) -> Result<Option<GcLimits>, SpecError> {
        let limits = GcLimits {
            max_used: parse("gc.max-used-space", self.max_used_space.as_deref())?,
            min_free: parse("gc.min-free-space", self.min_free_space.as_deref())?,
            reserved: parse("gc.reserved-space", self.reserved_space.as_deref())?,
            keep: match &self.keep_duration {
                None => Duration::from_secs(48 * 3600),
                Some(text) => duration(text).map_err(|error| after("gc.keep-duration", &error))?,
            },
            defaults: true,
        };
        // A cap that is smaller than what is kept by default is meant.
        let reserved = match (limits.reserved, limits.max_used) {
            (None, Some(_)) => Some(Amount::Bytes(0)),
            (reserved, _) => reserved,
        };
        let limits = GcLimits { reserved, ..limits };
        Ok(self.enabled.unwrap_or(true).then_some(limits))
    }
}

/// The limits of `lapstrake prune`. `None`: it named none.
///
/// # Errors
/// A size is none.
pub fn prune_limits(
    max_used: Option<&str>,
    min_free: Option<&str>,
    reserved: Option<&str>,
) -> Result<Option<GcLimits>, SpecError> {
    let mut limits = GcLimits {
        max_used: parse("--max-used-space", max_used)?,
        min_free: parse("--min-free-space", min_free)?,
        reserved: parse("--reserved-space", reserved)?,
        keep: Duration::ZERO,
        defaults: false,
    };
    if let (None, None, Some(reserved)) = (limits.max_used, limits.min_free, limits.reserved) {
        // "Keep so much" alone: all that is more goes.
        limits.max_used = Some(reserved);
    }
    let any = max_used.or(min_free).or(reserved).is_some();
    Ok(any.then_some(limits))
}

fn parse(name: &str, text: Option<&str>) -> Result<Option<Amount>, SpecError> {
    text.map(|text| amount(text).map_err(|error| after(name, &error)))
        .transpose()
}

fn after(name: &str, error: &SpecError) -> SpecError {
    SpecError(format!("{name}: {error}"))
}

fn amount(text: &str) -> Result<Amount, SpecError> {
    match text.trim().strip_suffix('%') {
        Some(percent) => match percent.trim().parse() {
            Ok(percent @ 0..=100) => Ok(Amount::Share(percent)),
            _ => Err(SpecError(format!("{text:?} is not a share from 0% to 100%"))),
        },
        None => decimal(text).map(Amount::Bytes),
    }
}

/// A size on disk: `10GB` is decimal as Docker writes sizes, `10GiB` and `10g` are binary.
fn decimal(text: &str) -> Result<u64, SpecError> {
    let wrong = || {
        SpecError(format!(
            "{text:?} is not a size such as 512MB, 10GB, 1.5GiB or 20%"
        ))
    };
    let text = text.trim();
    let split = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = (&text[..split], text[split..].trim().to_ascii_lowercase());
    let factor: u64 = match unit.as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => GB,
        "tb" => 1000 * GB,
        "k" | "ki" | "kib" => 1 << 10,
        "m" | "mi" | "mib" => 1 << 20,
        "g" | "gi" | "gib" => 1 << 30,
        "t" | "ti" | "tib" => 1 << 40,
        _ => return Err(wrong()),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(wrong);
    }
    let part: f64 = number.parse().map_err(|_| wrong())?;
    Ok((part * factor as f64) as u64)
}

/// A time as Go writes it, such as `1h30m`, and with days: `7d`. A number alone is seconds.
///
/// # Errors
/// It is none.
pub fn duration(text: &str) -> Result<Duration, SpecError> {
    let wrong = || SpecError(format!("{text:?} is not a time such as 24h, 90m or 7d"));
    let mut rest = text.trim();
    if let Ok(seconds) = rest.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut total = 0f64;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        total += number
            * match &rest[..end] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                "w" => 604_800.0,
                _ => return Err(wrong()),
            };
        rest = &rest[end..];
    }
    Duration::try_from_secs_f64(total).map_err(|_| wrong())
}

/// A filter of `du` and `prune`: `KEY=VALUE`, `KEY!=VALUE`, `KEY~=PART`, or a key alone where it is true or false.
///
/// # Errors
/// There is no such key, or no such value.
pub fn filter(text: &str) -> Result<Filter, SpecError> {
    let (key, compare, value) = split(text);
    let flag = || match (compare, value) {
        (None, _) | (Some(Compare::Is), "true" | "1") => Ok(true),
        (Some(Compare::Is), "false" | "0") => Ok(false),
        _ => Err(SpecError(format!("filter {text:?}: {key} is true or false"))),
    };
    let time = || match compare {
        Some(Compare::Is) => duration(value).map_err(|error| after(&format!("filter {key}"), &error)),
        _ => Err(SpecError(format!("filter {text:?}: write {key}=24h"))),
    };
    let compared = || compare.ok_or_else(|| SpecError(format!("filter {text:?}: write {key}=VALUE")));
    Ok(match key {
        "until" | "unused-for" => Filter::Unused(time()?),
        "id" => Filter::Id(compared()?, value.to_owned()),
        "type" => Filter::Type(known_type(compared()?, value)?, value.to_owned()),
        "description" => Filter::Description(compared()?, value.to_owned()),
        "inuse" | "in-use" => Filter::InUse(flag()?),
        "mutable" => Filter::Mutable(flag()?),
        "immutable" => Filter::Mutable(!flag()?),
        other => {
            let known = [
                "until",
                "unused-for",
                "id",
                "type",
                "description",
                "inuse",
                "mutable",
                "immutable",
            ];
            let hint = closest(other, known).map_or_else(
                || format!("it is one of {}", known.join(", ")),
                |word| format!("did you mean {word:?}?"),
            );
            return Err(SpecError(format!("unknown filter {other:?}; {hint}")));
        }
    })
}

/// A kind that does not exist is a slip, unless only a part of it is asked for.
fn known_type(compare: Compare, name: &str) -> Result<Compare, SpecError> {
    let names = Kind::ALL.map(Kind::as_str);
    if compare == Compare::Contains || names.contains(&name) {
        return Ok(compare);
    }
    Err(SpecError(format!(
        "unknown type {name:?}; it is one of {}",
        names.join(", ")
    )))
}

fn split(text: &str) -> (&str, Option<Compare>, &str) {
    match text.split_once('=') {
        None => (text.trim(), None, ""),
        Some((key, value)) => {
            if let Some(key) = key.strip_suffix('!') {
                (key.trim(), Some(Compare::IsNot), value)
            } else if let Some(key) = key.strip_suffix('~') {
                (key.trim(), Some(Compare::Contains), value)
            } else {
                (
                    key.trim(),
                    Some(Compare::Is),
                    value.strip_prefix('=').unwrap_or(value),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: Space = Space {
        total: 1000 * GB,
        available: 500 * GB,
    };

    #[test]
    fn sizes_shares_and_times() {
        for (text, bytes) in [
            ("0", 0),
            ("1024", 1024),
            ("10GB", 10 * GB),
            ("1.5 MB", 1_500_000),
            ("2gib", 2 << 30),
            ("512m", 512 << 20),
        ] {
            assert_eq!(amount(text).unwrap(), Amount::Bytes(bytes), "{text}");
        }
        assert_eq!(amount("60%").unwrap().of(DISK), 600 * GB);
        for text in ["", "x", "10x", "-1", "101%", "1..2GB", "99999999999GB"] {
            assert!(amount(text).is_err(), "{text}");
        }
        for (text, seconds) in [
            ("24h", 86_400),
            ("1h30m", 5400),
            ("7d", 604_800),
            ("90", 90),
            ("0s", 0),
        ] {
            assert_eq!(duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for text in ["", "h", "1x", "1h2", "-1h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn limits_have_sensible_defaults() {
        let limits = GcConfig::default().limits().unwrap().unwrap().on(DISK);
        assert_eq!(limits.max_used, Some(100 * GB));
        assert_eq!(limits.min_free, Some(200 * GB));
        assert_eq!(limits.reserved, 10 * GB);
        let small = GcConfig {
            max_used_space: Some("1MB".to_owned()),
            ..GcConfig::default()
        };
        let limits = small.limits().unwrap().unwrap().on(DISK);
        assert_eq!((limits.max_used, limits.reserved), (Some(1_000_000), 0));
        let off = GcConfig {
            enabled: Some(false),
            ..GcConfig::default()
        };
        assert_eq!(off.limits().unwrap(), None);
    }

    #[test]
    fn what_prune_is_asked_for() {
        assert_eq!(prune_limits(None, None, None).unwrap(), None);
        let keep = prune_limits(None, None, Some("1GB")).unwrap().unwrap().on(DISK);
        assert_eq!(
            (keep.max_used, keep.reserved, keep.min_free),
            (Some(GB), GB, None)
        );
        assert_eq!(
            filter("until=24h").unwrap(),
            Filter::Unused(Duration::from_secs(86_400))
        );
        assert_eq!(filter("inuse").unwrap(), Filter::InUse(true));
        assert_eq!(filter("immutable").unwrap(), Filter::Mutable(false));
        assert_eq!(
            filter("description~=go build").unwrap(),
            Filter::Description(Compare::Contains, "go build".to_owned())
        );
        assert_eq!(
            filter("type!=regular").unwrap(),
            Filter::Type(Compare::IsNot, "regular".to_owned())
        );
        for text in [
            "typ=regular",
            "type=regulr",
            "type",
            "until",
            "until=x",
            "inuse=2",
            "",
        ] {
            assert!(filter(text).is_err(), "{text}");
        }
        assert!(filter("typ=regular").unwrap_err().0.contains("\"type\""));
    }
}
