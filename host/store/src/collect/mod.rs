//! Garbage collection: what the store holds, what of it goes, and removing it while others build.
//!
//! 1. The stock is read: everything on disk as items, each byte once (stock.rs, files.rs).
//! 2. A plan chooses what goes: the least recently used first, and with it what is of no use without it (plan.rs).
//! 3. What is chosen is condemned in the database, in short transactions: it is not found any more. Files that any reader
//!    can do without are removed at once (condemn.rs).
//! 4. What was condemned before every living lease began (lease.rs) loses its row, then its name, then its files. The
//!    rest is left to a later collection.
//!
//! Whoever uses or saves something condemned spares it; so a running build loses at most time. A collector killed at
//! any moment leaves condemned rows, which the next one deals with, or files that the sweep finds.
//! Knows nothing of configuration, of words for sizes, or of how it is shown.

mod condemn;
mod disk;
mod files;
mod filter;
mod plan;
mod stock;

use std::path::PathBuf;
use std::time::Duration;

use lapstrake_llb::Digest;

use crate::LayerId;
use crate::db::now;
use crate::error::Result;
use crate::last_use::GRANULARITY;
use crate::reserve;
use crate::store::Store;

pub use disk::{Space, bytes_on_disk};
pub use filter::{Compare, Filter};

use plan::Planner;
use stock::{Sizes, Stock};

/// So often it is tried to come below a limit.
const ROUNDS: usize = 4;

/// What something in the store is, in BuildKit's words (`UsageRecordType`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Files of an image or a step.
    #[default]
    Regular,
    /// Files of a local directory.
    SourceLocal,
    /// Files of a git repository.
    SourceGit,
    /// A directory that commands keep between builds.
    CacheMount,
    /// A frontend's result or compiled code.
    Frontend,
    /// What the store keeps for itself.
    Internal,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 6] = [
        Kind::Regular,
        Kind::SourceLocal,
        Kind::SourceGit,
        Kind::CacheMount,
        Kind::Frontend,
        Kind::Internal,
    ];

    /// BuildKit's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Regular => "regular",
            Kind::SourceLocal => "source.local",
            Kind::SourceGit => "source.git.checkout",
            Kind::CacheMount => "exec.cachemount",
            Kind::Frontend => "frontend",
            Kind::Internal => "internal",
        }
    }

    /// The kind of a name. `None`: there is none.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One thing that the store holds.
#[derive(Debug, Clone)]
pub struct Item {
    /// Names it to people.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// What it holds.
    pub description: String,
    /// Bytes on disk.
    pub bytes: u64,
    /// When it was made, Unix seconds.
    pub created: i64,
    /// When it was last used, Unix seconds.
    pub used: i64,
    /// Whether somebody uses it at this moment, so that it stays.
    pub in_use: bool,
    /// The time of use that its row has, which may be older.
    pub(crate) written: i64,
    pub(crate) what: What,
}

/// What an item is to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Layer(LayerId),
    Blob(Digest),
    /// A record without layers.
    Record(Digest),
    Value(String, String),
    /// What records were made of (account.rs).
    Accounts,
    /// A file that whoever needs it makes again.
    File(PathBuf),
    /// The home of a directory that commands keep.
    CacheMount(PathBuf),
    /// A copy of a git repository.
    Repository(PathBuf),
    /// It does not go by itself: the database, what runs.
    Fixed,
    /// It is condemned, and goes when those who may use it have ended.
    Condemned,
}

impl Item {
    /// Whether it can be removed.
    pub fn is_reclaimable(&self) -> bool {
        !self.in_use && !matches!(self.what, What::Fixed | What::Condemned)
    }

    /// Whether its content changes.
    pub fn is_mutable(&self) -> bool {
        matches!(self.what, What::CacheMount(_))
    }

    /// Whether it is one of many small rows of the database, which people see summed up.
    pub fn is_row(&self) -> bool {
        matches!(self.what, What::Value(..) | What::Record(_) | What::Accounts)
    }
}

/// How much may stay. Without any: nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that the store may have on disk.
    pub max_used: Option<u64>,
    /// Bytes that the file system is to have free.
    pub min_free: Option<u64>,
    /// Bytes that the store keeps in any case.
    pub reserved: u64,
    /// What was used within this time goes only for the sake of `max_used`.
    pub keep: Duration,
}

/// What is to be removed.
#[derive(Debug, Clone, Default)]
pub struct PruneOptions {
    /// Whether frontends and what the store keeps for itself may go too.
    pub all: bool,
    /// All of them MUST hold for an item to go.
    pub filters: Vec<Filter>,
    /// How much may stay; none: nothing of it.
    pub limits: Option<Limits>,
    /// Whether it is only said what would go.
    pub dry_run: bool,
}

/// What was removed.
#[derive(Debug, Clone, Default)]
pub struct Pruned {
    /// What is gone, or goes when the builds that may use it have ended.
    pub items: Vec<Item>,
    /// Bytes that were freed, earlier collections' leftovers among them.
    pub freed: u64,
    /// Bytes that are freed when running builds have ended, by a later collection.
    pub waiting: u64,
}

impl Limits {
    /// Bytes by which `total` is too much: for the hard limit alone, and for all.
    fn excess(&self, total: u64, space: Space) -> (u64, u64) {
        let hard = self.max_used.map_or(0, |max| total.saturating_sub(max));
        let missing = self
            .min_free
            .map_or(0, |free| free.saturating_sub(space.available));
        let most = total.saturating_sub(self.reserved);
        (hard.min(most), hard.max(missing).min(most))
    }
}

impl Store {
    /// Lists all that the store holds. The sum of the bytes is what the folder takes on disk.
    pub fn usage(&self) -> Result<Vec<Item>> {
        Ok(Stock::read(self, Sizes::Measured)?.items)
    }

    /// Size of the file system that the store is on.
    pub fn space(&self) -> Result<Space> {
        disk::space(self.root())
    }

    /// Removes what is asked for, the least recently used first.
    ///
    /// The caller MUST not be using anything of this store value.
    pub fn prune(&self, options: &PruneOptions) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        let tight = !options.dry_run && reserve::use_up(self.root());
        if !options.dry_run {
            self.sweep()?;
            self.bury_strays()?;
            pruned.freed += self.reap()?;
        }
        let stock = Stock::read(self, Sizes::Measured)?;
        let now = now();
        let wanted = |item: &Item| {
            let shown = options.all || !matches!(item.kind, Kind::Frontend | Kind::Internal);
            shown && options.filters.iter().all(|filter| filter.holds(item, now))
        };
        let amount = match &options.limits {
            None => u64::MAX,
            Some(limits) => limits.excess(stock.total(), self.space()?).1,
        };
        let mut planner = Planner::new(&stock);
        planner.take(amount, wanted);
        let chosen = planner.chosen();
        if options.dry_run {
            pruned.items = chosen.iter().map(|index| stock.items[*index].clone()).collect();
            pruned.freed = pruned.items.iter().map(|item| item.bytes).sum();
            return Ok(pruned);
        }
        let rows = if tight { condemn::FEW } else { condemn::ROWS };
        self.remove(&stock, &chosen, rows, &mut pruned)?;
        self.measure_anew()?;
        self.tidy_database();
        reserve::keep(self.root());
        Ok(pruned)
    }

    /// Keeps the limits after a build. Does nothing if this store value has written nothing.
    ///
    /// The caller MUST not be using anything of this store value any more.
    pub fn collect(&self, limits: &Limits) -> Result<Option<Pruned>> {
        if !self.has_session() {
            return Ok(None);
        }
        self.flush()?;
        let mut pruned = Pruned::default();
        if self.waiting()? > 0 {
            self.renew_lease()?;
            pruned.freed += self.reap()?;
        }
        for _ in 0..ROUNDS {
            self.measure_anew()?;
            let (_, excess) = limits.excess(files::estimate(self, limits)?, self.space()?);
            if excess == 0 {
                break;
            }
            self.bury_strays()?;
            let gone = pruned.items.len();
            self.collect_once(limits, &mut pruned)?;
            if pruned.items.len() == gone {
                break;
            }
        }
        Ok((pruned.freed > 0 || !pruned.items.is_empty()).then_some(pruned))
    }

    /// Removes what is too much, as far as the sizes are known: files that several layers have count for one of them.
    fn collect_once(&self, limits: &Limits, pruned: &mut Pruned) -> Result<()> {
        let stock = Stock::read(self, Sizes::Known)?;
        let (hard, excess) = limits.excess(stock.total(), self.space()?);
        // A little more than must be, so that not every build has to.
        let room = if hard > 0 {
            limits.max_used.unwrap_or(0) / 16
        } else {
            0
        };
        let now = now();
        let keep = i64::try_from(limits.keep.as_secs()).unwrap_or(i64::MAX);
        let mut planner = Planner::new(&stock);
        planner.take(excess.max(hard + room), |item| {
            item.used < now.saturating_sub(keep)
        });
        planner.take(hard + room, |item| item.used < now - 2 * GRANULARITY);
        planner.take(hard, |_| true);
        self.remove(&stock, &planner.chosen(), condemn::ROWS, pruned)
    }
}
