//! How output arrives.

use std::time::SystemTime;

use lapstrake_ops::exec::{CancelToken, MountSource, Stream};

use crate::needs_containers;
use crate::support::{Step, runner};

#[test]
fn output_comes_while_the_command_runs() {
    needs_containers!();
    // Each line is answered by a file, without which there is no next one.
    let step = Step::sh(
        "wait() { until [ -e /answers/$1 ]; do sleep 0.02; done; }
         echo one; wait 1; echo two >&2; wait 2; printf three; wait 3",
    );
    let answers = step.new_dir("answers");
    let source = MountSource::Directory {
        path: answers.clone(),
        selector: String::new(),
    };
    let step = step.mount("/answers", false, source);
    let start = SystemTime::now();
    let mut pieces = Vec::new();
    let mut output = |o: lapstrake_ops::exec::Output<'_>| {
        pieces.push((o.stream, String::from_utf8_lossy(o.data).into_owned(), o.time));
        std::fs::write(answers.join(pieces.len().to_string()), "").unwrap();
    };
    let cancel = CancelToken::new().unwrap();
    let status = runner().run(&step.request, &mut output, &cancel).unwrap();
    assert!(status.is_success(&[]));
    let texts: Vec<_> = pieces.iter().map(|p| (p.0, p.1.as_str())).collect();
    assert_eq!(
        texts,
        [
            (Stream::Stdout, "one\n"),
            (Stream::Stderr, "two\n"),
            (Stream::Stdout, "three")
        ]
    );
    assert!(pieces[0].2 >= start);
    assert!(pieces.is_sorted_by_key(|piece| piece.2), "time stamps");
}

#[test]
fn a_hundred_megabytes() {
    needs_containers!();
    const SIZE: u64 = 100 << 20;
    let step = Step::sh("head -c 50m /dev/zero; head -c 50m /dev/zero >&2; echo end");
    let (mut stdout, mut stderr, mut last) = (0, 0, Vec::new());
    let mut output = |o: lapstrake_ops::exec::Output<'_>| match o.stream {
        Stream::Stdout => {
            stdout += o.data.len() as u64;
            last = o.data[o.data.len().saturating_sub(4)..].to_vec();
        }
        Stream::Stderr => stderr += o.data.len() as u64,
    };
    let status = runner()
        .run(&step.request, &mut output, &CancelToken::new().unwrap())
        .unwrap();
    assert!(status.is_success(&[]));
    assert_eq!((stdout + stderr, last.as_slice()), (SIZE + 4, &b"end\n"[..]));
}

#[test]
fn one_stream_keeps_its_order() {
    needs_containers!();
    let ran = Step::sh("i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done").succeed();
    let numbers: Vec<u32> = ran.stdout.lines().map(|l| l.parse().unwrap()).collect();
    assert_eq!(numbers, (0..3000).collect::<Vec<_>>());
}

#[test]
fn closed_streams_do_not_end_the_step() {
    needs_containers!();
    let ran = Step::sh("exec >&- 2>&-; sleep 0.2; exit 4").run();
    assert_eq!(ran.status.exit.code(), 4);
}
