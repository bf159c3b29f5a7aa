"""What ``make test`` leaves out since it takes long; ``make servers`` runs all. Others are marked where they stand.

The times are those of a machine with two busy cores. Of most of these kinds a shorter test stays.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FEWER", "LONG", "mark"]

# More than ten seconds each.
LONG = frozenset(
    """
    contract/test_store.py::test_a_million_operations_leave_nothing_behind
    contract/test_tier.py::test_a_million_operations_leave_nothing_behind
    faults/test_asgi.py::test_no_request_fails_or_is_stale
    faults/test_torture.py::test_the_worst_day
    interleavings/test_keeping.py::test_what_is_kept_goes_first
    interleavings/test_locks.py::test_locks
    interleavings/test_locks.py::test_the_guard_is_needed
    interleavings/test_near.py::test_held_values
    interleavings/test_near_mutations.py::test_the_guard_is_needed
    interleavings/test_trouble.py::test_stale_values
    interleavings/test_trouble.py::test_troubles
    test_cached_identity.py::test_a_module_that_is_run_and_imported
    test_cached_identity.py::test_a_notebook
    test_cached_identity.py::test_names_of_two_files_do_not_meet
    test_cached_keys.py::test_the_same_key_in_every_process
    test_clusters.py::test_a_forked_child_leaves_the_cluster_of_its_parent_alone
    test_codec_signing.py::test_compression_changes_no_value
    test_codec_values.py::test_the_exact_form_does_not_depend_on_order
    test_counter_processes.py::test_nothing_is_lost
    test_deadline.py::test_it_lengthens_the_wait_for_a_reply
    test_demo.py::test_a_server_that_is_down
    test_docs.py::test_the_tests_that_testing_md_shows_pass
    test_embedded.py::test_a_path_too_long_for_a_socket
    test_embedded.py::test_multiprocessing_children_are_users_too
    test_embedded.py::test_processes_that_come_and_go_never_see_a_failure
    test_first_call.py::test_a_first_call_may_be_broken_off_while_it_imports
    test_first_call.py::test_no_call_imports_on_the_main_thread
    test_interrupted.py::test_a_field_that_fills_itself
    test_interrupted.py::test_a_place_in_the_queue_for_a_link
    test_interrupted.py::test_a_storm
    test_interrupted.py::test_many
    test_interruptions.py::test_serializers
    test_journal.py::test_beyond_the_limit_all_of_a_function_goes
    test_journal.py::test_close_and_the_end_of_the_process_try_once
    test_listener_prefixes.py::test_thousands_of_functions_and_closures_add_none
    test_loop_signals.py::test_the_connection_is_given_up_and_everybody_told
    test_mux.py::test_thousands_of_calls_at_once_are_a_long_queue_and_no_failure
    test_nodes.py::test_no_value_is_older_than_staleness
    test_orphans.py::test_nobody_waits_longer_than_a_lease_for_one_who_is_dead_or_stopped
    test_packaging.py::test_a_wheel
    test_packaging.py::test_an_sdist
    test_packaging.py::test_it_installs_without
    test_packaging.py::test_pytest_finds_the_fixture_of_an_installed_package
    test_quick_ear.py::test_a_fork_serves_nothing_and_leaves_its_parent_alone
    test_quick_ear.py::test_a_frozen_server_is_served_from_for_staleness_at_most
    test_settle.py::test_a_listener_leaves_with_its_process_and_by_close
    test_settle.py::test_a_listener_that_is_forgotten_enters_anew
    test_settle.py::test_a_process_in_two_places_answers_in_both
    test_settle.py::test_a_process_that_is_stopped_is_waited_out_once
    test_settle.py::test_a_user_who_may_not_subscribe_keeps_its_tier
    test_settle.py::test_calls_at_a_time_share_rounds
    test_settle.py::test_the_callers_own_deadline_says_what_is_missing
    test_stampede.py::test_six_processes_and_forty_keys
    test_testing.py::test_a_process_that_does_not_answer_or_has_ended
    test_waiting_errors.py::test_a_declared_error_reaches_all_processes
    test_waiting_errors.py::test_an_error_that_is_not_declared_here
    test_waiting_errors.py::test_no_error_is_older_than_a_change_that_was_kept
    """.split()
)

# Of these, which run for many parameters, so many stay.
FEWER = {
    "faults/test_links_faults.py::test_silence_costs_the_deadline": 2,
    "faults/test_links_faults.py::test_silence_costs_the_timeout": 2,
    "interleavings/test_mutations.py::test_the_guard_is_needed": 6,
    "test_endings.py::test_the_end_of_the_interpreter": 3,
    "test_journal.py::test_nobody_gets_the_old_value_once_the_server_is_back": 4,
    "test_listener.py::test_a_change_made_by_a_bare_client_shows": 20,
    "test_other_loops.py::test_5000_calls_in_one_gather": 1,
}


def mark(items: Iterable[pytest.Item]) -> None:
    """Mark these as long."""
    seen: Counter[str] = Counter()
    for item in items:
        name = item.nodeid.partition("[")[0].removeprefix("tests/")
        seen[name] += 1
        if name in LONG or seen[name] > FEWER.get(name, seen[name]):
            item.add_marker(pytest.mark.long)
