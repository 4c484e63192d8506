//! The container helper: a process with one thread that the engine starts once, and that starts and watches
//! the containers.
//!
//! It is the first process of a pid namespace of its own. So, when it is killed, the kernel kills everything
//! below it; and when the engine is gone, which it sees by its end of the connection, it kills everything
//! itself and cleans up. Each container is in a pid namespace below, whose first process is the command's.
//! Knows nothing of what is in a container.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, WaitOptions, pidfd_send_signal, setsid, waitid, waitpid,
};
use rustix::thread::UnshareFlags;

use super::capabilities::DEFAULT_CAPABILITIES;
use super::cgroup::{Cgroups, MayOpen, StepCgroups};
use super::container::{self, Container, Machine};
use super::error::SetupError;
use super::message::{Failure, Hello, LAUNCH_DESCRIPTORS, Launch, Report, receive, send};
use super::network::{Attachment, Gate, GateEvent, gate_of};
use super::plan::DeviceRule;
use super::request::Exit;
use super::run::Runtime;
use super::seccomp;
use super::sys::{self, Cloned};

/// What the hidden command of the program does: is a container helper, for the engine at the other end of
/// stdin.
///
/// MUST be called by a process with one thread, before it has done anything else.
pub fn helper_main() -> ExitCode {
    match main() {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody reads what this process could print.
        Err(_) => ExitCode::FAILURE,
    }
}

fn main() -> io::Result<()> {
    // Not in the terminal's foreground: Ctrl-C is for the engine.
    let _ = setsid();
    let engine = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDWR, rustix::fs::Mode::empty())?;
    sys::replace_stdio(null.as_fd(), 0)?;
    let Some((hello, _)) = receive::<Hello>(&engine)? else {
        return Ok(());
    };
    let mut cgroups = Cgroups::prepare(&hello.id, hello.devices);
    let mut cloned = sys::clone_process(UnshareFlags::NEWPID, cgroups.start_helper_in());
    if cloned.is_err() && cgroups.start_helper_in().is_some() {
        // It may be the cgroup that is in the way.
        cgroups.give_up_device_control();
        cloned = sys::clone_process(UnshareFlags::NEWPID, None);
    }
    match cloned {
        Ok(Cloned::Parent { pid, .. }) => {
            drop(engine);
            cgroups.remove_abandoned();
            // The first process of a pid namespace has to be waited for by somebody.
            rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()))?;
            cgroups.clean_up();
            Ok(())
        }
        Ok(Cloned::Child) => {
            let helper = Helper::new(engine, hello.runtime, cgroups);
            let result = helper.and_then(|mut helper| helper.serve());
            sys::exit_now(i32::from(result.is_err()))
        }
        Err(error) => {
            cgroups.clean_up();
            let failure = SetupError::Namespaces { source: error.into() };
            refuse_all(&engine, &failure)
        }
    }
}

/// Answers every request with why there are no containers.
fn refuse_all(engine: &OwnedFd, why: &SetupError) -> io::Result<()> {
    while let Some((_, descriptors)) = receive::<Launch>(engine)? {
        if let Some(control) = descriptors.first() {
            refuse(control, why.clone());
        }
    }
    Ok(())
}

fn refuse(control: impl AsFd, why: SetupError) {
    // An engine that has gone needs no answer.
    let _ = send(&control, &Report::Failed(Failure::Setup(why)), &[]);
    let _ = send(
        &control,
        &Report::Exited {
            exit: Exit::Code(1),
            out_of_memory: false,
        },
        &[],
    );
}

/// A container that runs.
struct Step {
    control: OwnedFd,
    pid: Pid,
    pidfd: OwnedFd,
    cgroups: StepCgroups,
    /// Of a network of its own.
    gate: Option<Gate>,
    leftovers: Vec<PathBuf>,
    killed: bool,
}

struct Helper {
    /// None: the engine has gone.
    engine: Option<OwnedFd>,
    machine: Machine,
    steps: Vec<Step>,
    /// Networks that have been killed.
    ending: Vec<Attachment>,
}

/// What a poll saw.
#[derive(Clone, Copy)]
enum Seen {
    Engine,
    /// Something came over the socket of this step.
    Control(Pid),
    /// The first process of this step has ended.
    Ended(Pid),
    /// The network of this step.
    Gate(Pid, GateEvent),
    /// The network of this index in `ending` is gone.
    NetworkEnded(usize),
}

impl Helper {
    fn new(engine: OwnedFd, runtime: Runtime, mut cgroups: Cgroups) -> io::Result<Helper> {
        cgroups.enter();
        // What the machine unmounts is to go here too; what is mounted here is to stay here.
        sys::unshare_namespaces(UnshareFlags::NEWNS)?;
        mount_change(
            "/",
            MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
        )?;
        let machine = Machine {
            runtime,
            cgroups,
            filter: seccomp::compile(DEFAULT_CAPABILITIES),
            gate_filter: seccomp::hold_network_calls(),
            user_namespace: in_user_namespace(),
        };
        Ok(Helper {
            engine: Some(engine),
            machine,
            steps: Vec::new(),
            ending: Vec::new(),
        })
    }

    fn serve(&mut self) -> io::Result<()> {
        while self.engine.is_some() || !self.steps.is_empty() {
            for seen in self.wait()? {
                match seen {
                    Seen::Engine => self.hear(),
                    // Any message means the same, and so does the end of the connection.
                    Seen::Control(pid) => {
                        for step in self.steps.iter_mut().filter(|s| s.pid == pid) {
                            // A message that is left unread would make the end of the connection an error.
                            let _ = receive::<u8>(&step.control);
                            kill(step);
                        }
                    }
                    Seen::Ended(pid) => self.finish(pid)?,
                    Seen::Gate(pid, event) => self.hear_gate(pid, event),
                    // From the highest index down, as they are seen.
                    Seen::NetworkEnded(index) => self.ending.swap_remove(index).reap(),
                }
            }
        }
        Ok(())
    }

    /// Waits until something happens.
    fn wait(&self) -> io::Result<Vec<Seen>> {
        let mut polled = Vec::with_capacity(1 + 2 * self.steps.len());
        let mut meanings = Vec::with_capacity(polled.capacity());
        if let Some(engine) = &self.engine {
            polled.push(PollFd::new(engine, PollFlags::IN));
            meanings.push(Seen::Engine);
        }
        for step in &self.steps {
            polled.push(PollFd::new(&step.pidfd, PollFlags::IN));
            meanings.push(Seen::Ended(step.pid));
            // The end of a connection is ready to be read for ever.
            if !step.killed {
                polled.push(PollFd::new(&step.control, PollFlags::IN));
                meanings.push(Seen::Control(step.pid));
            }
            for (fd, event) in step.gate.iter().flat_map(Gate::descriptors) {
                polled.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
                meanings.push(Seen::Gate(step.pid, event));
            }
        }
        for (index, network) in self.ending.iter().enumerate().rev() {
            polled.push(PollFd::from_borrowed_fd(network.ended(), PollFlags::IN));
            meanings.push(Seen::NetworkEnded(index));
        }
        rustix::io::retry_on_intr(|| poll(&mut polled, None))?;
        let ready = polled.iter().map(|p| !p.revents().is_empty());
        Ok(meanings
            .into_iter()
            .zip(ready)
            .filter(|(_, ready)| *ready)
            .map(|(seen, _)| seen)
            .collect())
    }

    /// Takes a request, or the engine's end.
    fn hear(&mut self) {
        let Some(engine) = &self.engine else { return };
        match receive::<Launch>(engine) {
            Ok(Some((launch, descriptors))) => self.launch(launch, descriptors),
            Ok(None) | Err(_) => {
                self.engine = None;
                self.steps.iter_mut().for_each(kill);
            }
        }
    }

    fn hear_gate(&mut self, pid: Pid, event: GateEvent) {
        let Some(step) = self.steps.iter_mut().find(|s| s.pid == pid) else {
            return;
        };
        let warning = step
            .gate
            .as_mut()
            .and_then(|gate| gate.handle(event, &self.machine.cgroups));
        if let Some(warning) = warning {
            let _ = send(&step.control, &Report::Warning(warning), &[]);
        }
    }

    fn launch(&mut self, launch: Launch, descriptors: Vec<OwnedFd>) {
        let Ok([control, job, stdout, stderr]) = <[OwnedFd; LAUNCH_DESCRIPTORS]>::try_from(descriptors)
        else {
            return;
        };
        let name = launch.name;
        let (cgroups, warnings) = match &self.machine.runtime {
            Runtime::BuiltIn => {
                let (limits, parent) = (launch.limits.as_ref(), launch.cgroup_parent.as_deref());
                let more: Vec<_> = launch.devices.iter().map(DeviceRule::of_node).collect();
                let may_open = match launch.all_devices {
                    true => MayOpen::Everything,
                    false => MayOpen::UsualAnd(&more),
                };
                self.machine.cgroups.of_step(&name, limits, parent, may_open)
            }
            Runtime::External(_) => (self.machine.cgroups.of_runtime(&name), Vec::new()),
        };
        for warning in warnings {
            let _ = send(&control, &Report::Warning(warning), &[]);
        }
        let (gate, gate_end) = match launch.connection.map(gate_of).transpose() {
            Ok(both) => both.unzip(),
            Err(error) => {
                cgroups.remove();
                return refuse(&control, SetupError::Namespaces { source: error.into() });
            }
        };
        let container = Container {
            control,
            job,
            stdout,
            stderr,
            gate: gate_end,
            cgroups,
            name,
        };
        let start_in = self
            .machine
            .cgroups
            .start_in(&container.cgroups, launch.all_devices);
        match sys::clone_process(UnshareFlags::NEWPID, start_in) {
            Ok(Cloned::Child) => container::run(&container, &self.machine),
            Ok(Cloned::Parent { pid, pidfd }) => {
                let Container { control, cgroups, .. } = container;
                self.steps.push(Step {
                    control,
                    pid,
                    pidfd,
                    cgroups,
                    gate,
                    leftovers: launch.leftovers,
                    killed: false,
                });
            }
            Err(error) => {
                container.cgroups.remove();
                refuse(
                    &container.control,
                    SetupError::Namespaces { source: error.into() },
                );
            }
        }
    }

    /// Tells the engine that a step has ended. By now the kernel has killed all its processes and unmounted
    /// all its mounts.
    fn finish(&mut self, pid: Pid) -> io::Result<()> {
        let Some(index) = self.steps.iter().position(|s| s.pid == pid) else {
            return Ok(());
        };
        let pidfd = self.steps[index].pidfd.as_fd();
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let Some(status) = rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(pidfd), options))? else {
            return Ok(());
        };
        let mut step = self.steps.swap_remove(index);
        self.ending.extend(step.gate.take().and_then(Gate::close));
        let out_of_memory = step.cgroups.ran_out_of_memory();
        step.cgroups.remove();
        match self.engine {
            Some(_) => {
                let _ = send(
                    &step.control,
                    &Report::Exited {
                        exit: exit(&status),
                        out_of_memory,
                    },
                    &[],
                );
            }
            None => step.leftovers.iter().for_each(|dir| {
                let _ = lapstrake_store::remove_tree(dir);
            }),
        }
        Ok(())
    }
}

fn kill(step: &mut Step) {
    step.killed = true;
    // Fails only if it has ended already.
    let _ = pidfd_send_signal(&step.pidfd, Signal::KILL);
}

fn exit(status: &WaitIdStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Code(1),
    }
}

/// Whether this is not the machine's first user namespace, in which every number means itself.
pub(crate) fn in_user_namespace() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().collect::<Vec<_>>() != ["0", "0", "4294967295"]
}
