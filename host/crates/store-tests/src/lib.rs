//! One contract suite for every backend of the store.
//!
//! A case is a public async function over [`store::Store`]; [`contract!`] makes a
//! test of each for one backend. This crate knows no backend, only where a test finds
//! the server that one needs ([`postgres`]): its own tests do.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic on what it did not expect"
)]
#![expect(
    clippy::missing_panics_doc,
    reason = "a case panics when its backend breaks the contract"
)]

use std::sync::Arc;

pub mod accounts;
pub mod asks;
pub mod attempts;
pub mod build;
pub mod bulk;
pub mod control;
pub mod joins;
pub mod kept;
pub mod limits;
pub mod lists;
pub mod pauses;
pub mod postgres;
pub mod processes;
pub mod races;
pub mod rates;
pub mod records;
pub mod schedules;
pub mod sequences;
pub mod submits;
pub mod waits;
pub mod webhooks;

/// A store of a test's own.
pub type Store = Arc<dyn store::Store>;

/// One test per case: `contract!(open)`, where `open()` is async and answers a store
/// of the test's own and a guard that keeps what lies under it.
#[macro_export]
macro_rules! contract {
    ($open:path) => {
        $crate::contract!(@ $open, submits:
            a_submit_is_there_when_it_answers,
            a_key_makes_one_run,
            a_plan_without_steps_ends_at_once,
            a_submit_can_claim,
            waiting_steps_come_in_pages,
            ten_thousand_submits_at_once,
        );
        $crate::contract!(@ $open, attempts:
            one_of_many_claims_wins,
            a_claim_brings_what_the_worker_needs,
            a_chain_goes_on_in_the_same_commit,
            a_late_completion_changes_nothing,
            an_ended_lease_gives_the_steps_away,
            reclaimed_steps_come_in_parts,
            a_forgotten_worker_is_still_reclaimed,
            a_worker_gives_back_what_it_knows_nothing_of,
            cancelling_ends_everything,
            cancelling_between_two_steps,
            an_ended_run_is_not_cancelled,
            log_lines_come_in_chunks,
            a_cancelled_attempt_keeps_its_log,
            outputs_come_in_the_order_asked_for,
        );
        $crate::contract!(@ $open, control:
            a_waiting_step_is_revoked,
            a_running_step_is_revoked,
            a_lost_attempt_fails,
            a_late_attempt_is_marked,
            runs_are_cancelled_in_parts,
        );
        $crate::contract!(@ $open, joins:
            a_join_is_ready_once_however_its_inputs_race,
            a_failure_skips_what_depends_on_it,
            a_warning_is_the_outcome,
            a_branch_that_is_not_chosen_is_not_taken,
            a_run_ends_where_no_branch_is_chosen,
        );
        $crate::contract!(@ $open, lists:
            pages_stay_while_new_runs_come,
            filters_narrow,
            the_last_run_of_each_application,
            a_span_is_summed_up,
            a_span_is_narrowed,
            all_runs_are_summed_up,
            expired_runs_are_forgotten,
            an_unfinished_run_does_not_expire,
            steps_are_told_by_event,
        );
        $crate::contract!(@ $open, waits:
            a_failed_attempt_is_followed_by_another,
            a_lost_attempt_is_no_wait,
            a_fenced_attempt_does_not_wait,
            a_waiting_step_is_stopped,
            due_steps_come_in_parts,
            a_parent_waits_for_its_children,
            a_parent_goes_on_in_parts,
            an_orphan_is_not_accepted,
            another_attempt_counts_its_own_children,
            descendants_of_ended_runs_are_cancelled,
            a_run_is_cancelled_with_its_children,
            children_are_kept_for_their_parent,
            a_run_can_be_of_one_step,
        );
        $crate::contract!(@ $open, records:
            a_save_makes_a_revision,
            a_conflict_is_refused,
            a_save_relies_on_others,
            a_deleted_document_keeps_its_revisions,
            documents_are_found_by_either_name,
            packs_are_stored_once,
            an_activation_is_whole_or_nothing,
            a_pinned_pack_is_not_deleted,
            records_expire,
            prefixes_are_taken_literally,
            pins_have_one_number,
        );
        $crate::contract!(@ $open, accounts:
            accounts_and_facts,
            sessions,
        );
        $crate::contract!(@ $open, processes:
            leases_end,
            lost_processes_are_told,
            a_cancellation_is_told_once,
            a_process_is_set,
            changes_are_counted,
            one_leads,
            one_of_many_leads,
            artefacts_are_kept_with_their_file,
        );
        $crate::contract!(@ $open, kept:
            a_run_starts_behind_its_kept_results,
            kept_results_disturb_no_other_submit,
        );
        $crate::contract!(@ $open, asks:
            a_decision_wakes_its_step,
            a_deadline_wakes_a_step_that_asks,
            a_stopped_step_asks_no_more,
            a_message_reaches_one_step,
            a_message_waits_for_its_step,
            a_message_counts_once,
            only_so_many_messages_are_kept,
            messages_and_steps_do_not_miss_each_other,
            what_is_asked_is_listed_in_parts,
        );
        $crate::contract!(@ $open, pauses:
            a_pause_holds_up_what_fits,
            a_paused_run_ends_its_step_and_starts_no_other,
            pauses_are_kept_apart,
        );
        $crate::contract!(@ $open, limits:
            a_line_is_served_in_its_order,
            a_wait_for_a_limit_counts_as_no_attempt,
            every_end_hands_the_place_on,
            a_place_is_kept_until_the_attempt_ends,
            limits_of_one_key_may_differ,
            ten_thousand_wait_for_one_key,
            a_fenced_attempt_takes_no_place,
            keys_are_seen_while_they_are_used,
            what_was_left_behind_is_given_back,
            what_follows_a_holder_asks_for_itself,
        );
        $crate::contract!(@ $open, rates:
            a_rate_is_kept,
            a_late_start_keeps_the_rate,
            a_cancelled_line_takes_no_time,
            a_step_may_have_both_limits,
        );
        $crate::contract!(@ $open, races:
            never_more_than_the_limit,
        );
        $crate::contract!(@ $open, schedules:
            a_schedule_is_saved,
            schedules_are_listed,
            scheduled_applications_are_told,
            an_occurrence_starts_one_run,
            many_schedulers_fire_once,
            a_changed_schedule_does_not_fire,
            an_occurrence_without_a_run_is_recorded,
            overlaps_are_decided_with_the_commit,
            only_so_many_wait,
            a_range_is_filled,
            a_pack_brings_schedules,
        );
        $crate::contract!(@ $open, bulk:
            progress_is_counted_once,
            runs_are_counted_as_they_are_listed,
            a_dead_letter_is_that_of_a_failed_step,
            a_dead_letter_is_taken_off_the_list,
        );
        $crate::contract!(@ $open, webhooks:
            a_webhook_is_saved,
            webhooks_are_listed,
            deliveries_are_recorded,
            the_log_of_deliveries_is_bounded,
        );
        $crate::contract!(@ $open, sequences:
            any_sequence_of_calls_answers_as_the_model,
        );
    };
    (@ $open:path, $module:ident: $($case:ident,)+) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let (store, _guard) = $open().await;
                    $crate::$module::$case(store).await;
                }
            )+
        }
    };
}
