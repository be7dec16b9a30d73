//! The contract suite of the store ports (`ports::storage`): a case for each MUST, on a database of its own.
//!
//! [`storage_contract!`](crate::storage_contract) makes one test of each case. Cases that race ask several things at
//! once by [`race`]; the database is what they race in.

pub mod agents;
pub mod audit;
pub mod bootstrap;
pub mod credentials;
pub mod custody;
pub mod idempotency;
pub mod keys;
pub mod make;
pub mod places;
pub mod tokens;

use crate::ports::custody::CustodyStore;
use crate::ports::storage::{
    AgentStore, AuditLog, CredentialStore, IdempotencyStore, KeyStore, StoreError, StoreHealth, TokenStore,
};
use std::future::Future;
use std::sync::Arc;
use std::task::Poll;

/// Every store port of one database, which nothing else uses.
#[derive(Clone)]
pub struct Stores {
    pub agents: Arc<dyn AgentStore>,
    pub credentials: Arc<dyn CredentialStore>,
    pub custody: Arc<dyn CustodyStore>,
    pub tokens: Arc<dyn TokenStore>,
    pub idempotency: Arc<dyn IdempotencyStore>,
    pub audit: Arc<dyn AuditLog>,
    pub keys: Arc<dyn KeyStore>,
    pub health: Arc<dyn StoreHealth>,
}

impl Stores {
    /// The ports of an adapter that implements all of them.
    pub fn of<T>(store: Arc<T>) -> Self
    where
        T: AgentStore
            + CredentialStore
            + CustodyStore
            + TokenStore
            + IdempotencyStore
            + AuditLog
            + KeyStore
            + StoreHealth
            + 'static,
    {
        Self {
            agents: store.clone(),
            credentials: store.clone(),
            custody: store.clone(),
            tokens: store.clone(),
            idempotency: store.clone(),
            audit: store.clone(),
            keys: store.clone(),
            health: store,
        }
    }
}

/// Runs all futures together and gives their results in order.
pub async fn race<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|future| Some(Box::pin(future))).collect();
    let mut results: Vec<_> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (slot, result) in running.iter_mut().zip(&mut results) {
            let Some(future) = slot else { continue };
            if let Poll::Ready(value) = future.as_mut().poll(context) {
                (*slot, *result) = (None, Some(value));
            }
        }
        if running.iter().any(Option::is_some) { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    results.into_iter().flatten().collect()
}

/// Of results of a race: how many succeeded. Every other MUST have failed as `expected`.
pub fn winners<T: std::fmt::Debug>(results: &[Result<T, StoreError>], expected: fn(&StoreError) -> bool) -> usize {
    let unexpected = results.iter().filter_map(|result| result.as_ref().err()).find(|error| !expected(error));
    assert!(unexpected.is_none(), "{unexpected:?}");
    results.iter().filter(|result| result.is_ok()).count()
}

/// Whether a change was made from another revision.
pub fn is_stale(error: &StoreError) -> bool {
    matches!(error, StoreError::Stale)
}

/// Whether a unique value is taken.
pub fn is_conflict(error: &StoreError) -> bool {
    matches!(error, StoreError::Conflict)
}

/// Whether a limit is reached.
pub fn is_limit(error: &StoreError) -> bool {
    matches!(error, StoreError::LimitReached)
}

/// Whether the idempotency key is in use.
pub fn is_replay(error: &StoreError) -> bool {
    matches!(error, StoreError::Replayed)
}

/// One test for each case, in a module of the given name. `$run` is an async function that makes a database, runs the
/// case on its [`Stores`](crate::contract::storage::Stores), and removes the database.
#[macro_export]
macro_rules! storage_contract {
    ($module:ident, $run:path) => {
        $crate::storage_contract!(@tests $module, $run,
            agents:
                a_new_agent_reads_back_as_it_was,
                duplicate_email_is_conflict,
                parallel_registrations_of_one_email_leave_one,
                an_owner_at_its_limit_gets_no_more_agents,
                the_owner_limit_holds_under_parallel_registrations,
                agents_are_listed_newest_first_and_ties_by_id,
                agent_pages_are_stable_under_inserts,
                agent_lists_show_only_the_owners_asked_for,
                each_agent_filter_narrows,
                text_is_found_without_case_and_without_wildcards,
                an_agent_update_of_another_revision_is_stale,
                parallel_updates_leave_one_winner_per_revision,
                a_changed_owner_may_meet_a_taken_email,
                decommissioning_revokes_every_live_credential,
                no_credential_survives_a_parallel_decommissioning,
                a_revocation_may_race_with_a_decommissioning;
            credentials:
                every_kind_of_secret_reads_back,
                a_credential_is_found_only_under_its_agent,
                a_credential_needs_an_active_agent_at_its_revision,
                the_credential_limit_counts_active_ones,
                the_credential_limit_holds_under_parallel_inserts,
                credentials_are_listed_newest_first_by_status,
                a_credential_update_of_another_revision_is_stale,
                parallel_rotations_leave_one_winner,
                a_rotation_needs_an_active_agent_at_its_revision,
                a_change_does_not_take_the_last_use_back,
                an_import_needs_an_active_agent_at_any_revision,
                an_expired_one_comes_back_only_if_there_is_room,
                legacy_gives_what_bcrypt_may_verify,
                legacy_is_in_use_while_a_bcrypt_secret_works,
                credentials_are_counted_by_backend_and_status;
            custody:
                an_announced_write_is_due_in_time_and_then_after_growing_pauses,
                a_write_is_claimed_by_its_id_at_any_time,
                a_claimed_write_says_where_it_was_to_lie,
                each_due_write_goes_to_one_claimant,
                writes_of_one_credential_take_turns,
                a_write_from_an_old_row_is_stale,
                a_change_commits_its_write,
                a_claimed_or_settled_write_is_not_committed,
                a_refused_change_leaves_its_write,
                a_claim_and_a_commit_exclude_each_other,
                what_is_pending_is_counted;
            places:
                a_revocation_makes_every_place_due,
                a_decommissioning_makes_the_places_of_its_agent_due,
                a_place_in_use_stays,
                a_place_stays_while_a_write_is_announced,
                each_due_place_goes_to_one_claimant;
            tokens:
                standing_tells_all_at_once,
                standing_is_none_for_strangers,
                an_issue_is_recorded_and_moves_the_last_use,
                a_use_without_an_issue_moves_the_last_use,
                a_quota_ends_within_its_month,
                a_quota_holds_under_parallel_issues,
                revoking_again_keeps_the_first_record,
                purging_removes_revocations_of_ended_tokens;
            idempotency:
                a_kept_result_reads_back_for_a_day,
                every_change_under_a_used_key_is_replayed,
                a_refused_change_keeps_no_key,
                parallel_twins_change_once,
                an_old_key_gives_way,
                purging_removes_results_older_than_a_day,
                purging_leaves_a_key_that_is_taken_over_meanwhile;
            audit:
                an_event_reads_back_as_it_was,
                events_are_appended_all_or_none,
                events_are_listed_newest_first_and_ties_by_id,
                event_pages_are_stable_under_appends,
                events_show_only_to_their_owners,
                each_event_filter_narrows,
                older_events_than_asked_for_are_hidden,
                pruning_removes_what_is_older_and_says_so,
                pruning_goes_on_to_the_end;
            keys:
                parallel_first_keys_leave_one,
                each_use_has_its_first_key_and_its_spare,
                keys_are_listed_oldest_first,
                a_key_is_added_beside_others_with_its_event,
                a_key_is_added_only_after_the_newest,
                parallel_successors_of_a_key_are_one,
                a_revoked_key_gives_way_to_another,
                the_last_key_that_signs_gives_way_to_the_spare,
                parallel_revocations_leave_a_key_that_signs,
                parallel_revocations_of_one_key_are_one,
                a_key_is_sealed_anew_once,
                master_keys_in_use_are_named,
                a_policy_is_kept_once_and_reads_back;
            bootstrap:
                the_database_answers,
                bootstrap_happens_once,
                it_is_known_whether_there_is_an_administrator,
                bootstrap_races_leave_one_administrator,
                a_suspended_administrator_does_not_count;
        );
    };
    (@tests $module:ident, $run:path, $($port:ident: $($case:ident),+);+ ;) => {
        mod $module {
            use super::*;
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    $run(|stores| async move { $crate::contract::storage::$port::$case(&stores).await }).await;
                }
            )+)+
        }
    };
}
