//! Commands: from a vertex and the trees it mounts to directories, and from what was written to layers.
//! Knows nothing of how a container is made (`exec`) or of cache keys.

use std::path::{Path, PathBuf};

use lapstrake_llb::{
    BindMount, CacheMount, Digest, Edge, ExecOp, Hasher, Mount, MountKind, NetworkMode, SecretMount, Vertex,
};
use lapstrake_solver::{StepContext, Stream};
use lapstrake_store::content::Selection;
use lapstrake_store::{LayerDraft, LayerMeta, Tree};

use super::LocalWorker;
use super::agent::AgentSocket;
use super::cache_mount::{Held, Wanted};
use super::output::Output;
use super::step::StepProgress;
use crate::error::{Error, Result};
use crate::exec::{
    self, CancelToken, ExecError, ExecRequest, ExecStatus, MountSource, Network, PreparedMount, RootMount,
    TreeWrites,
};
use crate::source::progress::Progress as _;

/// One command.
pub(super) struct Step<'a> {
    worker: &'a LocalWorker,
    vertex: &'a Vertex,
    op: &'a ExecOp,
    /// The trees of the inputs.
    trees: Vec<(Edge, Tree)>,
    context: &'a StepContext,
}

/// A command's mounts as directories.
#[derive(Default)]
struct Prepared {
    root: Option<RootMount>,
    mounts: Vec<PreparedMount>,
    /// In the order of the outputs.
    outputs: Vec<Kept>,
    /// Of roots that are no output.
    discarded: Vec<LayerDraft>,
    agents: Vec<AgentSocket>,
}

/// A mounted tree that is an output.
enum Kept {
    /// It could not be written to.
    Unchanged(Tree),
    /// The tree below, and what was written.
    Written(Tree, LayerDraft),
}

impl<'a> Step<'a> {
    /// Collects the trees of all inputs.
    pub(super) fn new(
        worker: &'a LocalWorker,
        vertex: &'a Vertex,
        op: &'a ExecOp,
        inputs: &[Output],
        context: &'a StepContext,
    ) -> Result<Self> {
        let edges = vertex.op.inputs().into_iter();
        let trees = edges
            .zip(inputs)
            .map(|(edge, input)| Ok((edge, worker.tree(input, context)?)));
        Ok(Self {
            worker,
            vertex,
            op,
            trees: trees.collect::<Result<_>>()?,
            context,
        })
    }

    /// Runs the command. Gives the trees of its outputs, in the order of its mounts.
    pub(super) fn run(&self) -> Result<Vec<Output>> {
        let progress = StepProgress::new(self.context);
        for (_, tree) in &self.trees {
            self.worker.images.ensure_unpacked(tree, &progress)?;
        }
        let caches = self.hold_caches(&progress)?;
        let mut prepared = Prepared::default();
        for mount in &self.op.mounts {
            self.prepare(mount, &caches, &mut prepared)?;
        }
        let Prepared {
            root,
            mounts,
            outputs,
            discarded,
            agents,
        } = prepared;
        let mut mounts = mounts;
        let devices = self.worker.devices(self.op)?;
        let mut op = self.op.clone();
        op.env.extend(devices.env);
        mounts.extend(devices.mounts.into_iter().map(device_mount));
        let state = self.worker.store.temp_dir()?;
        let request = ExecRequest {
            op,
            resources: self.vertex.metadata.resources.clone(),
            root: root.ok_or(Error::NoRoot)?,
            mounts,
            secret_env: self.secret_env()?,
            state_dir: state.path().to_owned(),
            devices: devices.nodes,
            groups: devices.groups,
            network: match self.op.network {
                NetworkMode::None => Network::Loopback,
                NetworkMode::Host => Network::Host,
                NetworkMode::Sandbox => self.worker.options.sandbox_network,
            },
            timeout: self.worker.options.timeout,
            no_new_privileges: self.worker.options.no_new_privileges,
        };
        for path in devices.hooks {
            let warning = exec::Warning::HookIgnored { path };
            self.context
                .log(Stream::Stderr, format!("warning: {warning}\n").as_bytes());
        }
        let status = self.execute(&request)?;
        drop((caches, discarded, agents));
        if !status.is_success(&self.op.valid_exit_codes) {
            let (exit, out_of_memory) = (status.exit, status.out_of_memory);
            return Err(Error::Command {
                command: self.op.args.join(" "),
                exit,
                out_of_memory,
                memory_limit: request.resources.as_ref().and_then(|limits| limits.memory_bytes),
            });
        }
        outputs.into_iter().map(|kept| self.commit(kept)).collect()
    }

    fn execute(&self, request: &ExecRequest) -> Result<ExecStatus> {
        let cancel = CancelToken::new().map_err(|source| Error::Exec(ExecError::Helper { source }))?;
        let flag = cancel.clone();
        let _registration = self.context.cancel_token().on_cancel(move || flag.cancel());
        let mut log = |output: exec::Output<'_>| {
            let stream = match output.stream {
                exec::Stream::Stdout => Stream::Stdout,
                exec::Stream::Stderr => Stream::Stderr,
            };
            self.context.log(stream, output.data);
        };
        let status = match self.worker.runner.run(request, &mut log, &cancel) {
            Ok(status) => status,
            Err(ExecError::Cancelled) => return Err(Error::Cancelled),
            Err(error) => return Err(Error::Exec(error)),
        };
        for warning in &status.warnings {
            self.context
                .log(Stream::Stderr, format!("warning: {warning}\n").as_bytes());
        }
        Ok(status)
    }

    fn commit(&self, kept: Kept) -> Result<Output> {
        let (mut tree, draft) = match kept {
            Kept::Unchanged(tree) => return Ok(Output::Tree(tree)),
            Kept::Written(tree, draft) => (tree, draft),
        };
        let description = self.vertex.metadata.name.clone();
        tree.layers.push(draft.commit(&LayerMeta {
            description,
            ..LayerMeta::default()
        })?);
        Ok(Output::Tree(tree))
    }

    fn prepare(&self, mount: &Mount, caches: &Held, prepared: &mut Prepared) -> Result<()> {
        let (read_only, source) = match &mount.kind {
            MountKind::Bind(bind) => match self.prepare_tree(&mount.target, bind, prepared)? {
                Some(source) => (bind.read_only, source),
                None => return Ok(()),
            },
            _ if mount.target == "/" => return Err(Error::NoRoot),
            MountKind::Cache(cache) => {
                let key = self.cache_key(cache)?;
                let path = caches.directory(&key).ok_or(Error::NoRoot)?.to_owned();
                // The part of the seed that is mounted is all that was copied.
                (
                    cache.read_only,
                    MountSource::Directory {
                        path,
                        selector: String::new(),
                    },
                )
            }
            MountKind::Tmpfs(tmpfs) => (false, MountSource::Tmpfs { size: tmpfs.size }),
            MountKind::Secret(secret) => match self.secret(&secret.id, secret.optional)? {
                Some(data) => (true, secret_file(secret, data)),
                None => return Ok(()),
            },
            MountKind::Ssh(agent) => match self.ssh_agent(agent)? {
                Some(socket) => {
                    let path = socket.path();
                    prepared.agents.push(socket);
                    (false, MountSource::Socket { path })
                }
                None => return Ok(()),
            },
        };
        prepared.mounts.push(PreparedMount {
            target: mount.target.clone(),
            read_only,
            source,
        });
        Ok(())
    }

    /// Prepares a tree. `None`: it is the root.
    fn prepare_tree(
        &self,
        target: &str,
        bind: &BindMount,
        prepared: &mut Prepared,
    ) -> Result<Option<MountSource>> {
        let store = &self.worker.store;
        let tree = self.tree_of(bind.input);
        let lower = store.tree_dirs(&tree)?;
        let writable = !bind.read_only;
        if target == "/" {
            let draft = store.new_layer()?;
            let (upper, work) = (draft.dir().to_owned(), draft.work_dir()?);
            prepared.root = Some(RootMount {
                lower,
                upper,
                work,
                read_only: bind.read_only,
            });
            match (bind.output, writable) {
                (true, true) => prepared.outputs.push(Kept::Written(tree, draft)),
                (true, false) => {
                    prepared.outputs.push(Kept::Unchanged(tree));
                    prepared.discarded.push(draft);
                }
                (false, _) => prepared.discarded.push(draft),
            }
            return Ok(None);
        }
        let writes = if bind.output && writable {
            let draft = store.new_layer()?;
            let keep = TreeWrites::Keep {
                upper: draft.dir().to_owned(),
                work: draft.work_dir()?,
            };
            prepared.outputs.push(Kept::Written(tree, draft));
            keep
        } else {
            if bind.output {
                prepared.outputs.push(Kept::Unchanged(tree));
            }
            TreeWrites::Discard
        };
        Ok(Some(MountSource::Tree {
            lower,
            selector: bind.selector.clone(),
            writes,
        }))
    }

    fn tree_of(&self, input: Option<Edge>) -> Tree {
        let found = input.and_then(|input| self.trees.iter().find(|(edge, _)| *edge == input));
        found.map(|(_, tree)| tree.clone()).unwrap_or_default()
    }

    fn hold_caches(&self, progress: &StepProgress<'_>) -> Result<Held> {
        let mut keys = Vec::new();
        for mount in &self.op.mounts {
            if let MountKind::Cache(cache) = &mount.kind {
                let about = format!("{} of {}", mount.target, self.vertex.metadata.name);
                keys.push((self.cache_key(cache)?, cache, about));
            }
        }
        let seeds: Vec<_> = keys
            .iter()
            .map(|(_, cache, _)| |path: &Path| self.seed(cache, path))
            .collect();
        let wanted: Vec<_> = keys
            .iter()
            .zip(&seeds)
            .map(|((key, cache, about), seed)| Wanted {
                key: *key,
                sharing: cache.sharing,
                about,
                seed,
            })
            .collect();
        let temporary = || Ok(self.worker.store.temp_dir()?);
        self.worker
            .caches
            .hold(&wanted, &temporary, &|| progress.cancelled())
    }

    /// A cache that is seeded with something else is another cache.
    fn cache_key(&self, cache: &CacheMount) -> Result<Digest> {
        let mut hasher = Hasher::new("lapstrake.cache-mount.1");
        hasher.field(cache.id.as_bytes());
        if cache.input.is_some() {
            let selection = Selection::path(cache.selector.trim_matches('/'));
            hasher.digest(&self.worker.tree_digest(&self.tree_of(cache.input), &selection)?);
        }
        Ok(hasher.finish())
    }

    fn seed(&self, cache: &CacheMount, directory: &Path) -> Result<()> {
        match cache.input {
            None => Ok(()),
            Some(_) => self
                .worker
                .copy_out(&self.tree_of(cache.input), &cache.selector, directory),
        }
    }

    fn secret(&self, id: &str, optional: bool) -> Result<Option<Vec<u8>>> {
        let found = self.worker.options.secrets.secret(id);
        match found.map_err(|source| Error::ReadSecret {
            id: id.to_owned(),
            source,
        })? {
            None if !optional => Err(Error::NoSecret { id: id.to_owned() }),
            found => Ok(found),
        }
    }

    fn secret_env(&self) -> Result<Vec<(String, String)>> {
        let mut variables = Vec::new();
        for variable in &self.op.secret_env {
            let id = &variable.secret_id;
            let Some(value) = self.secret(id, variable.optional)? else {
                continue;
            };
            let value = String::from_utf8(value).map_err(|_| Error::SecretNotText { id: id.clone() })?;
            variables.push((variable.name.clone(), value));
        }
        Ok(variables)
    }

    fn ssh_agent(&self, mount: &SecretMount) -> Result<Option<AgentSocket>> {
        let id = &mount.id;
        let failed = |source| Error::ReadSecret {
            id: id.clone(),
            source,
        };
        match self.worker.options.secrets.ssh_agent(id).map_err(failed)? {
            Some(path) => {
                let directory = self.worker.store.temp_dir()?;
                Ok(Some(AgentSocket::new(directory, path, mount).map_err(failed)?))
            }
            None if mount.optional => Ok(None),
            None => Err(Error::NoSshAgent { id: id.clone() }),
        }
    }
}

/// A file or directory of the machine that belongs to a device.
fn device_mount((path, target, read_only): (PathBuf, String, bool)) -> PreparedMount {
    let selector = String::new();
    PreparedMount {
        target,
        read_only,
        source: MountSource::Directory { path, selector },
    }
}

fn secret_file(secret: &SecretMount, data: Vec<u8>) -> MountSource {
    MountSource::File {
        data,
        uid: secret.uid,
        gid: secret.gid,
        mode: secret.mode,
    }
}
