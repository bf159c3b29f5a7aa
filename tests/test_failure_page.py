"""The table of docs/failure.md: each row has tests, which are there."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PAGE = TESTS.parent / "docs" / "failure.md"

# By the first column of the row.
ROWS = {
    "the server is killed and comes back": (
        "faults/test_bad_server.py::test_a_server_that_is_down",
        "faults/test_l1_history.py::test_the_server_is_killed_and_comes_back",
        "faults/test_embedded_kill.py::test_a_killed_server_comes_back_with_its_data",
    ),
    "the server hangs (frozen, busy with a script)": (
        "faults/test_bad_server.py::test_a_server_that_is_frozen",
        "faults/test_silence.py::test_silence_opens_it_for_collections_too",
        "test_quick_ear.py::test_a_frozen_server_is_served_from_for_staleness_at_most",
        "faults/test_l1_history.py::test_a_script_keeps_the_server_busy_while_a_write_is_acknowledged",
    ),
    "a connection is cut in the middle of a reply": (
        "faults/test_both_worlds.py::test_a_write_whose_reply_was_cut_counts_once",
        "faults/test_both_worlds.py::test_a_read_is_repeated_when_its_connection_breaks",
        "faults/test_silence.py::test_a_cut_connection_is_no_outage",
    ),
    "the network behind idle connections dies without a word": (
        "faults/test_silence.py::test_a_dead_network_costs_one_call_not_one_for_each_idle_connection",
    ),
    "a name has two addresses, and one is a black hole": (
        "faults/test_addresses.py::test_the_first_address_is_a_black_hole",
        "faults/test_addresses.py::test_in_event_loops_too",
    ),
    "a large reply, no free connection, a deadline, a blocked event loop": (
        "faults/test_silence.py::test_a_large_reply_that_is_arriving_is_no_silence",
        "faults/test_silence.py::test_waiting_for_a_connection_is_no_silence",
        "faults/test_silence.py::test_a_blocked_event_loop_is_no_silence",
        "faults/test_silence.py::test_many_tasks_at_once_are_no_silence",
    ),
    "the listener's connection is cut or frozen": (
        "faults/test_l1_history.py::test_the_listener_is_cut",
        "faults/test_l1_history.py::test_the_listener_is_frozen",
    ),
    "the address moves to another server, the old connections live": (
        "test_moving_address.py::test_a_process_that_asks_nothing_notices",
        "test_moving_address.py::test_a_new_link_to_another_server_ends_what_is_held",
    ),
    "the primary becomes a replica (failover by DNS or virtual IP)": (
        "test_moving_address.py::test_a_write_that_a_replica_refuses_goes_to_the_new_primary",
    ),
    "an invalidation cannot be sent": (
        "test_journal.py::test_nobody_gets_the_old_value_once_the_server_is_back",
        "test_journal.py::test_a_frozen_server",
        "test_journal.py::test_asyncio",
    ),
    "the process that kept it is killed": ("test_journal.py::test_a_child_begins_with_an_empty_journal",),
    "the server is full and evicts nothing": (
        "test_journal.py::test_a_full_server",
        "faults/test_bad_server.py::test_a_server_that_is_full",
        "test_orphans.py::test_a_full_server_keeps_no_lease",
    ),
    "a worker dies while it computes": (
        "test_orphans.py::test_nobody_waits_longer_than_a_lease_for_one_who_is_dead_or_stopped",
    ),
    "the server is away while a worker computes": (
        "test_orphans.py::test_an_outage_during_a_computation",
        "test_orphans.py::test_a_call_right_behind_an_outage_does_not_wait_for_its_own_process",
    ),
    "a computation holds the GIL for longer than its lease": (
        "test_orphans.py::test_a_computation_that_keeps_the_gil_is_kept_from_the_second_time_on",
    ),
    "many calls of one key while the server is away": (
        "test_unserved.py::test_threads_share_one_computation",
        "test_unserved.py::test_tasks_share_one_computation",
        "test_unserved_worlds.py::test_threads_and_tasks_share",
        "test_unserved_worlds.py::test_loops_of_their_own_threads_share",
        "test_unserved_worlds.py::test_a_change_in_between",
    ),
    "the source fails": (
        "test_waiting_errors.py::test_a_declared_error_reaches_all_processes",
        "test_waiting_errors.py::test_another_error_makes_no_convoy",
        "test_waiting_errors.py::test_no_error_is_older_than_an_invalidation",
        "test_cooldown.py::test_other_processes_leave_the_source_alone_too",
    ),
    "a process is stopped (SIGSTOP, a debugger, a suspended container)": (
        "faults/test_l1_history.py::test_the_process_is_stopped",
        "test_settle.py::test_a_process_that_is_stopped_is_waited_out_once",
        "test_lock.py::test_an_owner_that_is_stopped_for_longer_than_its_lease",
    ),
    "a time limit or Ctrl-C raises inside a call": (
        "test_interrupted.py::test_a_storm",
        "test_interrupted.py::test_a_miss",
        "test_interrupted.py::test_a_pool_with_one_link",
        "test_first_call.py::test_a_first_call_may_be_broken_off_while_it_imports",
    ),
    "a process forks while it listens": ("test_quick_ear.py::test_a_fork_serves_nothing_and_leaves_its_parent_alone",),
    "the power goes under an `embedded://` server": (
        "test_embedded_repair.py::test_zeros_behind_the_file",
        "test_embedded_repair.py::test_a_manifest_that_is_empty_or_gone",
        "test_embedded_repair.py::test_damage_at_any_place",
    ),
}

FAILOVERS = {
    "a primary of a cluster is killed": (
        "faults/test_cluster_failover.py::test_an_invalidation_that_no_replica_had_is_sent_again",
        "faults/test_cluster_failover.py::test_the_same_in_an_event_loop",
        "test_cluster_redirects.py::test_a_killed_primary",
        "test_cluster_l1.py::test_a_dead_primary_leaves_the_others_values",
    ),
    "the same, and the process that invalidated is idle": (
        "faults/test_cluster_failover.py::test_it_is_sent_without_calls",
    ),
    "a primary is frozen, and goes on after its failover": (
        "faults/test_cluster_failover.py::test_a_frozen_primary_that_goes_on_later",
        "test_cluster_l1.py::test_a_function_with_tags_on_all_nodes_while_one_is_frozen",
    ),
    "this process is cut off together with a primary": (
        "faults/test_cluster_failover.py::test_this_process_is_cut_off_together_with_a_primary",
    ),
    "the same with `cluster-allow-reads-when-down yes`": (
        "faults/test_cluster_failover.py::test_reads_of_a_node_that_was_cut_off_do_not_count",
        "faults/test_cluster_failover.py::test_the_option_keeps_such_reads",
    ),
    "a graceful failover": ("test_cluster_redirects.py::test_a_graceful_failover",),
    "slots move, one by one or in one step": (
        "test_cluster_redirects.py::test_a_lease_while_the_slot_moves",
        "test_cluster_redirects.py::test_increments_under_resharding",
        "faults/test_cluster_failover.py::test_slots_that_move_bring_nothing_up",
    ),
    "nodes come and go": ("faults/test_cluster_failover.py::test_nodes_come_and_go",),
    "all nodes are away, and back at other addresses": (
        "faults/test_cluster_failover.py::test_all_nodes_down_and_up_again",
        "test_cluster_redirects.py::test_all_nodes_gone_and_back",
    ),
    "one node is flushed": ("test_cluster_l1.py::test_a_flush_of_one_node",),
    "the primary behind sentinels is killed": ("faults/test_sentinel_failover.py::test_kill_9_under_increments",),
    "a failover by sentinels, the old primary alive": (
        "faults/test_sentinel_failover.py::test_an_old_primary_that_is_alive_is_left_with_the_word_of_the_sentinels",
    ),
    "cut off from sentinels and replicas together with the primary": (
        "faults/test_sentinel_failover.py::test_a_primary_that_is_cut_off_with_this_process",
    ),
    "no majority of the sentinels answers": ("faults/test_sentinel_failover.py::test_all_sentinels_gone_and_back",),
}


@cache
def functions(path: Path) -> set[str]:
    """The names of the test functions of a file."""
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(
    ("heading", "rows"), [("The worst day", ROWS), ("Clusters and sentinels", FAILOVERS)], ids=["one server", "several"]
)
def test_each_row_of_the_worst_day_is_tested(heading: str, rows: dict[str, tuple[str, ...]]) -> None:
    section = PAGE.read_text("utf-8").partition(f"## {heading}")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    faults = [line.split("|")[1].strip() for line in lines]
    assert faults == list(rows)
    for fault, tests in rows.items():
        for test in tests:
            file, _, name = test.partition("::")
            assert name in functions(TESTS / file), f"{fault}: there is no {test}"
