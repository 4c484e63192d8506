//! Devices: nodes can be made, as package managers do, and not be opened.

use std::fs;

use lapstrake_llb::SecurityMode;
use lapstrake_ops::exec::{DeviceControl, Runner, Runtime};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use super::{answer, probing};
use crate::needs_probe;
use crate::support::{Step, options};

/// Tries to open a node of the image, and one that the command makes.
fn cannot_be_opened(block: bool, major: u32, minor: u32) {
    let (kind, letter) = match block {
        true => (FileType::BlockDevice, "b"),
        false => (FileType::CharacterDevice, "c"),
    };
    for control in [DeviceControl::Auto, DeviceControl::Mounts] {
        let runner = Runner::new(options(control, Runtime::BuiltIn));
        let step = probing(&["open", "/node", "r"]);
        let layer = step.new_dir("layer");
        mknodat(
            CWD,
            layer.join("node"),
            kind,
            Mode::from_raw_mode(0o666),
            makedev(major, minor),
        )
        .unwrap();
        let ran = step
            .with(|r| r.root.lower.push(layer))
            .try_run_with(&runner)
            .unwrap();
        assert!(
            ["EPERM\n", "EACCES\n"].contains(&ran.stdout.as_str()),
            "of the image: {}",
            ran.stdout
        );
        for place in ["/tmp", "/dev", "/dev/shm"] {
            let script = format!("mknod {place}/n {letter} {major} {minor} && /probe open {place}/n r");
            let step = Step::sh(&script).with(|r| r.root.lower.push(super::probe().unwrap().to_owned()));
            let ran = step.try_run_with(&runner).unwrap();
            assert!(
                ["EPERM\n", "EACCES\n"].contains(&ran.stdout.as_str()),
                "in {place}: {} {}",
                ran.stdout,
                ran.stderr
            );
        }
    }
}

macro_rules! closed {
    ($($name:ident: $block:literal, $major:literal, $minor:literal;)*) => { $(
        #[test]
        fn $name() {
            needs_probe!();
            cannot_be_opened($block, $major, $minor);
        }
    )* };
}

closed! {
    memory_is_closed: false, 1, 1;
    kernel_memory_is_closed: false, 1, 2;
    ports_are_closed: false, 1, 4;
    the_kernels_log_is_closed: false, 1, 11;
    the_console_is_closed: false, 5, 1;
    a_terminal_of_the_machine_is_closed: false, 4, 1;
    network_tunnels_are_closed: false, 10, 200;
    fuse_is_closed: false, 10, 229;
    virtual_machines_are_closed: false, 10, 232;
    loop_control_is_closed: false, 10, 237;
    input_is_closed: false, 13, 64;
    a_scsi_disk_is_closed: true, 8, 0;
    a_virtual_disk_is_closed: true, 253, 0;
    a_virtio_disk_is_closed: true, 254, 0;
    a_loop_device_is_closed: true, 7, 0;
    a_memory_disk_is_closed: true, 1, 0;
}

#[test]
fn insecure_opens_devices() {
    needs_probe!();
    let script = "mknod /tmp/n c 1 11 && /probe open /tmp/n r";
    let step = Step::sh(script).with(|r| {
        r.root.lower.push(super::probe().unwrap().to_owned());
        r.op.security = SecurityMode::Insecure;
    });
    assert_eq!(step.succeed().stdout, "ok\n");
}

#[test]
fn dev_has_what_a_command_needs_and_no_more() {
    needs_probe!();
    let ran = Step::sh("cd /dev; for n in *; do [ -L $n ] && continue; [ -c $n ] && echo $n; [ -b $n ] && echo $n; done; true").succeed();
    assert_eq!(ran.stdout, "full\nnull\nrandom\ntty\nurandom\nzero\n");
    assert_eq!(answer(probing(&["open", "/dev/null", "rw"])), "ok");
    // There is no terminal.
    assert_eq!(answer(probing(&["open", "/dev/tty", "rw"])), "ENXIO");
}

#[test]
fn the_images_own_dev_is_not_used() {
    needs_probe!();
    let step =
        Step::sh("ls -l /dev/null | cut -c1; ls /dev/of-the-image 2>/dev/null; echo x > /dev/null; echo end");
    let layer = step.new_dir("layer");
    fs::create_dir(layer.join("dev")).unwrap();
    fs::write(layer.join("dev/null"), "").unwrap();
    fs::write(layer.join("dev/of-the-image"), "").unwrap();
    let ran = step.with(|r| r.root.lower.push(layer)).succeed();
    assert_eq!(ran.stdout, "c\nend\n");
}
