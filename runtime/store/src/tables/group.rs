//! Group commit: what is written together, and where.

use std::future::Future;
use tokio::sync::mpsc::Receiver;

/// The next group, of so many jobs at most; none once nobody can want anything written any more.
pub async fn gathered<T>(waiting: &mut Receiver<T>, jobs_max: usize) -> Option<Vec<T>> {
    let mut group = vec![waiting.recv().await?];
    // Callers whom the last group has just answered get to queue up before this one starts.
    tokio::task::yield_now().await;
    while group.len() < jobs_max
        && let Ok(job) = waiting.try_recv()
    {
        group.push(job);
    }
    Some(group)
}

/// Runs a writer on a thread of its own. A group is a dozen statements, one after the other: were each answer to wait for its turn
/// among hundreds of callers that have something to do, the database would mostly stand still.
pub fn on_own_thread(writer: impl Future<Output = ()> + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return drop(tokio::spawn(writer)) };
    // A thread that cannot be had takes the writer with it: what waits for it is told that the store is closed.
    let _ = std::thread::Builder::new().name("pmflow-writer".to_owned()).spawn(move || runtime.block_on(writer));
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    #[tokio::test]
    async fn all_that_wait_go_together_the_oldest_first() {
        let (jobs, mut received) = mpsc::channel(512);
        for job in 0..401 {
            jobs.send(job).await.expect("there is room");
        }
        assert_eq!(gathered(&mut received, 400).await, Some((0..400).collect::<Vec<u32>>()));
        assert_eq!(gathered(&mut received, 400).await, Some(vec![400]));
        drop(jobs);
        assert_eq!(gathered(&mut received, 400).await, None);
    }

    #[tokio::test]
    async fn a_writer_works_beside_its_callers() {
        let (jobs, mut received) = mpsc::channel::<u32>(1);
        let (tell, told) = tokio::sync::oneshot::channel();
        on_own_thread(async move {
            let group = gathered(&mut received, 9).await;
            let _ = tell.send((group, std::thread::current().name().map(str::to_owned)));
        });
        jobs.send(7).await.expect("the writer lives");
        let told = told.await.expect("the writer answers");
        assert_eq!(told, (Some(vec![7]), Some("pmflow-writer".to_owned())));
    }
}
