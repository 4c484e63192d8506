//! File ops on real layers.

mod hostile;

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use lapstrake_llb::{
    Chown, CopyAction, FileMode, MkdirAction, MkfileAction, RmAction, SymlinkAction, UserRef,
};
use lapstrake_store::tree::{Entry, LayerDir};
use tempfile::TempDir;

use super::*;

struct Place {
    _home: TempDir,
    store: Store,
    source: TempDir,
}

impl Place {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path()).unwrap();
        Self {
            _home: home,
            store,
            source: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, path: &str, text: &str) -> PathBuf {
        let path = self.source.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn source(&self) -> Input {
        let dir = LayerDir {
            path: self.source.path().to_owned(),
            digests: None,
        };
        Input {
            tree: None,
            files: Arc::new(LayeredView::new([dir])),
        }
    }

    fn run_on(&self, base: &Tree, actions: Vec<FileAction>) -> Result<Vec<Tree>, FileError> {
        let base = Input {
            tree: Some(base.clone()),
            files: Arc::new(self.view(base)),
        };
        let inputs = [(edge(0), base), (edge(1), self.source())];
        execute(
            &self.store,
            &FileOp { actions },
            &Digest::of(b"copy"),
            &inputs,
            "test",
            &StepContext::detached(),
        )
    }

    /// Runs actions one on the other; the last is the output.
    fn run(&self, base: &Tree, kinds: Vec<FileActionKind>) -> Result<Tree, FileError> {
        let last = kinds.len() - 1;
        let action = |(index, kind): (usize, FileActionKind)| FileAction {
            base: index.checked_sub(1).map_or(FileInput::Edge(edge(0)), |before| {
                FileInput::Action(before as u32)
            }),
            kind,
            output: index == last,
        };
        let actions = kinds.into_iter().enumerate().map(action).collect();
        Ok(self.run_on(base, actions)?.remove(0))
    }

    fn view(&self, tree: &Tree) -> LayeredView {
        self.store.view(tree).unwrap()
    }

    fn names(&self, tree: &Tree) -> Vec<String> {
        fn walk(view: &LayeredView, path: &Path, out: &mut Vec<String>) {
            for entry in view.read_dir(path).unwrap() {
                out.push(entry.path.display().to_string());
                if entry.is_dir() {
                    walk(view, &entry.path, out);
                }
            }
        }
        let (view, mut out) = (self.view(tree), Vec::new());
        if !tree.layers.is_empty() {
            walk(&view, Path::new(""), &mut out);
        }
        out
    }

    fn entry(&self, tree: &Tree, path: &str) -> Entry {
        self.view(tree)
            .entry(Path::new(path))
            .unwrap()
            .unwrap_or_else(|| panic!("{path} is missing"))
    }

    fn text(&self, tree: &Tree, path: &str) -> String {
        let view = self.view(tree);
        let entry = view.follow(Path::new(path)).unwrap().unwrap();
        std::io::read_to_string(view.open(&entry).unwrap()).unwrap()
    }
}

fn edge(vertex: u32) -> Edge {
    Edge { vertex, output: 0 }
}

/// A copy as the Dockerfile frontend writes one.
fn copy_with(src: &str, dst: &str, change: impl FnOnce(&mut CopyAction)) -> FileActionKind {
    let mut action = CopyAction {
        src: FileInput::Edge(edge(1)),
        src_path: src.to_owned(),
        dst_path: dst.to_owned(),
        owner: None,
        mode: None,
        follow_symlink: true,
        dir_contents_only: true,
        unpack_archive: false,
        create_dst_path: true,
        allow_wildcard: true,
        allow_empty_wildcard: true,
        replace_existing: false,
        include_patterns: vec![],
        exclude_patterns: vec![],
        required_paths: vec![],
        timestamp: None,
    };
    change(&mut action);
    FileActionKind::Copy(action)
}

fn copy(src: &str, dst: &str) -> FileActionKind {
    copy_with(src, dst, |_| {})
}

fn mkdir(path: &str) -> FileActionKind {
    let path = path.to_owned();
    FileActionKind::Mkdir(MkdirAction {
        path,
        mode: 0o755,
        make_parents: true,
        owner: None,
        timestamp: None,
    })
}

fn mkfile(path: &str, text: &str) -> FileActionKind {
    let (path, data) = (path.to_owned(), text.as_bytes().to_vec());
    FileActionKind::Mkfile(MkfileAction {
        path,
        data,
        mode: 0o644,
        owner: None,
        timestamp: None,
    })
}

fn rm(path: &str, allow_not_found: bool) -> FileActionKind {
    FileActionKind::Rm(RmAction {
        path: path.to_owned(),
        allow_not_found,
        allow_wildcard: true,
    })
}

#[test]
fn a_file_and_a_directory_go_where_the_destination_says() {
    let place = Place::new();
    place.file("a", "a");
    place.file("dir/b", "b");
    let scratch = Tree::default();
    for (src, dst, expected) in [
        ("/a", "/x", vec!["x"]),
        ("/a", "/x/", vec!["x", "x/a"]),
        ("/a", "/", vec!["a"]),
        ("/a", "/deep/er/x", vec!["deep", "deep/er", "deep/er/x"]),
        ("/dir", "/x", vec!["x", "x/b"]),
        ("/dir", "/x/", vec!["x", "x/b"]),
        ("/dir", "/", vec!["b"]),
        ("/", "/all", vec!["all", "all/a", "all/dir", "all/dir/b"]),
        ("/*", "/all/", vec!["all", "all/a", "all/b"]),
    ] {
        let tree = place.run(&scratch, vec![copy(src, dst)]).unwrap();
        assert_eq!(place.names(&tree), expected, "{src} -> {dst}");
    }
}

#[test]
fn actions_on_each_other_share_a_layer_unless_the_tree_between_is_wanted() {
    let place = Place::new();
    let tree = place
        .run(
            &Tree::default(),
            vec![mkdir("/a"), mkfile("/a/f", "1"), mkfile("/a/g", "2")],
        )
        .unwrap();
    assert_eq!(tree.layers.len(), 1);
    assert_eq!(place.names(&tree), ["a", "a/f", "a/g"]);
    let actions = vec![
        FileAction {
            base: FileInput::Scratch,
            kind: mkfile("/f", "1"),
            output: true,
        },
        FileAction {
            base: FileInput::Action(0),
            kind: mkfile("/g", "2"),
            output: true,
        },
    ];
    let trees = place.run_on(&Tree::default(), actions).unwrap();
    assert_eq!(
        trees.iter().map(|tree| tree.layers.len()).collect::<Vec<_>>(),
        [1, 2]
    );
}

#[test]
fn a_missing_source_is_named_and_a_wildcard_may_match_nothing() {
    let place = Place::new();
    let scratch = Tree::default();
    let error = place.run(&scratch, vec![copy("/none", "/x")]).unwrap_err();
    assert!(
        matches!(&error, FileError::SourceMissing { path } if path == "/none"),
        "{error:?}"
    );
    assert!(place.run(&scratch, vec![copy("/none*", "/x")]).is_ok());
    let strict = copy_with("/none*", "/x", |action| action.allow_empty_wildcard = false);
    assert!(matches!(
        place.run(&scratch, vec![strict]),
        Err(FileError::NothingMatches { .. })
    ));
}

#[test]
fn links_are_followed_as_sources_and_stay_links_inside() {
    let place = Place::new();
    place.file("real/f", "f");
    symlink("real", place.source.path().join("to-dir")).unwrap();
    symlink("f", place.source.path().join("real/link")).unwrap();
    symlink("/../../../etc/passwd", place.source.path().join("out")).unwrap();
    let tree = place.run(&Tree::default(), vec![copy("/to-dir", "/x")]).unwrap();
    assert_eq!(place.names(&tree), ["x", "x/f", "x/link"]);
    assert_eq!(
        place.entry(&tree, "x/link").link_target.as_deref(),
        Some(Path::new("f"))
    );
    assert!(matches!(
        place.run(&Tree::default(), vec![copy("/out", "/x")]),
        Err(FileError::SourceMissing { .. })
    ));
}

#[test]
fn a_link_as_destination_is_followed_inside_the_tree() {
    let place = Place::new();
    place.file("a", "a");
    let link = |target: &str| {
        let (target, path) = (target.to_owned(), "/link".to_owned());
        FileActionKind::Symlink(SymlinkAction {
            target,
            path,
            owner: None,
            timestamp: None,
        })
    };
    let tree = place
        .run(
            &Tree::default(),
            vec![mkdir("/real"), link("/real"), copy("/a", "/link/")],
        )
        .unwrap();
    assert_eq!(place.names(&tree), ["link", "real", "real/a"]);
    let tree = place
        .run(
            &Tree::default(),
            vec![mkdir("/real"), link("../../../real"), copy("/a", "/link/b")],
        )
        .unwrap();
    assert_eq!(place.text(&tree, "real/b"), "a");
}

#[test]
fn owners_modes_and_times() {
    let place = Place::new();
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: owners need root");
        return;
    }
    let file = place.file("dir/f", "f");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    std::os::unix::fs::chown(&file, Some(5), Some(6)).unwrap();
    let base = place
        .run(
            &Tree::default(),
            vec![
                mkdir("/etc"),
                mkfile("/etc/passwd", "web:x:33:44::/:/x\n"),
                mkdir("/there"),
            ],
        )
        .unwrap();
    let plain = place.run(&base, vec![copy("/dir/f", "/f")]).unwrap();
    let entry = place.entry(&plain, "f");
    assert_eq!((entry.uid, entry.gid, entry.mode), (5, 6, 0o640));
    assert_eq!(entry.mtime.seconds, file.metadata().unwrap().mtime());

    let owner = Some(Chown {
        user: Some(UserRef::Name("web".into())),
        group: None,
    });
    let mode = Some(FileMode::Symbolic("u=rwX,go=rX".into()));
    let timestamp = Some(Timestamp {
        seconds: 77,
        nanoseconds: 0,
    });
    let all = copy_with("/dir", "/there/new", |action| {
        (action.owner, action.mode, action.timestamp) = (owner.clone(), mode, timestamp);
    });
    let tree = place.run(&base, vec![all]).unwrap();
    let of = |path: &str| {
        let entry = place.entry(&tree, path);
        (entry.uid, entry.gid, entry.mode, entry.mtime.seconds)
    };
    assert_eq!(of("there/new"), (33, 44, 0o755, 77));
    assert_eq!(of("there/new/f"), (33, 44, 0o644, 77));
    // A directory that was there keeps what it is.
    let onto = copy_with("/dir", "/there", |action| action.owner = owner.clone());
    let tree = place.run(&base, vec![onto]).unwrap();
    assert_eq!(place.entry(&tree, "there").uid, 0);
    assert_eq!(place.entry(&tree, "there/f").uid, 33);
    let nobody = copy_with("/dir", "/x", |action| {
        action.owner = Some(Chown {
            user: Some(UserRef::Name("nobody".into())),
            group: None,
        });
    });
    assert!(matches!(
        place.run(&base, vec![nobody]),
        Err(FileError::UnknownOwner { .. })
    ));
}

#[test]
fn files_and_directories_do_not_replace_each_other_unless_told() {
    let place = Place::new();
    place.file("d/x/in", "1");
    place.file("f/x", "2");
    let base = place.run(&Tree::default(), vec![mkdir("/t/x")]).unwrap();
    let error = place.run(&base, vec![copy("/f", "/t")]).unwrap_err();
    assert!(
        matches!(&error, FileError::FileOverDir { path, .. } if path == Path::new("/t/x")),
        "{error:?}"
    );
    let told = copy_with("/f", "/t", |action| action.replace_existing = true);
    assert_eq!(place.text(&place.run(&base, vec![told]).unwrap(), "t/x"), "2");

    let base = place
        .run(&Tree::default(), vec![mkdir("/t"), mkfile("/t/x", "")])
        .unwrap();
    assert!(matches!(
        place.run(&base, vec![copy("/d", "/t")]),
        Err(FileError::DirOverFile { .. })
    ));
    let told = copy_with("/d", "/t", |action| action.replace_existing = true);
    assert_eq!(place.text(&place.run(&base, vec![told]).unwrap(), "t/x/in"), "1");
}

#[test]
fn patterns_select_and_take_only_the_directories_that_are_needed() {
    let place = Place::new();
    for path in ["a/one.c", "a/one.h", "b/deep/two.c", "c/three.h"] {
        place.file(path, path);
    }
    let some = copy_with("/", "/x", |action| {
        action.include_patterns = vec!["**/*.c".into()];
        action.exclude_patterns = vec!["b/deep/none".into()];
    });
    let tree = place.run(&Tree::default(), vec![some]).unwrap();
    assert_eq!(
        place.names(&tree),
        ["x", "x/a", "x/a/one.c", "x/b", "x/b/deep", "x/b/deep/two.c"]
    );
    let less = copy_with("/", "/x", |action| {
        action.exclude_patterns = vec!["**/*.h".into(), "b".into()]
    });
    let tree = place.run(&Tree::default(), vec![less]).unwrap();
    assert_eq!(place.names(&tree), ["x", "x/a", "x/a/one.c", "x/c"]);
}

#[test]
fn hard_links_stay_together_and_copies_are_files_of_their_own() {
    let place = Place::new();
    let file = place.file("d/one", "1");
    std::fs::hard_link(&file, place.source.path().join("d/two")).unwrap();
    let first = place.run(&Tree::default(), vec![copy("/d", "/d")]).unwrap();
    let (one, two) = (place.entry(&first, "d/one"), place.entry(&first, "d/two"));
    assert_eq!(one.link_id(), two.link_id());

    // Copies of one file under two names are two files, and none is the source's.
    let single = place.run(&Tree::default(), vec![mkfile("/single", "s")]).unwrap();
    let again = |dst: &str| copy_with("/single", dst, |action| action.src = FileInput::Edge(edge(0)));
    let tree = place.run(&single, vec![again("/a"), again("/b")]).unwrap();
    let inodes = ["single", "a", "b"].map(|path| place.entry(&tree, path).ino);
    assert!(
        inodes[0] != inodes[1] && inodes[1] != inodes[2] && inodes[0] != inodes[2],
        "{inodes:?}"
    );
    assert_eq!(place.text(&tree, "b"), "s");
}

#[test]
fn removal_is_a_whiteout_and_never_the_root() {
    let place = Place::new();
    let base = place
        .run(
            &Tree::default(),
            vec![mkdir("/d"), mkfile("/d/f", "1"), mkfile("/g", "2")],
        )
        .unwrap();
    let tree = place.run(&base, vec![rm("/d", false)]).unwrap();
    assert_eq!(place.names(&tree), ["g"]);
    assert_eq!(tree.layers.len(), base.layers.len() + 1);
    assert!(matches!(
        place.run(&base, vec![rm("/none", false)]),
        Err(FileError::NothingToRemove { .. })
    ));
    assert!(place.run(&base, vec![rm("/none", true)]).is_ok());
    assert!(matches!(
        place.run(&base, vec![rm("/", false)]),
        Err(FileError::RemoveRoot)
    ));
    assert_eq!(
        place.names(&place.run(&base, vec![rm("/*", false)]).unwrap()),
        Vec::<String>::new()
    );
    let again = place.run(&base, vec![rm("/d", false), mkdir("/d")]).unwrap();
    assert_eq!(
        place.names(&again),
        ["d", "g"],
        "what was below does not come back"
    );
}

#[test]
fn removal_takes_a_link_and_not_what_it_leads_to() {
    let place = Place::new();
    let link = |target: &str, path: &str| {
        FileActionKind::Symlink(SymlinkAction {
            target: target.to_owned(),
            path: path.to_owned(),
            owner: None,
            timestamp: None,
        })
    };
    let made = vec![
        mkdir("/d"),
        mkfile("/d/f", "1"),
        mkfile("/kept", "2"),
        link("kept", "/link"),
        link("/../../d", "/up"),
    ];
    let base = place.run(&Tree::default(), made).unwrap();
    let tree = place
        .run(&base, vec![rm("/link", false), rm("/up/f", false)])
        .unwrap();
    assert_eq!(place.names(&tree), ["d", "kept", "up"]);
}

#[test]
fn what_is_made_has_permissions_only() {
    let place = Place::new();
    let (mut dir, mut file) = (mkdir("/d"), mkfile("/f", ""));
    if let FileActionKind::Mkdir(dir) = &mut dir {
        dir.mode = 0o6751;
    }
    if let FileActionKind::Mkfile(file) = &mut file {
        file.mode = 0o7640;
    }
    let tree = place.run(&Tree::default(), vec![dir, file]).unwrap();
    assert_eq!(place.entry(&tree, "d").mode, 0o751);
    assert_eq!(place.entry(&tree, "f").mode, 0o640);
}

#[test]
fn archives_are_unpacked_by_content_and_stay_inside() {
    let place = Place::new();
    let mut tar = tar_with(&[("in/f", "text"), ("/absolute", "a")]);
    place.file("named.txt", "no archive, but long enough to be looked at as one");
    std::fs::write(place.source.path().join("a.bin"), &tar).unwrap();
    let add = |src: &str| copy_with(src, "/to/", |action| action.unpack_archive = true);
    let tree = place
        .run(&Tree::default(), vec![add("/a.bin"), add("/named.txt")])
        .unwrap();
    assert_eq!(
        place.names(&tree),
        ["to", "to/absolute", "to/in", "to/in/f", "to/named.txt"]
    );
    tar.truncate(514);
    std::fs::write(place.source.path().join("cut.tar"), &tar).unwrap();
    assert!(place.run(&Tree::default(), vec![add("/cut.tar")]).is_err());
}

/// A ustar archive, made by hand: the tar crate refuses such paths.
fn tar_with(files: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (path, text) in files {
        let mut block = [0u8; 512];
        block[..path.len()].copy_from_slice(path.as_bytes());
        block[100..107].copy_from_slice(b"0000644");
        block[108..115].copy_from_slice(b"0000000");
        block[116..123].copy_from_slice(b"0000000");
        block[124..135].copy_from_slice(format!("{:011o}", text.len()).as_bytes());
        block[136..147].copy_from_slice(b"00000000000");
        block[156] = b'0';
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        out.extend_from_slice(&block);
        out.extend_from_slice(text.as_bytes());
        out.resize(out.len().div_ceil(512) * 512, 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

#[test]
fn many_files_are_written_by_several_threads() {
    let place = Place::new();
    for n in 0..500 {
        place.file(&format!("d/{}/{n}", n % 7), &n.to_string());
    }
    let tree = place.run(&Tree::default(), vec![copy("/d", "/d")]).unwrap();
    for n in 0..500 {
        assert_eq!(place.text(&tree, &format!("d/{}/{n}", n % 7)), n.to_string());
    }
}
