//! Whole builds, timed as a person waits for them, beside the same builds by the peers that are installed.
//!
//! Every row runs the tools in turn, several times, and prints the medians and their ratio. Absolute times move with the
//! machine; the ratio is what counts. Nothing here fails because something was slow.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod peers;
mod rows;

use std::time::Duration;

use peers::{Buildah, Docker, Lapstrake, Tool};
use rows::{Row, rows};

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn show(time: Option<Duration>) -> String {
    match time {
        None => "-".to_owned(),
        Some(time) if time < Duration::from_secs(1) => format!("{:.0} ms", time.as_secs_f64() * 1000.0),
        Some(time) => format!("{:.2} s", time.as_secs_f64()),
    }
}

fn ratio(ours: Option<Duration>, peer: Option<Duration>) -> String {
    match (ours, peer) {
        (Some(ours), Some(peer)) => format!("{:.2}", ours.as_secs_f64() / peer.as_secs_f64()),
        _ => "-".to_owned(),
    }
}

/// Runs one row with every tool in turn; a tool that cannot build it has no time.
fn run(row: &Row, tools: &mut [Box<dyn Tool>]) -> Vec<Option<Duration>> {
    let folder = tempfile::tempdir().unwrap();
    (row.context)(folder.path());
    let mut times = vec![Some(Vec::new()); tools.len()];
    for (tool, times) in tools.iter_mut().zip(&mut times) {
        if row.warm && tool.build(row, folder.path()).is_none() {
            *times = None;
        }
    }
    for turn in 0..row.turns {
        for (tool, times) in tools.iter_mut().zip(&mut times) {
            let Some(list) = times else { continue };
            if !row.warm {
                tool.forget();
            }
            if let Some(change) = row.change {
                change(folder.path(), turn);
            }
            match tool.build(row, folder.path()) {
                Some(time) => list.push(time),
                None => *times = None,
            }
        }
    }
    times.into_iter().map(|list| list.map(median)).collect()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().expect("the path of lapstrake");
    let (options, only): (Vec<String>, Vec<String>) =
        arguments.partition(|word| word.starts_with("--without="));
    let with = |name: &str| !options.iter().any(|option| option.ends_with(name));
    let state = tempfile::tempdir().unwrap();
    let mut tools: Vec<Box<dyn Tool>> = vec![Box::new(Lapstrake::new(&program, state.path()))];
    match with("docker").then(|| Docker::start(state.path())).flatten() {
        Some(docker) => tools.push(Box::new(docker)),
        None => eprintln!("no Docker Engine here: its column is missing"),
    }
    match with("buildah").then(|| Buildah::start(state.path())).flatten() {
        Some(buildah) => tools.push(Box::new(buildah)),
        None => eprintln!("no buildah here: its column is missing"),
    }
    let names: Vec<_> = tools.iter().map(|tool| tool.name()).collect();
    print!("| work | {} |", names.join(" | "));
    for name in &names[1..] {
        print!(" ratio to {name} |");
    }
    println!("\n|{}", "---|".repeat(names.len() * 2));
    for row in rows() {
        if !only.is_empty() && !only.iter().any(|word| row.name.contains(word.as_str())) {
            continue;
        }
        let times = run(&row, &mut tools);
        let cells: Vec<_> = times.iter().map(|time| show(*time)).collect();
        print!("| {} | {} |", row.name, cells.join(" | "));
        for peer in &times[1..] {
            print!(" {} |", ratio(times[0], *peer));
        }
        println!();
    }
    println!();
    println!(
        "Peak memory of one process: {}",
        tools
            .iter()
            .map(|tool| tool.memory())
            .collect::<Vec<_>>()
            .join(", ")
    );
}
