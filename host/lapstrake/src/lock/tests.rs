//! What is locked is found again, and what is not is told.

use lapstrake_llb::{GitSource, HttpSource, ImageSource, Metadata, ResolveMode};

use super::*;

fn definition(sources: Vec<SourceOp>) -> Definition {
    let vertex = |source| Vertex {
        op: Op::Source(source),
        platform: None,
        constraints: Vec::new(),
        metadata: Metadata::default(),
    };
    Definition {
        vertices: sources.into_iter().map(vertex).collect(),
        sources: Vec::new(),
    }
}

fn sources(digest: Option<&Digest>) -> Vec<SourceOp> {
    let text = digest.map(ToString::to_string);
    vec![
        SourceOp::Image(ImageSource {
            reference: match &text {
                Some(digest) => format!("docker.io/library/debian:12@{digest}"),
                None => "docker.io/library/debian:12".to_owned(),
            },
            mode: ResolveMode::Default,
            layer_limit: None,
            checksum: None,
        }),
        SourceOp::Http(HttpSource {
            url: "https://x/y".to_owned(),
            checksum: text.clone(),
            ..HttpSource::default()
        }),
        SourceOp::Git(GitSource {
            remote: "https://x/z.git".to_owned(),
            git_ref: "main".to_owned(),
            checksum: text.map(|_| "c0ffee".to_owned()),
            ..GitSource::default()
        }),
    ]
}

fn frontend() -> Vec<LockedFrontend> {
    vec![LockedFrontend {
        reference: "x:1".to_owned(),
        digest: Digest::of(b"x").to_string(),
        world: "0.1.0".to_owned(),
        manifest: None,
    }]
}

fn locked(sources: &[SourceOp]) -> Lock {
    let mut lock = Lock::default();
    frontend().into_iter().for_each(|known| lock.add_frontend(known));
    sources.iter().for_each(|source| lock.add(source));
    lock.sorted()
}

#[test]
fn what_was_found_is_found_again() {
    let digest = Digest::of(b"debian");
    let found = definition(sources(Some(&digest)));
    let lock = locked(&sources(Some(&digest)));
    let text = lock.text();
    assert!(
        text.starts_with("# Written by") && text.contains("[[image]]\n"),
        "{text}"
    );
    assert_eq!(Lock::parse(&text, NAME.into()).unwrap(), lock);
    // The order in which sources are asked for makes no difference to the file.
    let mut turned = sources(Some(&digest));
    turned.reverse();
    assert_eq!(locked(&[turned.clone(), turned].concat()), lock);

    let mut later = definition(sources(None));
    lock.apply(&mut later, true).unwrap();
    assert_eq!(later.vertices[..2], found.vertices[..2]);
    let Op::Source(SourceOp::Git(git)) = &later.vertices[2].op else {
        panic!()
    };
    // Where the branch is now makes no difference.
    assert_eq!(
        (git.git_ref.as_str(), git.checksum.as_deref()),
        ("c0ffee", Some("c0ffee"))
    );
    assert_eq!(
        lock.pinned("debian:12"),
        Some(format!("docker.io/library/debian:12@{digest}"))
    );
    assert_eq!(lock.pinned("debian:13"), None);
}

#[test]
fn what_is_not_there_is_told() {
    let lock = locked(&[]);
    let mut graph = definition(sources(None));
    let report = lock.apply(&mut graph, true).unwrap_err();
    assert_eq!(report.items.len(), 3);
    assert!(
        report.items[0]
            .message
            .contains("debian:12 is not in lapstrake.lock")
    );
    assert_eq!(graph, definition(sources(None)));
    assert!(lock.apply(&mut graph, false).is_ok());
}

#[test]
fn other_files_are_refused() {
    let parse = |text: &str| Lock::parse(text, NAME.into()).unwrap_err();
    assert!(matches!(parse("versions = 1"), LockError::Parse { .. }));
    let text = locked(&[]).text();
    let later = text.replace("version = 1", "version = 2");
    assert!(matches!(parse(&later), LockError::Version { found: 2, .. }));
}
