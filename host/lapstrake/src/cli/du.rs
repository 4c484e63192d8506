//! `lapstrake du`: what the store takes on disk. The rows that `prune` lists are written here too.
//! Knows nothing of how it is counted.

use std::io::{Stdout, Write};

use lapstrake_store::{Item, Store};
use serde_json::json;

use super::words::{AnswerFormat, DuWords};
use super::{Failure, Place, usage};
use crate::error::Error;
use crate::gc;
use crate::progress::bytes;

/// Runs the command.
pub(super) fn run(words: &DuWords, place: &Place) -> Result<(), Failure> {
    let filters = words.filter.iter().map(|text| gc::filter(text));
    let filters = filters
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| usage(&error))?;
    let store = Store::open(&place.root()?).map_err(Error::Store)?;
    let now = now();
    let mut items = store.usage().map_err(Error::Store)?;
    items.retain(|item| filters.iter().all(|filter| filter.holds(item, now)));
    let items = summed_up(items);
    let mut out = std::io::stdout();
    match words.format {
        AnswerFormat::Json => write_json(&mut out, &items)?,
        AnswerFormat::Text => {
            if words.verbose {
                items.iter().try_for_each(|item| write_record(&mut out, item))?;
            } else {
                write_table(&mut out, &items)?;
            }
            let reclaimable = items.iter().filter(|item| item.is_reclaimable());
            writeln!(out, "Reclaimable:\t{}", bytes(sum(reclaimable)))?;
            writeln!(out, "Total:\t\t{}", bytes(sum(&items)))?;
        }
    }
    Ok(())
}

pub(super) fn sum<'a>(items: impl IntoIterator<Item = &'a Item>) -> u64 {
    items.into_iter().map(|item| item.bytes).sum()
}

pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Makes one item of all rows of one kind, and puts the largest first.
pub(super) fn summed_up(items: Vec<Item>) -> Vec<Item> {
    let mut out: Vec<Item> = Vec::new();
    let mut counts = std::collections::BTreeMap::<String, (usize, u64)>::new();
    for item in items {
        if !item.is_row() {
            out.push(item);
            continue;
        }
        let (at, count) = counts.entry(item.id.clone()).or_insert((out.len(), 0));
        *count += 1;
        match out.get_mut(*at) {
            None => out.push(item),
            Some(known) => {
                known.bytes += item.bytes;
                known.created = known.created.min(item.created);
                known.used = known.used.max(item.used);
            }
        }
    }
    for (id, (at, count)) in counts {
        out[at].description = format!("{count} rows of {id}");
    }
    out.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.id.cmp(&b.id)));
    out
}

/// Writes the columns that `docker buildx du` has, with what it is.
pub(super) fn write_table(out: &mut Stdout, items: &[Item]) -> std::io::Result<()> {
    let width = items.iter().map(|item| item.id.len()).max().unwrap_or(0).max(2);
    writeln!(
        out,
        "{:width$}  {:11}  {:>9}  {:15}  {:19}  DESCRIPTION",
        "ID", "RECLAIMABLE", "SIZE", "LAST ACCESSED", "TYPE"
    )?;
    for item in items {
        let ago = ago(now() - item.used);
        // A star marks what changes in place, as in `docker buildx du`.
        let id = format!("{}{}", item.id, if item.is_mutable() { "*" } else { "" });
        writeln!(
            out,
            "{id:width$}  {:11}  {:>9}  {ago:15}  {:19}  {}",
            item.is_reclaimable(),
            bytes(item.bytes),
            item.kind.as_str(),
            one_line(&item.description),
        )?;
    }
    Ok(())
}

pub(super) fn write_record(out: &mut Stdout, item: &Item) -> std::io::Result<()> {
    let time = |seconds: i64| {
        jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
    };
    writeln!(out, "ID:\t\t{}", item.id)?;
    writeln!(out, "Created at:\t{}", time(item.created))?;
    writeln!(out, "Last used:\t{}", time(item.used))?;
    writeln!(out, "Mutable:\t{}", item.is_mutable())?;
    writeln!(out, "In use:\t\t{}", item.in_use)?;
    writeln!(out, "Reclaimable:\t{}", item.is_reclaimable())?;
    writeln!(out, "Size:\t\t{}", bytes(item.bytes))?;
    writeln!(out, "Description:\t{}", one_line(&item.description))?;
    writeln!(out, "Type:\t\t{}\n", item.kind.as_str())
}

/// Writes one object a line, with the names of `docker buildx du --format json` and sizes in bytes.
pub(super) fn write_json(out: &mut Stdout, items: &[Item]) -> std::io::Result<()> {
    let time = |seconds: i64| {
        jiff::Timestamp::from_second(seconds)
            .ok()
            .map(|time| time.to_string())
    };
    for item in items {
        let object = json!({
            "ID": item.id,
            "Type": item.kind.as_str(),
            "Description": item.description,
            "Size": item.bytes,
            "CreatedAt": time(item.created),
            "LastUsedAt": time(item.used),
            "InUse": item.in_use,
            "Mutable": item.is_mutable(),
            "Reclaimable": item.is_reclaimable(),
        });
        writeln!(out, "{object}")?;
    }
    Ok(())
}

fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn ago(seconds: i64) -> String {
    let (count, unit) = match seconds {
        ..60 => return "just now".to_owned(),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        86_400.. => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_for_people() {
        assert_eq!(ago(-5), "just now");
        assert_eq!(ago(60), "1 minute ago");
        assert_eq!(ago(7300), "2 hours ago");
        assert_eq!(ago(90_000), "1 day ago");
        assert_eq!(one_line("RUN a\n  b"), "RUN a   b");
    }
}
