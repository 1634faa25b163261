//! What the server is: looked at whenever a connection to it was made.

use std::sync::{Arc, Weak};

use fred::interfaces::{ClientLike, EventInterface};

use crate::{StartError, link::Fault, shared::Shared};

/// What the queue needs to know of a server.
#[derive(Debug, PartialEq, Eq)]
struct Server {
    version: String,
    /// Whether it knows all commands that are used.
    new_enough: bool,
    /// What it does when its memory is full.
    policy: Option<String>,
}

impl Server {
    /// From what `INFO` answers; `None` when it names no version.
    fn of(info: &str) -> Option<Self> {
        let field = |name: &str| {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(|value| value.trim().to_owned())
        };
        let version = field("redis_version")?;
        let mut numbers = version.split('.').map(str::parse::<u32>);
        let mut number = || numbers.next().and_then(Result::ok).unwrap_or(0);
        let new_enough = (number(), number()) >= (6, 2);
        Some(Self {
            version,
            new_enough,
            policy: field("maxmemory_policy"),
        })
    }
}

/// Looks at the server, if it is there, and again after each reconnection.
pub(crate) async fn start(shared: &Arc<Shared>) -> Result<(), StartError> {
    let mut connected = shared.main.client.reconnect_rx();
    let first = tokio::time::timeout(
        shared.settings.timeout,
        shared.main.client.wait_for_connect(),
    );
    match first.await {
        Ok(Ok(())) => {
            if let Some(server) = look(shared).await
                && !server.new_enough
            {
                return Err(StartError::TooOld(server.version));
            }
        }
        Ok(Err(error)) => drop(shared.outage.failed(&error.into())),
        Err(_) => drop(
            shared
                .outage
                .failed(&Fault::Away("no connection in time".to_owned())),
        ),
    }
    let weak: Weak<Shared> = Arc::downgrade(shared);
    let closed = shared.closed.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                again = connected.recv() => {
                    if matches!(again, Err(tokio::sync::broadcast::error::RecvError::Closed)) {
                        return;
                    }
                }
                () = closed.cancelled() => return,
            }
            let Some(shared) = weak.upgrade() else { return };
            if let Some(server) = look(&shared).await
                && !server.new_enough
            {
                let needed = "6.2";
                tracing::error!(version = server.version, needed, "Redis is too old");
            }
        }
    });
    Ok(())
}

/// Asks the server about itself and which life it lives.
async fn look(shared: &Shared) -> Option<Server> {
    let answer = shared.main.call("INFO", Vec::new()).await;
    let info = shared.seen(answer).ok()?;
    let server = Server::of(&info.as_bytes_str()?)?;
    *shared.version.lock() = Some(server.version.clone());
    if server.new_enough {
        let _ = shared.seen(shared.open(&shared.main, &[]).await);
    }
    if let Some(policy) = &server.policy
        && policy != "noeviction"
    {
        tracing::warn!(
            policy,
            "Redis may evict keys when its memory is full: no run is lost, but evicted steps \
             wait until they are missed; set maxmemory-policy to noeviction"
        );
    }
    Some(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_policies_are_read() {
        let of = |info: &str| Server::of(info).unwrap();
        let server = of("# Server\r\nredis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\n");
        assert_eq!(
            server,
            Server {
                version: "7.0.15".to_owned(),
                new_enough: true,
                policy: Some("noeviction".to_owned()),
            }
        );
        assert!(!of("redis_version:6.0.16\n").new_enough);
        assert!(of("redis_version:6.2.0\n").new_enough);
        assert!(of("redis_version:10.0\n").new_enough);
        assert_eq!(of("redis_version:8.2.1\n").policy, None);
        assert_eq!(Server::of("# Server\n"), None);
    }
}
