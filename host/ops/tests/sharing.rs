//! What a copy shares with the last layer that the same copy made, and what nobody may see of it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use lapstrake_llb::*;
use lapstrake_store::archive::{PackOptions, pack};
use support::graph::{Bench, Graph, HELPER_VARIABLE, Solved, can_run_containers};

/// Enough that a list of them is kept.
const FILES: usize = 100;

/// Not a test of anything: what the tests start as the container helper, this same program, ends up here.
#[test]
fn container_helper() {
    if std::env::var_os(HELPER_VARIABLE).is_some() {
        let code = lapstrake_ops::exec::helper_main();
        std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
    }
}

fn bench() -> Bench {
    let bench = Bench::new();
    for n in 0..FILES {
        let path = bench.context.join(format!("files/{}/{n}", n % 3));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("file {n}")).unwrap();
    }
    bench
}

fn copy() -> (Graph, Edge) {
    let mut graph = Graph::default();
    let context = graph.local();
    let copied = graph.copy("copy", None, context, "/files", "/files");
    (graph, copied)
}

/// Where the top layer of the only root is.
fn top(solved: &Solved) -> PathBuf {
    solved
        .store
        .layer_dir(*solved.trees[0].layers.last().unwrap())
        .unwrap()
}

fn inode(layer: &Path, path: &str) -> u64 {
    fs::symlink_metadata(layer.join(path)).unwrap().ino()
}

/// The archive of the top layer.
fn archive(solved: &Solved) -> Vec<u8> {
    pack(&top(solved), Vec::new(), &PackOptions::default()).unwrap().0
}

/// The archive of the top layer that a build from nothing makes of the same context.
fn from_nothing(bench: &Bench, graph: &Graph, root: Edge) -> Vec<u8> {
    let store = bench.directory.path().join("store");
    let aside = bench.directory.path().join("aside");
    fs::rename(&store, &aside).unwrap();
    let archive = archive(&bench.solve(graph, &[root]));
    fs::remove_dir_all(&store).unwrap();
    fs::rename(&aside, &store).unwrap();
    archive
}

#[test]
fn what_is_equal_is_shared_and_all_else_is_not() {
    let bench = bench();
    let (graph, copied) = copy();
    let first = bench.solve(&graph, &[copied]);
    let file = |n: usize| bench.context.join(format!("files/{}/{n}", n % 3));
    // Of the same length and time; the mode; the time; other content; another name of the same; new.
    let time = fs::metadata(file(0)).unwrap().modified().unwrap();
    fs::write(file(0), "FILE 0").unwrap();
    fs::File::options()
        .write(true)
        .open(file(0))
        .unwrap()
        .set_modified(time)
        .unwrap();
    fs::set_permissions(file(1), fs::Permissions::from_mode(0o600)).unwrap();
    fs::File::options()
        .write(true)
        .open(file(2))
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH)
        .unwrap();
    fs::write(file(3), "other").unwrap();
    fs::hard_link(file(4), bench.context.join("files/name")).unwrap();
    fs::write(bench.context.join("files/new"), "new").unwrap();
    let second = bench.solve(&graph, &[copied]);
    let (old, new) = (top(&first), top(&second));
    assert_ne!(old, new);
    let path = |n: usize| format!("files/{}/{n}", n % 3);
    for n in 0..5 {
        assert_ne!(inode(&old, &path(n)), inode(&new, &path(n)), "{n}");
    }
    for n in 5..FILES {
        assert_eq!(inode(&old, &path(n)), inode(&new, &path(n)), "{n}");
    }
    assert_eq!(first.read(0, "files/0/0").unwrap(), "file 0");
    assert_eq!(second.read(0, "files/0/0").unwrap(), "FILE 0");
    // Nothing of it is seen in an archive: the only link is the user's.
    let made = archive(&second);
    assert!(made == from_nothing(&bench, &graph, copied));
    let links = |archive: &[u8]| {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().unwrap().map(Result::unwrap);
        entries
            .filter(|entry| entry.header().entry_type().is_hard_link())
            .count()
    };
    assert_eq!(links(&made), 1);
    // And on it goes: a third layer shares with the second one, also what was new there.
    fs::write(file(3), "other again").unwrap();
    let third = top(&bench.solve(&graph, &[copied]));
    assert_eq!(inode(&third, "files/0/0"), inode(&new, "files/0/0"));
    assert_eq!(fs::metadata(third.join(path(9))).unwrap().nlink(), 3);
}

#[test]
fn another_copy_and_another_place_share_nothing() {
    let bench = bench();
    let (graph, copied) = copy();
    let first = bench.solve(&graph, &[copied]);
    let mut graph = Graph::default();
    let context = graph.local();
    let there = graph.copy("copy", None, context, "/files", "/there");
    let below = graph.copy("copy", Some(there), context, "/files", "/files");
    let again = graph.copy("copy", Some(below), context, "/files", "/files");
    let second = bench.solve(&graph, &[there, again]);
    assert_ne!(
        inode(&top(&first), "files/1/1"),
        inode(&top(&second), "there/1/1")
    );
    // One on the other: both are in the tree.
    let layers = &second.trees[1].layers;
    let dir = |index: usize| second.store.layer_dir(layers[index]).unwrap();
    assert_ne!(inode(&dir(1), "files/1/1"), inode(&dir(2), "files/1/1"));
}

#[test]
fn a_file_written_later_in_the_same_layer_is_not_taken_for_the_first() {
    let bench = bench();
    // The same name twice; the second wins, in length and time like the first.
    fs::create_dir_all(bench.context.join("over/1")).unwrap();
    fs::write(bench.context.join("over/1/1"), "FILE 1").unwrap();
    let time = fs::metadata(bench.context.join("files/1/1"))
        .unwrap()
        .modified()
        .unwrap();
    let set = |path: &str| {
        let file = fs::File::options()
            .write(true)
            .open(bench.context.join(path))
            .unwrap();
        file.set_modified(time).unwrap();
    };
    set("over/1/1");
    let mut graph = Graph::default();
    let context = graph.local();
    let copied = graph.copy("copy", None, context, "/files", "/files");
    let of = |graph: &mut Graph| match &mut graph.definition.vertices[copied.vertex as usize].op {
        Op::File(file) => std::mem::take(&mut file.actions).remove(0),
        _ => unreachable!(),
    };
    let mut first = of(&mut graph);
    let mut second = first.clone();
    first.output = false;
    second.base = FileInput::Action(0);
    let FileActionKind::Copy(copy) = &mut second.kind else {
        unreachable!()
    };
    copy.src_path = "/over".to_owned();
    let actions = vec![first, second];
    graph.definition.vertices[copied.vertex as usize].op = Op::File(FileOp { actions });
    let first = bench.solve(&graph, &[copied]);
    assert_eq!(first.read(0, "files/1/1").unwrap(), "FILE 1");
    // Now the first one wins.
    fs::remove_file(bench.context.join("over/1/1")).unwrap();
    let second = bench.solve(&graph, &[copied]);
    assert_eq!(second.read(0, "files/1/1").unwrap(), "file 1");
    assert!(archive(&second) == from_nothing(&bench, &graph, copied));
}

#[test]
fn a_layer_that_is_not_as_its_list_says_is_not_shared() {
    for damage in ["list", "file", "gone", "link"] {
        let bench = bench();
        let (graph, copied) = copy();
        let first = bench.solve(&graph, &[copied]);
        let file = top(&first).join("files/1/1");
        match damage {
            "list" => fs::write(top(&first).parent().unwrap().join("x-copied"), b"nonsense").unwrap(),
            "file" => fs::write(&file, "longer than it was").unwrap(),
            "gone" => fs::remove_file(&file).unwrap(),
            _ => {
                fs::remove_file(&file).unwrap();
                std::os::unix::fs::symlink("2", &file).unwrap();
            }
        }
        drop(first);
        fs::write(bench.context.join("files/new"), "new").unwrap();
        let second = bench.solve(&graph, &[copied]);
        assert_eq!(second.read(0, "files/1/1").unwrap(), "file 1", "{damage}");
        assert!(
            archive(&second) == from_nothing(&bench, &graph, copied),
            "{damage}"
        );
    }
}

#[test]
fn an_inode_with_as_many_names_as_it_can_have_is_copied() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: 65,000 names take their time, and are the same for all users");
        return;
    }
    let bench = bench();
    let (graph, copied) = copy();
    let first = bench.solve(&graph, &[copied]);
    let file = top(&first).join("files/1/1");
    let names = bench.directory.path().join("names");
    fs::create_dir(&names).unwrap();
    // 65,000 on ext4; where there is no such limit there is nothing to test.
    let full = (0..70_000).any(|n| fs::hard_link(&file, names.join(n.to_string())).is_err());
    if !full {
        println!("skipped: a file here may have more than 70,000 names");
        return;
    }
    fs::write(bench.context.join("files/new"), "new").unwrap();
    let second = bench.solve(&graph, &[copied]);
    assert_ne!(
        inode(&top(&second), "files/1/1"),
        inode(&top(&first), "files/1/1")
    );
    assert_eq!(
        inode(&top(&second), "files/0/0"),
        inode(&top(&first), "files/0/0")
    );
    assert_eq!(second.read(0, "files/1/1").unwrap(), "file 1");
}

#[test]
fn a_command_changes_only_its_own_and_what_it_only_touches_is_in_no_layer() {
    if !can_run_containers() {
        return;
    }
    let bench = bench();
    let mut graph = Graph::default();
    let (base, context) = (graph.base(), graph.local());
    let copied = graph.copy("copy", Some(base), context, "/files", "/files");
    let script = "echo more >> /files/1/1; chown 0:0 /files/2/2; touch -r /files/0/3 /files/0/0; ln /files/0/6 /files/name";
    let ran = graph.run("run", copied, script, Vec::new());
    let first = bench.solve(&graph, &[ran, copied]);
    fs::write(bench.context.join("files/new"), "new").unwrap();
    let second = bench.solve(&graph, &[ran, copied]);
    let layer = |solved: &Solved, root: usize| {
        solved
            .store
            .layer_dir(*solved.trees[root].layers.last().unwrap())
            .unwrap()
    };
    assert_eq!(
        inode(&layer(&first, 1), "files/1/1"),
        inode(&layer(&second, 1), "files/1/1")
    );
    for solved in [&first, &second] {
        assert_eq!(solved.read(0, "files/1/1").unwrap(), "file 1more\n");
        assert_eq!(solved.read(1, "files/1/1").unwrap(), "file 1");
        assert!(!layer(solved, 0).join("files/2/2").exists(), "only touched");
    }
    // With a history and without one the layers have the same members; the command's own times differ.
    let members = |archive: &[u8]| -> Vec<_> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().unwrap().map(Result::unwrap);
        let member = |entry: tar::Entry<'_, _>| {
            let header = entry.header();
            let path = entry.path().unwrap().into_owned();
            (path, header.entry_type(), header.size().unwrap())
        };
        entries.map(member).collect()
    };
    assert_eq!(
        members(&archive(&second)),
        members(&from_nothing(&bench, &graph, ran))
    );
}

#[test]
fn of_several_sources_with_one_name_the_last_stays() {
    let bench = Bench::new();
    for dir in ["a", "b"] {
        fs::create_dir(bench.context.join(dir)).unwrap();
        fs::write(bench.context.join(dir).join("same"), dir).unwrap();
    }
    let mut graph = Graph::default();
    let context = graph.local();
    let copied = graph.copy("copy", None, context, "/*/same", "/t/");
    let solved = bench.solve(&graph, &[copied]);
    assert_eq!(solved.read(0, "t/same").unwrap(), "b");
}
