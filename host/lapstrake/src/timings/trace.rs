//! A build in Chrome's trace event format (the JSON array form), for Perfetto and chrome://tracing. Pure.

use serde_json::{Value, json};

use super::plan::Plan;

/// Thread that shows the critical path.
const CRITICAL: usize = 0;

/// The trace as JSON text.
pub fn trace(plan: &Plan) -> String {
    let mut events = vec![
        name("process_name", 0, &format!("lapstrake build {}", plan.start.name)),
        name("thread_name", CRITICAL, "critical path"),
    ];
    for lane in 0..plan.lanes {
        events.push(name("thread_name", lane + 1, &format!("lane {}", lane + 1)));
    }
    for step in &plan.steps {
        let Some((begin, end)) = step.span else { continue };
        let mut args = json!({
            "digest": step.digest,
            "state": step.state.words(),
            "critical": step.critical,
            "inputs": step.inputs.iter().map(|input| plan.steps[*input].name.as_str()).collect::<Vec<_>>(),
        });
        if let Some(saved) = step.saved {
            args["saved_seconds"] = json!(saved.as_secs_f64());
        }
        if let Some(error) = &step.error {
            args["error"] = json!(error);
        }
        let event = |thread: usize| {
            json!({
                "ph": "X",
                "name": step.name,
                "cat": step.state.words(),
                "ts": begin,
                "dur": end - begin,
                "pid": 1,
                "tid": thread,
                "args": args,
            })
        };
        events.push(event(step.lane + 1));
        if step.critical {
            events.push(event(CRITICAL));
        }
    }
    let mut text = String::from("[\n");
    for (index, event) in events.iter().enumerate() {
        text.push_str(&event.to_string());
        text.push_str(if index + 1 < events.len() { ",\n" } else { "\n" });
    }
    text.push_str("]\n");
    text
}

fn name(kind: &str, thread: usize, name: &str) -> Value {
    json!({ "ph": "M", "name": kind, "pid": 1, "tid": thread, "args": { "name": name } })
}
