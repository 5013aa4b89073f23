//! One suite of contracts for every backend, and what only a file can get wrong.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod api_keys;
#[cfg(test)]
mod backend;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod consents;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod files;
#[cfg(test)]
mod grants;
#[cfg(test)]
mod passwords;
#[cfg(test)]
mod people;
#[cfg(test)]
mod revocations;
#[cfg(test)]
mod sign_ins;
#[cfg(test)]
mod signing_keys;
#[cfg(test)]
mod subject_keys;
#[cfg(test)]
mod subjects;
#[cfg(test)]
mod tickets;
#[cfg(test)]
mod users;
#[cfg(test)]
mod vault_keys;
#[cfg(test)]
mod vault_tokens;

/// Runs every case on every backend. A case that is missing here is dead code, which is an error.
#[cfg(test)]
macro_rules! contract {
    ($($module:ident { $($case:ident),+ $(,)? })+) => {
        mod memory {
            $(mod $module { $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $case() { crate::$module::$case(crate::backend::memory()).await; }
            )+ })+
        }
        mod sqlite {
            $(mod $module { $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $case() { crate::$module::$case(crate::backend::sqlite().await).await; }
            )+ })+
        }
    };
}

#[cfg(test)]
contract! {
    users {
        a_user_is_found_by_id_and_by_username_as_it_was_added,
        an_id_or_username_that_is_taken_is_refused_and_nothing_changes,
        an_empty_id_or_username_is_refused,
        users_are_listed_by_username_a_page_at_a_time,
        a_change_replaces_only_what_it_names,
        changing_or_removing_nobody_is_missing,
        removing_a_user_takes_password_and_api_keys_along,
        any_text_is_kept_whole,
        a_username_that_many_want_is_given_once,
        changes_that_many_make_at_once_are_all_kept,
        the_epoch_rises_with_every_change_but_a_sign_in,
        errors_and_debug_output_carry_no_values,
    }
    passwords {
        the_last_password_is_the_only_one,
        a_password_without_a_user_is_missing,
        of_many_passwords_at_once_one_is_kept_whole,
        a_password_raises_the_epoch,
    }
    api_keys {
        a_key_is_found_as_it_was_added,
        a_taken_id_exists_and_an_unknown_user_is_missing,
        keys_are_listed_oldest_first_and_by_user,
        a_key_is_revoked_once_and_keeps_the_moment,
        the_epoch_rises_when_a_key_is_added_or_revoked,
    }
    signing_keys {
        the_key_before_turns_to_retiring_in_the_same_step,
        only_if_none_leaves_an_active_key_alone,
        of_many_first_keys_at_once_one_is_activated,
        of_many_rotations_at_once_one_key_stays_active,
        a_retired_key_has_no_private_part,
        an_active_a_missing_and_a_retired_key_are_told_apart,
        keys_are_listed_oldest_first,
        the_epoch_rises_when_keys_change,
        a_key_comes_next_before_it_signs,
        a_key_that_comes_next_is_retired_without_having_signed,
        of_many_that_turn_keys_at_once_one_does,
    }
    revocations {
        every_kind_is_listed_as_it_was_added,
        a_second_revocation_keeps_the_earlier_moment_and_for_a_subject_the_later,
        the_longer_until_wins,
        a_revocation_stands_until_its_end_and_is_then_forgotten,
        a_stop_is_lifted_once_and_a_revocation_never,
        the_earliest_of_many_at_once_is_kept,
        the_epoch_rises_with_revocations_and_stops_but_not_with_forgetting,
        the_epoch_never_falls_and_counts_every_change_made_at_once,
    }
    subjects {
        the_first_name_of_a_person_stays,
        of_many_names_at_once_all_get_the_same,
        an_erased_person_is_found_without_a_key,
        a_name_in_use_is_not_given_to_another_person,
        a_new_person_raises_no_epoch,
    }
    subject_keys {
        every_version_is_kept_and_the_first_of_each_stays,
        of_many_first_keys_at_once_all_get_the_same,
        a_destroyed_key_stays_destroyed,
        nothing_of_a_destroyed_key_is_left_in_the_files,
        a_key_that_races_its_destruction_does_not_stand_after_it,
        the_epoch_of_keys_rises_with_each_destroyed_key_only,
        a_restriction_comes_and_goes_and_raises_the_epoch_of_keys,
        a_key_is_rewrapped_only_from_what_it_was,
        keys_are_listed_by_person_a_page_at_a_time,
    }
    people {
        a_person_is_found_by_any_of_its_names,
        a_name_belongs_to_one_person,
        of_many_registered_at_once_one_stands,
        a_hold_stands_against_an_erasure_until_it_is_released,
        of_a_hold_and_an_erasure_at_once_one_comes_first,
        an_erasure_goes_on_where_it_stood_and_keeps_its_certificate,
        an_erased_person_comes_back_only_as_another,
        copies_of_keys_are_listed_until_they_expire,
        keys_of_old_are_dropped_without_a_trace,
    }
    vault_keys {
        a_key_is_found_by_name_and_id_as_it_was_added,
        the_first_key_of_a_name_stays,
        of_many_first_keys_at_once_all_get_the_same,
        a_taken_or_empty_id_is_refused,
        keys_are_listed_by_tenant_purpose_and_kind,
        versions_are_added_one_after_the_other,
        of_many_rotations_at_once_one_is_made,
        a_change_replaces_only_what_it_names,
        what_is_due_is_destroyed_for_good,
        wrappings_are_replaced_all_or_none,
        no_nonce_is_given_out_twice,
        what_is_missing_is_said_to_be,
        the_epoch_rises_when_keys_change,
    }
    vault_tokens {
        a_token_is_found_as_it_was_put,
        what_is_taken_keeps_the_whole_batch_out,
        the_same_value_takes_its_own_place,
        tokens_are_paged_by_lookup_and_of_one_person,
        a_token_is_replaced_only_where_it_stands_as_it_was,
        tokens_of_a_person_are_deleted,
        what_has_ended_goes_unless_it_is_held,
        tokens_are_counted_by_kind_and_key,
    }
    accounts {
        an_account_changes_one_step_at_a_time,
        accounts_are_listed_and_removed_by_person,
    }
    clients {
        a_client_is_found_as_it_was_added,
        a_taken_or_empty_id_and_metadata_that_are_no_object_are_refused,
        a_client_is_replaced_whole,
        a_client_goes_with_what_it_was_granted,
        clients_that_ended_are_forgotten_with_what_they_were_granted,
    }
    consents {
        a_consent_grows_and_others_stand_beside_it,
        consents_to_a_client_are_removed,
        of_many_consents_at_once_every_scope_is_kept,
    }
    grants {
        a_grant_is_found_as_it_was_added,
        what_does_not_fit_is_refused_whole,
        standing_grants_are_listed_by_user_and_client_oldest_first,
        a_token_is_replaced_once_and_again_only_within_grace,
        a_token_that_was_replaced_revokes_its_grant,
        a_token_whose_successor_was_used_has_no_grace,
        what_ended_or_fits_nothing_is_not_rotated,
        of_many_rotations_at_once_one_is_the_first,
        a_grant_is_revoked_once,
        what_ended_is_forgotten_with_its_tokens,
    }
    sign_ins {
        a_session_is_found_until_it_ends,
        sessions_are_listed_removed_and_forgotten,
        factors_are_listed_as_they_were_added,
        a_factor_only_advances,
        a_person_of_elsewhere_is_one_user,
        a_user_goes_with_all_that_was_theirs,
    }
    tickets {
        a_ticket_is_found_until_it_is_taken_or_ends,
        a_ticket_that_ended_or_never_was_is_not_taken,
        of_many_that_take_a_ticket_at_once_one_gets_it,
        tickets_are_counted_and_forgotten_taken_ones_later,
    }
}
