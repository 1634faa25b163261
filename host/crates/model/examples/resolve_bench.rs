//! How long it takes to make a step's parameters:
//! `cargo run --release -p powerflow-model --example resolve_bench`.

use std::{hint::black_box, sync::Arc, time::Instant};

use model::{
    application::Application,
    configuration::Configuration,
    descriptor::StepDescriptor,
    id::Ordinal,
    mask::Masker,
    parameters::RunParameters,
    plan::{NoHandles, Plan, Scope},
    validate::{Lookup, Registry},
};
use serde_json::json;

struct Steps(Arc<StepDescriptor>);

impl Registry for Steps {
    fn step(&self, _: Option<&str>, _: &str) -> Lookup {
        Lookup::Found {
            syncpack: "bench".to_owned(),
            descriptor: Arc::clone(&self.0),
        }
    }
}

/// Prints the median of five rounds.
fn measure(name: &str, mut work: impl FnMut()) {
    const CALLS: u32 = 100_000;
    let mut rounds: Vec<f64> = (0..5)
        .map(|_| {
            let start = Instant::now();
            (0..CALLS).for_each(|_| work());
            start.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("{name:<48} {:>8.3} µs", rounds[2]);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let descriptor: StepDescriptor = serde_json::from_value(json!({"name": "S", "parameters": [
        {"name": "event", "type": "object", "required": true}, {"name": "field", "type": "string", "default": "x"},
        {"name": "url", "type": "string"}, {"name": "limit", "type": "integer", "default": 100},
    ]}))?;
    let application = Application::from_value(json!({"name": "bench", "steps": [
        {"name": "first", "file": "S"},
        {"name": "second", "file": "S", "data_from": ["first"], "event": "${first}"},
        {"name": "third", "file": "S", "data_from": ["second"], "event": "${second.event}",
         "field": "id ${second.event.id} of ${second.event.name}", "url": "${config.base}/table"},
    ]}))?;
    let plan = Plan::compile(&application, &Steps(Arc::new(descriptor)))
        .map_err(|all| format!("{all:?}"))?;
    let event =
        json!({"id": 4711, "name": "Ereignis", "text": "x".repeat(440), "tags": ["a", "b", "c"]});
    let text = json!({"event": event}).to_string();
    println!("document of {} bytes", event.to_string().len());
    let run = RunParameters::parse(text.as_str())?;
    let none = RunParameters::default();
    let configuration = Configuration::from_value(json!([
        {"name": "host", "value": "sl1.example"}, {"name": "base", "value": "https://${config.host}"},
        {"name": "password", "value": "correct horse battery", "encrypted": true},
    ]))?
    .resolve(|_, value| Ok(value.clone()))?;
    let outputs = vec![(Ordinal(0), event.to_string()), (Ordinal(1), text.clone())];
    let scope = |run| Scope {
        run,
        configuration: Some(&configuration),
        outputs: &outputs,
        secret: &[],
        secrets: &NoHandles,
        limit: Scope::LIMIT,
    };
    measure("parse run parameters", || {
        black_box(RunParameters::parse(black_box(text.as_str())).is_ok());
    });
    measure("check the run", || {
        black_box(plan.check(&run, Some(&configuration)).is_ok());
    });
    for (name, step, run) in [
        ("resolve: document from the run", 0, &run),
        ("resolve: a whole output", 1, &none),
        ("resolve: paths into an output, text, config", 2, &none),
    ] {
        measure(name, || {
            black_box(plan.steps[step].resolve(&scope(run)).is_ok());
        });
    }
    let masker = Masker::new(configuration.secrets())?;
    measure("mask the document", || {
        black_box(masker.mask_json(black_box(&text)));
    });
    measure("mask the document, no secrets", || {
        black_box(Masker::none().mask_json(black_box(&text)));
    });
    Ok(())
}
