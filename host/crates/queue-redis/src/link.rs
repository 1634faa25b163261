//! Connections to Redis. Each call ends within the configured time, answered or not; one
//! that fails because Redis is away is not sent again later.

use std::time::Duration;

use fred::{
    clients::Client,
    error::{Error, ErrorKind},
    interfaces::ClientLike,
    types::{
        Builder, ClusterHash, CustomCommand, Value,
        config::{Config, Options, ReconnectPolicy, TcpConfig, UnresponsiveConfig},
    },
};
use tokio::task::JoinHandle;

use crate::{StartError, scripts::Script, settings::Settings, shared::jitter, tls};

/// The longest pause between two attempts to connect.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The group or stream is gone: Redis lost its data.
    #[error("{0}")]
    Gone(String),
    /// No answer, or one that says that the server is not ready.
    #[error("{0}")]
    Away(String),
    /// An answer that should not come: something is wrong with the server or with us.
    #[error("{0}")]
    Refused(String),
}

/// How errors of a server begin that pass.
const PASSING: [&str; 9] = [
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOAUTH",
    "NOREPLICAS",
    "READONLY",
    "TRYAGAIN",
];

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let text = error.details();
        if text.starts_with("NOGROUP") || text.starts_with("UNBLOCKED") {
            return Self::Gone(text.to_owned());
        }
        match error.kind() {
            ErrorKind::Timeout => Self::Away("no answer in time".to_owned()),
            ErrorKind::Canceled | ErrorKind::Routing => Self::Away("not connected".to_owned()),
            ErrorKind::Unknown
            | ErrorKind::InvalidCommand
            | ErrorKind::InvalidArgument
            | ErrorKind::Parse
                if !PASSING.iter().any(|passing| text.starts_with(passing)) =>
            {
                Self::Refused(text.to_owned())
            }
            _ => Self::Away(text.to_owned()),
        }
    }
}

/// An answer of an unexpected form.
pub(crate) fn strange(what: &str) -> Fault {
    Fault::Refused(format!("the server's answer is not understood: {what}"))
}

/// What connections are made from.
#[derive(Clone)]
pub(crate) struct Plug {
    builder: Builder,
    slot: u16,
    timeout: Duration,
}

impl Plug {
    pub(crate) fn new(settings: &Settings, slot: u16) -> Result<Self, StartError> {
        let mut config = settings.address.config.clone();
        if settings.address.tls {
            config.tls = Some(tls::config(settings.ca_file.as_deref())?);
        }
        let mut builder = Builder::from_config(config);
        let timeout = settings.timeout;
        builder.with_connection_config(|connection| {
            connection.connection_timeout = timeout;
            connection.internal_command_timeout = timeout;
            connection.max_command_attempts = 1;
            connection.tcp = TcpConfig {
                nodelay: Some(true),
                ..TcpConfig::default()
            };
        });
        Ok(Self {
            builder,
            slot,
            timeout,
        })
    }

    fn with(&self, change: impl FnOnce(&mut Config)) -> Builder {
        let mut builder = self.builder.clone();
        builder.with_config(change);
        builder
    }

    fn link(&self, client: Client, task: JoinHandle<()>) -> Link {
        Link {
            client,
            task,
            slot: self.slot,
            timeout: self.timeout,
        }
    }

    /// A connection that comes back by itself for ever; it may not be there yet.
    pub(crate) fn lasting(&self) -> Result<Link, Fault> {
        let mut builder = self.with(|config| config.fail_fast = false);
        let mut policy =
            ReconnectPolicy::new_exponential(0, 100, LONGEST_PAUSE.as_millis() as u32, 2);
        policy.set_jitter(200);
        builder.set_policy(policy);
        let stuck = self.timeout + self.timeout / 4;
        builder.with_connection_config(|connection| {
            connection.unresponsive = UnresponsiveConfig {
                max_timeout: Some(stuck),
                interval: Duration::from_secs(1),
            };
        });
        let client = builder.build()?;
        let task = tokio::spawn({
            let client = client.clone();
            async move {
                // The client gives up on faults that it takes for settings.
                loop {
                    Connection(client.connect()).ended().await;
                    tokio::time::sleep(jitter(LONGEST_PAUSE)).await;
                }
            }
        });
        Ok(self.link(client, task))
    }

    /// A connection that ends with its first fault.
    pub(crate) async fn single(&self) -> Result<Link, Fault> {
        let client = self.with(|config| config.fail_fast = true).build()?;
        let mut connection = Connection(client.connect());
        let task = tokio::spawn(async move { connection.ended().await });
        let link = self.link(client, task);
        match tokio::time::timeout(self.timeout * 2, link.client.wait_for_connect()).await {
            Ok(connected) => connected?,
            Err(_) => return Err(Fault::Away("no connection in time".to_owned())),
        }
        Ok(link)
    }
}

/// The client's own task; dropping it closes the connection at once.
struct Connection(JoinHandle<Result<(), Error>>);

impl Connection {
    async fn ended(&mut self) {
        let _ = (&mut self.0).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection. Dropping it closes it at once.
pub(crate) struct Link {
    pub(crate) client: Client,
    task: JoinHandle<()>,
    slot: u16,
    timeout: Duration,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Link {
    pub(crate) fn options(&self, waits: Duration) -> Options {
        Options {
            max_attempts: Some(1),
            timeout: Some(self.timeout + waits),
            fail_fast: true,
            ..Options::default()
        }
    }

    fn command(&self, name: &'static str, blocking: bool) -> CustomCommand {
        CustomCommand::new_static(name, ClusterHash::Custom(self.slot), blocking)
    }

    /// Sends a command about our keys.
    pub(crate) async fn call(&self, name: &'static str, args: Vec<Value>) -> Result<Value, Fault> {
        let client = self.client.with_options(&self.options(Duration::ZERO));
        Ok(client.custom(self.command(name, false), args).await?)
    }

    /// Sends a command that the server answers after `waits` at the latest.
    pub(crate) async fn wait(
        &self,
        name: &'static str,
        args: Vec<Value>,
        waits: Duration,
    ) -> Result<Value, Fault> {
        let client = self.client.with_options(&self.options(waits));
        Ok(client.custom(self.command(name, true), args).await?)
    }

    /// Sends commands in one go; their answers in order. `None`: the group or stream that one
    /// is about is gone.
    pub(crate) async fn calls(
        &self,
        commands: Vec<(&'static str, Vec<Value>)>,
    ) -> Result<Vec<Option<Value>>, Fault> {
        let client = self.client.with_options(&self.options(Duration::ZERO));
        let pipeline = client.pipeline();
        for (name, args) in commands {
            let _: () = pipeline.custom(self.command(name, false), args).await?;
        }
        let answers = tokio::time::timeout(self.timeout, pipeline.try_all::<Value>()).await;
        let Ok(answers) = answers else {
            return Err(Fault::Away("no answer in time".to_owned()));
        };
        let answers = answers.into_iter().map(|answer| match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error) => match Fault::from(error) {
                Fault::Gone(_) => Ok(None),
                fault => Err(fault),
            },
        });
        answers.collect()
    }

    /// Runs a script, which the server is sent only when it does not have it.
    pub(crate) async fn run(
        &self,
        script: &Script,
        keys: &[Value],
        args: impl IntoIterator<Item = Value>,
    ) -> Result<Value, Fault> {
        let mut all = Vec::with_capacity(keys.len() + 16);
        all.push(Value::from(script.digest.as_str()));
        all.push(Value::Integer(keys.len() as i64));
        all.extend(keys.iter().cloned());
        all.extend(args);
        match self.call("EVALSHA", all.clone()).await {
            Err(Fault::Refused(text)) if text.starts_with("NOSCRIPT") => {
                all[0] = Value::from_static_str(script.text);
                self.call("EVAL", all).await
            }
            other => other,
        }
    }
}
