//! What people and chance do to the service.

use std::time::Duration;

use engine::{
    CancelQuery, Decision, Engine, PauseQuery, RetryQuery, RunRequest, Signal, Signalled,
};
use model::id::{Ordinal, RunRef};
use serde_json::{Map, json};
use tokio::time::sleep;

use crate::{
    applications,
    explore::{Life, caller},
};

impl Life {
    /// Something that a person or chance does.
    pub(crate) async fn act(&mut self) {
        match self.world.chance.of(0..1000) {
            _ if self.world.hosts.iter().all(|host| host.process.is_none()) => self.restart().await,
            0..380 => self.submit(),
            380..450 => self.answer_something(),
            450..600 => self.stop_something(),
            600..680 => self.run_again(),
            680..740 => self.pause_or_resume(),
            740..770 => self.schedule(),
            770..800 => {
                let number = self.world.chance.of(0..self.applications);
                self.save(number).await;
            }
            800..880 => self.end_process().await,
            880..900 => self.restart().await,
            900..960 => self.cut(),
            960..975 => {
                self.world.journal.note("queues lost", &());
                self.world.broker.lose();
            }
            975..985 => self.set_clock(),
            _ => sleep(Duration::from_secs(30)).await,
        }
    }

    /// A request to a process that answers some; nobody waits for the answer here.
    fn ask<F>(&mut self, what: &'static str, request: impl FnOnce(Engine) -> F)
    where
        F: Future<Output = engine::Result<Option<RunRef>>> + Send + 'static,
    {
        let Some((engine, link)) = self.world.server() else {
            return;
        };
        self.world.journal.note(what, &());
        let (answers, request) = (self.answers.clone(), request(engine));
        // Once it has begun, it goes on without whoever asked for it.
        let asked = tokio::spawn(async move {
            if let Ok(Some(run)) = request.await {
                answers.lock().push(run);
            }
        });
        self.asked.push((link, asked));
    }

    fn submit(&mut self) {
        let number = self.world.chance.of(0..self.applications);
        let key = self.world.chance.happens(300).then(|| {
            // Some come twice, and to different processes.
            format!("key {number} {}", self.world.chance.of(0..4))
        });
        self.ask("requests to run", |engine| async move {
            let request = RunRequest {
                application: applications::name(number),
                params: Map::new(),
                idempotency_key: key,
            };
            Ok(Some(engine.run(&caller(), request).await?.run))
        });
    }

    /// One of the runs that have ended, or that have not.
    fn run_that_has(&mut self, ended: bool) -> Option<RunRef> {
        let mut runs = Vec::new();
        self.world.journal.check(|check| {
            runs = check.runs(ended);
            Ok(())
        });
        self.world.chance.pick(&runs).map(|(_, run)| *run)
    }

    fn stop_something(&mut self) {
        if self.world.chance.happens(300) {
            return self.revoke_something();
        }
        let Some(run) = self.run_that_has(false) else {
            return;
        };
        if self.world.chance.happens(100) {
            return self.ask("requests to cancel all", |engine| async move {
                let all = CancelQuery::default();
                engine.cancel_all(&caller(), &all).await.map(|_| None)
            });
        }
        self.ask("requests to cancel", |engine| async move {
            engine.cancel(&caller(), run).await.map(|()| None)
        });
    }

    fn revoke_something(&mut self) {
        let mut steps = Vec::new();
        self.world.journal.check(|check| {
            steps = check.open_steps();
            Ok(())
        });
        let Some((run, step)) = self.world.chance.pick(&steps).copied() else {
            return;
        };
        self.ask("requests to revoke", |engine| async move {
            let revoked = engine.revoke(&caller(), run.task(step)).await;
            revoked.map(|()| None)
        });
    }

    /// Somebody decides, or another system sends a message.
    fn answer_something(&mut self) {
        let mut undecided = Vec::new();
        self.world.journal.check(|check| {
            undecided = check.undecided();
            Ok(())
        });
        let decides = self.world.chance.happens(700);
        match self.world.chance.pick(&undecided).copied() {
            Some((run, step)) if decides => self.decide(run, step),
            _ => self.send_message(),
        }
    }

    /// One to three people decide at once.
    fn decide(&mut self, run: RunRef, step: Ordinal) {
        for _ in 0..self.world.chance.of(1..4) {
            let approve = self.world.chance.happens(700);
            let journal = self.world.journal.clone();
            self.ask("decisions", move |engine| async move {
                let decision = Decision {
                    approve,
                    ..Decision::default()
                };
                let task = run.task(step);
                engine.decide_step(&caller(), task, decision).await?;
                journal.check(|check| check.answered(run, step, approve));
                Ok(None)
            });
        }
    }

    fn send_message(&mut self) {
        let chance = &mut self.world.chance;
        let signal = Signal {
            key: applications::signal_key(chance),
            id: chance.happens(500).then(|| chance.of(0..5).to_string()),
            body: json!({}),
            keep: chance.millis(0..30_000),
        };
        let journal = self.world.journal.clone();
        self.ask("messages", |engine| async move {
            if let Signalled::Delivered(task) = engine.signal(&caller(), signal).await?
                && let Some((run, step)) = task.split()
            {
                journal.check(|check| check.answered(run, step, true));
            }
            Ok(None)
        });
    }

    fn run_again(&mut self) {
        let Some(run) = self.run_that_has(true) else {
            return;
        };
        if self.world.chance.happens(500) {
            return self.ask("requests to replay", |engine| async move {
                Ok(Some(engine.replay(&caller(), run).await?.run))
            });
        }
        let newest = self.world.chance.happens(300);
        self.ask("requests to retry", |engine| async move {
            let query = RetryQuery {
                newest,
                ..RetryQuery::default()
            };
            Ok(Some(engine.retry_run(&caller(), run, &query).await?.run))
        });
    }

    fn pause_or_resume(&mut self) {
        let query = PauseQuery {
            application: (self.world.chance.happens(500))
                .then(|| applications::name(self.world.chance.of(0..self.applications))),
            queue: (self.world.chance.happens(300)).then(|| "default".to_owned()),
            reason: String::new(),
        };
        if self.world.chance.happens(500) {
            return self.ask("requests to pause", |engine| async move {
                engine.pause(&caller(), query).await.map(|_| None)
            });
        }
        self.ask("requests to resume", |engine| async move {
            engine.resume(&caller(), &query).await.map(|()| None)
        });
    }

    fn schedule(&mut self) {
        let chance = &mut self.world.chance;
        let (number, period) = (chance.of(0..self.applications), chance.of(1..8));
        let name = format!("schedule{}", self.schedules.len());
        let overlap = chance.pick(&["allow", "skip", "queue", "cancel"]);
        let document = json!({
            "entry_id": name,
            "application_id": applications::name(number),
            "frequency": period,
            "overlap": overlap,
            "catch_up": "all",
            "catch_up_limit": 1000,
        });
        let each = *overlap.unwrap() != "cancel";
        self.schedules.insert(name, (period, each));
        self.ask("requests to schedule", |engine| async move {
            let text = document.to_string();
            let saved = engine
                .save_schedule(&caller(), None, &text, None, false)
                .await;
            saved.map(|_| None)
        });
    }

    async fn end_process(&mut self) {
        let host = self.world.chance.of(0..self.world.hosts.len() as u64) as usize;
        if self.world.chance.happens(200) {
            self.world.stop(host).await;
        } else {
            self.world.crash(host);
        }
        if self.world.chance.happens(700) {
            sleep(self.world.chance.millis(0..3000)).await;
            self.world.start(host).await;
        }
    }

    pub(crate) async fn restart(&mut self) {
        for host in 0..self.world.hosts.len() {
            self.world.start(host).await;
        }
    }

    fn cut(&mut self) {
        let length = self.world.chance.millis(50..15_000);
        let host = self.world.chance.of(0..self.world.hosts.len() as u64) as usize;
        if let Some(process) = &self.world.hosts[host].process {
            let number = process.number;
            self.world
                .journal
                .note("processes cut off", &(number, length));
            process.link.cut(length);
        }
    }

    /// Somebody sets the clock that all go by.
    fn set_clock(&mut self) {
        let by = self.world.chance.of(0..20_000_000) as i64 - 10_000_000;
        self.world.journal.note("clocks set", &by);
        self.world.journal.check(|check| {
            check.clock_was_set = true;
            Ok(())
        });
        self.world.time.set(by);
    }
}
