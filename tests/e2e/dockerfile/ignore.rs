//! `.dockerignore`: which files of the context are there.

use lapstrake_tests::Place;

use super::image;

#[test]
fn patterns() {
    for (ignore, left) in [
        ("", "a.log b.log dir/a.log dir/deep/c.txt x.txt"),
        ("*.log\n", "dir/a.log dir/deep/c.txt x.txt"),
        ("**/*.log\n", "dir/deep/c.txt x.txt"),
        // The last line that fits wins.
        ("*.log\n!a.log\n", "a.log dir/a.log dir/deep/c.txt x.txt"),
        ("!a.log\n*.log\n", "dir/a.log dir/deep/c.txt x.txt"),
        ("dir\n!dir/deep\n", "a.log b.log dir/deep/c.txt x.txt"),
        ("*\n!dir/*/c.txt\n", "dir/deep/c.txt"),
        (
            "# comment\n\n  /x.txt  \n./dir/../a.log\n",
            "b.log dir/a.log dir/deep/c.txt",
        ),
        ("\u{feff}?.log\n", "dir/a.log dir/deep/c.txt x.txt"),
        ("[ab].log\n", "dir/a.log dir/deep/c.txt x.txt"),
        ("dir/**\n", "a.log b.log x.txt"),
    ] {
        let place = Place::new();
        for path in ["a.log", "b.log", "dir/a.log", "dir/deep/c.txt", "x.txt"] {
            place.file(path, "");
        }
        std::fs::write(place.path("Build"), "FROM scratch\nCOPY . /\n").unwrap();
        std::fs::write(place.path("Build.dockerignore"), ignore).unwrap();
        let image = image(&place, &["-f", "Build"]);
        let files = image
            .files
            .iter()
            .filter(|(_, file)| file.what.starts_with("Regular"));
        let files: Vec<_> = files.map(|(path, _)| path.as_str()).collect();
        assert_eq!(files.join(" "), left, "{ignore:?}");
    }
}

#[test]
fn a_bad_pattern_is_an_error() {
    let place = Place::new();
    place.dockerfile("FROM scratch\nCOPY . /\n");
    for pattern in ["[", "a[", "[z-a]", "!", "\\"] {
        place.file(".dockerignore", format!("{pattern}\n"));
        place
            .build(&["-o", "type=cacheonly"])
            .fails(1, &[".dockerignore"]);
    }
}
