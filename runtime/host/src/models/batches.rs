//! Batches of model calls: handed to the provider, looked at until they have ended, and read.

use super::{Environment, Models, outcome};
use crate::clock;
use pmflow_engine::{BatchedCall, CallId, Event, ModelCall, ProviderBatch};
use pmflow_plan::{Failure, FailureClass};
use pmflow_providers::{BatchLook, Handed, Request, Taken};
use std::collections::BTreeMap;
use std::time::Duration;

/// Between two looks at a batch: the first, then half as long again each time.
const LOOK_AFTER: Duration = Duration::from_millis(250);
const LOOK_AFTER_MAX: Duration = Duration::from_secs(60);
/// A provider that does not know a batch says so this often before it is believed.
const UNKNOWN_MAX: u32 = 3;
/// A batch whose time is over is cancelled; its outcome is waited for this long, in microseconds.
const GRACE: i64 = 1_800_000_000;
const CANCEL_TRIES: u32 = 3;

impl Models {
    pub async fn submit(&self, calls: Vec<ModelCall>) -> Event {
        let mut events = Vec::new();
        let mut requests: Vec<Request> = Vec::new();
        let mut ids: Vec<CallId> = Vec::new();
        for call in calls {
            match self.request(&call) {
                Ok(request) => {
                    requests.push(request);
                    ids.push(call.call);
                }
                Err(failure) => events.push(Event::CallFailed { call: call.call, failure }),
            }
            // Counting the tokens of thousands of texts takes a while.
            tokio::task::yield_now().await;
        }
        for Handed { requests, outcome } in self.client.submit_batch(&requests, &Environment).await {
            let calls: Vec<CallId> = requests.into_iter().filter_map(|position| ids.get(position).cloned()).collect();
            match outcome {
                Ok(Taken::As(name)) => events.push(Event::BatchSubmitted { calls, batch: name.into() }),
                Ok(Taken::NoBatches) => events.push(Event::BatchRefused { calls }),
                Err(failure) => events.extend(failed(calls, &failure)),
            }
        }
        Event::Together(events)
    }

    /// Until the batch has ended: looking is repeated whatever goes wrong with it, for the provider works, and bills, meanwhile.
    pub async fn collect(&self, batch: ProviderBatch) -> Event {
        let Some(model) = self.model(&batch.model).cloned() else {
            let failure = Failure::unknown(FailureClass::Permission, format!("the plan has no model `{}`", batch.model));
            return Event::Together(failed(ids(&batch), &failure));
        };
        let awaited: BTreeMap<String, u64> =
            batch.calls.iter().map(|call| (call.idempotency_key.clone(), call.output_tokens_max)).collect();
        let until = batch.calls.iter().map(|call| call.until).max().unwrap_or(0);
        let (mut pause, mut unknown, mut is_cancelled) = (LOOK_AFTER, 0, false);
        loop {
            match self.client.look_at_batch(&model, &batch.name, &awaited, &Environment).await {
                Ok(BatchLook::Ended(mut answers)) => {
                    let answer = |call: BatchedCall| match answers.remove(&call.idempotency_key) {
                        Some(answer) => outcome(call.call, batch.model.clone(), answer),
                        None => {
                            let text = format!("the batch `{}` has no answer for `{}`", batch.name, call.call);
                            Event::CallFailed { call: call.call, failure: Failure::unknown(FailureClass::UnknownOutcome, text) }
                        }
                    };
                    return Event::Together(batch.calls.into_iter().map(answer).collect());
                }
                Ok(BatchLook::Working) => unknown = 0,
                // Made up, so nothing was billed.
                Ok(BatchLook::Unknown) if self.client.simulates(model.api) => return Event::BatchRefused { calls: ids(&batch) },
                Ok(BatchLook::Unknown) => unknown += 1,
                Err(failure) => tracing::warn!(batch = %batch.name, %failure, "a batch cannot be looked at"),
            }
            let now = clock::now();
            if unknown >= UNKNOWN_MAX {
                let text = format!("the provider of `{}` does not know the batch `{}` any more", batch.model, batch.name);
                return Event::Together(failed(ids(&batch), &Failure::unknown(FailureClass::UnknownOutcome, text)));
            }
            if now > until.saturating_add(GRACE) {
                let text = format!("the batch `{}` of `{}` did not end within its time", batch.name, batch.model);
                return Event::Together(failed(ids(&batch), &Failure::unknown(FailureClass::Timeout, text)));
            }
            if now > until && !is_cancelled {
                is_cancelled = true;
                self.cancel(batch.clone()).await;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LOOK_AFTER_MAX);
        }
    }

    /// Who collects the batch hears what became of it.
    pub async fn cancel(&self, batch: ProviderBatch) {
        let Some(model) = self.model(&batch.model) else { return };
        for _ in 0..CANCEL_TRIES {
            match self.client.cancel_batch(model, &batch.name, &Environment).await {
                Ok(()) => return,
                Err(failure) => tracing::warn!(batch = %batch.name, %failure, "a batch cannot be cancelled"),
            }
            tokio::time::sleep(LOOK_AFTER).await;
        }
    }
}

fn ids(batch: &ProviderBatch) -> Vec<CallId> {
    batch.calls.iter().map(|call| call.call.clone()).collect()
}

fn failed(calls: Vec<CallId>, failure: &Failure) -> Vec<Event> {
    calls.into_iter().map(|call| Event::CallFailed { call, failure: failure.clone() }).collect()
}
