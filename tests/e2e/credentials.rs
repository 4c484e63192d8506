//! Signed addresses, and addresses with passwords: they reach their servers and nothing else, neither what a build prints
//! nor any file that it leaves.

use lapstrake_tests::repository::Repository;
use lapstrake_tests::search::{files_with, holds, marker};
use lapstrake_tests::web::{Page, Web};
use lapstrake_tests::{Place, Ran, find_program, skip};

/// What is in addresses and may be nowhere.
struct Hidden {
    values: Vec<String>,
}

impl Hidden {
    fn assert_nowhere(&self, place: &Place, ran: &[&Ran]) {
        for value in &self.values {
            for folder in ["state", "out", "home"] {
                let found = files_with(&place.path(folder), value);
                assert!(found.is_empty(), "{value} is in {found:?}");
            }
            for ran in ran {
                for text in [&ran.stdout, &ran.stderr] {
                    assert!(!holds(text.as_bytes(), value), "{value} is printed: {text}");
                }
            }
        }
    }
}

/// An address with all three, and what is to be hidden of it.
fn signed(web: &Web, path: &str) -> (String, Hidden) {
    let values = ["password", "signature", "long"].map(marker);
    let [password, signature, long] = &values;
    let url = format!(
        "http://me:{password}@{}/{path}?X-Amz-Signature={signature}&response={long}&part=1",
        web.host
    );
    let values = values.to_vec();
    (url, Hidden { values })
}

#[test]
fn credentials_of_added_files_are_in_no_file_and_no_output() {
    let (place, web) = (Place::new(), Web::new());
    web.put("f", Page::of("one"));
    let (url, hidden) = signed(&web, "f");
    place.dockerfile(&format!("FROM scratch\nADD {url} /f\n"));
    let (out, ran) = place.build_local(&[]);
    assert_eq!(std::fs::read_to_string(out.join("f")).unwrap(), "one");
    let seen = web.take_seen();
    assert!(
        hidden.values[1..]
            .iter()
            .all(|value| seen[0].path.contains(value)),
        "{seen:?}"
    );
    assert!(
        ran.stderr
            .contains("?X-Amz-Signature=xxxxx&response=xxxxx&part=1 /f"),
        "{}",
        ran.stderr
    );
    let raw = place
        .build(&["--progress", "rawjson", "-o", "type=cacheonly"])
        .ok();
    assert!(raw.stdout.contains("xxxxx"), "{}", raw.stdout);

    // Something else is signed: it is another address, and a step that is explained.
    let (other, more) = signed(&web, "f");
    place.dockerfile(&format!("FROM scratch\nADD {other} /g\n"));
    let why = place.run(["why", "context"]).ok();
    let rest = place.build(&["-o", "type=cacheonly"]).ok();
    let logs = place.run(["history", "logs"]).ok();
    let inspect = place.run(["history", "inspect", "--format", "json"]).ok();
    let du = place.run(["du", "--verbose"]).ok();
    let all = [&ran, &raw, &why, &rest, &logs, &inspect, &du];
    hidden.assert_nowhere(&place, &all);
    more.assert_nowhere(&place, &all);
    // What is not hidden is found in the same way.
    assert!(logs.stdout.contains(&web.host) && !files_with(&place.state(), &web.host).is_empty());
    place.assert_clean();
}

#[test]
fn credentials_of_what_fails_are_in_no_file_and_no_output() {
    let (place, web) = (Place::new(), Web::new());
    let (url, hidden) = signed(&web, "missing");
    place.dockerfile(&format!("FROM scratch\nADD {url} /f\n"));
    let missing = place.build(&["--debug"]).fails(3, &["404", "xxxxx"]);
    place.dockerfile(&format!("FROM scratch\nADD {url} /f\nCOPPY a b\n"));
    let wrong = place.build(&[]).fails(1, &["COPPY"]);
    place.dockerfile(&format!("FROM scratch\nADD --chmod=x {url} /f\n"));
    let word = place.build(&[]).fails(1, &["xxxxx"]);
    let context = place.run(["build", &url]).fails(3, &["404"]);
    let named = place.run(["build", "context", "--build-context", &format!("x={url}")]);
    let nobody = url.replace(&web.host, "127.0.0.1:1");
    place.dockerfile(&format!("FROM scratch\nADD {nobody} /f\n"));
    let unreachable = place.build(&[]).fails(3, &["127.0.0.1:1"]);
    let inspect = place.run(["history", "inspect"]).ok();
    let all = [&missing, &wrong, &word, &context, &named, &unreachable, &inspect];
    hidden.assert_nowhere(&place, &all);
}

#[test]
fn credentials_of_contexts_and_repositories_are_in_no_file_and_no_output() {
    if find_program("git").is_none() {
        skip!("git is not installed");
    }
    let (place, web) = (Place::new(), Web::new());
    web.put("Dockerfile", Page::of("FROM scratch\nCOPY . /\n"));
    let (url, mut hidden) = signed(&web, "Dockerfile");
    let context = place
        .run(["build", &url, "-o", "type=cacheonly", "--progress", "plain"])
        .ok();
    let file = place.build(&["-f", &url, "-o", "type=cacheonly"]).ok();

    let password = marker("password");
    Repository::new(&place.path("repositories/r.git"))
        .file("Dockerfile", "FROM scratch\nCOPY . /\n")
        .commit();
    let login = format!(
        "Basic {}",
        lapstrake_tests::search::base64_whole(format!("me:{password}").as_bytes())
    );
    web.serve_git(&place.path("repositories"), Some(&login));
    let git = format!("http://me:{password}@{}/git/r.git", web.host);
    hidden.values.push(password);
    let remote = place
        .run(["build", &git, "-o", "type=cacheonly", "--progress", "plain"])
        .ok();
    place.dockerfile(&format!("FROM scratch\nADD --keep-git-dir=true {git} /\n"));
    let (_, added) = place.build_local(&[]);
    place.dockerfile("FROM scratch\nCOPY --from=r / /\n");
    let named = place
        .build(&["--build-context", &format!("r={git}"), "-o", "type=cacheonly"])
        .ok();
    let wrong = place
        .run(["build", &format!("{git}#nothing")])
        .fails(1, &["nothing"]);
    let inspect = place.run(["history", "ls"]).ok();
    hidden.assert_nowhere(
        &place,
        &[&context, &file, &remote, &added, &named, &wrong, &inspect],
    );
}
