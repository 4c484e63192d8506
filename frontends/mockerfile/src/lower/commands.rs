//! Commands in containers: what all of them get. Knows nothing of what they do.

use lapstrake_sdk::types::{CacheMount, CacheSharing, KeyValue, Mount, MountKind, SecretEnv, SecretMount};
use lapstrake_sdk::{Run, State, path};

use super::image::{Builder, Work};
use crate::findings::Span;
use crate::model::{Image, Sharing};

impl Builder<'_> {
    /// Begins a command of an image, with its secrets and caches.
    pub(super) fn command(
        &mut self,
        work: &Work<'_>,
        tree: &State,
        args: Vec<String>,
        env: &[KeyValue],
    ) -> Run {
        let mut mounts = Vec::new();
        for cache in &work.image.caches {
            let target = path::join(&work.directory, &cache.path);
            let id = cache.id.as_ref().map_or(target.as_str(), |id| id.text.as_str());
            let sharing = match cache.sharing.map(|choice| choice.0) {
                None | Some(Sharing::Shared) => CacheSharing::Shared,
                Some(Sharing::Private) => CacheSharing::PrivateCopy,
                Some(Sharing::Locked) => CacheSharing::Locked,
            };
            mounts.push(self.cache(&target, id, sharing));
        }
        self.bare_command(work, tree, args, env)
            .with(|op| op.mounts.extend(mounts))
    }

    /// Begins a command of an image, with its secrets alone.
    pub(super) fn bare_command(
        &mut self,
        work: &Work<'_>,
        tree: &State,
        args: Vec<String>,
        env: &[KeyValue],
    ) -> Run {
        tree.run(args).with(|op| {
            op.env = env.to_vec();
            op.cwd.clone_from(&work.directory);
            op.network = self.options.network;
            for secret in &work.image.secrets {
                let optional = !secret.required.is_some_and(|required| required.0);
                if let Some(name) = &secret.env {
                    op.secret_envs.push(SecretEnv {
                        name: name.text.clone(),
                        secret_id: secret.id.text.clone(),
                        optional,
                    });
                }
                let target = match (&secret.target, &secret.env) {
                    (Some(target), _) => path::join("/", target),
                    (None, Some(_)) => continue,
                    (None, None) => path::join("/run/secrets", &secret.id),
                };
                op.mounts.push(Mount {
                    target,
                    kind: MountKind::Secret(SecretMount {
                        id: secret.id.text.clone(),
                        mode: 0o400,
                        optional,
                        ..SecretMount::default()
                    }),
                });
            }
            self.options.apply(op);
        })
    }

    /// Ends a command.
    pub(super) fn finished(&self, image: &Image, run: Run, what: &str, span: &Span) -> State {
        let state = self.noted(image, run.root(), what, span);
        match &self.options.resources {
            Some(resources) => state.resources(resources.clone()),
            None => state,
        }
    }

    /// A cache as a mount; its id is noted.
    pub(super) fn cache(&mut self, target: &str, id: &str, sharing: CacheSharing) -> Mount {
        let id = format!("{}/{id}", self.options.cache_namespace);
        if !self.caches.contains(&id) {
            self.caches.push(id.clone());
        }
        Mount {
            target: target.to_owned(),
            kind: MountKind::Cache(CacheMount {
                id,
                sharing,
                ..CacheMount::default()
            }),
        }
    }
}
