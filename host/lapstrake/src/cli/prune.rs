//! `lapstrake prune`: removes what the store can do without.
//! Knows nothing of what goes first.

use std::io::{BufRead, IsTerminal, Write};

use lapstrake_store::{PruneOptions, Store};

use super::du::{sum, summed_up, write_record, write_table};
use super::words::PruneWords;
use super::{Failure, Place, usage};
use crate::error::Error;
use crate::gc;
use crate::progress::bytes;

/// Runs the command.
pub(super) fn run(words: &PruneWords, place: &Place) -> Result<(), Failure> {
    let filters = words.filter.iter().map(|text| gc::filter(text));
    let filters = filters
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| usage(&error))?;
    let limits = gc::prune_limits(
        words.max_used_space.as_deref(),
        words.min_free_space.as_deref(),
        words.reserved_space.as_deref(),
    );
    let limits = limits.map_err(|error| usage(&error))?;
    let root = place.root()?;
    if !words.force && !words.dry_run && !confirmed(words, &root)? {
        return Ok(());
    }
    let store = Store::open(&root).map_err(Error::Store)?;
    let limits = match limits {
        Some(limits) => Some(limits.on(store.space().map_err(Error::Store)?)),
        None => None,
    };
    let options = PruneOptions {
        all: words.all,
        filters,
        limits,
        dry_run: words.dry_run,
    };
    let pruned = store.prune(&options).map_err(Error::Store)?;
    let items = summed_up(pruned.items);
    let mut out = std::io::stdout();
    if words.verbose {
        items.iter().try_for_each(|item| write_record(&mut out, item))?;
    } else if !items.is_empty() {
        write_table(&mut out, &items)?;
    }
    if words.dry_run {
        writeln!(out, "Total:\t{} would be removed", bytes(sum(&items)))?;
        return Ok(());
    }
    writeln!(out, "Total:\t{}", bytes(pruned.freed))?;
    if pruned.waiting > 0 {
        writeln!(
            std::io::stderr(),
            "{} more may be in use by running builds; the next build or prune after them frees it",
            bytes(pruned.waiting)
        )?;
    }
    Ok(())
}

/// Asks on a terminal.
fn confirmed(words: &PruneWords, root: &std::path::Path) -> Result<bool, Failure> {
    let mut stderr = std::io::stderr();
    if !std::io::stdin().is_terminal() || !stderr.is_terminal() {
        return Err(Failure::Usage(
            "prune asks before it removes anything, and there is no terminal to ask on: add --force, or --dry-run \
             to see what would go"
                .to_owned(),
        ));
    }
    let what = match (words.all, words.filter.is_empty()) {
        (_, false) => "the part of the build cache that the filters describe",
        (true, true) => "all of the build cache",
        (false, true) => "the build cache, except for what frontends have left",
    };
    write!(
        stderr,
        "This removes {what} in {}.\nGo on? [y/N] ",
        root.display()
    )?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
