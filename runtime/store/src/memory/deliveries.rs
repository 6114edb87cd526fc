//! Alerts on their way to the destinations.

use super::Tables;
use crate::AlertDelivery;
use pmflow_engine::Time;
use std::collections::BTreeMap;
use std::time::Duration;

/// By alert and destination.
pub(super) type Deliveries = BTreeMap<(i64, String), Delivery>;

#[derive(Debug, Default)]
pub(super) struct Delivery {
    tries: u32,
    next_at: Time,
    is_done: bool,
}

impl Tables {
    pub(super) fn take_alerts(&mut self, destinations: &[String], hold: Duration) -> Vec<AlertDelivery> {
        let now = self.now;
        self.deliveries.retain(|(_, destination), delivery| delivery.is_done || destinations.contains(destination));
        let mut taken = Vec::new();
        for alert in self.budgets.alerts.iter_mut().filter(|alert| alert.delivered_at.is_none()) {
            let mut is_done = !destinations.is_empty();
            for destination in destinations {
                let delivery = self.deliveries.entry((alert.id, destination.clone())).or_default();
                is_done &= delivery.is_done;
                if !delivery.is_done && delivery.next_at <= now {
                    (delivery.tries, delivery.next_at) = (delivery.tries.saturating_add(1), now.saturating_add(micros(hold)));
                    let (alert, destination) = (alert.clone(), destination.clone());
                    taken.push(AlertDelivery { alert, destination, tries: delivery.tries });
                }
            }
            if is_done {
                alert.delivered_at = Some(now);
            }
        }
        taken
    }

    pub(super) fn settle_alert(&mut self, alert: i64, destination: &str, failed: Option<(String, Duration)>) {
        let now = self.now;
        let Some(delivery) = self.deliveries.get_mut(&(alert, destination.to_owned())) else { return };
        match failed {
            None => delivery.is_done = true,
            Some((_, again_after)) => delivery.next_at = now.saturating_add(micros(again_after)),
        }
    }
}

fn micros(time: Duration) -> Time {
    Time::try_from(time.as_micros()).unwrap_or(Time::MAX)
}
