//! The simulator finds what it is for: each deliberate defect of the engine breaks a promise in
//! one of the seeds that the tests explore.

use engine::simulation::Mutation;

use crate::{explore::explore, seeds::SEEDS};

/// The promise that the first seed breaks in which the defect shows.
fn found(mutation: Mutation) -> String {
    let mut seeds = 0..SEEDS;
    let broken = seeds.find_map(|seed| explore(seed, Some(mutation)).violation);
    let broken = broken.unwrap_or_else(|| panic!("{mutation:?} breaks nothing in {SEEDS} seeds"));
    println!("{mutation:?} shows in seed {}", seeds.start - 1);
    let what = broken.lines().next().unwrap_or_default();
    what.split(':').next().unwrap_or_default().to_owned()
}

#[test]
fn what_was_cancelled_executes_on() {
    assert_eq!(
        found(Mutation::IgnoresCancel),
        "a stopped run starts nothing"
    );
}

#[test]
fn a_step_starts_before_the_one_before_it_is_committed() {
    assert_eq!(
        found(Mutation::StartsBeforeCommit),
        "results before successors"
    );
}

#[test]
fn what_the_queue_lost_is_not_put_back() {
    assert_eq!(found(Mutation::LeavesLostSteps), "accepted runs end");
}

#[test]
fn a_parent_waits_with_its_slot() {
    assert_eq!(found(Mutation::WaitsWithSlot), "accepted runs end");
}

#[test]
fn a_schedules_run_is_accepted_apart_from_its_occurrence() {
    assert_eq!(found(Mutation::FiresApart), "exactly once");
}

#[test]
fn what_failed_for_good_is_tried_for_ever() {
    assert_eq!(found(Mutation::RetriesForEver), "limits");
}

#[test]
fn a_worker_without_a_lease_executes_on() {
    assert_eq!(found(Mutation::IgnoresLease), "fencing");
}

#[test]
fn a_step_does_not_wait_for_its_limit() {
    assert_eq!(found(Mutation::OvertakesLimits), "limits");
}

#[test]
fn a_step_keeps_its_place_when_it_has_ended() {
    let broken = found(Mutation::LeaksPlaces);
    assert!(
        ["limits", "accepted runs end"].contains(&broken.as_str()),
        "{broken}"
    );
}

#[test]
fn more_elements_are_under_way_than_may_be() {
    assert_eq!(found(Mutation::IgnoresParallel), "elements");
}

#[test]
fn two_decisions_count() {
    assert_eq!(found(Mutation::DecidesTwice), "one answer");
}
