//! A gzip writer that compresses in parallel: chunks of fixed size, each with the end of the one before it as its
//! dictionary, joined to one deflate stream (byte-aligned by empty stored blocks) in one gzip member (RFC 1951, 1952).
//! What it makes does not depend on the number of threads.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use flate2::{Compress, Crc, FlushCompress, Status};

/// Bytes that are compressed in one go.
const CHUNK: usize = 1 << 20;
/// How far deflate looks back.
const WINDOW: usize = 32 << 10;
/// More threads than this gain nothing: something else is the limit.
const MAX_THREADS: usize = 16;
/// No file name, no time, no hint about the compressor, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Compresses what is written to it.
pub(super) struct Writer<W: Write> {
    inner: W,
    level: u32,
    header_written: bool,
    /// The end of the chunk before the current one.
    window: Vec<u8>,
    chunk: Vec<u8>,
    crc: Crc,
    pool: Option<Pool>,
    /// The results of the chunks under way, in their order.
    under_way: VecDeque<Receiver<io::Result<Packed>>>,
}

struct Packed {
    data: Vec<u8>,
    crc: Crc,
}

struct Job {
    window: Vec<u8>,
    chunk: Vec<u8>,
    done: Sender<io::Result<Packed>>,
}

struct Pool {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(inner: W, level: u32) -> Self {
        Self {
            inner,
            level,
            header_written: false,
            window: Vec::new(),
            chunk: Vec::new(),
            crc: Crc::new(),
            pool: None,
            under_way: VecDeque::new(),
        }
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        let last = Packer::new(self.level).pack(&self.window, &self.chunk, FlushCompress::Finish)?;
        while !self.under_way.is_empty() {
            self.take_result()?;
        }
        self.put(last)?;
        self.inner.write_all(&self.crc.sum().to_le_bytes())?;
        self.inner.write_all(&self.crc.amount().to_le_bytes())?;
        Ok(self.inner)
    }

    /// Gives the full chunk to a thread, or compresses it here where there is only one processor.
    fn send_chunk(&mut self) -> io::Result<()> {
        let next_window = self.chunk[CHUNK - WINDOW..].to_vec();
        let window = std::mem::replace(&mut self.window, next_window);
        let threads = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(MAX_THREADS);
        if threads == 1 {
            let packed = Packer::new(self.level).pack(&window, &self.chunk, FlushCompress::Sync)?;
            self.chunk.clear();
            return self.put(packed);
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        let (done, result) = mpsc::channel();
        let pool = match &mut self.pool {
            Some(pool) => pool,
            None => self.pool.insert(Pool::new(threads, self.level)?),
        };
        pool.send(Job { window, chunk, done })?;
        self.under_way.push_back(result);
        while self.under_way.len() > threads * 2 {
            self.take_result()?;
        }
        Ok(())
    }

    fn take_result(&mut self) -> io::Result<()> {
        let Some(result) = self.under_way.pop_front() else {
            return Ok(());
        };
        let packed = result
            .recv()
            .map_err(|_| io::Error::other("a compressor thread ended early"))??;
        self.put(packed)
    }

    fn put(&mut self, packed: Packed) -> io::Result<()> {
        if !self.header_written {
            self.inner.write_all(&HEADER)?;
            self.header_written = true;
        }
        self.crc.combine(&packed.crc);
        self.inner.write_all(&packed.data)
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // A full chunk waits for the byte after it: the last one is compressed differently.
        if self.chunk.len() == CHUNK && !data.is_empty() {
            self.send_chunk()?;
        }
        let taken = data.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&data[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Pool {
    fn new(threads: usize, level: u32) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        let mut pool = Self {
            jobs: Some(jobs),
            threads: Vec::with_capacity(threads),
        };
        for _ in 0..threads {
            let queue = queue.clone();
            let work = move || {
                let mut packer = Packer::new(level);
                loop {
                    let job = queue.lock().unwrap_or_else(|poison| poison.into_inner()).recv();
                    let Ok(job) = job else { return };
                    // Nobody waits for the result any more when the writer was dropped.
                    let _ = job
                        .done
                        .send(packer.pack(&job.window, &job.chunk, FlushCompress::Sync));
                }
            };
            pool.threads
                .push(std::thread::Builder::new().name("gzip".to_owned()).spawn(work)?);
        }
        Ok(pool)
    }

    fn send(&self, job: Job) -> io::Result<()> {
        let sent = self.jobs.as_ref().map(|jobs| jobs.send(job));
        sent.and_then(Result::ok)
            .ok_or_else(|| io::Error::other("the compressor threads ended early"))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // The threads end when no job can come any more.
        self.jobs = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

struct Packer(Compress);

impl Packer {
    fn new(level: u32) -> Self {
        Self(Compress::new(flate2::Compression::new(level), false))
    }

    fn pack(&mut self, window: &[u8], chunk: &[u8], flush: FlushCompress) -> io::Result<Packed> {
        let compress = &mut self.0;
        compress.reset();
        if !window.is_empty() {
            compress.set_dictionary(window)?;
        }
        let mut data = Vec::with_capacity(chunk.len() / 2 + 256);
        loop {
            let consumed = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
            let status = compress.compress_vec(&chunk[consumed..], &mut data, flush)?;
            // Room left over says that everything is out.
            if status == Status::StreamEnd || (flush == FlushCompress::Sync && data.len() < data.capacity()) {
                break;
            }
            data.reserve(chunk.len() / 4 + 256);
        }
        let mut crc = Crc::new();
        crc.update(chunk);
        Ok(Packed { data, crc })
    }
}
