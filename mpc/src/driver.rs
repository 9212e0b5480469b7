//! How a state machine is driven: started once, one round at a time, over at the first fault.

use std::sync::{Mutex, PoisonError};

use crate::error::Fault;
use crate::wire::{Incoming, Outgoing};

/// What a round leads to.
pub(crate) enum Step<M: Machine> {
    /// Send these, then come back with the answers.
    Send(M, Vec<Outgoing>),
    /// The last round; nothing is left to send.
    Done(M::Output),
}

/// A protocol from one party's side. Each step consumes the state before it, so no step can run twice.
pub(crate) trait Machine: Sized + Send {
    /// What it ends with.
    type Output: Send;

    /// The first messages.
    fn start(self) -> Result<Step<Self>, Fault>;

    /// All messages of one round in, those of the next out.
    fn advance(self, messages: Vec<Incoming>) -> Result<Step<Self>, Fault>;
}

/// Boxed, so that what moves is a pointer and what is left behind is freed.
enum State<M: Machine> {
    Fresh(Box<M>),
    Waiting(Box<M>),
    Done(M::Output),
    Over,
}

/// A machine behind a lock. While a step runs the state is `Over`; after a fault or a panic it stays so.
///
/// What works, `start` and `advance`, is to be called inside `guard::guarded`.
pub(crate) struct Driver<M: Machine>(Mutex<State<M>>);

impl<M: Machine> Driver<M> {
    /// Ready to start.
    pub(crate) fn new(machine: M) -> Self {
        Self(Mutex::new(State::Fresh(Box::new(machine))))
    }

    fn swap(&self, state: State<M>) -> State<M> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), state)
    }

    /// Start, once.
    pub(crate) fn start(&self) -> Result<Vec<Outgoing>, Fault> {
        match self.swap(State::Over) {
            State::Fresh(machine) => self.settle(machine.start()),
            _ => Err(Fault::Session("the session was started before")),
        }
    }

    /// One round. `messages` may have failed to be messages at all; that ends the session as well.
    pub(crate) fn advance(&self, messages: Result<Vec<Incoming>, Fault>) -> Result<Vec<Outgoing>, Fault> {
        match self.swap(State::Over) {
            State::Waiting(machine) => self.settle(messages.and_then(|got| machine.advance(got))),
            State::Fresh(_) => Err(Fault::Session("the session was not started")),
            State::Done(_) | State::Over => Err(Fault::Session("the session is over")),
        }
    }

    /// What came of it, once.
    pub(crate) fn result(&self) -> Result<M::Output, Fault> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Over) {
            State::Done(output) => Ok(output),
            State::Over => Err(Fault::Session("the session is over")),
            unfinished => {
                *state = unfinished;
                Err(Fault::Session("the session is not finished"))
            }
        }
    }

    /// Whether a result waits.
    pub(crate) fn done(&self) -> bool {
        matches!(*self.0.lock().unwrap_or_else(PoisonError::into_inner), State::Done(_))
    }

    fn settle(&self, step: Result<Step<M>, Fault>) -> Result<Vec<Outgoing>, Fault> {
        match step? {
            Step::Send(machine, messages) => {
                self.swap(State::Waiting(Box::new(machine)));
                Ok(messages)
            }
            Step::Done(output) => {
                self.swap(State::Done(output));
                Ok(Vec::new())
            }
        }
    }
}
