//! What an unchanged, and a partly changed, second build does.

use lapstrake_tests::{Place, can_run_containers, skip};

#[test]
fn an_unchanged_build_runs_nothing() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place
        .dockerfile("FROM base\nCOPY a /a\nRUN cat /a > /b\nRUN cat /proc/sys/kernel/random/uuid > /time\n")
        .file("a", "1");
    let (first, ran) = place.build_local(&[]);
    assert_eq!(ran.count("CACHED"), 0, "{}", ran.stderr);
    let (second, ran) = place.build_local(&[]);
    assert!(
        !ran.stderr.contains("DONE") || ran.count("CACHED") > 0,
        "{}",
        ran.stderr
    );
    let time = |out: &std::path::Path| std::fs::read_to_string(out.join("time")).unwrap();
    assert_eq!(time(&first), time(&second));
}

#[test]
fn a_changed_file_that_is_not_copied_changes_nothing() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place
        .dockerfile("FROM base\nCOPY src /src\nRUN cat /proc/sys/kernel/random/uuid > /time\n")
        .file("src/a", "1")
        .file("notes", "1");
    let (first, _) = place.build_local(&[]);
    place.file("notes", "2").file("src/a", "1");
    let (second, _) = place.build_local(&[]);
    let time = |out: &std::path::Path| std::fs::read_to_string(out.join("time")).unwrap();
    assert_eq!(time(&first), time(&second));
    place.file("src/a", "2");
    let (third, _) = place.build_local(&[]);
    assert_ne!(time(&first), time(&third));
}

#[test]
fn a_file_changed_in_place_within_the_same_second_is_seen() {
    let place = Place::new();
    place.dockerfile("FROM scratch\nCOPY a /a\n");
    for n in 0..5 {
        place.file("a", n.to_string());
        let (out, _) = place.build_local(&[]);
        assert_eq!(std::fs::read_to_string(out.join("a")).unwrap(), n.to_string());
    }
}

#[test]
fn equal_results_of_a_changed_step_end_the_change() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let text = |comment: &str| {
        format!(
            "FROM base AS a\nRUN echo same > /out # {comment}\nFROM base\nCOPY --from=a /out /out\nRUN cat /proc/sys/kernel/random/uuid > /time\n"
        )
    };
    place.dockerfile(&text("one"));
    let (first, _) = place.build_local(&[]);
    place.dockerfile(&text("two"));
    let (second, ran) = place.build_local(&[]);
    let time = |out: &std::path::Path| std::fs::read_to_string(out.join("time")).unwrap();
    assert_eq!(
        time(&first),
        time(&second),
        "the copied content is the same:\n{}",
        ran.stderr
    );
}

#[test]
fn no_cache_and_its_filter() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile("FROM base AS a\nRUN cat /proc/sys/kernel/random/uuid > /a\nFROM base\nCOPY --from=a /a /a\nRUN cat /proc/sys/kernel/random/uuid > /b\n");
    let read =
        |out: &std::path::Path| ["a", "b"].map(|name| std::fs::read_to_string(out.join(name)).unwrap());
    let first = read(&place.build_local(&[]).0);
    let second = read(&place.build_local(&["--no-cache"]).0);
    assert!(first[0] != second[0] && first[1] != second[1]);
    let third = read(&place.build_local(&["--no-cache-filter", "a"]).0);
    assert_ne!(second[0], third[0]);
}

#[test]
fn eight_builds_side_by_side_on_one_store() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let base = lapstrake_tests::base::context();
    let children: Vec<_> = (0..8)
        .map(|n| {
            let folder = place.path(format!("c{n}"));
            std::fs::create_dir(&folder).unwrap();
            let text = format!(
                "FROM base\nRUN echo common > /common\nRUN echo {} > /own\n",
                n % 3
            );
            std::fs::write(folder.join("Dockerfile"), text).unwrap();
            let out = format!("type=local,dest={}", place.path(format!("out/{n}")).display());
            place
                .command()
                .args([
                    "build",
                    folder.to_str().unwrap(),
                    "--build-context",
                    &base,
                    "-o",
                    &out,
                    "--progress",
                    "plain",
                ])
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for (n, child) in children.into_iter().enumerate() {
        lapstrake_tests::Ran::of(child.wait_with_output().unwrap()).ok();
        let own = std::fs::read_to_string(place.path(format!("out/{n}/own"))).unwrap();
        assert_eq!(own, format!("{}\n", n % 3));
    }
    place.assert_clean();
}
