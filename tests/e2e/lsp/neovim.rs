//! Neovim's own client against the server: what a person sees, what is typed, and what a completion writes.

use std::process::{Command, Stdio};

use lapstrake_tests::place::program;
use lapstrake_tests::{Place, find_program, skip};
use serde_json::Value;

#[test]
fn neovim_shows_what_is_wrong_completes_and_explains() {
    let Some(nvim) = find_program("nvim") else {
        skip!("nvim (Debian package neovim) is not installed")
    };
    let place = Place::new();
    place.dockerfile("FROM scratch AS base\nENV NAME=1\nRNU echo \"𝄞\" $NAME\n");
    std::fs::write(place.path("script.lua"), include_str!("neovim.lua")).unwrap();
    let ran = Command::new(nvim)
        .args([
            "--headless",
            "-u",
            "NONE",
            "-i",
            "NONE",
            "-n",
            "-c",
            "luafile script.lua",
        ])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", place.path("home"))
        .env("LAPSTRAKE_ROOT", place.state())
        .env("LAPSTRAKE", program())
        .current_dir(place.path(""))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&ran.stdout);
    let out: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}\n{}", String::from_utf8_lossy(&ran.stderr)));
    assert!(ran.status.success(), "{out:#}");

    let first = &out["first"][0];
    let place = ["line", "column", "stop", "severity"].map(|key| first[key].as_u64().unwrap());
    assert_eq!(place, [2, 0, 3, 1], "{out:#}");
    assert_eq!(first["source"], "lapstrake");
    assert!(
        first["message"].as_str().unwrap().contains("did you mean"),
        "{out:#}"
    );
    assert!(
        out["hover"].as_str().unwrap().contains("Runs a command"),
        "{out:#}"
    );
    assert!(
        out["variable"].as_str().unwrap().contains("ENV NAME=1"),
        "{out:#}"
    );
    assert_eq!(out["completions"][0]["abbr"], "WORKDIR", "{out:#}");
    assert_eq!(out["taken"], "WORKDIR ");
    let symbols = out["symbols"].as_array().unwrap();
    assert!(
        symbols
            .iter()
            .any(|symbol| symbol.as_str().unwrap().contains("base")),
        "{out:#}"
    );
}
