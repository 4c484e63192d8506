//! Git repositories as sources: ADD of repositories, over git's own HTTP server on this machine.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use lapstrake_tests::repository::Repository;
use lapstrake_tests::web::Web;
use lapstrake_tests::{Place, find_program, skip};

/// A place, a server, and a repository `r.git` on it with a file `f`, a program `run`, a link `l` and a folder `d`.
fn start() -> Option<(Place, Web, Repository, String)> {
    find_program("git")?;
    let (place, web) = (Place::new(), Web::new());
    let repository = Repository::new(&place.path("repositories/r.git"));
    repository
        .file("f", "one")
        .file("d/e", "deep")
        .file("run", "#!/bin/sh\n");
    std::os::unix::fs::symlink("f", place.path("repositories/r.git/l")).unwrap();
    repository.git(&["add", "--all"]);
    repository.git(&["update-index", "--chmod=+x", "run"]);
    repository.git(&["commit", "--quiet", "--message", "first"]);
    let id = repository.git(&["rev-parse", "HEAD"]);
    web.serve_git(&place.path("repositories"), None);
    Some((place, web, repository, id))
}

macro_rules! start {
    () => {
        match start() {
            Some(started) => started,
            None => skip!("git is not installed"),
        }
    };
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn add(place: &Place, address: &str) {
    place.dockerfile(&format!("FROM scratch\nADD {address} /\n"));
}

#[test]
fn a_branch_costs_one_request_when_it_has_not_moved_and_a_commit_none() {
    let (place, web, repository, id) = start!();
    let url = web.url("git/r.git");
    add(&place, &url);
    let (out, _) = place.build_local(&[]);
    assert_eq!(read(&out.join("f")), "one");
    assert_eq!(read(&out.join("d/e")), "deep");
    assert_eq!(std::fs::read_link(out.join("l")).unwrap(), Path::new("f"));
    assert!(!out.join(".git").exists());
    // Modes and times are those of the commit, whatever the umask and the clock.
    for (name, mode) in [("f", 0o644), ("run", 0o755), ("d", 0o755)] {
        let metadata = std::fs::metadata(out.join(name)).unwrap();
        assert_eq!(metadata.mode() & 0o777, mode, "{name}");
        assert_eq!(metadata.mtime(), 1_600_000_000, "{name}");
    }
    assert!(web.take_lines().len() > 2);

    let (_, ran) = place.build_local(&[]);
    assert!(ran.count("CACHED") > 0, "{}", ran.stderr);
    let lines = web.take_lines();
    assert_eq!(lines.len(), 2, "the protocol's greeting and the list: {lines:?}");

    // A commit in full, and one that is here: the server could as well be gone.
    add(&place, &format!("{url}#{id}:d"));
    let (out, _) = place.build_local(&[]);
    assert_eq!(read(&out.join("e")), "deep");
    assert!(!out.join("f").exists());
    assert_eq!(web.take_lines(), Vec::<String>::new());

    // The branch moves.
    repository.file("f", "two").commit();
    add(&place, &url);
    let (out, _) = place.build_local(&[]);
    assert_eq!(read(&out.join("f")), "two");
    // An earlier commit that nothing leads to but its id.
    repository.git(&["checkout", "--quiet", "--orphan", "new"]);
    let orphan = repository.file("f", "three").commit();
    repository.git(&["branch", "--force", "main"]);
    let fresh = Place::new();
    add(&fresh, &format!("{url}#{id}"));
    let (out, _) = fresh.build_local(&[]);
    assert_eq!(read(&out.join("f")), "one");
    add(&fresh, &format!("{url}?branch=new&commit={}", &orphan[..9]));
    let (out, _) = fresh.build_local(&[]);
    assert_eq!(read(&out.join("f")), "three");
    place.assert_clean();
    fresh.assert_clean();
}

#[test]
fn tags_pull_requests_and_pinned_commits() {
    let (place, web, repository, id) = start!();
    let url = web.url("git/r.git");
    repository.git(&["tag", "light"]);
    repository.git(&["tag", "--annotate", "--message", "x", "v1"]);
    repository.git(&["update-ref", "refs/pull/7/head", &id]);
    repository.file("f", "later").commit();
    for reference in ["light", "v1", "refs/tags/v1", "refs/pull/7/head", "pull/7/head"] {
        add(&place, &format!("{url}#{reference}"));
        let (out, _) = place.build_local(&[]);
        assert_eq!(read(&out.join("f")), "one", "{reference}");
    }
    let tag = repository.git(&["rev-parse", "v1"]);
    assert_ne!(tag, id);
    for pin in [&id[..7], &id, &tag] {
        place.dockerfile(&format!("FROM scratch\nADD --checksum={pin} {url}#v1 /\n"));
        place.build_local(&[]);
    }
    place.dockerfile(&format!("FROM scratch\nADD --checksum={id} {url}#main /\n"));
    place.build(&[]).fails(
        1,
        &["main of ", &id, "is expected", "meant to move", "ADD --checksum"],
    );
}

#[test]
fn a_git_dir_that_is_kept_is_a_repository_and_the_same_every_time() {
    let (place, web, repository, id) = start!();
    repository.git(&["tag", "--annotate", "--message", "x", "v1"]);
    let url = web.url("git/r.git");
    place.dockerfile(&format!("FROM scratch\nADD --keep-git-dir=true {url}#v1 /\n"));
    let (one, _) = place.build_local(&[]);
    let git = |folder: &Path, arguments: &[&str]| {
        let output = std::process::Command::new("git")
            .args(["-c", "safe.directory=*"])
            .args(arguments)
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let fresh = Place::new();
    fresh.dockerfile(&format!("FROM scratch\nADD --keep-git-dir=true {url}#v1 /\n"));
    let (two, _) = fresh.build_local(&[]);
    let listing = |folder: &Path| {
        let output = std::process::Command::new("sh")
            .args([
                "-c",
                "find . -type f | sort | xargs sha256sum; find . -mindepth 1 -printf '%p %m %T@\\n' | sort",
            ])
            .current_dir(folder)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(listing(&one), listing(&two));
    assert_eq!(git(&one, &["rev-parse", "HEAD"]), id);
    assert_eq!(git(&one, &["describe", "--exact-match"]), "v1");
    assert_eq!(git(&one, &["status", "--porcelain"]), "");
    assert_eq!(git(&one, &["log", "--format=%s"]), "first");
    assert_eq!(git(&one, &["remote", "get-url", "origin"]), url);
    git(&one, &["fsck", "--strict"]);
}

#[test]
fn submodules_come_with_it_and_cannot_reach_this_machine() {
    let (place, web, repository, id) = start!();
    let inner = Repository::new(&place.path("repositories/inner.git"));
    let innermost = Repository::new(&place.path("repositories/deep/innermost.git"));
    let deepest = innermost.file("x", "innermost").commit();
    inner.file("i", "inner").commit();
    inner.submodule("more/x", "../deep/innermost.git", &deepest);
    let commit = inner.git(&["rev-parse", "HEAD"]);
    repository.submodule("sub", "../inner.git", &commit);
    let url = web.url("git/r.git");
    add(&place, &url);
    let (out, _) = place.build_local(&[]);
    assert_eq!(read(&out.join("sub/i")), "inner");
    assert_eq!(read(&out.join("sub/more/x/x")), "innermost");
    web.take_lines();
    // All commits are known now: only the branch is asked for.
    place.build_local(&["--no-cache"]);
    assert_eq!(web.take_lines().len(), 2);

    for url in ["file:///etc", "/etc", "ext::sh -c id", "../../../../x"] {
        let bad = Repository::new(&place.path("repositories/bad.git"));
        bad.file("f", url).commit();
        bad.file(".gitmodules", "").submodule("sub", url, &id);
        let _ = std::fs::remove_dir_all(place.path("state/git"));
        add(&place, &web.url("git/bad.git"));
        let ran = place.build(&["--no-cache"]);
        ran.fails(1, &["is not reached by https, http, ssh or git"]);
        std::fs::remove_dir_all(place.path("repositories/bad.git")).unwrap();
    }
    place.assert_clean();
}

#[test]
fn tokens_are_secrets_of_one_host() {
    let (place, web, _repository, _) = start!();
    // x-access-token:hidden-token
    let authorization = "basic eC1hY2Nlc3MtdG9rZW46aGlkZGVuLXRva2Vu";
    web.serve_git(&place.path("repositories"), Some(authorization));
    let url = web.url("git/r.git");
    add(&place, &url);
    place
        .build(&[])
        .fails(3, &["may not be read", "GIT_AUTH_TOKEN", &url]);
    std::fs::write(place.path("token"), "hidden-token\n").unwrap();
    for id in [
        "GIT_AUTH_TOKEN".to_owned(),
        format!("GIT_AUTH_TOKEN.{}", web.host),
    ] {
        let secret = format!("id={id},src=token");
        let (out, ran) = place.build_local(&["--no-cache", "--secret", &secret]);
        assert_eq!(read(&out.join("f")), "one");
        assert!(!ran.stderr.contains("hidden-token"));
        let _ = std::fs::remove_dir_all(place.path("state/git"));
    }
    let secret = "id=GIT_AUTH_TOKEN.example.com,src=token";
    place
        .build(&["--no-cache", "--secret", secret])
        .fails(3, &["may not be read"]);
    let header = place.path("header");
    std::fs::write(&header, authorization).unwrap();
    place.build_local(&["--no-cache", "--secret", "id=GIT_AUTH_HEADER,src=header"]);
    // Neither the token nor what it is sent as is anywhere in the state.
    for text in ["hidden-token", "eC1hY2Nlc3MtdG9rZW46"] {
        let found = std::process::Command::new("grep")
            .args(["-r", "-l", "-a", text])
            .arg(place.state())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), "", "{text}");
    }
}

#[test]
fn the_users_configuration_and_hooks_have_no_say() {
    let (place, web, _repository, _) = start!();
    let trap = place.path("trapped");
    let hooks = place.path("home/hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    for hook in ["post-checkout", "reference-transaction", "post-index-change"] {
        let script = format!("#!/bin/sh\ntouch {}\n", trap.display());
        std::fs::write(hooks.join(hook), script).unwrap();
        std::fs::set_permissions(
            hooks.join(hook),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
    }
    let config = format!(
        "[core]\n\thooksPath = {}\n[url \"http://nowhere.invalid/\"]\n\tinsteadOf = {}\n",
        hooks.display(),
        web.url("")
    );
    std::fs::write(place.path("home/.gitconfig"), config).unwrap();
    add(&place, &web.url("git/r.git"));
    let (out, _) = place.build_local(&[]);
    assert_eq!(read(&out.join("f")), "one");
    assert!(!trap.exists());
}

#[test]
fn errors_say_what_and_what_to_do() {
    let (place, web, repository, id) = start!();
    repository.git(&["tag", "v1.2.3"]);
    let url = web.url("git/r.git");
    let port = lapstrake_tests::servers::free_port();
    for (address, code, texts) in [
        (
            format!("{url}#mian"),
            1,
            vec!["no branch or tag \"mian\"", "did you mean \"main\"?", "ADD "],
        ),
        (format!("{url}#1.2.3"), 1, vec!["did you mean \"v1.2.3\"?"]),
        (format!("{url}#{}", &id[..10]), 1, vec!["all of its digits: 40"]),
        (format!("{url}#{}", "a".repeat(40)), 1, vec!["has no commit aaaa"]),
        (format!("{url}#main:none"), 1, vec!["has no directory \"none\""]),
        (format!("{url}#main:f"), 1, vec!["has no directory \"f\""]),
        (
            web.url("git/none.git"),
            3,
            vec!["there is no repository", "GIT_AUTH_TOKEN"],
        ),
        (
            format!("http://me:secret@127.0.0.1:{port}/x.git"),
            3,
            vec!["cannot reach http://xxxxx@127.0.0.1", "HTTP_PROXY"],
        ),
    ] {
        add(&place, &address);
        place.build(&[]).fails(code, &texts);
    }
    if !lapstrake_tests::is_root() {
        skip!("without PATH, the programs that map ids are not found either");
    }
    add(&place, &url);
    let mut command = place.command();
    command
        .env("PATH", "/nowhere")
        .args(["build", "context", "-o", "out/x"]);
    lapstrake_tests::Ran::of(command.output().unwrap())
        .fails(3, &["git is not installed", "apt-get install git"]);
    place.assert_clean();
}

#[test]
fn a_damaged_copy_is_made_anew() {
    let (place, web, _repository, _) = start!();
    add(&place, &web.url("git/r.git"));
    place.build_local(&[]);
    let packs = std::process::Command::new("sh")
        .args([
            "-c",
            "for f in $(find git -name '*.pack' -o -path '*/objects/??/*' -type f); do chmod u+w $f; echo x > $f; done",
        ])
        .current_dir(place.state())
        .status()
        .unwrap();
    assert!(packs.success());
    let (out, _) = place.build_local(&["--no-cache"]);
    assert_eq!(read(&out.join("f")), "one");
}

#[test]
fn offline_takes_what_is_here() {
    let (place, web, repository, id) = start!();
    let url = web.url("git/r.git");
    add(&place, &url);
    place.build_local(&[]);
    repository.file("f", "two").commit();
    web.take_lines();
    for address in [url.clone(), format!("{url}#{id}")] {
        add(&place, &address);
        let (out, _) = place.build_local(&["--offline", "--no-cache"]);
        assert_eq!(read(&out.join("f")), "one");
    }
    add(&place, &format!("{url}#other"));
    place
        .build(&["--offline"])
        .fails(3, &["the ref \"other\" of ", "is not in the store"]);
    add(&place, &format!("{url}#{}", "a".repeat(40)));
    place
        .build(&["--offline"])
        .fails(3, &["the commit aaaa", "is not in the store"]);
    assert_eq!(web.take_lines(), Vec::<String>::new());
}

#[test]
fn servers_that_give_only_what_they_list_give_commits_with_their_history() {
    let (place, web, repository, id) = start!();
    repository.file("f", "two").commit();
    web.speak_old_git();
    let fresh = || {
        let _ = std::fs::remove_dir_all(place.path("state/git"));
    };
    let url = web.url("git/r.git");
    for (address, text) in [(format!("{url}#{id}"), "one"), (url.clone(), "two")] {
        fresh();
        add(&place, &address);
        let (out, _) = place.build_local(&["--no-cache"]);
        assert_eq!(read(&out.join("f")), text);
    }
    // First a commit alone, then one below it.
    add(&place, &format!("{url}#{id}"));
    let (out, _) = place.build_local(&["--no-cache"]);
    assert_eq!(read(&out.join("f")), "one");

    // A server that knows nothing of git: files as they are.
    fresh();
    repository.git(&["update-server-info"]);
    let folder = place.path("repositories/r.git/.git");
    let mut folders = vec![folder.clone()];
    while let Some(path) = folders.pop() {
        for entry in std::fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&folder).unwrap().display().to_string();
                let page = lapstrake_tests::web::Page::of(std::fs::read(&path).unwrap());
                web.put(&format!("plain/r.git/{name}"), page);
            }
        }
    }
    let plain = web.url("plain/r.git");
    for (address, text) in [(plain.clone(), "two"), (format!("{plain}#{id}"), "one")] {
        add(&place, &address);
        let (out, _) = place.build_local(&["--no-cache"]);
        assert_eq!(read(&out.join("f")), text);
    }
    place.assert_clean();
}

#[test]
fn several_builds_at_once_fetch_one_after_the_other() {
    let (place, web, _repository, _) = start!();
    add(&place, &web.url("git/r.git"));
    std::thread::scope(|scope| {
        for number in 0..4 {
            let place = &place;
            scope.spawn(move || {
                let out = format!("out/{number}");
                place.run(["build", "context", "--no-cache", "-o", &out]).ok();
                assert_eq!(read(&place.path(&out).join("f")), "one");
            });
        }
    });
    let packs = web.take_lines();
    let fetches = packs.iter().filter(|line| line.starts_with("POST")).count();
    // Each asks for the branch; one fetches the commit, which takes two more requests at most.
    assert!(fetches <= 4 + 2, "{packs:?}");
    place.assert_clean();
}

#[test]
fn copies_are_counted_and_removed_with_the_rest() {
    let (place, web, _repository, _) = start!();
    let url = web.url("git/r.git");
    add(&place, &url);
    place.build_local(&[]);
    let usage = place.run(["du", "--verbose"]).ok().stdout;
    assert!(usage.contains("copy of a git repository"), "{usage}");
    place.run(["prune", "--all", "--force"]).ok();
    let left: Vec<_> = std::fs::read_dir(place.path("state/git"))
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    assert!(left.is_empty(), "{left:?}");
    let (out, _) = place.build_local(&[]);
    assert_eq!(read(&out.join("f")), "one");
}
