//! Which items go: the least recently used of those that may, and with each what is of no use without it.
//!
//! A layer takes with it the records that speak of it (they would lead to nothing), the layers that lie on it in their
//! image, the layers that no record speaks of any more (nothing leads to them), and the archives that are of no layer
//! any more. What has become useless in such a way goes before all others.
//! Pure: knows nothing of files and of the database.

use super::stock::Stock;
use super::{Item, Kind, What};

/// A plan that is being made.
pub(super) struct Planner<'a> {
    stock: &'a Stock,
    /// Whether an item goes.
    gone: Vec<bool>,
    /// Whether a record goes.
    dead: Vec<bool>,
    /// How many records and layers lead to an item; for archives: how many layers.
    ties: Vec<usize>,
    order: Vec<usize>,
    chosen: Vec<usize>,
    freed: u64,
}

impl<'a> Planner<'a> {
    pub(super) fn new(stock: &'a Stock) -> Self {
        let mut ties = vec![0; stock.items.len()];
        for link in &stock.links {
            if let Some(layer) = &link.below {
                ties[*layer] += 1;
            }
            for archive in &link.archives {
                ties[*archive] += 1;
            }
        }
        for layer in stock.records.iter().flatten() {
            ties[*layer] += 1;
        }
        let mut order: Vec<usize> = (0..stock.items.len())
            .filter(|index| stock.items[*index].is_reclaimable())
            .collect();
        order.sort_by_key(|index| {
            let useless = ties[*index] == 0 && is_found_by_ties(&stock.items[*index]);
            // Of layers that were used together the upper ones go first: fewer records speak of them.
            (!useless, stock.items[*index].used, ties[*index], *index)
        });
        Self {
            stock,
            gone: vec![false; stock.items.len()],
            dead: vec![false; stock.records.len()],
            ties,
            order,
            chosen: Vec::new(),
            freed: 0,
        }
    }

    /// Goes on until so many bytes are freed in all, with items of which `may` is true and what goes with them.
    pub(super) fn take(&mut self, amount: u64, may: impl Fn(&Item) -> bool) {
        for position in 0..self.order.len() {
            if self.freed >= amount {
                return;
            }
            let index = self.order[position];
            if !self.gone[index] && may(&self.stock.items[index]) {
                self.choose(index);
            }
        }
    }

    /// Indexes of the items that go, in the order in which they were chosen.
    pub(super) fn chosen(self) -> Vec<usize> {
        self.chosen
    }

    fn choose(&mut self, first: usize) {
        let stock = self.stock;
        let mut todo = vec![first];
        while let Some(index) = todo.pop() {
            if self.gone[index] || !stock.items[index].is_reclaimable() {
                continue;
            }
            self.gone[index] = true;
            self.chosen.push(index);
            self.freed += stock.items[index].bytes;
            let link = &stock.links[index];
            for record in &link.records {
                if !std::mem::replace(&mut self.dead[*record], true) {
                    for layer in &stock.records[*record] {
                        self.untie(*layer, &mut todo);
                    }
                }
            }
            todo.extend(&link.above);
            for other in link.below.iter().chain(&link.archives) {
                self.untie(*other, &mut todo);
            }
        }
    }

    fn untie(&mut self, index: usize, todo: &mut Vec<usize>) {
        self.ties[index] -= 1;
        let item = &self.stock.items[index];
        if self.ties[index] == 0 && (is_found_by_ties(item) || matches!(item.what, What::Blob(_))) {
            todo.push(index);
        }
    }
}

/// Whether an item is useless while nothing leads to it.
fn is_found_by_ties(item: &Item) -> bool {
    // A local directory's layer is found by the content of the directory, and a checkout by its commit.
    matches!(item.what, What::Layer(_)) && item.kind == Kind::Regular
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LayerId;

    /// A stock of layers `(used, bytes)` with records that name them by position.
    fn stock(layers: &[(i64, u64)], records: &[&[usize]]) -> Stock {
        let mut stock = Stock::default();
        for (number, (used, bytes)) in layers.iter().enumerate() {
            let id = LayerId::from_sql(number as i64 + 1).unwrap();
            add(&mut stock, What::Layer(id), *used, *bytes);
        }
        for (number, record) in records.iter().enumerate() {
            for layer in *record {
                stock.links[*layer].records.push(number);
            }
            stock.records.push(record.to_vec());
        }
        stock.carry_uses_down();
        stock
    }

    fn add(stock: &mut Stock, what: What, used: i64, bytes: u64) -> usize {
        stock.items.push(Item {
            id: String::new(),
            kind: Kind::Regular,
            description: String::new(),
            bytes,
            created: 0,
            used,
            written: used,
            in_use: false,
            what,
        });
        stock.links.push(Default::default());
        stock.items.len() - 1
    }

    fn plan(stock: &Stock, amount: u64) -> Vec<usize> {
        let mut planner = Planner::new(stock);
        planner.take(amount, |_| true);
        let mut chosen = planner.chosen();
        chosen.sort_unstable();
        chosen
    }

    #[test]
    fn the_least_recently_used_goes_first_and_no_more_than_must() {
        let stock = stock(&[(5, 10), (3, 10), (4, 10)], &[&[0], &[1], &[2]]);
        assert_eq!(plan(&stock, 0), Vec::<usize>::new());
        assert_eq!(plan(&stock, 1), [1]);
        assert_eq!(plan(&stock, 11), [1, 2]);
        assert_eq!(plan(&stock, u64::MAX), [0, 1, 2]);
    }

    #[test]
    fn a_base_is_as_new_as_what_lies_on_it_and_takes_it_along() {
        // A base of long ago, an old and a new layer on it.
        let stock = stock(&[(1, 10), (2, 10), (9, 10)], &[&[0], &[0, 1], &[0, 2]]);
        assert_eq!(plan(&stock, 1), [1]);
        assert_eq!(plan(&stock, 11), [1, 2]);
        assert_eq!(plan(&stock, 21), [0, 1, 2]);
        let mut planner = Planner::new(&stock);
        planner.take(1, |item| item.written == 1);
        assert_eq!(planner.chosen().len(), 3, "nothing leads to the others any more");
    }

    #[test]
    fn what_nothing_leads_to_goes_before_all() {
        let mut stock = stock(&[(1, 10), (9, 10)], &[&[0]]);
        assert_eq!(plan(&stock, 1), [1]);
        stock.items[1].kind = Kind::SourceLocal;
        assert_eq!(plan(&stock, 1), [0]);
    }

    #[test]
    fn archives_go_with_the_last_of_their_layers() {
        let mut stock = stock(&[(1, 10), (2, 10)], &[&[0], &[1]]);
        let blob = add(&mut stock, What::Blob(lapstrake_llb::Digest::of(b"")), 9, 10);
        stock.links[0].archives.push(blob);
        stock.links[1].archives.push(blob);
        assert_eq!(plan(&stock, 1), [0]);
        assert_eq!(plan(&stock, 11), [0, 1, blob]);
    }

    #[test]
    fn a_layer_stays_as_long_as_one_needs_it_to_be_unpacked() {
        let mut stock = stock(&[(1, 10), (2, 10)], &[&[1]]);
        stock.links[1].below = Some(0);
        stock.links[0].above.push(1);
        assert_eq!(plan(&stock, 1), [0, 1], "neither is of use without the other");
        stock.items[1].what = What::Condemned;
        assert_eq!(plan(&stock, 1), [0], "the other goes already");
    }
}
