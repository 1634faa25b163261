//! Somebody between a process and PostgreSQL who loses answers: what was asked is done, and
//! whoever asked never learns it.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

/// What the answer to is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The commit of a transaction that has written several steps: at least one of them
    /// has a successor that was claimed with it.
    Commit,
    /// The statement that accepts runs and commits by itself.
    Acceptance,
}

/// What is written for some ten steps, in bytes.
const SEVERAL: usize = 8 << 10;

#[derive(Default)]
struct State {
    /// How many answers are still to be lost.
    commits: AtomicUsize,
    acceptances: AtomicUsize,
    lost: AtomicUsize,
    /// Until when those that write the hot path are kept out.
    closed_until: Mutex<Option<Instant>>,
    /// For how long they are kept out once an answer is lost.
    then_closed: Mutex<Duration>,
    ended: AtomicBool,
}

/// The relay. Dropping it lets no more connections through.
pub struct Relay {
    port: u16,
    state: Arc<State>,
}

impl Relay {
    /// Listens on a free port for connections to that one.
    pub fn start(server: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
        let port = listener.local_addr()?.port();
        let state = Arc::<State>::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.ended.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) else {
                    continue;
                };
                carry(client, server, &shared);
            }
        });
        Ok(Self { port, state })
    }

    /// Where it listens on the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Loses the next answers of a kind, and the connections with them. After each, whoever
    /// writes the hot path is kept out for a while.
    pub fn lose(&self, what: Lost, count: usize, then_closed: Duration) {
        *lock(&self.state.then_closed) = then_closed;
        match what {
            Lost::Commit => &self.state.commits,
            Lost::Acceptance => &self.state.acceptances,
        }
        .store(count, Ordering::SeqCst);
    }

    /// How many answers were lost.
    pub fn lost(&self) -> usize {
        self.state.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        // The listener waits for a connection.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn closed(&self) -> bool {
        lock(&self.closed_until).is_some_and(|until| Instant::now() < until)
    }

    /// Takes one of the answers that are to be lost.
    fn takes(&self, what: Lost) -> bool {
        let left = match what {
            Lost::Commit => &self.commits,
            Lost::Acceptance => &self.acceptances,
        };
        let taken = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        });
        if taken.is_ok() {
            self.lost.fetch_add(1, Ordering::SeqCst);
            let pause = *lock(&self.then_closed);
            if !pause.is_zero() {
                *lock(&self.closed_until) = Some(Instant::now() + pause);
            }
        }
        taken.is_ok()
    }
}

/// Carries a connection on two threads.
fn carry(client: TcpStream, server: TcpStream, state: &Arc<State>) {
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let mute = Arc::new(AtomicBool::new(false));
    let (Ok(client_too), Ok(server_too)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    let deaf = Arc::clone(&mute);
    thread::spawn(move || answers(server_too, client_too, &deaf));
    let state = Arc::clone(state);
    thread::spawn(move || {
        let _ = questions(&client, &server, &mute, &state);
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    });
}

/// What the server answers, until an answer is to be lost: the server's end of the connection
/// is read on, so that what was asked is done.
fn answers(mut server: TcpStream, mut client: TcpStream, mute: &AtomicBool) {
    let mut buffer = [0; 16 * 1024];
    loop {
        match server.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => {
                if mute.load(Ordering::SeqCst) {
                    // It has answered: what was asked is done.
                    break;
                }
                if client.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

/// What the client asks, message by message.
fn questions(
    mut client: &TcpStream,
    mut server: &TcpStream,
    mute: &AtomicBool,
    state: &State,
) -> io::Result<()> {
    // The first message has no kind.
    let first = body(client)?;
    server.write_all(&first)?;
    let mut accepting = HashSet::new();
    let mut hot = false;
    // How much the transaction has written.
    let mut written = 0;
    loop {
        let mut kind = [0];
        client.read_exact(&mut kind)?;
        let message = body(client)?;
        let content = &message[4..];
        let lost = match kind[0] {
            b'Q' => {
                hot |= contains(content, b"plan_cache_mode");
                if content.starts_with(b"BEGIN") {
                    written = 0;
                }
                let commit = hot && written >= SEVERAL && content.starts_with(b"COMMIT");
                commit && state.takes(Lost::Commit)
            }
            b'P' => {
                if contains(content, b"INSERT INTO run (") {
                    accepting.insert(text(content).to_vec());
                }
                false
            }
            b'B' => {
                written += content.len();
                let portal = text(content).len() + 1;
                let statement = text(&content[portal.min(content.len())..]);
                accepting.contains(statement) && state.takes(Lost::Acceptance)
            }
            _ => false,
        };
        if lost {
            mute.store(true, Ordering::SeqCst);
        } else if hot && state.closed() && !mute.load(Ordering::SeqCst) {
            return Ok(());
        }
        server.write_all(&kind)?;
        server.write_all(&message)?;
    }
}

/// A message's length, which counts itself, and its content.
fn body(mut from: &TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let size = u32::from_be_bytes(length) as usize;
    let mut message = vec![0; size.max(4)];
    message[..4].copy_from_slice(&length);
    from.read_exact(&mut message[4..])?;
    Ok(message)
}

fn text(content: &[u8]) -> &[u8] {
    content.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn contains(content: &[u8], wanted: &[u8]) -> bool {
    content.windows(wanted.len()).any(|part| part == wanted)
}
