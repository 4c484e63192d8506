//! The worker under the real solver and over a real store: small graphs, and what a second build does.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lapstrake_llb::*;
use lapstrake_ops::exec::Exit;
use lapstrake_ops::{Entitlements, Error, FileError, KnownSecrets};
use lapstrake_solver::{CancelToken, SolveError};
use serde_json::json;
use support::chain;
use support::graph::{Bench, Graph, HELPER_VARIABLE, bind, can_run_containers};

/// Not a test of anything: what the tests start as the container helper, this same program, ends up here.
#[test]
fn container_helper() {
    if std::env::var_os(HELPER_VARIABLE).is_some() {
        let code = lapstrake_ops::exec::helper_main();
        std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
    }
}

#[test]
fn a_second_build_executes_nothing() {
    if !can_run_containers() {
        return;
    }
    let bench = Bench::new();
    fs::write(bench.context.join("in"), "some text").unwrap();
    let mut graph = Graph::default();
    let (base, context) = (graph.base(), graph.local());
    let copied = graph.copy("copy", Some(base), context, "/in", "/work/");
    let ran = graph.run(
        "run",
        copied,
        "tr a-z A-Z < /work/in > /work/out; echo done",
        Vec::new(),
    );
    let last = graph.copy("take", None, ran, "/work/out", "/result");
    let first = bench.solve(&graph, &[last, ran]);
    assert_eq!(first.read(0, "result").unwrap(), "SOME TEXT");
    assert_eq!(first.read(1, "work/out").unwrap(), "SOME TEXT");
    assert_eq!(first.told.log, "done\n");
    assert!(
        ["copy", "run", "take"]
            .iter()
            .all(|name| first.told.executed.iter().any(|e| e == name))
    );
    assert_eq!(first.trees[1].layers.len(), 3);

    let second = bench.solve(&graph, &[last, ran]);
    assert_eq!(second.trees, first.trees);
    // The sources are asked what they are, and nothing more.
    assert!(
        second
            .told
            .executed
            .iter()
            .all(|name| name == "base" || name == "context"),
        "{:?}",
        second.told
    );
    assert_eq!(second.told.log, "");
}

#[test]
fn a_cached_build_fetches_nothing() {
    let bench = Bench::new();
    if !can_run_containers() {
        return;
    }
    let mut graph = Graph::default();
    let base = graph.base();
    let taken = graph.copy("take", None, base, "/etc/passwd", "/p");
    let first = bench.solve(&graph, &[taken]);
    assert!(first.read(0, "p").unwrap().contains("root"));
    // The configuration is all that a key needs.
    let layer = fs::read_dir(bench.layout.path.join("blobs/sha256"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap();
    fs::remove_file(layer).unwrap();
    assert_eq!(bench.solve(&graph, &[taken]).trees, first.trees);
}

#[test]
fn what_is_not_copied_does_not_count() {
    let bench = Bench::new();
    fs::write(bench.context.join("used"), "1").unwrap();
    fs::write(bench.context.join("unused"), "1").unwrap();
    let mut graph = Graph::default();
    let context = graph.local();
    let copied = graph.copy("copy", None, context, "/used", "/");
    let again = graph.copy("above", None, copied, "/used", "/again");
    let first = bench.solve(&graph, &[again]);
    assert_eq!(first.read(0, "again").unwrap(), "1");

    fs::write(bench.context.join("unused"), "2").unwrap();
    let second = bench.solve(&graph, &[again]);
    assert_eq!(second.trees, first.trees);
    assert!(
        !second
            .told
            .executed
            .iter()
            .any(|name| name == "copy" || name == "above"),
        "{:?}",
        second.told
    );

    fs::write(bench.context.join("used"), "22").unwrap();
    let third = bench.solve(&graph, &[again]);
    assert_eq!(third.read(0, "again").unwrap(), "22");
}

#[test]
fn a_source_that_is_missing_is_named() {
    let bench = Bench::new();
    let mut graph = Graph::default();
    let (context, data) = (graph.local(), graph.file("/x", ""));
    for from in [context, data] {
        let copied = graph.copy("copy", None, from, "/none", "/");
        let (error, _) = bench.failure(&graph, copied);
        assert!(
            matches!(&error, Error::File(FileError::SourceMissing { path }) if path == "/none"),
            "{}",
            chain(&error)
        );
    }
}

#[test]
fn a_build_that_nobody_wants_ends_soon_and_leaves_nothing() {
    if !can_run_containers() {
        return;
    }
    let bench = Bench::new();
    let mut graph = Graph::default();
    let base = graph.base();
    let ran = graph.run(
        "run",
        base,
        "sleep 1000",
        vec![cache("/cache", |cache| {
            cache.sharing = CacheSharing::Locked;
        })],
    );
    let token = CancelToken::new();
    let canceller = token.clone();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(500));
            canceller.cancel();
        });
        let failure = bench.solve_until(&graph, &[ran], token).map(drop).unwrap_err();
        assert!(
            matches!(failure.0, SolveError::Cancelled),
            "{}",
            chain(&failure.0)
        );
    });
    let store = bench.directory.path().join("store");
    let left: Vec<_> = fs::read_dir(store.join("tmp"))
        .unwrap()
        .flat_map(|session| fs::read_dir(session.unwrap().path()).into_iter().flatten())
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(left.is_empty(), "{left:?}");
    // The lock on the cache is free again.
    let again = graph.run(
        "again",
        base,
        "true",
        vec![cache("/cache", |cache| {
            cache.sharing = CacheSharing::Locked;
        })],
    );
    bench.solve(&graph, &[again]);
}

#[test]
fn a_tag_moved_to_the_same_layers_is_no_change() {
    let mut bench = Bench::new();
    if !can_run_containers() {
        return;
    }
    let graph_of = |tag: &str| {
        let mut graph = Graph::default();
        let base = graph.layout(&format!("base:{tag}"));
        let ran = graph.run("run", base, "echo x > /x", Vec::new());
        (graph, ran)
    };
    let (graph, ran) = graph_of("1");
    let first = bench.solve(&graph, &[ran]);
    // The same layers under another configuration.
    let manifest: serde_json::Value = {
        let digest: Digest = bench.layout.index[0]["digest"].as_str().unwrap().parse().unwrap();
        serde_json::from_slice(&fs::read(bench.layout.blob_path(&digest)).unwrap()).unwrap()
    };
    let config: Digest = manifest["config"]["digest"].as_str().unwrap().parse().unwrap();
    let mut config: serde_json::Value =
        serde_json::from_slice(&fs::read(bench.layout.blob_path(&config)).unwrap()).unwrap();
    config["author"] = "somebody else".into();
    let (digest, size) = bench.layout.blob(config.to_string().as_bytes());
    let mut manifest = manifest;
    manifest["config"]["digest"] = digest.to_string().into();
    manifest["config"]["size"] = size.into();
    let moved = bench.layout.manifest(&manifest, Some("linux/amd64"));
    bench.layout.tag(moved, Some("2"));
    let (graph, ran) = graph_of("2");
    let second = bench.solve(&graph, &[ran]);
    assert_eq!(second.trees, first.trees);
    assert!(!second.told.executed.iter().any(|name| name == "run"));
}

#[test]
fn a_read_only_mount_counts_by_its_content() {
    if !can_run_containers() {
        return;
    }
    let bench = Bench::new();
    fs::create_dir(bench.context.join("src")).unwrap();
    fs::write(bench.context.join("src/a"), "1").unwrap();
    let mut graph = Graph::default();
    let (base, context) = (graph.base(), graph.local());
    let script = "cat /mnt/a > /out; ! touch /mnt/b 2>/dev/null";
    let ran = graph.run(
        "run",
        base,
        script,
        vec![bind("/mnt", context, "src", true, false)],
    );
    let first = bench.solve(&graph, &[ran]);
    assert_eq!(first.read(0, "out").unwrap(), "1");
    fs::write(bench.context.join("elsewhere"), "x").unwrap();
    assert_eq!(bench.solve(&graph, &[ran]).trees, first.trees);
    fs::write(bench.context.join("src/a"), "2").unwrap();
    assert_eq!(bench.solve(&graph, &[ran]).read(0, "out").unwrap(), "2");
}

#[test]
fn mounts_are_outputs_or_lose_what_is_written() {
    if !can_run_containers() {
        return;
    }
    let bench = Bench::new();
    let mut graph = Graph::default();
    let (base, data) = (graph.base(), graph.file("/data", "old"));
    let script = "echo new > /kept/data; echo new > /lost/data; echo more > /kept/more; test ! -e /ro/more";
    let ran = graph.run(
        "run",
        base,
        script,
        vec![
            bind("/kept", data, "", false, true),
            bind("/lost", data, "", false, false),
            bind("/ro", data, "", true, true),
        ],
    );
    let output = |output| Edge { output, ..ran };
    let solved = bench.solve(&graph, &[output(0), output(1), output(2), data]);
    assert_eq!(solved.read(1, "data").unwrap(), "new\n");
    assert_eq!(solved.read(1, "more").unwrap(), "more\n");
    assert_eq!(solved.trees[2], solved.trees[3], "nothing could be written");
    assert_eq!(solved.read(3, "data").unwrap(), "old");
    assert_eq!(solved.read(0, "kept"), None, "the mount point is gone again");
}

fn cache(target: &str, change: impl FnOnce(&mut CacheMount)) -> Mount {
    let mut cache = CacheMount {
        id: "cache".to_owned(),
        ..CacheMount::default()
    };
    change(&mut cache);
    Mount {
        target: target.to_owned(),
        kind: MountKind::Cache(cache),
    }
}

#[test]
fn cache_mounts_are_there_again_and_in_no_layer() {
    if !can_run_containers() {
        return;
    }
    let bench = Bench::new();
    let count = |number: u32, mount: Mount| {
        let mut graph = Graph::default();
        let base = graph.base();
        let script = format!(": {number}; echo x >> /cache/count; wc -l < /cache/count > /lines");
        let ran = graph.run("run", base, &script, vec![mount]);
        let solved = bench.solve(&graph, &[ran]);
        assert_eq!(solved.read(0, "cache/count"), None);
        solved.read(0, "lines").unwrap().trim().parse::<u32>().unwrap()
    };
    assert_eq!(count(1, cache("/cache", |_| ())), 1);
    assert_eq!(count(2, cache("/cache", |_| ())), 2);
    assert_eq!(
        count(3, cache("/cache", |cache| cache.sharing = CacheSharing::Locked)),
        3
    );
    assert_eq!(
        count(4, cache("/cache", |cache| cache.id = "other".to_owned())),
        1
    );
    assert_eq!(
        count(4, cache("/cache", |cache| cache.id = "other".to_owned())),
        1,
        "the step itself is cached"
    );

    // A seed fills a new one, and makes it another one.
    let seeded = |number: u32, text: &str| {
        let mut graph = Graph::default();
        let (base, seed) = (graph.base(), graph.file("/deep/seed/count", text));
        let script = format!(": {number}; echo x >> /cache/count; wc -l < /cache/count > /lines");
        let mount = cache("/cache", |cache| {
            cache.input = Some(seed);
            cache.selector = "/deep/seed".to_owned();
        });
        let ran = graph.run("run", base, &script, vec![mount]);
        bench
            .solve(&graph, &[ran])
            .read(0, "lines")
            .unwrap()
            .trim()
            .parse::<u32>()
            .unwrap()
    };
    assert_eq!(seeded(1, "a\nb\n"), 3);
    assert_eq!(seeded(2, "a\nb\n"), 4);
    assert_eq!(seeded(3, "a\n"), 2);
}

#[test]
fn steps_with_a_locked_cache_do_not_meet() {
    if !can_run_containers() {
        return;
    }
    let bench = Bench::new();
    let mut graph = Graph::default();
    let base = graph.base();
    let roots: Vec<_> = (0..3)
        .map(|number| {
            let script = format!(": {number}; mkdir /cache/busy && sleep 0.1 && rmdir /cache/busy");
            let mount = cache("/cache", |cache| cache.sharing = CacheSharing::Locked);
            graph.run("run", base, &script, vec![mount])
        })
        .collect();
    bench.solve(&graph, &roots);
}

#[test]
fn a_tmpfs_is_empty_and_leaves_nothing() {
    if !can_run_containers() {
        return;
    }
    let bench = Bench::new();
    let mut graph = Graph::default();
    let base = graph.base();
    let tmpfs = Mount {
        target: "/tmp".to_owned(),
        kind: MountKind::Tmpfs(TmpfsMount { size: Some(1 << 20) }),
    };
    let ran = graph.run(
        "run",
        base,
        "touch /tmp/x; grep ' /tmp tmpfs ' /proc/mounts",
        vec![tmpfs],
    );
    assert_eq!(bench.solve(&graph, &[ran]).read(0, "tmp/x"), None);
}

fn secret(id: &str, optional: bool) -> Mount {
    let secret = SecretMount {
        id: id.to_owned(),
        uid: 0,
        gid: 0,
        mode: 0o400,
        optional,
    };
    Mount {
        target: "/run/secret".to_owned(),
        kind: MountKind::Secret(secret),
    }
}

/// Every file below a directory that holds some bytes.
fn files_with(directory: &Path, needle: &[u8]) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            found.extend(files_with(&path, needle));
        } else if kind.is_file()
            && fs::read(&path)
                .unwrap_or_default()
                .windows(needle.len())
                .any(|window| window == needle)
        {
            found.push(path);
        }
    }
    found
}

#[test]
fn secrets_are_seen_by_the_command_and_by_nobody_else() {
    if !can_run_containers() {
        return;
    }
    let mut bench = Bench::new();
    let value = "a-very-secret-value";
    let mut graph = Graph::default();
    let base = graph.base();
    let script = "test $(cat /run/secret) = $TOKEN && test ${#TOKEN} = 19 && stat -c %a /run/secret > /mode";
    let ran = graph.exec("run", base, script, vec![secret("s", false)], |op| {
        let (name, secret_id) = ("TOKEN".to_owned(), "s".to_owned());
        op.secret_env = vec![SecretEnv {
            name,
            secret_id,
            optional: false,
        }];
    });
    let (error, _) = bench.failure(&graph, ran);
    assert!(
        matches!(&error, Error::NoSecret { id } if id == "s"),
        "{}",
        chain(&error)
    );

    let known = |value: &str| {
        let secrets = [("s".to_owned(), value.as_bytes().to_vec())].into();
        Arc::new(KnownSecrets {
            secrets,
            ..KnownSecrets::default()
        })
    };
    bench.secrets = known(value);
    let solved = bench.solve(&graph, &[ran]);
    assert_eq!(solved.read(0, "mode").unwrap(), "400\n");
    assert_eq!(solved.read(0, "run/secret"), None);
    assert!(!solved.told.log.contains(value));
    let places = files_with(bench.directory.path(), value.as_bytes());
    assert!(places.is_empty(), "{places:?}");
    // Another value is no reason to run again.
    bench.secrets = known("another-secret-value");
    assert_eq!(bench.solve(&graph, &[ran]).trees, solved.trees);

    let optional = graph.run(
        "optional",
        base,
        "test ! -e /run/secret",
        vec![secret("none", true)],
    );
    bench.solve(&graph, &[optional]);
    bench.secrets = Arc::new(KnownSecrets {
        secrets: [("s".to_owned(), vec![0xff, 0xfe])].into(),
        ..KnownSecrets::default()
    });
    let variable = graph.exec("variable", base, "true", Vec::new(), |op| {
        let (name, secret_id) = ("TOKEN".to_owned(), "s".to_owned());
        op.secret_env = vec![SecretEnv {
            name,
            secret_id,
            optional: false,
        }];
    });
    let (error, _) = bench.failure(&graph, variable);
    assert!(matches!(error, Error::SecretNotText { .. }));
}

#[test]
fn an_ssh_agent_is_a_socket_in_the_container() {
    if !can_run_containers() {
        return;
    }
    let mut bench = Bench::new();
    let socket = bench.directory.path().join("agent");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let agent = |optional| {
        let agent = SecretMount {
            id: "default".to_owned(),
            optional,
            mode: 0o620,
            uid: 12,
            gid: 34,
        };
        Mount {
            target: "/run/agent".to_owned(),
            kind: MountKind::Ssh(agent),
        }
    };
    let mut graph = Graph::default();
    let base = graph.base();
    let needed = graph.run(
        "needed",
        base,
        "test -S /run/agent && test $(stat -c %a:%u:%g /run/agent) = 620:12:34",
        vec![agent(false)],
    );
    let optional = graph.run("optional", base, "test ! -e /run/agent", vec![agent(true)]);
    let (error, _) = bench.failure(&graph, needed);
    assert!(
        matches!(&error, Error::NoSshAgent { id } if id == "default"),
        "{}",
        chain(&error)
    );
    bench.solve(&graph, &[optional]);
    let ssh_agents = [("default".to_owned(), socket)].into();
    bench.secrets = Arc::new(KnownSecrets {
        ssh_agents,
        ..KnownSecrets::default()
    });
    bench.solve(&graph, &[needed]);
}

#[test]
fn a_command_that_fails_is_told_and_not_recorded() {
    if !can_run_containers() {
        return;
    }
    let bench = Bench::new();
    let mut graph = Graph::default();
    let base = graph.base();
    let ran = graph.run("run", base, "echo before >&2; exit 3", Vec::new());
    for _ in 0..2 {
        let (error, told) = bench.failure(&graph, ran);
        assert!(
            matches!(
                &error,
                Error::Command {
                    exit: Exit::Code(3),
                    ..
                }
            ),
            "{}",
            chain(&error)
        );
        assert!(
            error
                .to_string()
                .ends_with("did not complete successfully: exit code: 3"),
            "{error}"
        );
        assert_eq!(told.log, "before\n", "it runs again");
    }
    let valid = graph.exec("valid", base, "exit 3", Vec::new(), |op| {
        op.valid_exit_codes = vec![3]
    });
    bench.solve(&graph, &[valid]);
    let missing = graph.exec("missing", base, "", Vec::new(), |op| {
        op.args = vec!["no-such-program".to_owned()]
    });
    let (error, _) = bench.failure(&graph, missing);
    assert!(chain(&error).contains("no-such-program"), "{}", chain(&error));
}

#[test]
fn what_the_build_may_not_is_refused() {
    let mut bench = Bench::new();
    let mut graph = Graph::default();
    let base = graph.base();
    let host = graph.exec("host", base, "true", Vec::new(), |op| {
        op.network = NetworkMode::Host
    });
    let insecure = graph.exec("insecure", base, "true", Vec::new(), |op| {
        op.security = SecurityMode::Insecure
    });
    for (edge, name) in [(host, "network.host"), (insecure, "security.insecure")] {
        let (error, _) = bench.failure(&graph, edge);
        assert!(
            matches!(&error, Error::NotAllowed { entitlement } if *entitlement == name),
            "{}",
            chain(&error)
        );
    }
    if can_run_containers() {
        bench.entitlements = Entitlements {
            network_host: true,
            security_insecure: true,
            ..Entitlements::default()
        };
        bench.solve(&graph, &[host, insecure]);
    }
}

#[test]
fn merges_stack_and_diffs_take_apart() {
    let bench = Bench::new();
    let mut graph = Graph::default();
    let (a, b) = (graph.file("/a", "1"), graph.file("/b", "2"));
    let over = graph.file("/a", "3");
    let merged = graph.add(
        "merge",
        Op::Merge(MergeOp {
            inputs: vec![a, b, over],
        }),
    );
    let diff = |graph: &mut Graph, lower, upper| graph.add("diff", Op::Diff(DiffOp { lower, upper }));
    let above = diff(&mut graph, Some(a), Some(merged));
    let changed = diff(&mut graph, Some(over), Some(b));
    let all = diff(&mut graph, None, Some(b));
    let solved = bench.solve(&graph, &[merged, above, changed, all, a, b, over]);
    assert_eq!(
        (solved.read(0, "a").unwrap(), solved.read(0, "b").unwrap()),
        ("3".to_owned(), "2".to_owned())
    );
    let [merged, above, changed, all, a, b, over] = &solved.trees[..] else {
        panic!()
    };
    assert_eq!(
        merged.layers,
        [&a.layers[..], &b.layers[..], &over.layers[..]].concat(),
        "no file is copied"
    );
    assert_eq!(above.layers, merged.layers[1..]);
    assert_eq!(changed.layers.len(), 1);
    assert_eq!(all, b, "no layer is below");
    assert_eq!(solved.read(2, "a"), None);
    assert_eq!(solved.read(2, "b").unwrap(), "2");
}

#[test]
fn a_result_whose_layers_are_gone_is_made_again() {
    let bench = Bench::new();
    let mut graph = Graph::default();
    let data = graph.file("/a", "1");
    let copied = graph.copy("copy", None, data, "/a", "/b");
    let first = bench.solve(&graph, &[copied]);
    first.store.remove_layer(first.trees[0].layers[0]).unwrap();
    let second = bench.solve(&graph, &[copied]);
    assert_ne!(second.trees, first.trees);
    assert_eq!(second.read(0, "b").unwrap(), "1");
    assert_eq!(second.told.executed, ["copy"]);
}

#[test]
fn a_context_is_a_directory_of_the_build() {
    let bench = Bench::new();
    let mut graph = Graph::default();
    let context = graph.local();
    fs::write(bench.context.join("a"), "1").unwrap();
    let solved = bench.solve(&graph, &[context]);
    assert_eq!(solved.read(0, "a").unwrap(), "1");
    assert_eq!(
        bench.solve(&graph, &[context]).trees,
        solved.trees,
        "copied into a layer once"
    );
    fs::remove_file(bench.context.join("a")).unwrap();
    fs::remove_dir(&bench.context).unwrap();
    let (error, _) = bench.failure(&graph, context);
    assert!(matches!(error, Error::Local(_)), "{}", chain(&error));
    let SourceOp::Local(mut source) = (match graph.definition.vertices.remove(0).op {
        Op::Source(source) => source,
        _ => unreachable!(),
    }) else {
        unreachable!()
    };
    source.name = "other".to_owned();
    let other = graph.add("other", Op::Source(SourceOp::Local(source)));
    let (error, _) = bench.failure(&graph, other);
    assert!(
        matches!(&error, Error::NoSuchContext { name } if name == "other"),
        "{}",
        chain(&error)
    );
}

#[test]
fn a_local_directory_can_be_changed_as_a_copy() {
    let bench = Bench::new();
    fs::write(bench.context.join("a"), "1").unwrap();
    let mut graph = Graph::default();
    let (context, data) = (graph.local(), graph.file("/b", "2"));
    let both = graph.copy("copy", Some(context), data, "/b", "/b");
    let solved = bench.solve(&graph, &[both]);
    assert_eq!(
        (solved.read(0, "a").unwrap(), solved.read(0, "b").unwrap()),
        ("1".to_owned(), "2".to_owned())
    );
    assert!(!bench.context.join("b").exists());
}

#[test]
fn an_image_must_have_the_digest_that_the_build_demands() {
    let bench = Bench::new();
    let directory = bench.directory.path();
    let Some(server) = support::server::Server::start(directory) else {
        return;
    };
    let mut layout = support::layout::LayoutBuilder::new(&directory.join("other"));
    let image = layout.image(
        "linux/amd64",
        &[&[support::layout::Member::File("a", b"1")]],
        json!({}),
    );
    let digest = layout.tag(image, Some("1"));
    server.push(&layout.path, "1", "app:1", None);
    let source = |checksum: Digest| ImageSource {
        reference: format!("{}/app:1", server.host),
        mode: ResolveMode::Default,
        layer_limit: None,
        checksum: Some(checksum.to_string()),
    };
    let mut graph = Graph::default();
    let good = graph.add("good", Op::Source(SourceOp::Image(source(digest))));
    let bad = graph.add("bad", Op::Source(SourceOp::Image(source(Digest::of(b"other")))));
    assert_eq!(bench.solve(&graph, &[good]).read(0, "a").unwrap(), "1");
    let (error, _) = bench.failure(&graph, bad);
    assert!(
        matches!(&error, Error::ChecksumMismatch { actual, .. } if *actual == digest),
        "{}",
        chain(&error)
    );
}
