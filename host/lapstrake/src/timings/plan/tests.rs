//! Plans, pages and traces of records made by hand.

use std::time::Duration;

use super::super::{page, trace};
use super::*;
use crate::history::{Id, Summary};
use crate::progress::{Event, LogChunk, VertexUpdate};

fn at(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + Duration::from_millis(millis)
}

fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn vertex(name: &str, inputs: &[&str], span: Option<(u64, u64)>, ending: Ending) -> Event {
    Event::Vertex(VertexUpdate {
        digest: digest(name),
        name: name.to_owned(),
        inputs: inputs.iter().map(|input| digest(input)).collect(),
        started: span.map(|(begin, _)| at(begin)),
        completed: Some((at(span.map_or(0, |(_, end)| end)), ending)),
        result: Some(digest(&format!("result of {name}"))),
    })
}

fn build(events: Vec<Event>) -> Build {
    let start = Start {
        version: 1,
        id: Id::new(),
        at: at(0),
        pid: 1,
        name: "app </title><script>alert(1)</script>".to_owned(),
        context: Some("/src/app".to_owned()),
        file: None,
        target: None,
        frontend: None,
        platforms: vec!["linux/amd64".to_owned()],
        build_args: vec![],
        contexts: vec![],
        labels: vec![],
        options: vec![],
        secrets: vec![],
        allow: vec![],
        tags: vec![],
        outputs: vec![],
        jobs: 2,
    };
    Build {
        summary: Summary {
            start,
            end: None,
            status: Status::Completed,
            last: at(5000),
        },
        events,
    }
}

fn example() -> Build {
    build(vec![
        vertex(
            "[internal] load build definition from x",
            &[],
            Some((0, 100)),
            Ending::Done,
        ),
        vertex("fast", &[], Some((200, 1200)), Ending::Done),
        vertex("slow", &[], Some((200, 3200)), Ending::Done),
        vertex("both", &["fast", "slow"], Some((3200, 4700)), Ending::Done),
        vertex("found", &[], Some((200, 200)), Ending::Cached(FoundBy::Local)),
        vertex("below", &[], None, Ending::Skipped),
        vertex("unknown", &[], None, Ending::Skipped),
    ])
}

/// `found` took two seconds once, `below` three.
fn took(result: &Digest) -> Option<Duration> {
    let known = [("found", 2), ("below", 3), ("slow", 100)];
    let found = known
        .iter()
        .find(|(name, _)| digest(&format!("result of {name}")) == *result);
    found.map(|(_, seconds)| Duration::from_secs(*seconds))
}

#[test]
fn a_plan_has_lanes_the_critical_path_and_what_was_saved() {
    let plan = Plan::new(&example(), took);
    assert_eq!(plan.length, 5_000_000);
    assert_eq!(plan.lanes, 2);
    let names: Vec<&str> = plan
        .critical
        .iter()
        .map(|place| plan.steps[*place].name.as_str())
        .collect();
    assert_eq!(names, ["[internal] load build definition from x", "slow", "both"]);
    assert_eq!(plan.critical_length(), 4_600_000);
    let saved = Saved {
        known: Duration::from_secs(5),
        unknown: 1,
    };
    assert_eq!(plan.saved, saved, "what was executed saved nothing");
    assert_eq!(plan.steps[5].span, None);
}

#[test]
fn a_long_log_loses_its_middle() {
    let mut events = vec![vertex("x", &[], Some((0, 10)), Ending::Done)];
    events.push(Event::Log(LogChunk {
        vertex: digest("x"),
        stream: 1,
        data: [vec![b'a'; 5000], vec![b'b'; 5000], vec![b'c'; 5000]].concat(),
        timestamp: at(5),
    }));
    let plan = Plan::new(&build(events), took);
    let log = &plan.steps[0].log;
    assert_eq!(plan.steps[0].log_bytes, 15_000);
    assert!(
        log.starts_with("aaaa") && log.ends_with("cccc") && !log.contains("bb"),
        "{log}"
    );
    assert!(log.contains("7000 bytes are left out"), "{log}");
}

#[test]
fn a_trace_is_an_array_of_events() {
    let plan = Plan::new(&example(), took);
    let events: Vec<serde_json::Value> = serde_json::from_str(&trace(&plan)).unwrap();
    let spans: Vec<_> = events.iter().filter(|event| event["ph"] == "X").collect();
    // Five ran, of which three stand on the critical path's line, too.
    assert_eq!(spans.len(), 8);
    for span in &spans {
        assert!(
            span["ts"].is_u64() && span["dur"].is_u64() && span["tid"].is_u64(),
            "{span}"
        );
        assert_eq!(span["pid"], 1);
    }
    let both = spans.iter().find(|span| span["name"] == "both").unwrap();
    assert_eq!(
        (&both["ts"], &both["dur"]),
        (&3_200_000.into(), &1_500_000.into())
    );
    assert_eq!(both["args"]["inputs"][1], "slow");
    let threads: Vec<_> = events
        .iter()
        .filter(|event| event["name"] == "thread_name")
        .collect();
    assert_eq!(threads.len(), 3);
}

#[test]
fn nothing_in_a_page_is_obeyed() {
    let evil = "RUN </script><script>alert(2)</script> <img src=x onerror=alert(3)> & \u{2028} \"'";
    let mut events = vec![vertex(evil, &[], Some((0, 10)), Ending::Failed(evil.to_owned()))];
    events.push(Event::Log(LogChunk {
        vertex: digest(evil),
        stream: 1,
        data: b"<!-- </script><b>\x1b[31mred\n".to_vec(),
        timestamp: at(5),
    }));
    let page = super::super::page(&Plan::new(&build(events), took));
    // The page's own scripts, and no other.
    assert_eq!(page.matches("<script").count(), 2, "{page}");
    assert_eq!(page.matches("</script").count(), 2);
    assert!(
        !page.contains("<img") && !page.contains("<b>") && !page.contains("<!--"),
        "{page}"
    );
    let empty = super::super::page(&Plan::new(&build(vec![]), took));
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        let found = empty.replace("http://www.w3.org/2000/svg", "").contains(outside);
        assert!(!found, "{outside} is not in a page that works alone");
    }
}

#[test]
fn the_data_of_a_page_is_the_plan() {
    let plan = Plan::new(&example(), took);
    let page = page(&plan);
    let from = page.find("application/json\">").unwrap() + "application/json\">".len();
    let data = &page[from..from + page[from..].find("</script>").unwrap()];
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["steps"].as_array().unwrap().len(), 7);
    assert_eq!(data["steps"][3]["inputs"], serde_json::json!([1, 2]));
    assert_eq!(data["steps"][4]["saved"], 2_000_000);
    assert_eq!(data["steps"][6]["saved"], serde_json::Value::Null);
    assert_eq!(data["critical"], serde_json::json!([0, 2, 3]));
}

#[test]
fn a_build_without_steps_has_a_page_and_a_trace() {
    let plan = Plan::new(&build(vec![]), took);
    assert!(page(&plan).contains("</html>"));
    assert!(serde_json::from_str::<Vec<serde_json::Value>>(&trace(&plan)).is_ok());
}
