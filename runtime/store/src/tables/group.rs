//! Group commit: what is written together, and where. Questions that are asked together, likewise.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

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

/// Questions that come while others are under way are answered together when these are: whoever is first asks for all.
#[derive(Debug)]
pub struct Together<Q, A> {
    waiting: Mutex<Vec<(Q, oneshot::Sender<A>)>>,
    turn: tokio::sync::Mutex<()>,
}

impl<Q, A> Default for Together<Q, A> {
    fn default() -> Together<Q, A> {
        Together { waiting: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }
}

impl<Q: Clone, A> Together<Q, A> {
    /// `all` gives the answers in the order of the questions.
    pub async fn ask<F: Future<Output = Vec<A>>>(&self, question: Q, all: impl Fn(Vec<Q>) -> F) -> A {
        loop {
            let (reply, mut answer) = oneshot::channel();
            self.waiting().push((question.clone(), reply));
            let turn = tokio::select! {
                biased;
                given = &mut answer => match given {
                    Ok(given) => return given,
                    // Who asked for all was dropped on the way.
                    Err(_) => continue,
                },
                turn = self.turn.lock() => turn,
            };
            let (questions, replies): (Vec<Q>, Vec<_>) = std::mem::take(&mut *self.waiting()).into_iter().unzip();
            if !questions.is_empty() {
                for (reply, given) in replies.into_iter().zip(all(questions).await) {
                    // Who does not wait any more does not want to know.
                    let _ = reply.send(given);
                }
            }
            drop(turn);
            if let Ok(given) = answer.await {
                return given;
            }
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<(Q, oneshot::Sender<A>)>> {
        // Nothing is done under the lock that could panic half way.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    async fn what_is_asked_meanwhile_is_answered_together() {
        let (together, asked) =
            (std::sync::Arc::new(Together::<u32, u32>::default()), std::sync::Arc::new(Mutex::new(Vec::new())));
        let (let_go, gate) = tokio::sync::watch::channel(false);
        let ask = |question: u32| {
            let (together, asked, gate) = (together.clone(), asked.clone(), gate.clone());
            tokio::spawn(async move {
                let all = |questions: Vec<u32>| {
                    asked.lock().expect("nothing panics").push(questions.clone());
                    let mut gate = gate.clone();
                    async move {
                        gate.wait_for(|open| *open).await.expect("it opens");
                        questions.iter().map(|question| question * 10).collect()
                    }
                };
                together.ask(question, all).await
            })
        };
        let first = ask(1);
        tokio::task::yield_now().await;
        let others: Vec<_> = (2..5).map(ask).collect();
        tokio::task::yield_now().await;
        // The one who asks for all is dropped: the next one does.
        first.abort();
        assert!(first.await.is_err());
        let_go.send_replace(true);
        for (other, answer) in others.into_iter().zip([20, 30, 40]) {
            assert_eq!(other.await.expect("it is answered"), answer);
        }
        assert_eq!(*asked.lock().expect("nothing panics"), [vec![1], vec![2, 3, 4]]);
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
