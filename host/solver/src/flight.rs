//! What is being executed in all solves of a solver, by key, and who waits for it.
//! Knows nothing of what a step is and of what is sent when it is over.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_channel::Sender;
use lapstrake_llb::Digest;

use crate::CancelToken;

/// The steps that are under way.
pub struct Flights<M>(Mutex<HashMap<Digest, Flight<M>>>);

struct Flight<M> {
    token: CancelToken,
    owner: Owner,
    /// Channel and node of those who wait.
    waiting: Vec<(Sender<M>, usize)>,
}

/// Whether the solve that executes a step still wants it.
#[derive(PartialEq, Eq)]
enum Owner {
    Wants,
    GaveUp,
}

impl<M> Default for Flights<M> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<M> Flights<M> {
    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Flight<M>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes part in a step. True: the caller MUST execute it, with this token, and [`land`](Self::land) it. False:
    /// somebody else does, and will send word to `node`.
    pub fn board(&self, key: Digest, token: &CancelToken, sender: &Sender<M>, node: usize) -> bool {
        let mut flights = self.lock();
        if let Some(flight) = flights.get_mut(&key) {
            flight.waiting.push((sender.clone(), node));
            return false;
        }
        let flight = Flight {
            token: token.clone(),
            owner: Owner::Wants,
            waiting: Vec::new(),
        };
        flights.insert(key, flight);
        true
    }

    /// Ends a step; returns who waits for word of it.
    pub fn land(&self, key: &Digest) -> Vec<(Sender<M>, usize)> {
        self.lock()
            .remove(key)
            .map(|flight| flight.waiting)
            .unwrap_or_default()
    }

    /// The solve that executes a step does not want it any more: it is cancelled as soon as nobody waits for it.
    pub fn abandon(&self, key: &Digest) {
        let mut flights = self.lock();
        let Some(flight) = flights.get_mut(key) else {
            return;
        };
        flight.owner = Owner::GaveUp;
        let token = flight.waiting.is_empty().then(|| flight.token.clone());
        drop(flights);
        // Outside of the lock, as callbacks may be anything.
        token.iter().for_each(CancelToken::cancel);
    }

    /// Somebody who waits for a step does not want it any more.
    pub fn leave(&self, key: &Digest, sender: &Sender<M>, node: usize) {
        let mut flights = self.lock();
        let Some(flight) = flights.get_mut(key) else {
            return;
        };
        flight
            .waiting
            .retain(|(other, of)| !(other.same_channel(sender) && *of == node));
        let unwanted = flight.owner == Owner::GaveUp && flight.waiting.is_empty();
        let token = unwanted.then(|| flight.token.clone());
        drop(flights);
        token.iter().for_each(CancelToken::cancel);
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::unbounded;

    use super::*;

    #[test]
    fn a_step_is_cancelled_when_the_last_who_wants_it_is_gone() {
        let flights = Flights::<()>::default();
        let key = Digest::of(b"step");
        let ((first, _first), (second, _second)) = (unbounded(), unbounded());
        let token = CancelToken::new();
        assert!(flights.board(key, &token, &first, 0));
        assert!(!flights.board(key, &CancelToken::new(), &second, 0));
        assert!(!flights.board(key, &CancelToken::new(), &second, 1));
        flights.leave(&key, &second, 1);
        flights.abandon(&key);
        assert!(!token.is_cancelled(), "one still waits");
        flights.leave(&key, &first, 0);
        assert!(!token.is_cancelled(), "it did not wait at all");
        flights.leave(&key, &second, 0);
        assert!(token.is_cancelled());
        assert!(flights.land(&key).is_empty());
        assert!(flights.board(key, &token, &second, 0), "it is over");
    }

    #[test]
    fn those_who_wait_are_told_once() {
        let flights = Flights::default();
        let key = Digest::of(b"step");
        let (sender, receiver) = unbounded();
        let token = CancelToken::new();
        flights.board(key, &token, &sender, 0);
        flights.board(key, &token, &sender, 7);
        for (sender, node) in flights.land(&key) {
            sender.send(node).unwrap();
        }
        assert!(flights.land(&key).is_empty());
        flights.abandon(&key);
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [7]);
        assert!(!token.is_cancelled());
    }
}
