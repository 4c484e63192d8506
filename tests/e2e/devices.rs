//! CDI devices: `RUN --device`, with specifications that the tests write.

use lapstrake_tests::{Place, can_run_containers, skip};

/// A device that is the machine's full device under another name, a variable, a file and a group.
const SPEC: &str = r#"
cdiVersion: "0.6.0"
kind: lapstrake.example/thing
containerEdits:
  env: [KIND=thing]
devices:
- name: one
  containerEdits:
    env: [ONE=1]
    deviceNodes:
    - path: /dev/thing
      hostPath: /dev/lapstrake-no-such-node
      type: c
      major: 10
      minor: 183
      fileMode: 438
    mounts:
    - {hostPath: HERE/library, containerPath: /usr/lib/thing.so, options: [ro, bind]}
    additionalGids: [4242]
    hooks:
    - {hookName: createContainer, path: /usr/bin/some-hook}
- name: free
  annotations:
    org.mobyproject.buildkit.device.autoallow: "true"
  containerEdits:
    env: [FREE=1]
"#;

fn place() -> Place {
    let place = Place::new();
    let folder = place.path("cdi");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(place.path("library"), "a library\n").unwrap();
    let here = place.path("");
    let spec = SPEC.replace("HERE", here.to_str().unwrap().trim_end_matches('/'));
    std::fs::write(folder.join("thing.yaml"), spec).unwrap();
    place.config(&format!("[cdi]\nspec-dirs = [\"{}\"]\n", folder.display()));
    place
}

const NONE: [&str; 2] = ["--network", "none"];

#[test]
fn a_command_gets_what_the_specification_says() {
    if !lapstrake_tests::is_root() {
        skip!("devices need root");
    }
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = place();
    // 10:183 is the machine's source of randomness. Where there is none it is opened all the same, and then refused
    // for another reason than that it is not allowed.
    let refusals = |node: &str| format!("$( (: < {node}) 2>&1 | grep -c -e 'not permitted' -e denied)");
    place.dockerfile(&format!(
        "FROM base\nRUN mknod /tmp/other c 10 183; echo without-{}\n\
         RUN --device=lapstrake.example/thing=one,required echo $KIND-$ONE-$(id -G | tr ' ' /)-$(cat /usr/lib/thing.so); \
         echo with-{}; stat -c '%t:%T %a' /dev/thing; touch /usr/lib/thing.so 2>/dev/null || echo read-only\n\
         RUN test ! -e /dev/thing && echo gone-{}\n",
        refusals("/tmp/other"),
        refusals("/dev/thing"),
        refusals("/tmp/other"),
    ));
    let refused = place
        .build(&NONE)
        .fails(1, &["device", "--allow device", "Dockerfile:3"]);
    assert!(!refused.stderr.contains(" gone"), "{}", refused.stderr);
    for allow in ["device", "device=lapstrake.example/thing=one"] {
        let ran = place
            .build(&[&NONE[..], &["--allow", allow, "--no-cache"]].concat())
            .ok();
        for text in [
            "thing-1-0/4242-a library",
            " without-1",
            " with-0",
            " a:b7 666",
            " read-only",
            " gone-1",
            "some-hook",
        ] {
            assert!(ran.stderr.contains(text), "{text:?} is not in\n{}", ran.stderr);
        }
    }
    place
        .build(&[&NONE[..], &["--allow", "device=lapstrake.example/thing=two"]].concat())
        .fails(1, &["--allow device"]);
}

#[test]
fn a_device_that_is_not_there() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = place();
    place.dockerfile("FROM base\nRUN --device=lapstrake.example/none echo went-on\n");
    let ran = place.build(&NONE).ok();
    assert!(ran.stderr.contains(" went-on"), "{}", ran.stderr);
    place.dockerfile("FROM base\nRUN --device=lapstrake.example/none,required echo went-on\n");
    place.build(&NONE).fails(
        1,
        &["there is no CDI device \"lapstrake.example/none\"", "/etc/cdi"],
    );
    place.dockerfile("FROM base\nRUN --device=lapstrake.example/thing=free,required echo free-$FREE-$KIND\n");
    let ran = place.build(&NONE).ok();
    assert!(ran.stderr.contains(" free-1-thing"), "{}", ran.stderr);
    std::fs::write(place.path("cdi/bad.json"), "{\"kind\": 3").unwrap();
    let uncached = [&NONE[..], &["--no-cache"]].concat();
    place.build(&uncached).ok();
    place.dockerfile("FROM base\nRUN --device=lapstrake.example/none,required echo went-on\n");
    place.build(&uncached).fails(1, &["bad.json"]);
}
