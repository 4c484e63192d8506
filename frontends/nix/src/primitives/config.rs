//! Configurations of images as the OCI image specification ("Image Configuration", `config`) and Docker name their
//! fields. Knows nothing of layers.

use std::rc::Rc;

use lapstrake_sdk::types::{Healthcheck, ImageConfig, KeyValue};

use crate::error::{Error, ErrorKind};
use crate::eval::{Attrs, Coerce, NixString, Value, Vm, coerce};
use crate::suggest;

use super::builds::{Builds, Uses, optional};

const FIELDS: [&str; 13] = [
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "Labels",
    "OnBuild",
    "Shell",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
    "ArgsEscaped",
];
const CHECK_FIELDS: [&str; 6] = [
    "Test",
    "Interval",
    "Timeout",
    "StartPeriod",
    "StartInterval",
    "Retries",
];

/// Reads a configuration into one, and notes what it refers to.
pub(super) async fn read(
    vm: &Vm,
    attrs: &Attrs,
    config: &mut ImageConfig,
    uses: &mut Uses,
) -> Result<(), Error> {
    for (name, attr) in attrs.sorted(vm.symbols()) {
        let field = field(vm, &name, &attr.value, config, uses).await;
        field.map_err(|error| error.note(format!("while evaluating the image's '{name}'"), attr.span))?;
    }
    Ok(())
}

async fn field(
    vm: &Vm,
    name: &str,
    value: &Value,
    config: &mut ImageConfig,
    uses: &mut Uses,
) -> Result<(), Error> {
    let value = match vm.force(value).await? {
        Value::Null => return Ok(()),
        value => value,
    };
    match name {
        "Cmd" => config.cmd = Some(strings(vm, &value, uses).await?),
        "Entrypoint" => config.entrypoint = Some(strings(vm, &value, uses).await?),
        "Shell" => config.shell = Some(strings(vm, &value, uses).await?),
        "OnBuild" => config.on_build = strings(vm, &value, uses).await?,
        "User" => config.user = string(vm, &value, uses).await?,
        "WorkingDir" => config.working_dir = string(vm, &value, uses).await?,
        "StopSignal" => config.stop_signal = Some(string(vm, &value, uses).await?),
        "ExposedPorts" => config.exposed_ports = names(vm, &value).await?,
        "Volumes" => config.volumes = names(vm, &value).await?,
        "Env" => config.env = env(vm, &value, uses).await?,
        "Labels" => {
            for (label, attr) in value.to_attrs()?.sorted(vm.symbols()) {
                let text = string(vm, &attr.value, uses).await?;
                config.labels.push(KeyValue::new(&*label, text));
            }
        }
        "Healthcheck" => config.healthcheck = Some(healthcheck(vm, &value, uses).await?),
        "ArgsEscaped" => {}
        wrong => {
            let error = Error::new(
                ErrorKind::Build,
                format!("an image's configuration has no field '{wrong}'"),
            );
            return Err(suggest::help(error, wrong, FIELDS.into_iter()));
        }
    }
    Ok(())
}

async fn string(vm: &Vm, value: &Value, uses: &mut Uses) -> Result<String, Error> {
    let string: Rc<NixString> = coerce(vm, value, Coerce::environment()).await?;
    uses.add(&Builds::of(vm).store(), &string)?;
    string.to_utf8()
}

async fn strings(vm: &Vm, value: &Value, uses: &mut Uses) -> Result<Vec<String>, Error> {
    let mut out = Vec::new();
    for item in &value.to_list()?.0 {
        out.push(string(vm, item, uses).await?);
    }
    Ok(out)
}

/// The names of a set such as `{ "80/tcp" = { }; }`, or a list of them.
async fn names(vm: &Vm, value: &Value) -> Result<Vec<String>, Error> {
    if let Value::List(list) = value {
        let mut out = Vec::new();
        for item in &list.0 {
            out.push(vm.plain_string(item).await?);
        }
        return Ok(out);
    }
    let attrs = value.to_attrs()?;
    Ok(attrs
        .sorted(vm.symbols())
        .into_iter()
        .map(|(name, _)| name.to_string())
        .collect())
}

/// `[ "NAME=value" ]`, or a set.
async fn env(vm: &Vm, value: &Value, uses: &mut Uses) -> Result<Vec<KeyValue>, Error> {
    if let Value::Attrs(attrs) = value {
        let mut out = Vec::new();
        for (name, attr) in attrs.sorted(vm.symbols()) {
            out.push(KeyValue::new(&*name, string(vm, &attr.value, uses).await?));
        }
        return Ok(out);
    }
    let pair = |text: String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(KeyValue::new(name, value)),
        _ => {
            let error = Error::new(ErrorKind::Build, format!("'{text}' is not a variable"));
            Err(error.help("variables are written \"NAME=value\""))
        }
    };
    strings(vm, value, uses).await?.into_iter().map(pair).collect()
}

async fn healthcheck(vm: &Vm, value: &Value, uses: &mut Uses) -> Result<Healthcheck, Error> {
    let attrs = value.to_attrs()?;
    for (name, _) in attrs.sorted(vm.symbols()) {
        if !CHECK_FIELDS.contains(&&*name) {
            let error = Error::new(ErrorKind::Build, format!("a health check has no field '{name}'"));
            return Err(suggest::help(error, &name, CHECK_FIELDS.into_iter()));
        }
    }
    let mut numbers = [None; 5];
    for (slot, name) in numbers.iter_mut().zip(&CHECK_FIELDS[1..]) {
        *slot = optional(vm, &attrs, name)
            .await?
            .map(|value| value.to_int())
            .transpose()?;
    }
    let test = match optional(vm, &attrs, "Test").await? {
        Some(value) => strings(vm, &value, uses).await?,
        None => Vec::new(),
    };
    let [
        interval_ns,
        timeout_ns,
        start_period_ns,
        start_interval_ns,
        retries,
    ] = numbers;
    Ok(Healthcheck {
        test,
        interval_ns,
        timeout_ns,
        start_period_ns,
        start_interval_ns,
        retries: retries.and_then(|count| u32::try_from(count).ok()),
    })
}

/// A configuration as a set that `config` of an image takes.
pub(super) fn to_value(vm: &Vm, config: &ImageConfig) -> Value {
    let list = |items: &[String]| Value::list(items.iter().map(Value::string).collect());
    let set = |items: &[String]| {
        let empty = || Value::attrs(Attrs::default());
        Value::attrs(Attrs::of(vm.symbols(), items.iter().map(|name| (name, empty()))))
    };
    let mut fields: Vec<(&str, Value)> = Vec::new();
    let lists = [
        ("Cmd", &config.cmd),
        ("Entrypoint", &config.entrypoint),
        ("Shell", &config.shell),
    ];
    for (name, items) in lists {
        fields.extend(items.as_ref().map(|items| (name, list(items))));
    }
    let env: Vec<String> = config
        .env
        .iter()
        .map(|pair| format!("{}={}", pair.key, pair.value))
        .collect();
    if !env.is_empty() {
        fields.push(("Env", list(&env)));
    }
    for (name, text) in [("User", &config.user), ("WorkingDir", &config.working_dir)] {
        if !text.is_empty() {
            fields.push((name, Value::string(text)));
        }
    }
    fields.extend(
        config
            .stop_signal
            .iter()
            .map(|signal| ("StopSignal", Value::string(signal))),
    );
    for (name, items) in [
        ("ExposedPorts", &config.exposed_ports),
        ("Volumes", &config.volumes),
    ] {
        if !items.is_empty() {
            fields.push((name, set(items)));
        }
    }
    if !config.labels.is_empty() {
        let labels = config
            .labels
            .iter()
            .map(|pair| (&pair.key, Value::string(&pair.value)));
        fields.push(("Labels", Value::attrs(Attrs::of(vm.symbols(), labels))));
    }
    if !config.on_build.is_empty() {
        fields.push(("OnBuild", list(&config.on_build)));
    }
    if let Some(check) = &config.healthcheck {
        let numbers = [
            check.interval_ns,
            check.timeout_ns,
            check.start_period_ns,
            check.start_interval_ns,
            check.retries.map(i64::from),
        ];
        let numbers = CHECK_FIELDS[1..].iter().zip(numbers);
        let mut attrs: Vec<(&str, Value)> = numbers
            .filter_map(|(name, number)| Some((*name, Value::Int(number?))))
            .collect();
        attrs.push(("Test", list(&check.test)));
        fields.push(("Healthcheck", Value::attrs(Attrs::of(vm.symbols(), attrs))));
    }
    Value::attrs(Attrs::of(vm.symbols(), fields))
}

/// Seconds since 1970 of a time such as `2024-01-31T12:00:00Z` (RFC 3339, in UTC).
pub(super) fn seconds(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, separator: char| -> Option<[i64; 3]> {
        let parts: Vec<i64> = text
            .split(separator)
            .map(|part| {
                part.bytes()
                    .all(|b| b.is_ascii_digit())
                    .then(|| part.parse().ok())?
            })
            .collect::<Option<_>>()?;
        parts.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time.split('.').next()?, ':')?;
    let in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..=9999).contains(&year)
        && hour < 24
        && minute < 60
        && second < 61;
    if !in_range {
        return None;
    }
    // Days of the years before, in a calendar whose years begin in March.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = days + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times_are_counted_from_1970() {
        assert_eq!(seconds("1970-01-01T00:00:01Z"), Some(1));
        assert_eq!(seconds("2000-02-29T00:00:00Z"), Some(951_782_400));
        assert_eq!(seconds("2024-01-31T12:30:05.123Z"), Some(1_706_704_205));
        for bad in [
            "",
            "now",
            "2024-01-31",
            "2024-13-01T00:00:00Z",
            "2024-01-31T12:00:00",
            "+024-01-31T12:00:00Z",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
