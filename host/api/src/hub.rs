//! From the agent's worker to the clients.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serin_event::Event;
use serin_message::to_message;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::proto::get_events_response::Event as Kind;
use crate::proto::loss::At;
use crate::proto::{GetEventsResponse, Loss};

/// Events that may wait for one client. All clients share them.
pub(crate) const QUEUE: usize = 4_096;
/// Clients that may follow the events at once.
pub(crate) const MAX_CLIENTS: usize = 128;

/// Hands events to everybody who follows them.
#[derive(Debug, Default)]
pub struct Hub {
    clients: Mutex<Vec<Client>>,
    /// Length of `clients`, to be looked at without the lock.
    count: AtomicUsize,
    sent: AtomicU64,
    lost: AtomicU64,
}

/// What the hub has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HubCounters {
    /// Clients that follow events now.
    pub clients: usize,
    /// Events put into queues, one for each client.
    pub sent: u64,
    /// Events that found a client's queue full, one for each client.
    pub lost: u64,
}

#[derive(Debug)]
struct Client {
    queue: Sender<Arc<GetEventsResponse>>,
    /// Events that did not fit since the last that did.
    lost: u64,
    /// It has been said that it is slow.
    slow: bool,
}

/// A client's end of its queue.
pub(crate) type Subscription = Receiver<Arc<GetEventsResponse>>;

impl Hub {
    /// Hands a batch to all clients. Never waits for any.
    pub fn publish(&self, events: &[Event]) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut clients = self.lock();
        for event in events {
            let message = Arc::new(to_message(event));
            clients.retain_mut(|client| self.send(client, &message));
        }
        self.count.store(clients.len(), Ordering::Release);
    }

    /// Ends all streams, once what waits has been sent.
    pub(crate) fn close(&self) {
        self.lock().clear();
        self.count.store(0, Ordering::Release);
    }

    /// What it has done so far.
    pub fn counters(&self) -> HubCounters {
        HubCounters {
            clients: self.count.load(Ordering::Acquire),
            sent: self.sent.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
        }
    }

    /// A new client; `None` if there are too many.
    pub(crate) fn subscribe(&self) -> Option<Subscription> {
        let mut clients = self.lock();
        clients.retain(|client| !client.queue.is_closed());
        if clients.len() >= MAX_CLIENTS {
            return None;
        }
        let (queue, subscription) = channel(QUEUE);
        clients.push(Client { queue, lost: 0, slow: false });
        self.count.store(clients.len(), Ordering::Release);
        Some(subscription)
    }

    /// Whether the client is still there.
    fn send(&self, client: &mut Client, message: &Arc<GetEventsResponse>) -> bool {
        match client.send(message) {
            Ok(()) => {
                self.sent.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(TrySendError::Full(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }

    /// A thread that panicked leaves the list as it is: nothing in it can be half done.
    fn lock(&self) -> MutexGuard<'_, Vec<Client>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// Puts a message into the queue, after the loss that is to be told first.
    fn send(&mut self, message: &Arc<GetEventsResponse>) -> Result<(), TrySendError<Arc<GetEventsResponse>>> {
        let sent = match self.lost {
            0 => Ok(()),
            lost => self.queue.try_send(Arc::new(loss(lost, message))).inspect(|()| self.lost = 0),
        };
        let sent = sent.and_then(|()| self.queue.try_send(Arc::clone(message)));
        if let Err(TrySendError::Full(_)) = sent {
            self.lost += 1;
            if !std::mem::replace(&mut self.slow, true) {
                tracing::warn!("a client of the API reads too slowly and loses events");
            }
        }
        sent
    }
}

/// That a client has lost events just before this one.
fn loss(count: u64, before: &GetEventsResponse) -> GetEventsResponse {
    GetEventsResponse {
        event: Some(Kind::Loss(Loss { at: Some(At::Client(true)), count })),
        node_name: before.node_name.clone(),
        time: before.time,
        aggregation_info: None,
        serin: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serin_event::EventKind;

    use super::*;

    fn events(count: usize) -> Vec<Event> {
        let event = Event {
            time: 0,
            node_name: "gull".into(),
            kind: EventKind::Exec,
            process: None,
            parent: None,
            tid: 0,
            annotations: Vec::new(),
            alerts: Vec::new(),
        };
        vec![event; count]
    }

    #[test]
    fn what_does_not_fit_is_counted_and_stops_nobody() {
        let hub = Hub::default();
        let (slow, mut quick) = (hub.subscribe().unwrap(), hub.subscribe().unwrap());
        hub.publish(&events(QUEUE));
        while quick.try_recv().is_ok() {}
        hub.publish(&events(10));
        assert_eq!((slow.len(), quick.len()), (QUEUE, 10));
        let sent = (2 * QUEUE + 10) as u64;
        assert_eq!(hub.counters(), HubCounters { clients: 2, sent, lost: 10 });
    }

    #[test]
    fn a_loss_is_told_where_it_happened() {
        let hub = Hub::default();
        let mut client = hub.subscribe().unwrap();
        hub.publish(&events(QUEUE + 10));
        (0..QUEUE).for_each(|_| assert!(lost(&mut client).is_none()));
        hub.publish(&events(2));
        let told: Vec<_> = (0..3).map(|_| lost(&mut client)).collect();
        assert_eq!(told, [Some(10), None, None]);
    }

    /// How many events the next message says were lost.
    fn lost(client: &mut Subscription) -> Option<u64> {
        match &client.try_recv().unwrap().event {
            Some(Kind::Loss(Loss { at: Some(At::Client(true)), count })) => Some(*count),
            _ => None,
        }
    }

    #[test]
    fn clients_that_have_gone_make_room() {
        let hub = Hub::default();
        let mut clients: Vec<_> = (0..MAX_CLIENTS).map(|_| hub.subscribe().unwrap()).collect();
        assert!(hub.subscribe().is_none());
        clients.pop();
        assert!(hub.subscribe().is_some());
        clients.clear();
        hub.publish(&events(1));
        assert_eq!(hub.counters().clients, 0);
    }

    #[test]
    fn closing_ends_streams_after_what_waits() {
        let hub = Hub::default();
        let mut client = hub.subscribe().unwrap();
        hub.publish(&events(1));
        hub.close();
        assert!(client.blocking_recv().is_some());
        assert!(client.blocking_recv().is_none());
    }
}
