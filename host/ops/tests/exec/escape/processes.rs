//! Other processes: those of the machine, the engine, and the helper whose copy every container starts as.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::{answer, probe, probing};
use crate::needs_probe;
use crate::support::Step;

fn call(number: i64, arguments: &[&str]) -> String {
    let number = number.to_string();
    answer(probing(&[&["call", number.as_str()], arguments].concat()))
}

/// This test's own process: on the machine it is there, in a container no number means it.
fn engine() -> String {
    // Numbers in a container are small, and could be this one by chance.
    std::process::id().max(1000).to_string()
}

#[test]
fn a_process_of_the_machine_cannot_be_traced() {
    needs_probe!();
    // PTRACE_ATTACH and PTRACE_SEIZE.
    for request in ["16", "0x4206"] {
        assert_eq!(call(libc::SYS_ptrace, &[request, &engine(), "0", "0"]), "ESRCH");
    }
}

#[test]
fn the_memory_of_a_process_of_the_machine_cannot_be_read_or_written() {
    needs_probe!();
    for number in [libc::SYS_process_vm_readv, libc::SYS_process_vm_writev] {
        let said = call(number, &[&engine(), "v:16", "1", "v:16", "1", "0"]);
        assert_eq!(said, "ESRCH");
    }
}

#[test]
fn a_process_of_the_machine_cannot_be_signalled() {
    needs_probe!();
    assert_eq!(call(libc::SYS_kill, &[&engine(), "0"]), "ESRCH");
    assert_eq!(call(libc::SYS_tgkill, &[&engine(), &engine(), "0"]), "ESRCH");
    assert_eq!(call(libc::SYS_pidfd_open, &[&engine(), "0"]), "ESRCH");
}

#[test]
fn a_signal_to_all_processes_stays_inside() {
    needs_probe!();
    let ran = Step::sh("sleep 60 & kill -9 -1; echo alive").run();
    assert_eq!(
        ran.stdout, "alive\n",
        "the first process of a namespace is left out"
    );
    Step::new(&["true"]).succeed();
}

#[test]
fn a_descriptor_of_another_process_cannot_be_taken() {
    needs_probe!();
    assert_eq!(call(libc::SYS_pidfd_getfd, &["f:/proc/1", "0", "0"]), "EPERM");
    // Would tell where things are in the kernel.
    assert_eq!(call(libc::SYS_kcmp, &["1", &engine(), "0", "0", "0"]), "EPERM");
}

/// Of descriptors of the machine's directories a container could make its root (CVE-2024-21626).
#[test]
fn a_command_has_three_descriptors() {
    needs_probe!();
    assert_eq!(answer(probing(&["fds"])), "0\n1\n2");
    let several = Step::sh("ls /proc/1/fd; readlink /proc/1/fd/0").with(|r| {
        r.root.lower.push(probe().unwrap().to_owned());
    });
    // 255 and the like are the shell's own.
    assert!(several.succeed().stdout.starts_with("0\n1\n2\n"));
}

#[test]
fn a_working_directory_cannot_be_a_descriptor() {
    needs_probe!();
    for number in 0..24 {
        for path in [
            format!("/proc/self/fd/{number}"),
            format!("/proc/self/fd/{number}/.."),
        ] {
            let step = Step::new(&["pwd"]).with(|r| r.op.cwd = path.clone());
            assert!(step.try_run().is_err(), "{path}");
        }
    }
    for path in [
        "/proc/self/cwd",
        "/proc/self/root",
        "/proc/1/root/etc",
        "/dev/fd/3",
    ] {
        let step = Step::new(&["pwd"]).with(|r| r.op.cwd = path.into());
        assert!(step.try_run().is_err(), "{path}");
    }
}

#[test]
fn a_program_cannot_be_a_file_of_the_machine_by_a_descriptor() {
    needs_probe!();
    // All descriptors of the first process close when it becomes the program, but its path is looked up before.
    let outside = probe().unwrap().join("probe");
    let root = crate::support::busybox_root().join("bin/true");
    for number in 3..24 {
        for file in [&outside, &root] {
            for way in [String::new(), "/../".repeat(16)] {
                let program = format!("/proc/self/fd/{number}{way}{}", file.display());
                let ran = Step::new(&[&program, "fds"]).try_run();
                assert!(ran.is_err(), "{program}");
            }
        }
    }
}

#[test]
fn a_link_to_a_working_directory_stays_inside() {
    needs_probe!();
    let step = Step::sh("pwd; cat canary 2>/dev/null; true");
    let (layer, outside) = (step.new_dir("layer"), step.new_dir("outside"));
    fs::write(outside.join("canary"), "machine").unwrap();
    std::os::unix::fs::symlink(&outside, layer.join("way")).unwrap();
    let ran = step
        .with(|r| {
            r.root.lower.push(layer);
            r.op.cwd = "/way".into();
        })
        .succeed();
    assert!(!ran.stdout.contains("machine"), "{}", ran.stdout);
    assert!(outside.read_dir().unwrap().count() == 1);
}

/// The way of CVE-2019-5736: the command is a script whose interpreter is the program that starts it, and the image's
/// loader, which the kernel starts for that, changes it.
#[test]
fn the_program_that_starts_containers_cannot_be_overwritten() {
    needs_probe!();
    let program = std::env::current_exe().unwrap();
    let Some(loader) = loader_of(&program) else {
        return println!("skipped: this program needs no loader");
    };
    let step = Step::new(&["/script"]);
    let layer = step.new_dir("layer");
    fs::write(layer.join("script"), "#!/proc/self/exe\n").unwrap();
    let place = layer.join(loader.trim_start_matches('/'));
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::copy(probe().unwrap().join("loader"), &place).unwrap();
    for path in [&layer.join("script"), &place] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let before = fs::metadata(&program).unwrap();
    let ran = step.with(|r| r.root.lower.push(layer)).run();
    assert_eq!(ran.stdout, "closed EROFS\n", "{}", ran.stderr);
    let after = fs::metadata(&program).unwrap();
    assert_eq!(
        (before.len(), before.mtime_nsec()),
        (after.len(), after.mtime_nsec())
    );
}

/// The path of the loader that a program asks for (PT_INTERP).
fn loader_of(program: &std::path::Path) -> Option<String> {
    let bytes = fs::read(program).ok()?;
    let start = bytes
        .windows(5)
        .position(|window| window == b"/lib6" || window == b"/lib/")?;
    let end = start + bytes[start..].iter().position(|byte| *byte == 0)?;
    String::from_utf8(bytes[start..end].to_vec()).ok()
}

#[test]
fn a_loader_of_the_image_is_not_asked_for_by_the_machine() {
    needs_probe!();
    // /etc/ld.so.preload of the image is read by programs of the image only.
    let step = Step::new(&["/bin/true"]);
    let layer = step.new_dir("layer");
    fs::create_dir(layer.join("etc")).unwrap();
    fs::write(layer.join("etc/ld.so.preload"), "/evil.so\n").unwrap();
    step.with(|r| r.root.lower.push(layer)).succeed();
}

#[test]
fn the_environment_of_the_engine_is_not_the_commands() {
    needs_probe!();
    let ran = Step::sh("cat /proc/1/environ | tr '\\0' '\\n'").succeed();
    let names: Vec<_> = ran
        .stdout
        .lines()
        .filter_map(|line| line.split('=').next())
        .collect();
    assert_eq!(
        names,
        ["PATH", "HOME"],
        "nothing of {:?}",
        std::env::vars().count()
    );
}

#[test]
fn the_helper_has_nothing_of_the_engines_environment() {
    needs_probe!();
    // Cargo sets many variables for a test, and a build may have secrets in its own.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    Step::new(&["true"]).succeed();
    let own = std::process::id().to_string();
    let mut found = 0;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(1));
        if parent != Some(&own) {
            continue;
        }
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.is_empty() {
            continue;
        }
        let text = String::from_utf8_lossy(&environment);
        if text.contains(crate::support::HELPER_VARIABLE) {
            found += 1;
            assert!(!text.contains("CARGO_MANIFEST_DIR"), "{text}");
        }
    }
    assert!(found > 0, "the helper of the steps runs");
}
