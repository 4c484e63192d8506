//! Tests of the content digest: what counts, what does not, and how selections relate.

use lapstrake_llb::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::tree::{MemoryNode, MemoryTree};

fn sample() -> MemoryTree {
    let mut tree = MemoryTree::default();
    tree.insert("a.txt", MemoryNode::file("a"));
    tree.insert("b.txt", MemoryNode::file("b"));
    tree.insert("src/main.c", MemoryNode::file("main"));
    tree.insert("src/lib/x.c", MemoryNode::file("x"));
    tree.insert("src/lib/x.h", MemoryNode::file("h"));
    tree.insert("empty", MemoryNode::dir());
    tree.insert("link", MemoryNode::symlink("src"));
    tree.insert("pipe", MemoryNode::new(FileKind::Fifo));
    tree.insert(
        "null",
        MemoryNode {
            rdev: 0x103,
            ..MemoryNode::new(FileKind::CharDevice)
        },
    );
    tree
}

fn of(tree: &MemoryTree, selection: &Selection) -> Digest {
    digest(tree, selection).unwrap()
}

fn patterns(path: &str, include: &[&str], exclude: &[&str]) -> Selection {
    let list = |patterns: &[&str]| patterns.iter().map(|p| (*p).to_owned()).collect();
    Selection {
        include: list(include),
        exclude: list(exclude),
        ..Selection::path(path)
    }
}

fn wildcard(path: &str) -> Selection {
    Selection {
        wildcard: true,
        ..Selection::path(path)
    }
}

#[test]
fn every_property_counts_and_times_do_not() {
    let all = Selection::path("");
    let original = of(&sample(), &all);
    let mut seen = vec![original];
    let mut differs = |what: &str, change: &dyn Fn(&mut MemoryTree)| {
        let mut tree = sample();
        change(&mut tree);
        let digest = of(&tree, &all);
        assert!(!seen.contains(&digest), "{what}");
        seen.push(digest);
    };
    differs("data", &|t| t.node_mut("a.txt").unwrap().data = b"b".to_vec());
    differs("mode", &|t| t.node_mut("a.txt").unwrap().mode = 0o755);
    differs("set-user-id", &|t| t.node_mut("a.txt").unwrap().mode = 0o4644);
    differs("owner", &|t| t.node_mut("a.txt").unwrap().uid = 1);
    differs("group", &|t| t.node_mut("a.txt").unwrap().gid = 1);
    differs("xattr", &|t| {
        t.node_mut("a.txt").unwrap().xattrs = vec![("user.k".into(), b"v".to_vec())]
    });
    differs("xattr value", &|t| {
        t.node_mut("a.txt").unwrap().xattrs = vec![("user.k".into(), b"w".to_vec())]
    });
    differs("link target", &|t| {
        t.node_mut("link").unwrap().target = "empty".into()
    });
    differs("device number", &|t| t.node_mut("null").unwrap().rdev = 0x105);
    differs("kind", &|t| t.node_mut("pipe").unwrap().kind = FileKind::File);
    differs("directory mode", &|t| t.node_mut("empty").unwrap().mode = 0o700);
    differs("root mode", &|t| t.node_mut("").unwrap().mode = 0o700);
    differs("removed", &|t| t.remove("a.txt"));
    differs("removed empty directory", &|t| t.remove("empty"));
    differs("added", &|t| t.insert("new", MemoryNode::file("")));
    differs("moved", &|t| {
        t.remove("a.txt");
        t.insert("src/a.txt", MemoryNode::file("a"));
    });
    differs("swapped", &|t| {
        t.node_mut("a.txt").unwrap().data = b"b".to_vec();
        t.node_mut("b.txt").unwrap().data = b"a".to_vec();
    });

    let same = |what: &str, change: &dyn Fn(&mut MemoryTree)| {
        let mut tree = sample();
        change(&mut tree);
        assert_eq!(of(&tree, &all), original, "{what}");
    };
    same("time of a file", &|t| {
        t.node_mut("a.txt").unwrap().mtime = Timestamp {
            seconds: 9,
            nanoseconds: 9,
        }
    });
    same("time of a directory", &|t| {
        t.node_mut("src").unwrap().mtime = Timestamp {
            seconds: 9,
            nanoseconds: 9,
        }
    });
    same("mode of a link", &|t| t.node_mut("link").unwrap().mode = 0o700);
    same("socket", &|t| {
        t.insert("socket", MemoryNode::new(FileKind::Socket))
    });
}

#[test]
fn hard_links_are_files() {
    let mut linked = sample();
    linked.insert(
        "one",
        MemoryNode {
            inode: Some(7),
            ..MemoryNode::file("same")
        },
    );
    linked.insert(
        "two",
        MemoryNode {
            inode: Some(7),
            ..MemoryNode::file("same")
        },
    );
    let mut apart = sample();
    apart.insert("one", MemoryNode::file("same"));
    apart.insert("two", MemoryNode::file("same"));
    assert_eq!(
        of(&linked, &Selection::path("")),
        of(&apart, &Selection::path(""))
    );
}

#[test]
fn patterns_that_change_nothing_change_no_digest() {
    let tree = sample();
    for path in ["", "src", "src/lib/x.c", "link"] {
        let plain = of(&tree, &Selection::path(path));
        for (include, exclude) in [
            (&["**"][..], &[][..]),
            (&["*"], &[]),
            (&["*", "**/*.c"], &[]),
            (&[], &["nothing/like/it"]),
            (&["**"], &["*.none"]),
            (&[], &["**", "!**"]),
        ] {
            let selected = of(&tree, &patterns(path, include, exclude));
            assert_eq!(selected, plain, "{path} {include:?} {exclude:?}");
        }
    }
}

#[test]
fn only_what_is_selected_counts() {
    let selection = patterns("", &["src/**/*.c"], &[]);
    let original = of(&sample(), &selection);
    let changed = |path: &str| {
        let mut tree = sample();
        tree.node_mut(path).unwrap().data = b"changed".to_vec();
        of(&tree, &selection) != original
    };
    assert!(changed("src/main.c") && changed("src/lib/x.c"));
    assert!(!changed("src/lib/x.h") && !changed("a.txt"));
    let mut tree = sample();
    tree.node_mut("src/lib").unwrap().mode = 0o700;
    assert_ne!(
        of(&tree, &selection),
        original,
        "parents of what is selected are made with their metadata"
    );
    let mut tree = sample();
    tree.insert("src/other/y.h", MemoryNode::file(""));
    assert_eq!(
        of(&tree, &selection),
        original,
        "directories without anything selected are not made"
    );
}

#[test]
fn equal_selections_of_unequal_trees() {
    let mut small = MemoryTree::default();
    small.insert("src/main.c", MemoryNode::file("main"));
    small.insert("src/lib/x.c", MemoryNode::file("x"));
    assert_eq!(
        of(&small, &Selection::path("")),
        of(&sample(), &patterns("", &["**/*.c"], &[]))
    );
    assert_eq!(
        of(&small, &Selection::path("src")),
        of(&sample(), &patterns("src", &[], &["**/*.h"]))
    );
}

#[test]
fn links_and_paths() {
    let tree = sample();
    let followed = of(&tree, &Selection::path("link"));
    assert_eq!(followed, of(&tree, &Selection::path("src")));
    assert_eq!(
        of(&tree, &Selection::path("/link/../src/./lib/")),
        of(&tree, &Selection::path("src/lib"))
    );
    let link = of(
        &tree,
        &Selection {
            follow_links: false,
            ..Selection::path("link")
        },
    );
    assert_ne!(link, followed);
    assert_eq!(
        of(
            &tree,
            &Selection {
                follow_links: false,
                ..Selection::path("link/lib")
            }
        ),
        of(&tree, &Selection::path("src/lib")),
        "parents are always followed"
    );
    for path in ["nothing", "src/nothing", "a.txt/x"] {
        let error = digest(&tree, &Selection::path(path)).unwrap_err();
        assert!(
            matches!(&error, TreeError::NotFound(p) if p == Path::new(path)),
            "{error}"
        );
    }
}

#[test]
fn links_on_the_way_are_followed() {
    let through = |pattern: &str| of(&sample(), &patterns("", &[pattern], &[]));
    let mut plain = MemoryTree::default();
    plain.insert("link/lib/x.c", MemoryNode::file("x"));
    assert_eq!(through("link/lib/x.c"), of(&plain, &Selection::path("")));
    // A pattern with wildcards does not follow them, and nor does who follows none.
    assert_eq!(
        through("link/lib/*.c"),
        of(&MemoryTree::default(), &Selection::path(""))
    );
    let not_followed = Selection {
        follow_links: false,
        ..patterns("", &["link/lib/x.c"], &[])
    };
    assert_ne!(of(&sample(), &not_followed), through("link/lib/x.c"));
}

#[test]
fn contents_only() {
    let contents = Selection {
        contents_only: true,
        ..Selection::path("src")
    };
    let original = of(&sample(), &contents);
    let mut tree = sample();
    tree.node_mut("src").unwrap().mode = 0o700;
    assert_eq!(of(&tree, &contents), original);
    tree.node_mut("src/lib").unwrap().mode = 0o700;
    assert_ne!(of(&tree, &contents), original);
}

#[test]
fn wildcards() {
    let tree = sample();
    let original = of(&tree, &wildcard("*.txt"));
    let mut more = sample();
    more.insert("c.txt", MemoryNode::file("c"));
    assert_ne!(of(&more, &wildcard("*.txt")), original);
    more.remove("c.txt");
    more.insert("c.md", MemoryNode::file("c"));
    assert_eq!(of(&more, &wildcard("*.txt")), original);
    more.remove("a.txt");
    more.insert("z.txt", MemoryNode::file("a"));
    assert_ne!(of(&more, &wildcard("*.txt")), original, "names count");
    assert_eq!(
        of(&tree, &wildcard("none*")),
        of(&tree, &wildcard("nil*")),
        "nothing is nothing"
    );
    assert_eq!(
        of(&tree, &wildcard("src")),
        of(&tree, &Selection::path("src")),
        "no wildcard in it"
    );
    assert!(digest(&tree, &wildcard("[")).is_err());
}

fn any_tree() -> impl Strategy<Value = Vec<(String, u8)>> {
    prop::collection::vec(("[ab]{1,2}(/[ab]{1,2}){0,3}", 0..4u8), 0..12)
}

fn build(parts: &[(String, u8)]) -> MemoryTree {
    let mut tree = MemoryTree::default();
    for (path, kind) in parts {
        let taken = Path::new(path).ancestors().any(|p| {
            tree.entry(p)
                .unwrap()
                .is_some_and(|e| !e.is_dir() || p == Path::new(path))
        });
        if !taken {
            tree.insert(
                path,
                match kind {
                    0 => MemoryNode::dir(),
                    1 => MemoryNode::symlink("t"),
                    n => MemoryNode::file(vec![*n; 3]),
                },
            );
        }
    }
    tree
}

proptest! {
    /// Digests are equal exactly where the trees are.
    #[test]
    fn equal_digests_are_equal_trees(a in any_tree(), b in any_tree()) {
        let (a, b) = (build(&a), build(&b));
        let all = Selection::path("");
        let nodes = |tree: &MemoryTree| -> Vec<_> {
            tree.nodes().map(|(p, n)| (p.to_owned(), MemoryNode { inode: None, ..n.clone() })).collect()
        };
        prop_assert_eq!(of(&a, &all) == of(&b, &all), nodes(&a) == nodes(&b));
    }

    /// A selection's digest is that of the tree that holds nothing else.
    #[test]
    fn a_selection_is_the_tree_it_selects(
        parts in any_tree(), include in prop::collection::vec("[ab*]{1,2}(/[ab*]{1,2}){0,1}", 0..3),
        exclude in prop::collection::vec("!?[ab*]{1,2}(/[ab*]{1,2}){0,1}", 0..3),
    ) {
        let tree = build(&parts);
        let filter = Filter::new(&include, &exclude).unwrap();
        let mut rest = MemoryTree::default();
        for (path, node) in tree.nodes() {
            if !path.as_os_str().is_empty() && filter.check(path).wanted {
                rest.insert(path, node.clone());
            }
        }
        let selection = Selection { include, exclude, ..Selection::path("") };
        prop_assert_eq!(of(&tree, &selection), of(&rest, &Selection::path("")));
    }
}
