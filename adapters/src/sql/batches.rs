//! Common work: what comes while a batch is being done forms the next one. Nothing waits for company: an item that
//! finds nobody at work is a batch of its own.

use agentidp_core::ports::storage::StoreError;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Most items of a batch.
pub const MOST: usize = 256;
/// Most items that wait; who comes then waits for a place first.
const ROOM: usize = 1_024;

/// Who is told of the batches.
pub trait BatchObserver: Send + Sync {
    /// A batch of so many records was done, or failed, in `took`; `waiting` more have come meanwhile.
    fn batch(&self, records: usize, took: Duration, waiting: usize);
}

/// The observer, once there is one.
type Told = Arc<OnceLock<Arc<dyn BatchObserver>>>;

/// The batch is lost: its work panicked, or the process is ending.
#[derive(Debug, thiserror::Error)]
#[error("the batch was given up")]
struct Lost;

/// An item and who waits for it.
pub struct Job<T, A> {
    pub item: T,
    waiter: oneshot::Sender<Result<A, StoreError>>,
}

impl<T, A> Job<T, A> {
    /// Whether someone still waits.
    pub fn is_wanted(&self) -> bool {
        !self.waiter.is_closed()
    }

    /// Tells who waits how it ended.
    pub fn answer(self, result: Result<A, StoreError>) {
        // Whoever went away meanwhile needs no answer.
        let _ = self.waiter.send(result);
    }
}

/// Where items queue. Clones share the queue; the work ends when the last one is dropped and the queue is empty.
pub struct Batches<T, A> {
    queue: mpsc::Sender<Job<T, A>>,
    told: Told,
}

impl<T, A> Clone for Batches<T, A> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), told: Arc::clone(&self.told) }
    }
}

impl<T, A> std::fmt::Debug for Batches<T, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Batches")
    }
}

impl<T: Send + 'static, A: Send + 'static> Batches<T, A> {
    /// Starts the work: `act` is given each batch, one after the other, and answers its jobs.
    pub fn start<W, F>(act: W) -> Self
    where
        W: Fn(Vec<Job<T, A>>) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, queue) = mpsc::channel(ROOM);
        let told = Told::default();
        tokio::spawn(work(queue, act, Arc::clone(&told)));
        Self { queue: sender, told }
    }

    /// Tells `observer` of the batches from now on; the first one that is given stays.
    pub fn tell(&self, observer: Arc<dyn BatchObserver>) {
        let _ = self.told.set(observer);
    }

    /// Puts an item into the next batch and waits for its answer. Whoever stops waiting before the batch begins
    /// takes the item back.
    ///
    /// # Errors
    /// What the batch says of the item; [`StoreError::Unavailable`] if the batch is lost.
    pub async fn put(&self, item: T) -> Result<A, StoreError> {
        let lost = || StoreError::Unavailable(Box::new(Lost));
        let (waiter, answer) = oneshot::channel();
        self.queue.send(Job { item, waiter }).await.map_err(|_| lost())?;
        answer.await.unwrap_or_else(|_| Err(lost()))
    }
}

async fn work<T, A, W, F>(mut queue: mpsc::Receiver<Job<T, A>>, act: W, told: Told)
where
    T: Send + 'static,
    A: Send + 'static,
    W: Fn(Vec<Job<T, A>>) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut jobs = Vec::new();
    while queue.recv_many(&mut jobs, MOST).await > 0 {
        let batch: Vec<_> = jobs.drain(..).filter(Job::is_wanted).collect();
        if batch.is_empty() {
            continue;
        }
        let (records, start) = (batch.len(), Instant::now());
        // A task of its own: if it panics, its jobs are dropped, which answers those who wait, and the work goes on.
        let _ = tokio::spawn(act(batch)).await;
        if let Some(observer) = told.get() {
            observer.batch(records, start.elapsed(), queue.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tokio::sync::Semaphore;

    /// An item whose batch panics.
    const UNLUCKY: u32 = u32::MAX;

    /// Batches whose work waits for a permit each and keeps what it was given. [`UNLUCKY`] panics.
    struct Bench {
        batches: Batches<u32, ()>,
        gate: Arc<Semaphore>,
        written: Arc<Mutex<Vec<Vec<u32>>>>,
    }

    impl Bench {
        fn new() -> Self {
            let (gate, written) = (Arc::new(Semaphore::new(0)), Arc::new(Mutex::new(Vec::new())));
            let (passing, keeping) = (Arc::clone(&gate), Arc::clone(&written));
            let write = move |jobs: Vec<Job<u32, ()>>| {
                let (gate, written) = (Arc::clone(&passing), Arc::clone(&keeping));
                async move {
                    gate.acquire().await.unwrap().forget();
                    assert!(jobs.iter().all(|job| job.item != UNLUCKY), "unlucky");
                    written.lock().unwrap().push(jobs.iter().map(|job| job.item).collect());
                    jobs.into_iter().for_each(|job| job.answer(Ok(())));
                }
            };
            Self { batches: Batches::start(write), gate, written }
        }

        /// Puts an item in from a task of its own, and waits until it is in the queue or in work.
        async fn put(&self, item: u32) -> tokio::task::JoinHandle<Result<(), StoreError>> {
            let batches = self.batches.clone();
            let waiter = tokio::spawn(async move { batches.put(item).await });
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            waiter
        }
    }

    #[tokio::test]
    async fn what_comes_meanwhile_is_one_batch() {
        let bench = Bench::new();
        let mut waiters = vec![bench.put(0).await];
        for item in 1..=300 {
            waiters.push(bench.put(item).await);
        }
        bench.gate.add_permits(3);
        for waiter in waiters {
            waiter.await.unwrap().unwrap();
        }
        let written = bench.written.lock().unwrap().clone();
        assert_eq!(written, [vec![0], (1..=256).collect(), (257..=300).collect()]);
    }

    #[tokio::test]
    async fn a_panic_answers_its_batch_and_spares_the_next() {
        let bench = Bench::new();
        let first = bench.put(1).await;
        let lost = [bench.put(2).await, bench.put(UNLUCKY).await];
        bench.gate.add_permits(1);
        first.await.unwrap().unwrap();
        bench.gate.add_permits(1);
        for waiter in lost {
            assert!(matches!(waiter.await.unwrap(), Err(StoreError::Unavailable(_))));
        }
        bench.gate.add_permits(1);
        bench.put(3).await.await.unwrap().unwrap();
        assert_eq!(*bench.written.lock().unwrap(), [[1], [3]]);
    }

    #[tokio::test]
    async fn who_goes_away_takes_the_item_back_and_harms_nobody() {
        let bench = Bench::new();
        let working = bench.put(1).await;
        let (gone, stays) = (bench.put(2).await, bench.put(3).await);
        gone.abort();
        assert!(gone.await.is_err());
        working.abort();
        assert!(working.await.is_err());
        bench.gate.add_permits(2);
        stays.await.unwrap().unwrap();
        assert_eq!(*bench.written.lock().unwrap(), [[1], [3]], "what is in work is written all the same");
    }

    #[tokio::test]
    async fn a_full_queue_makes_wait_and_the_end_of_the_store_loses_nothing() {
        let bench = Bench::new();
        let working = bench.put(0).await;
        let room = u32::try_from(ROOM).unwrap();
        let mut waiters = Vec::new();
        for item in 1..=room {
            waiters.push(bench.put(item).await);
        }
        assert_eq!(bench.batches.queue.capacity(), 0);
        let beyond = bench.put(room + 1).await;
        assert!(!beyond.is_finished());
        let Bench { batches, gate, .. } = bench;
        drop(batches);
        gate.add_permits(ROOM);
        for waiter in [vec![working], waiters, vec![beyond]].into_iter().flatten() {
            waiter.await.unwrap().unwrap();
        }
    }
}
