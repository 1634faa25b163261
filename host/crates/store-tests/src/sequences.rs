//! Random sequences of calls, against a model of runs in memory.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use model::{
    flow::{Arrivals, Graph, Joins, Route, Signal, advance, final_state},
    id::{Ordinal, RunId, Token, WorkerId},
    state::{RunState, StepState},
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use store::runs::Completed;

use crate::{
    Store,
    build::{NOW, claim, end, graph, key, reclaim, run, states, submit, summary, worker},
};

#[derive(Clone, Debug)]
enum Call {
    Claim(u32),
    /// Ends a step: with its newest token, or the one before.
    End(u32, StepState, bool),
    Cancel,
    /// Stops one step.
    Revoke(u32),
    /// Gives back what lost workers hold.
    Reclaim,
    /// Ends as failed what lost workers hold.
    FailLost,
}

#[derive(Clone, Copy)]
struct Step {
    state: StepState,
    token: i64,
    arrivals: Arrivals,
}

/// What a run should be.
struct Model {
    graph: Arc<Graph>,
    steps: BTreeMap<u32, Step>,
    state: RunState,
}

impl Joins for Model {
    type Error = Infallible;
    fn arrive(
        &mut self,
        step: Ordinal,
        inputs: u32,
        signal: Signal,
    ) -> Result<Arrivals, Infallible> {
        let row = self.steps.entry(step.0).or_insert(Step {
            state: StepState::Pending,
            token: 0,
            arrivals: Arrivals::none(inputs),
        });
        row.arrivals = row.arrivals.with(signal);
        Ok(row.arrivals)
    }
}

impl Model {
    fn new(graph: &Arc<Graph>) -> Self {
        let mut model = Self {
            graph: Arc::clone(graph),
            steps: BTreeMap::new(),
            state: RunState::Queued,
        };
        for step in graph.roots() {
            model.set(step, StepState::Ready);
        }
        model
    }

    fn set(&mut self, step: Ordinal, state: StepState) {
        let row = self.steps.entry(step.0).or_insert(Step {
            state,
            token: 0,
            arrivals: Arrivals::none(0),
        });
        row.state = state;
    }

    fn claim(&mut self, step: u32) -> Option<Token> {
        let row = self.steps.get_mut(&step)?;
        if row.state != StepState::Ready {
            return None;
        }
        row.state = StepState::Running;
        row.token += 1;
        self.state = RunState::Running;
        Some(Token(row.token))
    }

    fn end(&mut self, step: u32, token: Token, state: StepState) -> Completed {
        match self.steps.get(&step) {
            Some(row) if row.state == StepState::Running && row.token == token.0 => {}
            _ => return Completed::Fenced,
        }
        self.set(Ordinal(step), state);
        let graph = Arc::clone(&self.graph);
        let Ok(next) = advance(&graph, Ordinal(step), state, &Route::All, self);
        for (unexecuted, state) in next.unexecuted() {
            self.set(unexecuted, state);
        }
        for &ready in &next.ready {
            self.set(ready, StepState::Ready);
        }
        let count = |wanted| {
            self.steps
                .values()
                .filter(|step| step.state == wanted)
                .count() as u32
        };
        let ended = self
            .steps
            .values()
            .filter(|step| step.state.is_final())
            .count();
        let ended = (ended == graph.len()).then(|| {
            let cancelled = count(StepState::Cancelled) > 0;
            final_state(
                cancelled,
                count(StepState::Failed),
                count(StepState::Warning),
            )
        });
        self.state = ended.unwrap_or(self.state);
        Completed::Stored {
            claimed: None,
            ready: next.ready,
            ended,
            handed: false,
        }
    }

    fn cancel(&mut self) -> Option<Vec<u32>> {
        if self.state.is_final() {
            return None;
        }
        self.state = RunState::Cancelled;
        let mut running = Vec::new();
        for (ordinal, step) in &mut self.steps {
            if step.state == StepState::Running {
                running.push(*ordinal);
            }
            if !step.state.is_final() {
                step.state = StepState::Cancelled;
            }
        }
        Some(running)
    }

    fn revoke(&mut self, step: u32) -> Option<(Token, Option<RunState>)> {
        let row = self.steps.get_mut(&step)?;
        let token = Token(row.token);
        if !matches!(row.state, StepState::Ready | StepState::Running) {
            return None;
        }
        // What follows from it is what follows from an attempt that ends as cancelled.
        row.state = StepState::Running;
        match self.end(step, token, StepState::Cancelled) {
            Completed::Stored { ready, ended, .. } => {
                assert!(ready.is_empty(), "what is stopped makes nothing ready");
                Some((token, ended))
            }
            Completed::Fenced => None,
        }
    }

    fn running(&self) -> Vec<(u32, Token)> {
        let running = |step: &&Step| step.state == StepState::Running;
        let steps = self.steps.iter().filter(|(_, step)| running(step));
        steps.map(|(n, step)| (*n, Token(step.token))).collect()
    }

    fn reclaim(&mut self) -> Vec<u32> {
        let mut given = Vec::new();
        for (ordinal, step) in &mut self.steps {
            if step.state == StepState::Running {
                step.state = StepState::Ready;
                given.push(*ordinal);
            }
        }
        given
    }
}

fn calls() -> impl Strategy<Value = (Vec<(u32, u32)>, Vec<Call>)> {
    let edges = prop::collection::vec((0..6_u32, 0..6_u32), 0..10).prop_map(|edges| {
        let forward = edges.into_iter().filter(|(from, to)| from != to);
        forward.map(|(a, b)| (a.min(b), a.max(b))).collect()
    });
    let state = prop_oneof![
        4 => Just(StepState::Success),
        1 => Just(StepState::Warning),
        1 => Just(StepState::Failed),
        1 => Just(StepState::Cancelled),
    ];
    let call = prop_oneof![
        10 => (0..6_u32).prop_map(Call::Claim),
        10 => (0..6_u32, state, prop::bool::weighted(0.9))
            .prop_map(|(step, state, newest)| Call::End(step, state, newest)),
        1 => Just(Call::Cancel),
        2 => (0..6_u32).prop_map(Call::Revoke),
        1 => Just(Call::Reclaim),
        1 => Just(Call::FailLost),
    ];
    (edges, prop::collection::vec(call, 1..60))
}

/// Each call answers what the model answers, and leaves what it leaves.
pub async fn any_sequence_of_calls_answers_as_the_model(store: Store) {
    let mut runner = TestRunner::new(Config::default());
    for _ in 0..100 {
        let (edges, calls) = calls().new_tree(&mut runner).unwrap().current();
        let plan = graph(6, &edges);
        let mut model = Model::new(&plan);
        let (number, _) = submit(&store, run(&plan)).await;
        for (at, call) in calls.iter().enumerate() {
            let place = format!("call {at} of {calls:?} on {edges:?}");
            play(&store, number, &mut model, call, &place).await;
        }
        // Nothing of this run is left for the next one's reclaim.
        assert_eq!(
            !store.cancel(number, NOW).await.unwrap().is_empty(),
            model.cancel().is_some()
        );
    }
}

async fn play(store: &Store, number: RunId, model: &mut Model, call: &Call, place: &str) {
    match *call {
        Call::Claim(step) => {
            // Its lease has ended, so that any reclaim gives the step away.
            let claimed = claim(store, key(number, step), WorkerId(1_000_000)).await;
            assert_eq!(
                claimed.map(|claimed| claimed.token),
                model.claim(step),
                "{place}"
            );
        }
        Call::End(step, state, newest) => {
            let token = model.steps.get(&step).map_or(0, |step| step.token);
            let token = Token(token - i64::from(!newest));
            let end = end(key(number, step), token, state, &model.graph);
            let answer = store.complete(end).await.unwrap();
            assert_eq!(answer, model.end(step, token, state), "{place}");
        }
        Call::Cancel => {
            let told = store.cancel(number, NOW).await.unwrap();
            let told = told.into_iter().next();
            let told = told.map(|run| run.running.iter().map(|(key, _)| key.step.0).collect());
            assert_eq!(told, model.cancel(), "{place}");
        }
        Call::Revoke(step) => {
            let plan = model.graph.clone();
            let answer = store.revoke(key(number, step), plan, NOW).await.unwrap();
            let answer = answer.map(|one| (one.token, one.ended));
            assert_eq!(answer, model.revoke(step), "{place}");
        }
        Call::FailLost => {
            worker(store, NOW).await;
            let lost = store.lost(NOW, 100).await.unwrap();
            let found: Vec<_> = lost.iter().map(|one| (one.key.step.0, one.token)).collect();
            assert_eq!(found, model.running(), "{place}");
            for one in lost {
                let failed = end(one.key, one.token, StepState::Failed, &model.graph);
                let answer = store.complete(failed).await.unwrap();
                let expected = model.end(one.key.step.0, one.token, StepState::Failed);
                assert_eq!(answer, expected, "{place}");
            }
        }
        Call::Reclaim => {
            worker(store, NOW).await;
            let given = reclaim(store, NOW, 100).await;
            let given: Vec<_> = given.iter().map(|step| step.key.step.0).collect();
            assert_eq!(given, model.reclaim(), "{place}");
        }
    }
    let expected: Vec<_> = model
        .steps
        .iter()
        .map(|(n, step)| (*n, step.state))
        .collect();
    assert_eq!(states(store, number).await, expected, "{place}");
    assert_eq!(summary(store, number).await.state, model.state, "{place}");
}
