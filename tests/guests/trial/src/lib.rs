//! Steps whose outcome and moment a test decides: they prove order, parallelism, failure and
//! masking from outside, through the whole service.

use std::thread;
use std::time::{Duration, Instant};

use powerflow_sdk::prelude::*;

/// How long a step waits for another one before it gives up.
const PATIENCE: Duration = Duration::from_secs(120);
const GLANCE: Duration = Duration::from_millis(20);

/// Returns a value as it was given.
#[derive(Step)]
pub struct Echo {
    /// Returned.
    #[param(default = Value::Null)]
    value: Value,
}

impl Execute for Echo {
    fn execute(&self, cx: &mut Context) -> Result<Output> {
        info!(cx, "the value is {}", self.value);
        Output::json(&self.value)
    }
}

/// Returns the data of all connected steps by their names.
#[derive(Step)]
pub struct Gather {
    /// Not used: it keeps the step from being given everything.
    #[param(default = Value::Null)]
    note: Value,
}

impl Execute for Gather {
    fn execute(&self, cx: &mut Context) -> Result<Output> {
        let mut all = json!({});
        for name in cx.connected()? {
            all[name] = cx.data::<Value>(name)?;
        }
        if !self.note.is_null() {
            info!(cx, "note {}", self.note);
        }
        Ok(Output::new(all))
    }
}

/// Ends with a warning.
#[derive(Step)]
pub struct Warn {
    /// The warning.
    #[param(default = "careful")]
    text: String,
}

impl Execute for Warn {
    fn execute(&self, _: &mut Context) -> Result<Output> {
        Ok(Output::new(json!({ "warned": true })).warning(&*self.text))
    }
}

/// Fails for good.
#[derive(Step)]
pub struct Fail {
    /// Why.
    #[param(default = "short and stout")]
    message: String,
}

impl Execute for Fail {
    fn execute(&self, _: &mut Context) -> Result<Output> {
        Err(Error::permanent(self.message.clone()).with_code("teapot"))
    }
}

/// Fails in its first attempts.
#[derive(Step)]
pub struct Flaky {
    /// In how many.
    failures: u32,
    /// With this code.
    #[param(default = "busy")]
    code: String,
    /// Whether it says that another attempt may succeed.
    #[param(default = true)]
    retryable: bool,
}

impl Execute for Flaky {
    fn execute(&self, cx: &mut Context) -> Result<Output> {
        let attempt = cx.run()?.attempt;
        info!(cx, "this is attempt {attempt}");
        if attempt > self.failures {
            return Ok(Output::new(json!({ "attempt": attempt })));
        }
        let message = format!("not in attempt {attempt}");
        let error = if self.retryable {
            Error::retryable(message)
        } else {
            Error::permanent(message)
        };
        Err(error.with_code(self.code.clone()))
    }
}

/// Starts child applications.
#[derive(Step)]
#[step(kind = "trigger")]
pub struct Launch {
    /// As the host takes it.
    request: Value,
}

impl Execute for Launch {
    fn execute(&self, _: &mut Context) -> Result<Output> {
        Output::start_children(&self.request)
    }
}

/// Ends when others are under way at the same time, and fails if they do not come.
#[derive(Step)]
pub struct Meet {
    /// The others' names in the application.
    others: Vec<String>,
}

impl Execute for Meet {
    fn execute(&self, cx: &mut Context) -> Result<Output> {
        let run = cx.run()?;
        cx.cache()
            .put(&format!("{}/{}", run.run_id, run.step), &true)?;
        for other in &self.others {
            wait_for(cx, &format!("{}/{other}", run.run_id))?;
        }
        Ok(Output::new(json!({ "met": self.others })))
    }
}

/// Waits until [`Release`] is executed with the same key, in whichever run.
#[derive(Step)]
pub struct Hold {
    /// The key.
    key: String,
}

impl Execute for Hold {
    fn execute(&self, cx: &mut Context) -> Result<Output> {
        cx.cache().put(&format!("{}/holding", self.key), &true)?;
        wait_for(cx, &self.key)?;
        Ok(Output::new(json!({ "released": self.key })))
    }
}

/// Lets [`Hold`] go on.
#[derive(Step)]
pub struct Release {
    /// The key.
    key: String,
}

impl Execute for Release {
    fn execute(&self, cx: &mut Context) -> Result<Output> {
        cx.cache().put(&self.key, &true)?;
        Ok(Output::empty())
    }
}

/// Takes its time.
#[derive(Step)]
pub struct Slow {
    /// How long.
    seconds: u64,
}

impl Execute for Slow {
    fn execute(&self, _: &mut Context) -> Result<Output> {
        thread::sleep(Duration::from_secs(self.seconds));
        Ok(Output::empty())
    }
}

/// Never ends: it computes, or sleeps.
#[derive(Step)]
pub struct Endless {
    /// Whether it computes all the time.
    #[param(default = false)]
    busy: bool,
}

impl Execute for Endless {
    fn execute(&self, cx: &mut Context) -> Result<Output> {
        info!(cx, "begins without an end");
        let mut number = 0_u64;
        loop {
            number = std::hint::black_box(number.wrapping_add(1));
            if !self.busy {
                thread::sleep(Duration::from_secs(3600));
            }
        }
    }
}

/// Gives away what it is given, in every way that a step has: log, standard output, cache,
/// data, error.
#[derive(Step)]
pub struct GiveAway {
    /// Taken as whatever the service makes of it.
    value: Value,
    /// Taken as a text.
    text: String,
    /// Taken as a secret.
    secret: Secret,
    /// Fail with it instead of returning it.
    #[param(default = false)]
    fail: bool,
}

impl Execute for GiveAway {
    fn execute(&self, cx: &mut Context) -> Result<Output> {
        let all = json!({
            "value": self.value,
            "text": self.text,
            "inside": format!("before {} after", self.text),
            "secret": self.secret.in_header(),
        });
        error!(cx, "{all}");
        warning!(cx, "the text is {} and the value {}", self.text, self.value);
        println!("{all}");
        eprintln!("{}", self.text);
        let run = &cx.run()?.run_id;
        let records = [
            (format!("{run}/all"), all.clone()),
            (format!("{run}/text"), json!(self.text)),
            (format!("{run}/{}", self.text), json!(true)),
        ];
        for (key, record) in records {
            match cx.cache().put(&key, &record) {
                Ok(()) => info!(cx, "{key} was cached"),
                Err(error) => info!(cx, "{key} was not cached: {error}"),
            }
        }
        // What was made with it, such as a token of a session, is no secret that is known.
        cx.cache().put(
            &format!("{run}/token"),
            &format!("token-{}", self.text.len()),
        )?;
        if self.fail {
            return Err(Error::permanent(format!("the text is {}", self.text))
                .with_code("given-away")
                .with_detail(all));
        }
        Ok(Output::new(all).warning(format!("careful with {}", self.text)))
    }
}

fn wait_for(cx: &Context, key: &str) -> Result<()> {
    let started = Instant::now();
    while cx.cache().get::<bool>(key)?.is_none() {
        if started.elapsed() > PATIENCE {
            return Err(Error::permanent(format!("nobody came for {key}")).with_code("alone"));
        }
        thread::sleep(GLANCE);
    }
    Ok(())
}

powerflow_sdk::syncpack!(
    Echo, Gather, Warn, Fail, Flaky, Launch, Meet, Hold, Release, Slow, Endless, GiveAway
);
