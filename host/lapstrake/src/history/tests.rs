//! Records in a folder: written, read, found, removed and trimmed.

use std::io::Write;
use std::time::Duration;

use lapstrake_llb::Digest;

use super::*;
use crate::options::{BuildFile, BuildOptions, CompileOptions, Context, FrontendLimits};
use crate::progress::{Ending, Event, LogChunk, VertexUpdate};

fn start() -> Start {
    Start::of(&BuildOptions::compile_only(CompileOptions {
        context: Context::Directory("/src/app".into()),
        file: BuildFile::Default,
        target: None,
        build_args: vec![("A".into(), "b".into())],
        named_contexts: vec![],
        labels: vec![],
        platforms: vec![],
        frontend_options: vec![],
        frontend: None,
        frontend_policy: None,
        lock: Default::default(),
        limits: FrontendLimits::default(),
        offline: false,
    }))
}

fn end(steps: Counts) -> End {
    End {
        at: SystemTime::now(),
        status: Status::Completed,
        error: None,
        outputs: vec![],
        steps,
    }
}

fn vertex(name: &str, ending: Option<Ending>) -> Event {
    let now = SystemTime::now();
    Event::Vertex(VertexUpdate {
        digest: Digest::of(name.as_bytes()),
        name: name.to_owned(),
        inputs: vec![],
        started: Some(now - Duration::from_secs(2)),
        result: ending.is_some().then(|| Digest::of(b"result")),
        completed: ending.map(|ending| (now, ending)),
    })
}

fn log(name: &str, data: &[u8]) -> Event {
    Event::Log(LogChunk {
        vertex: Digest::of(name.as_bytes()),
        stream: 1,
        data: data.to_vec(),
        timestamp: SystemTime::now(),
    })
}

fn write(journal: &Journal, events: &[Event]) {
    let mut listener = journal.listener();
    for event in events {
        listener.event(event);
    }
    listener.flush();
}

#[test]
fn a_build_is_written_and_read_back() {
    let root = tempfile::tempdir().unwrap();
    let history = History::of(root.path());
    assert!(history.entries().unwrap().is_empty());
    let journal = history.begin(start()).unwrap();
    let events = [
        vertex("RUN a", None),
        log("RUN a", b"one\n\xff"),
        vertex("RUN a", Some(Ending::Done)),
        vertex("RUN b", Some(Ending::Skipped)),
    ];
    write(&journal, &events);
    let ended = journal.end(end).unwrap();
    assert_eq!(ended.took.len(), 1);
    assert!(ended.took[0].1 >= Duration::from_secs(2));
    let build = history.find(None).unwrap().read().unwrap().unwrap();
    assert_eq!(build.summary.status, Status::Completed);
    assert_eq!(build.summary.start.name, "app");
    let counts = build.summary.end.as_ref().unwrap().steps;
    assert_eq!((counts.total, counts.done, counts.skipped), (2, 1, 1));
    assert_eq!(build.events.len(), 4);
    let steps = build.steps();
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[0].log[0].data, b"one\n\xff");
    assert!(history.usage().unwrap().0 > 100);
}

#[test]
fn what_has_no_end_runs_or_was_interrupted() {
    let root = tempfile::tempdir().unwrap();
    let history = History::of(root.path());
    let journal = history.begin(start()).unwrap();
    write(&journal, &[vertex("RUN a", None), log("RUN a", b"so far\n")]);
    let entry = history.find(None).unwrap();
    assert_eq!(entry.summary().unwrap().unwrap().status, Status::Running);
    assert!(matches!(history.remove(&entry), Err(HistoryError::Running(_))));
    // The process dies while it writes a line.
    let mut file = File::options().append(true).open(&entry.path).unwrap();
    file.write_all(b"{\"log\":{\"vert").unwrap();
    drop(journal);
    let build = entry.read().unwrap().unwrap();
    assert_eq!(build.summary.status, Status::Interrupted);
    let steps = build.steps();
    assert_eq!(steps[0].log[0].data, b"so far\n");
    assert!(matches!(steps[0].vertex.completed, Some((_, Ending::Cancelled))));
    history.remove(&entry).unwrap();
    assert!(history.entries().unwrap().is_empty());
}

#[test]
fn the_end_is_found_after_a_long_line() {
    let root = tempfile::tempdir().unwrap();
    let history = History::of(root.path());
    let journal = history.begin(start()).unwrap();
    let message = "x".repeat(300_000);
    let failure = Failure {
        code: 1,
        message: message.clone(),
        place: None,
    };
    let ended = journal.end(|steps| End {
        status: Status::Failed,
        error: Some(failure),
        ..end(steps)
    });
    ended.unwrap();
    let summary = history.find(None).unwrap().summary().unwrap().unwrap();
    assert_eq!(summary.end.unwrap().error.unwrap().message, message);
}

#[test]
fn the_oldest_are_trimmed_but_not_what_runs() {
    let root = tempfile::tempdir().unwrap();
    let history = History::of(root.path());
    let at = |hours: u64| Start {
        at: SystemTime::now() - Duration::from_secs(hours * 3600),
        ..start()
    };
    let running = history.begin(at(9)).unwrap();
    for hours in [8, 7, 6] {
        history.begin(at(hours)).unwrap().end(end).unwrap();
    }
    let limits = Limits {
        max_entries: Some(2),
        ..Limits::default()
    };
    history.trim(&limits, false).unwrap();
    let left = history.entries().unwrap();
    assert_eq!(left.len(), 3);
    assert_eq!(&left[0].id, running.id());
    let limits = Limits {
        max_size: Some(1),
        ..Limits::default()
    };
    drop(running);
    history.trim(&limits, true).unwrap();
    assert_eq!(history.entries().unwrap().len(), 1, "the latest is kept");
}
