//! What a subscriber may subscribe to, and how often.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use omq_tokio::{PeerAuthentication, SubscriptionRequest};

use crate::stages::publish::topic;

/// Subscriptions that one connection may make. Each costs up to [`topic::MAX_PREFIX_BYTES`] and a node of a tree.
pub(super) const MAX_SUBSCRIPTIONS: u32 = 4096;

/// Counts the subscriptions of each connection of a socket.
///
/// What is cancelled is not given back: the library tells of subscriptions only.
#[derive(Debug, Default)]
pub(super) struct Admission {
    /// A connection is known by what it was authenticated with, which lives as long as it does. The weak pointer
    /// keeps the address from being used again.
    made: Mutex<Vec<(Weak<PeerAuthentication>, u32)>>,
}

impl Admission {
    /// Whether the subscription is taken.
    pub(super) fn admits(&self, request: &SubscriptionRequest<'_>) -> bool {
        request.prefix.len() <= topic::MAX_PREFIX_BYTES
            && self.count(&request.peer.authentication) <= MAX_SUBSCRIPTIONS
    }

    fn count(&self, connection: &Arc<PeerAuthentication>) -> u32 {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let known = made
            .iter_mut()
            .find(|(known, _)| std::ptr::eq(known.as_ptr(), Arc::as_ptr(connection)));
        if let Some((_, count)) = known {
            *count = count.saturating_add(1);
            return *count;
        }
        made.retain(|(known, _)| known.strong_count() > 0);
        made.push((Arc::downgrade(connection), 1));
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_its_own_count_and_leaves_nothing_behind() {
        let admission = Admission::default();
        let [one, two] = [(); 2].map(|()| Arc::new(PeerAuthentication::default()));
        for expected in 1..=MAX_SUBSCRIPTIONS + 1 {
            assert_eq!(admission.count(&one), expected);
        }
        assert_eq!(admission.count(&two), 1);
        drop((one, two));
        admission.count(&Arc::new(PeerAuthentication::default()));
        assert_eq!(admission.made.lock().unwrap().len(), 1);
    }
}
