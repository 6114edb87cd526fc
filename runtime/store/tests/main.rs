//! The reference store, held to the same suite as every database.

use pmflow_store::MemoryStore;
use pmflow_store::conformance::Harness;
use std::time::Duration;

struct InMemory;

impl Harness for InMemory {
    type Store = MemoryStore;

    async fn fresh(&self) -> MemoryStore {
        let store = MemoryStore::new();
        store.set_now(1_800_000_000_000_000);
        store
    }

    async fn pass_time(&self, store: &MemoryStore, time: Duration) {
        store.set_now(store.now() + i64::try_from(time.as_micros()).expect("a test's time is short"));
    }

    async fn reopened(&self, store: MemoryStore) -> MemoryStore {
        store
    }
}

mod in_memory {
    pmflow_store::conformance_tests!(super::InMemory);
}
