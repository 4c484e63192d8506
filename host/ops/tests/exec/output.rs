//! How output arrives.

use std::time::{Duration, Instant, SystemTime};

use lapstrake_ops::exec::{CancelToken, Stream};

use crate::needs_containers;
use crate::support::{Step, runner};

#[test]
fn output_comes_while_the_command_runs() {
    needs_containers!();
    let step = Step::sh("echo one; sleep 0.3; echo two >&2; sleep 0.3; printf three");
    let start = (Instant::now(), SystemTime::now());
    let mut pieces = Vec::new();
    let mut output = |o: lapstrake_ops::exec::Output<'_>| {
        pieces.push((
            o.stream,
            String::from_utf8_lossy(o.data).into_owned(),
            o.time,
            start.0.elapsed(),
        ));
    };
    runner()
        .run(&step.request, &mut output, &CancelToken::new().unwrap())
        .unwrap();
    let texts: Vec<_> = pieces.iter().map(|p| (p.0, p.1.as_str())).collect();
    assert_eq!(
        texts,
        [
            (Stream::Stdout, "one\n"),
            (Stream::Stderr, "two\n"),
            (Stream::Stdout, "three")
        ]
    );
    for pair in pieces.windows(2) {
        assert!(
            pair[1].2.duration_since(pair[0].2).unwrap() >= Duration::from_millis(250),
            "time stamps"
        );
        assert!(
            pair[1].3 - pair[0].3 >= Duration::from_millis(250),
            "not held back"
        );
    }
    assert!(pieces[0].2 >= start.1);
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
    let start = Instant::now();
    let status = runner()
        .run(&step.request, &mut output, &CancelToken::new().unwrap())
        .unwrap();
    assert!(status.is_success(&[]));
    assert_eq!((stdout + stderr, last.as_slice()), (SIZE + 4, &b"end\n"[..]));
    println!("{:?}", start.elapsed());
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
