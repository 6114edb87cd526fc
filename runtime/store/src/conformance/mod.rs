//! One suite for every store. A store joins it with one line, in a test of its own crate:
//!
//! ```text
//! mod conformance { pmflow_store::conformance_tests!(super::MyHarness::default()); }
//! ```

pub mod budgets;
pub mod gates;
pub mod instances;
pub mod leases;
pub mod pruning;
pub mod reading;
pub mod requests;
pub mod runs;
pub mod samples;
pub mod triggers;

use crate::Store;
use std::future::Future;
use std::time::Duration;

/// What the suite needs of a store besides the store.
pub trait Harness: Send + Sync {
    type Store: Store;

    /// An empty store, for one case alone.
    fn fresh(&self) -> impl Future<Output = Self::Store> + Send;

    /// Makes the store believe that so much time has passed since its leases were granted.
    fn pass_time(&self, store: &Self::Store, time: Duration) -> impl Future<Output = ()> + Send;

    /// The same store after it was closed and opened again, where it has something that can be closed.
    fn reopened(&self, store: Self::Store) -> impl Future<Output = Self::Store> + Send;
}

/// Makes one `#[tokio::test]` of every case.
#[macro_export]
macro_rules! conformance_tests {
    ($harness:expr) => {
        $crate::conformance_tests! { @each $harness;
            runs::a_new_run_is_recovered_whole,
            runs::creating_a_run_twice_changes_nothing,
            runs::a_run_needs_its_plan,
            runs::a_plan_comes_back_as_it_was,
            runs::a_transition_that_does_not_follow_conflicts_alone,
            runs::transitions_of_one_run_follow_each_other_in_a_batch,
            runs::after_a_conflict_the_rest_of_the_run_conflicts,
            runs::what_ended_stays_ended,
            runs::a_failed_run_can_go_on,
            runs::a_batch_with_an_amount_too_large_stores_nothing,
            runs::a_result_is_recorded_once,
            runs::values_come_back_exactly,
            runs::many_runs_side_by_side_lose_nothing,
            instances::a_child_is_inserted_once,
            instances::a_refused_child_keeps_its_bindings,
            instances::ended_instances_leave_the_recovery,
            instances::an_ended_instance_can_be_put_back,
            instances::an_instance_may_live_and_end_in_one_batch,
            instances::yields_are_gathered_by_position,
            instances::outputs_of_a_called_flow_are_gathered_in_order,
            leases::a_second_process_is_told_who_executes_the_run,
            leases::a_lease_that_ran_out_goes_to_the_next,
            leases::a_holder_that_is_proved_dead_is_replaced_at_once,
            leases::who_lost_a_run_changes_nothing,
            leases::renewing_keeps_a_run,
            leases::a_released_run_is_free,
            leases::a_run_that_is_suspended_is_given_back_by_its_commit,
            leases::a_run_that_only_stood_still_within_a_batch_is_kept,
            leases::free_runs_are_claimed_oldest_first,
            leases::many_processes_share_what_is_free,
            leases::a_suspended_run_is_claimed_once_something_is_asked,
            requests::a_cancel_waits_until_it_is_taken_up,
            requests::a_run_that_ended_cannot_be_cancelled,
            requests::an_approval_is_decided_once,
            requests::an_approval_that_timed_out_cannot_be_decided,
            requests::limits_are_raised_one_after_the_other,
            requests::a_request_survives_a_conflict,
            reading::runs_are_listed_newest_first_in_pages,
            reading::steps_are_listed_in_pages,
            reading::failed_items_are_listed_with_their_input,
            reading::outputs_are_listed_in_order_over_runs,
            reading::outputs_are_filtered,
            reading::outputs_of_called_flows_are_not_listed,
            reading::the_ledger_replays_to_the_account,
            reading::the_cache_forgets_by_age,
            reading::history_sums_what_prompts_came_to,
            reading::unknown_runs_are_named,
            budgets::what_a_run_does_not_use_goes_back,
            budgets::a_draw_that_does_not_fit_waits_or_is_refused,
            budgets::many_runs_never_overrun_a_budget,
            budgets::a_budgets_ledger_replays_to_its_account,
            budgets::a_standing_limit_goes_before_the_plans,
            budgets::a_raised_limit_is_for_its_period,
            budgets::an_alert_is_raised_once,
            budgets::a_breach_is_told_of_once_for_each_flow_model_and_day,
            budgets::who_lost_a_run_draws_nothing,
            budgets::spending_is_summed_by_day_flow_model_and_person,
            triggers::a_deployment_stands_until_it_is_taken_back,
            triggers::a_schedule_is_decided_on_once,
            triggers::a_trigger_goes_its_way_once,
            triggers::deliveries_are_known_again_and_counted,
            triggers::deaths_in_a_row_are_counted,
            triggers::an_alert_reaches_each_destination,
            gates::turns_are_given_once_however_many_ask,
            gates::teams_share_turns_between_processes,
            gates::what_one_process_hears_all_know,
            pruning::payloads_of_ended_runs_go_and_the_rest_stays,
            pruning::only_what_ended_and_nobody_holds_is_pruned,
            pruning::what_is_taken_over_from_stays_whole,
            pruning::money_stays_longer_than_the_run_that_spent_it,
            pruning::a_budget_is_right_after_its_runs_are_pruned,
            pruning::plans_go_once_nothing_needs_them,
            pruning::only_the_flow_that_is_named_is_pruned,
            pruning::pruning_at_any_moment_changes_nothing_for_live_runs,
            pruning::several_processes_may_prune_at_once,
            pruning::the_ledger_is_kept_thirteen_months_whatever_is_asked,
        }
    };
    (@each $harness:expr; $($module:ident :: $case:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::conformance::$module::$case(&$harness).await;
            }
        )*
    };
}
