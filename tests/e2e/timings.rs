//! `--timings` and `lapstrake history trace`: a page that loads nothing, and a trace for Perfetto.

use std::path::Path;

use lapstrake_tests::{Place, can_run_containers, skip};
use serde_json::Value;

/// The spans of a trace.
fn spans(text: &str) -> Vec<Value> {
    let events: Vec<Value> = serde_json::from_str(text).expect(text);
    for event in &events {
        assert!(
            event["pid"].is_u64() && event["tid"].is_u64() && event["name"].is_string(),
            "{event}"
        );
    }
    events.into_iter().filter(|event| event["ph"] == "X").collect()
}

/// The data of a page.
fn data(page: &str) -> Value {
    let (_, rest) = page.split_once("application/json\">").expect(page);
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn step<'a>(data: &'a Value, name: &str) -> &'a Value {
    let steps = data["steps"].as_array().unwrap();
    let found = steps
        .iter()
        .find(|step| step["name"].as_str().unwrap().contains(name));
    found.unwrap_or_else(|| panic!("no step {name}: {data:#}"))
}

#[test]
fn a_build_says_where_its_time_went() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile(
        "FROM base AS short\nRUN echo of-short; sleep 0.2; touch /short\n\
         FROM base AS long\nRUN sleep 2; touch /long\n\
         FROM base\nCOPY --from=short /short /\nCOPY --from=long /long /\n",
    );
    place
        .build(&["--timings", "-j", "4", "-o", "type=oci,dest=out/image.tar"])
        .ok();
    let first = data(&read(&place.path("lapstrake-timings.html")));
    assert_eq!(first["status"], "completed");
    let critical: Vec<&str> = first["critical"]
        .as_array()
        .unwrap()
        .iter()
        .map(|place| {
            first["steps"][place.as_u64().unwrap() as usize]["name"]
                .as_str()
                .unwrap()
        })
        .collect();
    assert!(
        critical.iter().any(|name| name.contains("sleep 2")),
        "{critical:?}"
    );
    assert!(
        !critical.iter().any(|name| name.contains("sleep 0.2")),
        "{critical:?}"
    );
    assert!(
        critical.last().unwrap().starts_with("exporting"),
        "the export waits for what it writes: {critical:?}"
    );
    assert_eq!(step(&first, "sleep 0.2")["log"], "of-short\n");
    assert_ne!(step(&first, "sleep 0.2")["lane"], step(&first, "sleep 2")["lane"]);
    let trace = spans(&read(&place.path("lapstrake-timings.json")));
    assert!(
        trace
            .iter()
            .any(|span| span["name"].as_str().unwrap().contains("sleep 2"))
    );

    // The same from the cache: it says what was saved.
    place
        .build(&["--timings=times/of it.html"])
        .fails(1, &["times/of it.html"]);
    std::fs::create_dir(place.path("times")).unwrap();
    place.build(&["--timings=times/of it.html"]).ok();
    let second = data(&read(&place.path("times/of it.html")));
    assert!(place.path("times/of it.json").is_file());
    assert_eq!(step(&second, "sleep 2")["state"], "skipped");
    assert!(step(&second, "sleep 2")["saved"].as_u64().unwrap() >= 1_000_000);
    assert!(second["saved"].as_u64().unwrap() >= 1_200_000);

    // The trace alone; and both from the record.
    place.build(&["--timings=only.json"]).ok();
    spans(&read(&place.path("only.json")));
    let page = place.run(["history", "trace", "^1"]).ok().stdout;
    assert_eq!(data(&page)["id"], second["id"]);
    place.run(["history", "trace", "-o", "out/trace.json"]).ok();
    spans(&read(&place.path("out/trace.json")));
    spans(&place.run(["history", "trace", "--format", "json"]).ok().stdout);
}

#[test]
fn a_failed_build_has_times_too() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile("FROM base\nRUN echo '</script><script>alert(1)</script>'; exit 7\n");
    place.build(&["--timings=x.html"]).fails(1, &["exit code: 7"]);
    let page = read(&place.path("x.html"));
    let data = data(&page);
    assert_eq!(data["status"], "failed");
    assert_eq!(step(&data, "exit 7")["state"], "failed");
    assert!(
        step(&data, "exit 7")["log"]
            .as_str()
            .unwrap()
            .contains("</script><script>alert(1)")
    );
    assert_eq!(
        page.matches("<script").count(),
        2,
        "a script of the build is in the page"
    );
}
