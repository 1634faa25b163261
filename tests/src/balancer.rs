//! A load balancer as operators put before the processes that answer requests: it asks each
//! for its readiness and gives new connections to those that are ready.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context;

use crate::http::Client;

/// Between two questions for readiness.
const PERIOD: Duration = Duration::from_millis(100);

#[derive(Default)]
struct State {
    /// The ports of those that were ready when they were asked last.
    ready: Mutex<Vec<u16>>,
    turn: AtomicUsize,
    ended: AtomicBool,
}

/// The balancer. Dropping it ends it.
pub struct Balancer {
    port: u16,
    state: Arc<State>,
}

impl Balancer {
    /// Listens on a free port for connections to the servers on these ports of the loopback
    /// interface.
    pub fn start(servers: Vec<u16>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
        let port = listener.local_addr()?.port();
        let state = Arc::<State>::default();
        look(&servers, &state)?;
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            while !shared.ended.load(Ordering::Relaxed) {
                thread::sleep(PERIOD);
                if look(&servers, &shared).is_err() {
                    return;
                }
            }
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.ended.load(Ordering::Relaxed) {
                    return;
                }
                carry(&client, &shared);
            }
        });
        Ok(Self { port, state })
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many servers were ready when they were asked last.
    pub fn ready(&self) -> usize {
        self.state.ready().len()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        // The listener waits for a connection.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl State {
    fn ready(&self) -> std::sync::MutexGuard<'_, Vec<u16>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn look(servers: &[u16], state: &State) -> anyhow::Result<()> {
    let mut ready = Vec::new();
    for &port in servers {
        let mut client = Client::new(&format!("http://127.0.0.1:{port}"))?;
        if let Ok(answer) = client.send("GET", "/readyz", &[], &[])
            && answer.status == 200
        {
            ready.push(port);
        }
    }
    *state.ready() = ready;
    Ok(())
}

/// Carries a connection to the next that is ready; closes it when there is none.
fn carry(client: &TcpStream, state: &State) {
    let turn = state.turn.fetch_add(1, Ordering::Relaxed);
    let chosen = {
        let ready = state.ready();
        ready.get(turn % ready.len().max(1)).copied()
    };
    let Some(port) = chosen else { return };
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    for (from, to) in [(client, &server), (&server, client)] {
        let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else {
            return;
        };
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}
